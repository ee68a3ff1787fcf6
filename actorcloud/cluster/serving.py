"""The answering half: what one peer asks of actors here, and the handles for their answers.

An ask is delivered to the actor with a `RemoteReply`, which may be answered later, from any thread,
in parts. It closes when the asker gives up or its peer is gone: answers are dropped from then on,
and an actor whose class says `gets_abandoned = True` gets `Abandoned(reply_to)`.

Thread: `Serving` is the gateway's; a `RemoteReply` any.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import Any

import msgspec

from actorcloud.actor import (
    ActorDeadError,
    ActorRef,
    Demonitor,
    DownSignal,
    ExitSignal,
    Monitor,
    MonitorRef,
    Signal,
    System,
    new_monitor,
)
from actorcloud.base.errors import ActorCloudError, WireError
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId, Peer
from actorcloud.base.ports import Abandoned, FromPeer
from actorcloud.cluster.line import Line, To
from actorcloud.cluster.neighbours import Neighbours
from actorcloud.cluster.payload import pack, pack_error, unpack
from actorcloud.cluster.reason import pack_reason, unpack_reason
from actorcloud.protocol.message import Message
from actorcloud.protocol.signal import Ask, Ended, ExitOrder, Failed, Forget, Reply, Tell, Unwatch, Watch

#: Asks of one peer that may wait for their answer; more are refused.
OPEN_LIMIT = 100_000

#: Watches of one peer.
WATCHES_LIMIT = 100_000


class RemoteReply:
    """The open end of an ask from another peer; an `actor.ReplyTo`. Thread: any.

    Args:
        line: to the asker.
        peer: who asks.
        number: the asker's name of the ask.
        on_done: told once, when it was answered.
    """

    #: The cell that owes this answer; set by the actor runtime.
    keeper: Any = None

    def __init__(self, line: Line, peer: Peer, number: int, on_done: Callable[[int], None]) -> None:
        self._line = line
        self._number = number
        self._on_done = on_done
        self._lock = threading.Lock()  # guards _is_closed
        self._is_closed = False
        #: Who asks.
        self.peer = peer

    def __repr__(self) -> str:
        return f"<RemoteReply to {self.peer}, ask {self._number}{' closed' if self._is_closed else ''}>"

    @property
    def is_closed(self) -> bool:
        """Whether it was answered, or nobody waits any more."""
        return self._is_closed

    def is_done(self) -> bool:
        """See `is_closed`; the actor runtime asks."""
        return self._is_closed

    def set(self, value: Any = None) -> bool:
        """Send the answer, or its last part; False if it is closed."""
        if not self._finish():
            return False
        try:
            self._send(Reply(self._number, pack(value)))
        except ActorCloudError as error:
            # The value cannot travel: that is the answer then.
            self._send(pack_error(self._number, error))
        return True

    def push(self, value: Any) -> None:
        """Send a part of the answer, more to follow; dropped if it is closed.

        Raises:
            Unpicklable: if it cannot travel.
        """
        if not self._is_closed:
            self._send(Reply(self._number, pack(value), True))

    def set_exception(self, error: BaseException) -> bool:
        """Answer with an error; False if it is closed."""
        if not self._finish():
            return False
        self._send(pack_error(self._number, error))
        return True

    def close(self) -> bool:
        """Nobody waits any more; False if it was closed."""
        with self._lock:
            was_open, self._is_closed = not self._is_closed, True
        if was_open and self.keeper is not None:
            self.keeper.release(self)
        return was_open

    def _finish(self) -> bool:
        if not self.close():
            return False
        self._on_done(self._number)
        return True

    def _send(self, message: Message) -> None:
        if not self._line.send(message) and not self._line.is_lost:
            # An asker must not wait for an answer that was dropped.
            self._line.overflow("an answer did not fit")


class _Watcher:
    """Tells a peer that an actor here has ended."""

    __slots__ = ("_line", "_number", "_on_done")

    def __init__(self, line: Line, number: int, on_done: Callable[[int], object]) -> None:
        self._line = line
        self._number = number
        self._on_done = on_done

    def signal(self, signal: Signal) -> None:
        if isinstance(signal, DownSignal):
            self._on_done(self._number)
            self._line.send(Ended(self._number, pack_reason(signal.down.reason)))


class Serving:
    """What one peer has under way with actors of this process.

    Args:
        neighbours: of this process.
        line: to that peer.
        peer: that peer.
        doors: names that it may send to; None: every actor.
        marks_sender: whether what it tells arrives as `FromPeer`.
    """

    def __init__(
        self, neighbours: Neighbours, line: Line, peer: Peer, *, doors: Collection[str] | None, marks_sender: bool
    ) -> None:
        self._system: System = neighbours.system
        self._neighbours = neighbours
        self._line = line
        self._peer = peer
        self._doors = doors
        self._marks_sender = marks_sender
        #: Removed by whoever answers: one dict operation, on any thread.
        self._open: dict[int, tuple[RemoteReply, ActorRef[Any]]] = {}
        self._watched: dict[int, tuple[ActorRef[Any], MonitorRef]] = {}

    def receive(self, message: Message) -> None:
        """Do what the peer asks for.

        Raises:
            WireError: if the message has no business here.
        """
        match message:
            case Ask():
                self._ask(message)
            case Tell(to, body):
                self._tell(to, body)
            case Forget(number):
                self._abandon(number)
            case Watch(number, to):
                self._watch(number, to)
            case Unwatch(number):
                ref, monitor = self._watched.pop(number, (None, None))
                if ref is not None and monitor is not None:
                    ref.signal(Demonitor(monitor))
            case ExitOrder(to, sender, reason):
                self._exit(to, sender, unpack_reason(reason))
            case _:
                raise WireError(f"a peer does not send {type(message).__name__} to a gateway")

    def close(self) -> None:
        """The stream is gone: nobody waits for these answers and ends."""
        for number in tuple(self._open):
            self._abandon(number)
        while self._watched:
            _, (ref, monitor) = self._watched.popitem()
            ref.signal(Demonitor(monitor))

    def _find(self, to: To) -> ActorRef[Any] | None:
        """Return the actor; None if there is none or this peer may not know."""
        if isinstance(to, str):
            return self._system.whereis(to) if self._doors is None or to in self._doors else None
        return self._system.ref(ActorId(self._system.peer, to)) if self._doors is None else None

    def _tell(self, to: To, body: msgspec.Raw) -> None:
        ref = self._find(to)
        if ref is None:
            return
        value = unpack(body, may_unpickle=self._neighbours.may_unpickle)
        ref.tell(FromPeer(self._peer, value) if self._marks_sender and isinstance(value, Message) else value)

    def _ask(self, ask: Ask) -> None:
        ref = self._find(ask.to)
        try:
            if ref is None:
                raise ActorDeadError(f"no live actor is registered as {ask.to!r} at {self._system.peer.name}")
            if len(self._open) >= OPEN_LIMIT or ask.id in self._open:
                raise WireError(f"{len(self._open)} asks are open; ask again later")
            value = unpack(ask.body, may_unpickle=self._neighbours.may_unpickle)
        except ActorCloudError as error:
            self._line.send(Failed(ask.id, error.code, str(error)))
            return
        reply = RemoteReply(self._line, self._peer, ask.id, self._answered)
        self._open[ask.id] = (reply, ref)
        ref.deliver(value, reply)

    def _answered(self, number: int) -> None:
        self._open.pop(number, None)

    def _abandon(self, number: int) -> None:
        reply, ref = self._open.pop(number, (None, None))
        if (
            reply is not None
            and ref is not None
            and reply.close()
            and getattr(ref.actor_class, "gets_abandoned", False)
        ):
            ref.tell(Abandoned(reply))

    def _watch(self, number: int, to: To) -> None:
        ref = self._find(to)
        if ref is None or len(self._watched) >= WATCHES_LIMIT:
            self._line.send(Ended(number, pack_reason(ExitReason.NOPROC)))
            return
        monitor = new_monitor()
        self._watched[number] = (ref, monitor)
        ref.signal(Monitor(monitor, _Watcher(self._line, number, lambda n: self._watched.pop(n, None)), ref))

    def _exit(self, to: To, sender: ActorId | None, reason: object) -> None:
        # The actors behind doors are the cluster's own: no peer ends them.
        ref = self._find(to) if self._doors is None else None
        if ref is not None:
            ref.signal(ExitSignal(None if sender is None else self._system.ref(sender), reason))
