"""The open end of an ask to the manager, answered in a later turn."""

from __future__ import annotations

from typing import Any

from actorcloud.actor import Actor, ReplyTo
from actorcloud.protocol.message import Message


class Reply:
    """Answers one ask; through the actor, which then owes it no more.

    Args:
        actor: who was asked.
        to: its `sender` then.
    """

    __slots__ = ("_actor", "to")

    def __init__(self, actor: Actor, to: ReplyTo) -> None:
        self._actor = actor
        self.to = to

    def push(self, value: Message) -> None:
        """Send a part of the answer; only where the asker takes parts."""
        self.to.push(value)

    def set(self, value: Message) -> None:
        """Send the answer, or its last part."""
        self._actor.reply(self.to, value)

    def set_exception(self, error: BaseException) -> None:
        """Answer with an error of ours."""
        answer: Any = error
        self._actor.reply(self.to, answer)
