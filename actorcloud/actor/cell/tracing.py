"""What is told to those who follow actors: sends, receipts, starts, ends and links, where they happen.

Nobody follows nearly always, and then nothing is paid: a send looks at `fenced` anyway, which is not
empty while somebody is followed; the other places look at `followed`, and are rare. What is received
is seen by the instrument of the actor, as by any debug function.

Thread: any. The two tables are changed under `GUARD`; who is told may be told on any thread.

Reference: Erlang's `trace/3`; what subscribes is `debug.follow`.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

from actorcloud.actor.thread.context import GUARD, check_fence, fenced, running

#: "send" to another; "receive": before it is handled; "spawn" of another, "spawned" by one; "exit"; "link"
#: and "unlink" with another, whoever of the two began it.
TraceKind = Literal["send", "receive", "spawn", "spawned", "exit", "link", "unlink"]


class Follower(Protocol):
    """Who wants to know what some actors do."""

    def take(self, kind: TraceKind, cell: Any, other: Any, value: Any, /) -> None:
        """Hear of an event. Never raises."""
        ...

    def greet(self, cell: Any, /) -> None:
        """Hear of a new actor, which has done nothing yet."""
        ...


class _Open:
    """Stands in `fenced` while somebody is followed, so that sends look here."""


_OPEN: Any = _Open()

#: Who is followed, by its cell, and by whom.
followed: dict[Any, tuple[Follower, ...]] = {}

#: Who follows the new actors of a system, with that.
newcomers: tuple[tuple[Any, Follower], ...] = ()


def add(cell: Any, follower: Follower) -> bool:
    """Tell `follower` what this actor does; False if it is dead: its end was told already."""
    with GUARD:
        is_dead: bool = cell.is_dead()
        if not is_dead:
            followed[cell] = (*followed.get(cell, ()), follower)
            fenced.add(_OPEN)
    return not is_dead


def drop(cell: Any, follower: Follower) -> None:
    """Tell it no longer; unknown ones are ignored."""
    with GUARD:
        left = tuple(known for known in followed.get(cell, ()) if known is not follower)
        if left:
            followed[cell] = left
        else:
            followed.pop(cell, None)
        _close_if_unused()


def add_newcomers(system: Any, follower: Follower) -> None:
    """Show `follower` every actor that starts in this system."""
    global newcomers
    with GUARD:
        newcomers = (*newcomers, (system, follower))


def drop_newcomers(follower: Follower) -> None:
    """Show it no more; unknown ones are ignored."""
    global newcomers
    with GUARD:
        newcomers = tuple(entry for entry in newcomers if entry[1] is not follower)


def forget(system: Any) -> None:
    """Tell nobody anything more of this system, which has ended."""
    global newcomers
    with GUARD:
        newcomers = tuple(entry for entry in newcomers if entry[0] is not system)
        for cell in [cell for cell in followed if cell.system is system]:
            del followed[cell]
        _close_if_unused()


def _close_if_unused() -> None:
    if not followed:
        fenced.discard(_OPEN)


def note(kind: TraceKind, cell: Any, other: Any = None, value: Any = None) -> None:
    """Tell who follows this actor; for those that found `followed` not empty."""
    for follower in followed.get(cell, ()):
        follower.take(kind, cell, other, value)


def pass_fence(receiver: Any, message: Any) -> None:
    """See to a send while `fenced` is not empty: stop who may not send any more, tell who follows the sender.

    Raises:
        ActorExit: the sender was told to exit.
    """
    check_fence()
    if followed:
        cell = running()
        if cell is not None:
            note("send", cell, receiver, message)


def note_start(cell: Any) -> None:
    """Tell that an actor is there, before its `__init__`."""
    parent: Any = running()
    for system, follower in newcomers:
        if cell.system is system:
            follower.greet(cell)
    if parent is not None:
        note("spawn", parent, cell.ref)
    note("spawned", cell, None if parent is None else parent.ref)
