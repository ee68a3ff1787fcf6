"""The queues in which mail waits: plain, bounded, copied, and closed.

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

import msgspec

from actorcloud.actor.future.reply import Keeper, ReplyTo
from actorcloud.actor.signals import MonitorRef
from actorcloud.actor.thread.context import as_nobody_in
from actorcloud.base.errors import Unpicklable
from actorcloud.base.exits import ExitReason


class MailboxLimit(msgspec.Struct, frozen=True):
    """How many messages may wait for an actor, and what happens when there are more.

    >>> class Slow(Actor):
    ...     max_mailbox = MailboxLimit(1_000, kill=False)

    Reference: Erlang's `max_heap_size`.
    """

    #: Messages; that many are allowed.
    size: int
    #: Whether the actor is killed.
    kill: bool = True
    #: Whether an error is logged; without `kill` again whenever the number has doubled.
    log: bool = True

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a mailbox must have room for a message: size={self.size} is less than 1")

    @classmethod
    def of(cls, limit: int | MailboxLimit) -> MailboxLimit:
        """Return `limit`, where a number means one that kills.

        Raises:
            ValueError: it is less than 1.
        """
        return limit if isinstance(limit, MailboxLimit) else cls(limit)


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


class Tied(msgspec.Struct, frozen=True, eq=False):
    """A message that counts only while its receiver has this monitor, or the monitor's `Down` is queued.

    So who takes the monitor back, and flushes, has also taken back what came in meanwhile.
    """

    ref: MonitorRef
    message: Any


class Owner(Protocol):
    """Whose mail it is: a cell."""

    #: Its `ActorRef`.
    ref: Any
    #: Its `System`.
    system: Any

    def overflow(self, limit: MailboxLimit, count: int) -> None:
        """See to `count` messages, which is more than `limit` allows."""
        ...

    def refuse(self, message: Any, reason: object) -> None:
        """Answer or count a message that will not be read."""
        ...

    def is_ending(self) -> bool:
        """Whether the actor has ended, or was told to."""
        ...


def new_mail(owner: Owner, limit: int | MailboxLimit | None, *, copies: bool) -> deque[Any]:
    """Return an empty mailbox.

    Args:
        owner: whose.
        limit: messages that may wait; None for no limit.
        copies: whether it takes copies.
    """
    if copies:
        return CopiedMail(owner, limit)
    return deque() if limit is None else BoundedMail(owner, limit)


class BoundedMail(deque[Any]):
    """A mailbox with a limit: the message that is too many is told to its actor's cell."""

    def __init__(self, owner: Owner, limit: int | MailboxLimit | None) -> None:
        super().__init__()
        self._owner = owner
        self._limit = None if limit is None else MailboxLimit.of(limit)
        #: The number of messages that is too many next.
        self._due = self._limit.size if self._limit else 0

    def append(self, message: Any, /) -> None:
        """Put a message."""
        super().append(message)
        self.check()

    def check(self) -> None:
        """See whether there are too many; whoever puts past `append` calls it."""
        limit, count = self._limit, len(self)
        if limit is None:
            return
        if count <= limit.size:
            self._due = limit.size
        elif count > self._due and not self._owner.is_ending():
            self._due = 2 * count
            self._owner.overflow(limit, count)


class ClosedMail(deque[Any]):
    """The mailbox of an actor that was told to exit while its handler runs: what comes now is refused at once."""

    def __init__(self, owner: Owner, unread: deque[Any] | None) -> None:
        super().__init__()
        self._owner = owner
        #: What came before, refused when the handler has unwound.
        self.unread: deque[Any] = deque() if unread is None else unread

    def append(self, message: Any, /) -> None:
        """Refuse a message."""
        self._owner.refuse(message, ExitReason.NOPROC)


class CopiedMail(BoundedMail):
    """A mailbox of copies, with or without a limit."""

    def append(self, message: Any, /) -> None:
        """Put a copy.

        Raises:
            Unpicklable: at the sender; the message cannot travel.
        """
        super().append(self.copied(message))

    def copied(self, message: Any) -> Any:
        """Return a copy of a message, as `append` puts it."""
        if type(message) is Ask:
            return Ask(self.copied(message.message), CopiedReply(message.reply_to, self._owner))
        if type(message) is StopOrder:
            return message
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
    from actorcloud.base import codec  # noqa: PLC0415  loads pickle, and only copying systems need it

    data = codec.dump(message, what)
    with as_nobody_in(system):
        return codec.load_here(data)
