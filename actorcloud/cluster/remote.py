"""References to actors of other peers. The same verbs as at home; what differs is what can fail.

A `tell` to a peer that is gone is dropped, as to a dead actor; an ask fails at once with
`ActorDeadError(NOCONNECTION)`; a monitor fires with `NOCONNECTION`. Order is kept from one sender to
one receiver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from actorcloud.actor import (
    DEFAULT,
    Actor,
    ActorDeadError,
    ActorRef,
    AskTimeout,
    Demonitor,
    Down,
    DownSignal,
    ExitSignal,
    Future,
    Link,
    Monitor,
    MonitorRef,
    ReplyTo,
    Signal,
    System,
    SystemRequest,
    Timeout,
    Waits,
    new_monitor,
    resolve,
)
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId, Peer
from actorcloud.cluster.line import Asking, Line, OnReply, To

#: Seconds for which a full connection holds up a sender, as Erlang's busy port does; then it is reset.
BUSY_TIMEOUT = 5.0

#: Seconds between two looks whether it is still full: the first and the longest.
_BUSY_FIRST, _BUSY_LONGEST = 0.001, 0.05


class Target(Protocol):
    """Anything that takes a signal."""

    def signal(self, signal: Signal) -> None:
        """See `actor.Target`."""
        ...


class Lines(Protocol):
    """What refs need of a process's `Neighbours`."""

    @property
    def system(self) -> System:
        """The actors of this process."""
        ...

    def line(self, peer: Peer) -> Line | None:
        """Return the line to a peer; None if there is no stream to it."""
        ...


class RemoteRef(ActorRef[Any]):
    """A reference to an actor of another peer. Thread: any.

    Args:
        neighbours: of this process.
        peer: that start of that process.
        to: the actor's registered name, or its serial number.
    """

    _is_local = False

    def __init__(self, neighbours: Lines, peer: Peer, to: To) -> None:
        # No cell: that is at the other peer.
        self._neighbours = neighbours
        self._peer = peer
        self._to = to
        self._watches: dict[MonitorRef, tuple[Line, int]] = {}

    # -- identity -----------------------------------------------------------------------------------

    @property
    def peer(self) -> Peer:
        """Where the actor lives."""
        return self._peer

    @property
    def id(self) -> ActorId:
        """The actor's identity; serial 0 if it is known by name only."""
        return ActorId(self._peer, self._to if isinstance(self._to, int) else 0)

    @property
    def actor_class(self) -> type[Any]:  # type: ignore[override]  # as in ActorRef
        """`Actor`: the real class is known there, not here."""
        return Actor

    @property
    def reports_itself(self) -> bool:
        """See `ActorRef`: who logs what on another peer is not known here."""
        return False

    @property
    def reports_children(self) -> bool:
        """False: its own peer sees to that."""
        return False

    def __str__(self) -> str:
        return str(self.id) if isinstance(self._to, int) else f"<{self._peer.name}.{self._to!r}>"

    def __repr__(self) -> str:
        return f"<RemoteRef {self}>"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RemoteRef):
            return (self._peer, self._to) == (other._peer, other._to)
        return isinstance(self._to, int) and isinstance(other, ActorRef) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id) if isinstance(self._to, int) else hash((self._peer, self._to))

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._to, int):
            return resolve, (self.id,)
        return resolve_name, (self._peer, self._to)

    def is_alive(self) -> bool:
        """Whether its peer is connected: no more can be known without asking."""
        return self._line() is not None

    def _actor_weakref(self) -> Any:  # type: ignore[override]
        raise TypeError(f"{self} lives at another peer: its attributes cannot be looked at; send it messages")

    # -- the two primitives -------------------------------------------------------------------------

    def deliver(self, message: Any, reply_to: ReplyTo | None = None) -> None:
        """See `ActorRef.deliver`."""
        if reply_to is None:
            self.tell(message)
            return

        def on_reply(value: object, more: bool) -> None:  # noqa: FBT001  as `OnReply` says
            if isinstance(value, BaseException):
                reply_to.set_exception(value)
            elif more:
                reply_to.push(value)
            else:
                reply_to.set(value)

        self.ask_stream(message, on_reply)

    def signal(self, signal: Signal) -> None:
        """See `ActorRef.signal`. A link cannot span peers yet: it fails with `NOCONNECTION`; monitor instead."""
        match signal:
            case Monitor(ref, watcher, target):
                self._watch(ref, watcher, target)
            case Demonitor(ref):
                line, number = self._watches.pop(ref, (None, 0))
                if line is not None:
                    line.unwatch(number)
            case ExitSignal(sender, reason, False):
                line = self._line()
                if line is not None:
                    line.exit(self._to, None if sender is None else sender.id, reason)
            case SystemRequest():
                signal.reply_to.set_exception(
                    ActorError(f"{self} lives on another machine: debug calls reach only actors of this process")
                )
            case Link(sender):
                sender.signal(ExitSignal(self, ExitReason.NOCONNECTION, linked=True))

    # -- verbs --------------------------------------------------------------------------------------

    def tell(self, message: Any) -> None:
        """Send a message and go on.

        Raises:
            Unpicklable: if it cannot travel.
        Blocks:
            while the connection is full, at most `BUSY_TIMEOUT`; then that is reset.
        """
        self._pass_fence(message)
        line = self._line()
        if line is None:
            self._neighbours.system.add_dead_letter(self, message)
        elif not line.tell(self._to, message):
            self._press(line, lambda: line.tell(self._to, message), message)

    def ask(self, message: Any, *, block: bool = True, timeout: Timeout = DEFAULT) -> Any:
        """See `ActorRef.ask`; an error of the actor's arrives as its text.

        Raises:
            AskTimeout: no answer in time; the actor is told that none is wanted any more.
            ActorDeadError: the actor is dead, or its peer not connected.
            RemoteError: what the actor raised.
            Unpicklable: if the message cannot travel.
            ValueError: `timeout` is no number of seconds >= 0; nothing was sent.
        """
        future: Future[Any] = Future(self._waits(), self._limit(timeout), self)

        def on_reply(value: object, more: bool) -> None:  # noqa: FBT001  as `OnReply` says
            if isinstance(value, BaseException):
                future.set_exception(value)
            elif more:
                future.set_exception(TypeError(f"{self} answers {type(message).__name__} in parts; use ask_stream"))
                asking.forget()
            else:
                future.set(value)

        asking = self.ask_stream(message, on_reply)
        if not block:
            return future
        try:
            return future.get()
        except AskTimeout:
            asking.forget()
            raise

    def ask_stream(self, message: Any, on_reply: OnReply) -> Asking:
        """Ask for an answer in parts.

        Args:
            message: anything.
            on_reply: called with each part and whether another follows; an exception is always the
                last. It runs on the gateway's thread, or on the caller's if nothing could be sent;
                it must not block.

        Returns:
            The handle by which further parts are refused.
        """
        self._pass_fence(message)
        line = self._line()
        if line is None:
            on_reply(ActorDeadError(f"{self._peer} is not connected", ExitReason.NOCONNECTION), False)
            return _Nothing()
        return line.ask(self._to, message, on_reply)

    def stop(self, *, reason: object = ExitReason.NORMAL, block: bool = True, timeout: float | None = None) -> Any:
        """Order the actor to end, with `SHUTDOWN` unless another reason is given, and wait until it has.

        What is queued at the actor is not handled first, unlike at home.

        Returns:
            True if it was alive, or a `Future` of that.

        Raises:
            AskTimeout: it did not end in time.
            ValueError: `timeout` is no number of seconds >= 0; nothing was sent.
        """
        future: Future[bool] = Future(self._waits(), self._limit(timeout), f"the end of {self}")
        name = new_monitor()
        self.signal(Monitor(name, _Ending(future), self))
        self.exit(ExitReason.SHUTDOWN if reason is ExitReason.NORMAL else reason)
        return self._see_end(name, future) if block else future

    def neighbour(self, name: str) -> RemoteRef:
        """Return a ref to the actor that is registered as `name` at the same peer."""
        return RemoteRef(self._neighbours, self._peer, name)

    def _line(self) -> Line | None:
        return self._neighbours.line(self._peer)

    def _waits(self) -> Waits | None:
        return self._neighbours.system.dispatcher

    def _is_me(self) -> bool:
        return False

    def _is_running(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        # What a supervisor's or a registry's ref can do beside is done by looking into its process.
        raise AttributeError(
            f"{self!r} has no {name!r}: the actor lives on another peer; it can be told, asked, monitored "
            "and linked from here, but what only a registry or a supervisor has works where it lives"
        )

    def _watch(self, ref: MonitorRef, watcher: Target, target: object) -> None:
        line = self._line()
        if line is None:
            watcher.signal(DownSignal(Down(ref, target, ExitReason.NOCONNECTION)))
            return

        has_fired = False

        def on_end(reason: object) -> None:
            nonlocal has_fired
            has_fired = True
            self._watches.pop(ref, None)
            watcher.signal(DownSignal(Down(ref, target, reason)))

        number = line.watch(self._to, on_end)
        self._watches[ref] = (line, number)
        if has_fired:
            # It fired between the two lines above, or within the first.
            self._watches.pop(ref, None)

    def _press(self, line: Line, send: Callable[[], bool], message: object) -> None:
        """Wait for room on a full line: losing this one message only would break the order."""
        system = self._neighbours.system
        deadline = system.clock.monotonic() + BUSY_TIMEOUT
        pause = _BUSY_FIRST
        while not line.is_lost and system.clock.monotonic() < deadline:
            system.sleep(pause)
            pause = min(pause * 2, _BUSY_LONGEST)
            if send():
                return
        system.add_dead_letter(self, message)
        if not line.is_lost:
            line.overflow(f"it was full for {BUSY_TIMEOUT:g} s")


class _Ending:
    """Watches for the end of an actor that was told to stop."""

    __slots__ = ("_future",)

    def __init__(self, future: Future[bool]) -> None:
        self._future = future

    def signal(self, signal: Signal) -> None:
        if isinstance(signal, DownSignal):
            self._future.set(signal.down.reason not in {ExitReason.NOPROC, ExitReason.NOCONNECTION})


class _Nothing(Asking):
    """The handle of an ask that could not be sent."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    def forget(self) -> None:
        """Nothing to forget."""


def resolve_name(peer: Peer, name: str) -> ActorRef[Any]:
    """Return the ref of a peer's actor in the current system; what pickle calls."""
    from actorcloud.actor import current_system  # noqa: PLC0415

    system = current_system()
    if peer == system.peer:
        return system.named(name)
    make = system.remote_refs
    ref = None if make is None else make(ActorId(peer, 0))
    if not isinstance(ref, RemoteRef):
        return system.ref(ActorId(peer, 0))
    return ref.neighbour(name)
