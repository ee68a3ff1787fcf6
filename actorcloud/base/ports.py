"""The ports: what is injected, so that the whole cloud also runs in the simulation.

============  =============================  ================================
port          real                           simulated (`actorcloud.testing`)
============  =============================  ================================
Clock         `base.clock.SystemClock`       the virtual clock
Timers        `actor`'s timer thread         due when the clock gets there
Transport     `net.Reactor`                  a lossy network in memory
Engine        `store`'s LMDB                 memory that crashes
Spawner       `actor`'s subprocesses         a simulated process each
============  =============================  ================================

The engine's port lives beside its engines, in `store.engine`; the one through which a node has workers, in `node`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from actorcloud.base.ids import Peer


class TimerHandle(Protocol):
    """A timer that was set."""

    def cancel(self) -> bool:
        """Stop it; True if it had not fired yet."""
        ...


class Timers(Protocol):
    """Calls functions later."""

    def call_at(self, deadline: float, function: Callable[[], None]) -> TimerHandle:
        """Call `function` once `Clock.monotonic()` has reached `deadline`; it must not block."""
        ...


class Random(Protocol):
    """The part of `random.Random` that we use."""

    def random(self) -> float:
        """Return a float in [0, 1)."""
        ...

    def randbytes(self, n: int, /) -> bytes:
        """Return `n` random bytes."""
        ...


class PeerUp(msgspec.Struct, frozen=True):
    """A peer said hello and was let in.

    With `reset`, nothing that was sent to it or received from it before counts any more: a new
    incarnation on either side, or a state that could not be resumed. Without, the stream goes on
    where it stopped and nothing was lost.
    """

    peer: Peer
    #: "head", "node", "client".
    role: str
    reset: bool
    #: What the peer told about itself, opaque here (versions, cpus, slots).
    facts: dict[str, str]
    #: The endpoint under which we had dialled it; empty if it came to us.
    endpoint: str = ""


class PeerSuspect(msgspec.Struct, frozen=True):
    """The peer does not answer; it may come back and resume until its lease ends."""

    peer: Peer
    #: Seconds since it was heard last; 0 where it is the connection that has ended.
    silent: float = 0.0


#: Why a peer is down whose process ended in order: it was told to.
LEFT = "it was told to end"

#: Why one is down whose networking ended, with its process or not.
CLOSED = "it was closed"


class PeerDown(msgspec.Struct, frozen=True):
    """This incarnation of the peer is gone for good: it left, was replaced, or its lease ended."""

    peer: Peer
    reason: str
    #: It said goodbye.
    has_left: bool = False


class Received(msgspec.Struct, frozen=True):
    """Messages of one peer, in the order in which it sent them."""

    peer: Peer
    messages: Sequence[bytes]


class DialFailed(msgspec.Struct, frozen=True):
    """An endpoint that was dialled does not let us in; the transport goes on trying unless `final`."""

    endpoint: str
    code: str
    text: str
    final: bool


class FromPeer(msgspec.Struct, frozen=True):
    """What a local actor gets when a peer tells it a control message: who said it is the gateway's word.

    User messages arrive bare, as they would from an actor of this process.
    """

    peer: Peer
    message: object


class Abandoned(msgspec.Struct, frozen=True, eq=False):
    """To an actor whose class says `gets_abandoned = True`: nobody waits for this answer any more."""

    #: What `self.sender` was.
    reply_to: Any


TransportEvent = PeerUp | PeerSuspect | PeerDown | Received | DialFailed


class HostThread(Protocol):
    """A thread with work of its own, such as a transport's, that takes in a `Guest`."""

    def wake(self) -> None:
        """Have `Guest.run` called soon. Thread: any; never blocks."""
        ...

    def turn(self, seconds: float) -> bool:
        """Do the thread's own work while the guest waits for something. Thread: this one.

        Returns:
            False, at once, if the thread's own work has ended.

        Blocks:
            until there is something to do or `wake` is called, at most `seconds`.
        """
        ...

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call `handler`, which must not block, whenever `descriptor` is readable. Thread: this one."""
        ...

    def unwatch(self, descriptor: int) -> None:
        """Forget `descriptor`. Thread: this one."""
        ...


class Guest(Protocol):
    """Work that runs on another's thread between two turns of its own, which saves the switch to a thread more."""

    def arrive(self, host: HostThread) -> None:
        """The thread takes this guest in. Thread: the host's, as for all of these."""
        ...

    def run(self) -> bool:
        """Do some work, a few milliseconds at most; returns whether there is more to do at once."""
        ...

    def away(self) -> AbstractContextManager[object]:
        """Step aside, in the midst of `run`: the thread does its own work within, in nobody's name."""
        ...

    def leave(self) -> None:
        """The thread's own work has ended: go elsewhere."""
        ...


class Said(msgspec.Struct, frozen=True):
    """Messages of a child process, in order."""

    messages: tuple[Any, ...]


class Exited(msgspec.Struct, frozen=True):
    """A child's process group is dead, and all it had written has been said."""

    #: For people: "exit code 3", "signal 11 (SIGSEGV)", or why it could not start.
    status: str
    #: As `subprocess` has it: negative for a signal; None if it never ran.
    code: int | None = None


#: Gets `Said` and at last `Exited`, in order, from any thread; must not block.
Sink = Callable[[Said | Exited], object]


class Child(Protocol):
    """A child process at the other end of a pipe."""

    def send(self, message: Any, /) -> None:  # noqa: ANN401  each kind of child has its own
        """Queue a message; never blocks, never raises: a dead child says so by `Exited`."""
        ...

    def kill(self) -> None:
        """Kill the whole process group; `Exited` follows."""
        ...


class Spawner(Protocol):
    """Starts the processes of isolated actors. Thread: any; nothing but `close` blocks."""

    def spawn(self, name: str, sink: Sink, /) -> Child:
        """Begin to start a process.

        Args:
            name: for people.
            sink: gets what it says, and its end.
        """
        ...

    def close(self) -> None:
        """Kill all that are left and free what they used; returns when they are dead."""
        ...


class Transport(Protocol):
    """Ordered, reliable streams of messages to named peers: resume or reset, nothing in between.

    Thread: every method may be called from any thread and none blocks. `sink` is called from the
    transport's own thread, one event at a time, in order, and must not block.
    """

    def start(self, sink: Callable[[TransportEvent], None], guests: Sequence[Guest] = ()) -> None:
        """Begin; events go to `sink`, and the transport's thread takes `guests` in."""
        ...

    def send(self, peer: Peer, messages: Sequence[bytes]) -> bool:
        """Queue messages to a peer that is up or suspect.

        Returns:
            False if that incarnation is not known or its outbox is full: the messages were not taken.
        """
        ...

    def dial(self, endpoint: str) -> None:
        """Keep a connection to `endpoint`, with back-off, until `hang_up`."""
        ...

    def hang_up(self, endpoint: str) -> None:
        """Stop dialling `endpoint` and leave whoever answered there."""
        ...

    def reset(self, peer: Peer) -> None:
        """Forget the stream to this peer: its next contact is a `PeerUp` with `reset`."""
        ...

    def drop(self, peer: Peer, reason: str) -> None:
        """Say goodbye to this peer and close; a `PeerDown` follows."""
        ...

    def close(self, reason: str = CLOSED) -> None:
        """Say goodbye to all and free every socket and thread; returns when that is done.

        Args:
            reason: what the peers are told.
        """
        ...
