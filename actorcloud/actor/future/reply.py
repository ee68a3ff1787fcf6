"""Where the answer to an ask goes, and who owes it. Protocols only."""

from __future__ import annotations

from typing import Any, Protocol


class ReplyTo(Protocol):
    """Where the answer to an ask goes; a `Future` here, a message back for an asker elsewhere.

    Thread: any; the methods never raise but as said and never block.
    """

    def set(self, value: Any = None, /) -> object:
        """Answer; ignored if there was an answer already."""
        ...

    def set_exception(self, error: BaseException, /) -> object:
        """Answer with an error; ignored if there was an answer already."""
        ...

    def push(self, value: Any, /) -> None:
        """Send a part of the answer, more to follow.

        Raises:
            TypeError: if the asker takes only one answer.
        """
        ...


class Keeper(Protocol):
    """Who owes an answer, and wants to know when another gave it."""

    def release(self, reply_to: ReplyTo, /) -> None:
        """Forget this debt."""
        ...
