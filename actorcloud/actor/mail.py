"""The queues in which mail waits: plain, bounded, and copied.

A plain mailbox is a `deque`, made at the first message. What a mailbox does more, it does in the
`append` of its class, so that `tell` costs nothing where it does not.

A system made with `copy_messages=True` gives its actors mailboxes that take a pickled copy of each
message and each answer, as another process would get it. It is for debugging and for tests: what
shares memory with its receiver by mistake shows there.

Thread: any.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from actorcloud.actor.context import local
from actorcloud.actor.future import Keeper, ReplyTo
from actorcloud.base import codec
from actorcloud.base.errors import Unpicklable


class Ask:
    """A message whose sender waits for an answer."""

    __slots__ = ("message", "reply_to")

    def __init__(self, message: Any, reply_to: ReplyTo) -> None:
        self.message = message
        self.reply_to = reply_to


class StopOrder:
    """The message of `ref.stop()`: the end, after all that was queued before."""

    __slots__ = ("reason",)

    def __init__(self, reason: object) -> None:
        self.reason = reason


class Owner(Protocol):
    """Whose mail it is: a cell."""

    #: Its `ActorRef`.
    ref: Any
    #: Its `System`.
    system: Any

    def overflow(self, limit: int) -> None:
        """See to more than `limit` messages."""
        ...

    def is_dead(self) -> bool:
        """Whether the actor has ended."""
        ...


def new_mail(owner: Owner, limit: int | None, *, copies: bool) -> deque[Any]:
    """Return an empty mailbox.

    Args:
        owner: whose.
        limit: more messages than that are too many; None for no limit.
        copies: whether it takes copies.
    """
    if copies:
        return CopiedMail(owner, limit)
    return deque() if limit is None else BoundedMail(owner, limit)


class BoundedMail(deque[Any]):
    """A mailbox with a limit: the message that is too many kills its actor."""

    def __init__(self, owner: Owner, limit: int | None) -> None:
        super().__init__()
        self._owner = owner
        self._limit = limit

    def append(self, message: Any, /) -> None:
        """Put a message, or end the actor."""
        super().append(message)
        if self._limit is not None and len(self) > self._limit and not self._owner.is_dead():
            self._owner.overflow(self._limit)


class CopiedMail(BoundedMail):
    """A mailbox of copies, with or without a limit."""

    def append(self, message: Any, /) -> None:
        """Put a copy.

        Raises:
            Unpicklable: at the sender; the message cannot travel.
        """
        if type(message) is Ask:
            content = self._copied(message.message)
            super().append(Ask(content, CopiedReply(message.reply_to, self._owner)))
        else:
            super().append(message if type(message) is StopOrder else self._copied(message))

    def _copied(self, message: object) -> Any:
        return copied(message, self._owner.system, f"the message to {self._owner.ref}")


class CopiedReply:
    """Answers with a copy; a `ReplyTo` around another, which it keeps.

    An error is handed over as it is: a copy would lose its traceback.
    """

    #: The cell that owes this answer; set by the actor runtime.
    keeper: Keeper | None = None

    def __init__(self, inner: Any, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner
        if hasattr(inner, "keeper"):
            inner.keeper = self

    def set(self, value: Any = None) -> object:
        """Answer with a copy of `value`; with `Unpicklable` if that cannot be had."""
        return self._pass_on(self._inner.set, value)

    def set_exception(self, error: BaseException) -> object:
        """Answer with an error."""
        return self._inner.set_exception(error)

    def push(self, value: Any) -> None:
        """Send a copy of a part of the answer."""
        self._pass_on(self._inner.push, value)

    def is_done(self) -> bool:
        """Whether there is an answer already, as far as that can be known."""
        is_done: Callable[[], bool] | None = getattr(self._inner, "is_done", None)
        return is_done is not None and is_done()

    def release(self, _inner: ReplyTo) -> None:
        """The answer came from elsewhere: tell whoever owes it."""
        if self.keeper is not None:
            self.keeper.release(self)

    def _pass_on(self, send: Callable[[Any], object], value: Any) -> object:
        try:
            copy = copied(value, self._owner.system, f"the answer of {self._owner.ref}")
        except Unpicklable as error:
            return self._inner.set_exception(error)
        return send(copy)


def copied(message: object, system: Any, what: str) -> Any:
    """Return what another process would get: a pickled copy, the user's own code by value.

    Args:
        message: anything.
        system: the receiver's, in which refs are found again.
        what: how an error names it.

    Raises:
        Unpicklable: naming `what` and the part that cannot be pickled.
    """
    data = codec.dump(message, what)
    outer = local.cell, local.system
    local.cell, local.system = None, system
    try:
        return codec.load_here(data)
    finally:
        local.cell, local.system = outer
