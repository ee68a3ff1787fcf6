"""Answers that cross between an isolated actor and the process that keeps it.

Thread: any.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actorcloud.actor.isolation import parcel
from actorcloud.base.errors import ActorCloudError
from actorcloud.protocol.isolation import Answer, Refusal
from actorcloud.protocol.message import Message


class Reply:
    """Sends the answer to an ask from the other process; a `ReplyTo`.

    Args:
        send: to that process.
        ask: its number there.
        what: how an error names the answer.
    """

    __slots__ = ("_ask", "_send", "_what")

    def __init__(self, send: Callable[[Message], None], ask: int, what: str) -> None:
        self._send = send
        self._ask = ask
        self._what = what

    def set(self, value: Any = None) -> None:
        """See `ReplyTo.set`; what cannot travel is an error there."""
        try:
            self._send(Answer(self._ask, parcel.pack(value, self._what)))
        except ActorCloudError as error:
            self.set_exception(error)

    def set_exception(self, error: BaseException) -> None:
        """See `ReplyTo.set_exception`."""
        self._send(Refusal(self._ask, parcel.pack_fault(error)))

    def push(self, value: Any) -> None:
        """See `ReplyTo.push`."""
        raise TypeError(f"the asker is in another process and takes one answer, not a stream; {value!r} was not sent")
