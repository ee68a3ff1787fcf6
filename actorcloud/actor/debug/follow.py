"""Following actors: what they send, receive, start, link with and how they end, told to whoever asked.

A subscription ends by itself after so many events, and never makes an actor wait. It may be told to
an actor, whose mailbox is bounded by that number, or to a function, which runs where the event
happens: it should be quick. It ends before if nobody is left to tell or to tell of: the function has
raised, the actor that was told is dead, or the one that was followed.

Thread: any.

Reference: Erlang's `trace/3` with `send`, `receive`, `procs` and `new`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_args

import msgspec

from actorcloud.actor.cell import tracing
from actorcloud.actor.cell.event import Event
from actorcloud.actor.cell.instrument import DONE, Instrument
from actorcloud.actor.cell.tracing import TraceKind
from actorcloud.actor.errors import ActorDeadError, Unwound
from actorcloud.actor.future.future import Future
from actorcloud.actor.ref.named_ref import holder_of
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import SystemRequest
from actorcloud.actor.system.system import System
from actorcloud.actor.thread.context import GUARD, as_nobody_in, current_system
from actorcloud.base.brief import brief
from actorcloud.base.errors import ActorError, ConfigError

logger = logging.getLogger("actorcloud.actor")

#: Events after which a subscription ends, unless told otherwise.
EVENTS_DEFAULT = 1_000

#: The most that it may be told to end after.
EVENTS_LIMIT = 1_000_000

#: What may be followed, and what is told then.
_KINDS: dict[str, frozenset[str]] = {
    "send": frozenset({"send"}),
    "receive": frozenset({"receive"}),
    "spawn": frozenset({"spawn", "spawned"}),
    "exit": frozenset({"exit"}),
    "link": frozenset({"link", "unlink"}),
}

Followed = Literal["send", "receive", "spawn", "exit", "link"]


class TraceEvent(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Something that a followed actor did."""

    #: Counts from 1 in each subscription; two threads may tell theirs in another order.
    number: int
    #: As in `TraceKind`; "over" is the last one, when the number of events is reached.
    kind: TraceKind | Literal["over"]
    #: Whose event it is; None for "over".
    ref: ActorRef[Any] | None
    #: UTC seconds since 1970.
    at: float
    #: Who it was sent to, who was started, who started it, who it is linked with.
    other: ActorRef[Any] | None = None
    #: The message; of an exit, the reason.
    value: Any = None

    def __str__(self) -> str:
        who = "" if self.ref is None else f"{self.ref} "
        other = "" if self.other is None else f" {self.other}"
        value = "" if self.value is None else f" {brief(self.value)}"
        return f"{self.number}. {who}{self.kind}{other}{value}"


class Subscription:
    """What `follow` returns: ends it, and tells how far it is."""

    def __init__(
        self, system: System, to: Any, kinds: frozenset[str], limit: int, whom: ActorRef[Any] | None = None
    ) -> None:
        self._system = system
        #: The one that is followed; None: new ones.
        self._whom = whom
        self._to = to
        self._kinds = kinds
        self._limit = limit
        self._count = 0
        self._is_over = False

    def __repr__(self) -> str:
        return f"<Subscription to {', '.join(sorted(self._kinds))}: {self._count} of {self._limit} events>"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told."""
        return self._is_over

    def cancel(self) -> None:
        """End it; what is under way on another thread may still be told. Again does nothing."""
        with GUARD:
            was_over, self._is_over = self._is_over, True
        if was_over:
            return
        tracing.drop_newcomers(self)
        for cell in [cell for cell, followers in list(tracing.followed.items()) if self in followers]:
            tracing.drop(cell, self)
            if "receive" in self._kinds and not cell.is_dead():
                cell.ref.signal(SystemRequest("remove", (self,), Future()))

    # -- what `tracing` calls -----------------------------------------------------------------------

    def take(self, kind: TraceKind, cell: Any, other: Any, value: Any) -> None:
        """See `tracing.Follower`."""
        if kind in self._kinds and cell.ref != self._to:
            with GUARD:
                if self._is_over or self._count >= self._limit:
                    return
                self._count += 1
                number = self._count
            self._tell(self._event(number, kind, cell.ref, other, value))
            if number == self._limit:
                self._finish()
        if kind == "exit":
            tracing.drop(cell, self)
            if cell.ref == self._whom:
                self.cancel()

    def greet(self, cell: Any) -> None:
        """See `tracing.Follower`."""
        if cell.is_thread() or not tracing.add(cell, self):
            return
        if self._is_over:
            # It ended, perhaps just now, and knew of no such actor.
            tracing.drop(cell, self)
            return
        if "receive" in self._kinds and not hasattr(cell.kind, "isolated"):
            with GUARD:
                if cell.debug is None:
                    cell.debug = Instrument()
            cell.debug.install(cell, self, self.see, None)

    def see(self, state: Any, event: Event, ref: ActorRef[Any]) -> Any:
        """The debug function by which receipts are seen."""
        if event.kind == "in":
            self.take("receive", ref._cell, None, event.value)  # noqa: SLF001  one package
        return DONE if self._is_over else state

    def _finish(self) -> None:
        self.cancel()
        self._tell(self._event(self._count + 1, "over", None, None, None))

    def _event(self, number: int, kind: Any, ref: Any, other: Any, value: Any) -> TraceEvent:
        return TraceEvent(number=number, kind=kind, ref=ref, at=self._system.clock.time(), other=other, value=value)

    def _tell(self, event: TraceEvent) -> None:
        """Tell an event as nobody: what the follower does is not the followed actor's, but in its system."""
        if isinstance(self._to, ActorRef) and not self._to.is_alive():
            self.cancel()
            return
        try:
            with as_nobody_in(self._system):
                if isinstance(self._to, ActorRef):
                    self._to.tell(event)
                else:
                    self._to(event)
        except (Unwound, KeyboardInterrupt):
            raise
        except BaseException:
            # Of any kind: one that ends an actor would end the followed one, perhaps in the middle of its end.
            logger.exception("%r raised when it was told of %s, and is told nothing more", self._to, event)
            self.cancel()


def follow(
    whom: ActorRef[Any] | Literal["new"],
    to: ActorRef[Any] | Callable[[TraceEvent], object],
    *,
    events: Iterable[Followed] = get_args(Followed),
    limit: int = EVENTS_DEFAULT,
    system: System | None = None,
) -> Subscription:
    """Tell what an actor does, or what all do that start from now on.

    What is received is told from when the actor comes to it, which a busy one does after its message. It
    waits for nobody. An answer to an ask is no "send". An actor that is told of others is not told of itself.
    What an isolated actor, or a thread that `process()` made one, receives is not seen: no "receive" is told of it.

    Args:
        whom: an actor of this process, or "new": those that start after this.
        to: who is told a `TraceEvent` each time; a function is called where it happens, and must not block.
        events: which; all unless given.
        limit: events after which it is over; the last one says so.
        system: whose new actors; the current one unless given.

    Returns:
        The subscription, to cancel it.

    Raises:
        ActorError: the actor lives in another process; an isolated one can be followed without "receive".
        ActorDeadError: it is dead, or nobody has its name.
        ConfigError: `events` or `limit` mean nothing.
        TypeError: `whom` or `to` is none of what they may be.
    """
    kinds = _checked_kinds(events)
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= EVENTS_LIMIT:
        raise ConfigError(f"limit is {limit!r}; it must be a number of events from 1 to {EVENTS_LIMIT}")
    if not isinstance(to, ActorRef) and not callable(to):
        raise TypeError(f"events are told to an ActorRef or to a function, not to {to!r}")
    if isinstance(whom, ActorRef):
        return _follow_one(holder_of(whom), to, kinds, limit)
    if whom != "new":
        raise TypeError(f'one follows an ActorRef, or "new", not {whom!r}')
    home = system or current_system()
    subscription = Subscription(home, to, kinds, limit)
    tracing.add_newcomers(home, subscription)
    return subscription


def _follow_one(ref: ActorRef[Any], to: Any, kinds: frozenset[str], limit: int) -> Subscription:
    cell: Any = ref._cell if ref._is_local else None  # noqa: SLF001  one package
    if cell is None:
        raise ActorError(f"{ref} lives in another process: follow it there")
    if "receive" in kinds and hasattr(cell.kind, "isolated"):
        text = 'what it receives is not seen here; follow it with events that leave "receive" out'
        raise ActorError(f"{ref} lives in another process: {text}")
    subscription = Subscription(cell.system, to, kinds, limit, ref)
    if not tracing.add(cell, subscription):
        raise ActorDeadError(f"{ref} is dead: there is nothing to follow", cell.reason)
    if "receive" in kinds and not cell.is_thread():
        # Nobody waits for the answer: a busy actor comes to it after its message.
        ref.signal(SystemRequest("install", (subscription, subscription.see, None), Future()))
    return subscription


def _checked_kinds(events: Iterable[str]) -> frozenset[str]:
    wanted = [events] if isinstance(events, str) else list(events)
    unknown = [event for event in wanted if event not in _KINDS]
    if unknown or not wanted:
        raise ConfigError(f"events are {wanted!r}; they must be some of {', '.join(_KINDS)}")
    return frozenset().union(*(_KINDS[event] for event in wanted))
