"""Signals between actors, and the table that says what an exit signal does. Pure.

Links, monitors and exits travel as signals: `ref.signal(...)`. A signal takes effect at its
receiver at once, on the sender's thread; what becomes a message (`Exit`, `Down`) is queued behind
what the same sender sent before.

Reference: Erlang's "Processes" chapter and the `erlang` manual; otp-semantics 1.4, 1.6, 1.7.
"""

from __future__ import annotations

import enum
import itertools
from typing import Any, Protocol

import msgspec

from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId


class Target(Protocol):
    """Whatever signals can be sent to: an `ActorRef`, or the hidden identity of a thread."""

    def signal(self, signal: Signal) -> None:
        """Take a signal; never raises, never blocks."""
        ...


class Addressed(Target, Protocol):
    """A target with an identity, so that it can be linked."""

    @property
    def id(self) -> ActorId:
        """Who it is."""
        ...


class MonitorRef(msgspec.Struct, frozen=True, order=True, gc=False):
    """The name of one monitor; `Down.ref` repeats it."""

    #: Unique in the process that made it.
    serial: int
    #: The actor that watches, and alone may take the monitor back; None for code outside actors.
    watcher: ActorId | None = None


_monitors = itertools.count(1)


def new_monitor(watcher: ActorId | None = None) -> MonitorRef:
    """Return a reference that this process never used before."""
    return MonitorRef(next(_monitors), watcher)


class Exit(msgspec.Struct, frozen=True, eq=False):
    """The message that an exit signal becomes for an actor that traps exits."""

    #: The `ActorRef` of who ended or sent the signal; None for a thread that is no actor.
    sender: Any
    reason: object


class Down(msgspec.Struct, frozen=True, eq=False):
    """The message by which a monitor fires, once."""

    ref: MonitorRef
    #: What was monitored: the `ActorRef`, or (name, name of the peer) if it was monitored by name.
    target: Any
    reason: object


class Link(msgspec.Struct, frozen=True, eq=False):
    """`sender` linked itself to the receiver."""

    sender: Any


class Unlink(msgspec.Struct, frozen=True, eq=False):
    """`sender` took the link away."""

    sender: Any


class ExitSignal(msgspec.Struct, frozen=True, eq=False):
    """`sender` ended (`linked`), or called `exit` (not `linked`)."""

    sender: Any
    reason: object
    linked: bool = False


class Monitor(msgspec.Struct, frozen=True, eq=False):
    """`watcher` wants a `DownSignal` when the receiver ends."""

    ref: MonitorRef
    #: A `Target`.
    watcher: Any
    #: Repeated in `Down.target`.
    target: Any


class Demonitor(msgspec.Struct, frozen=True, eq=False):
    """The watcher of this monitor is no longer interested, or dead."""

    ref: MonitorRef


class DownSignal(msgspec.Struct, frozen=True, eq=False):
    """A monitored actor ended."""

    down: Down


class SystemRequest(msgspec.Struct, frozen=True, eq=False):
    """Someone looks at the receiver, or changes how it runs; served before the next message."""

    #: What to do, as `instrument` names it.
    call: str
    args: tuple[Any, ...]
    #: Where the answer goes: a `ReplyTo`.
    reply_to: Any


Signal = Link | Unlink | ExitSignal | Monitor | Demonitor | DownSignal | SystemRequest


class Verdict(enum.Enum):
    """What an exit signal does to its receiver."""

    DROP = "drop"
    #: The receiver ends.
    DIE = "die"
    #: The receiver gets an `Exit` message.
    DELIVER = "deliver"


def judge_exit(
    reason: object, *, linked: bool, active: bool, from_self: bool, trapping: bool
) -> tuple[Verdict, object]:
    """Say what an exit signal does: the nine rows of the table, in its order.

    Args:
        reason: what the signal carries.
        linked: the signal was caused by a link, not by a call of `exit`.
        active: the receiver still has that link; of no meaning unless `linked`.
        from_self: sender and receiver are the same actor.
        trapping: the receiver traps exits, now.

    Returns:
        The verdict, and the reason to die with or to deliver.
    """
    if linked:
        if not active:
            return Verdict.DROP, reason  # 1
        if trapping:
            return Verdict.DELIVER, reason  # 9
        return (Verdict.DROP if reason is ExitReason.NORMAL else Verdict.DIE), reason  # 7, 8
    if reason is ExitReason.KILL:
        return Verdict.DIE, ExitReason.KILLED  # 2
    if trapping:
        return Verdict.DELIVER, reason  # 6
    if reason is ExitReason.NORMAL and not from_self:
        return Verdict.DROP, reason  # 3
    return Verdict.DIE, reason  # 4, 5
