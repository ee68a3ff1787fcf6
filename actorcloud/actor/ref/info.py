"""What can be told about an actor from outside: who it is, what it does, whom it is bound to.

Nothing is kept for it but two numbers, one of them counted at the end of a turn: a running handler and
its message are found on the stack of its thread. Time is measured where `debug.statistics` is on: two
looks at the clock are a sixth of a ring's hop.

Thread: any; the facts may have changed when they are read.

Reference: Erlang's `process_info/2`; otp-semantics 1.13.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from actorcloud.actor.cell.bonds import Muffled
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.mailbox.mail import Ask, Tied
from actorcloud.actor.mailbox.mailbox import DEAD, IDLE
from actorcloud.actor.ref import footprint
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.brief import outline

#: Frames of a stack that are told, the innermost.
_FRAMES = 50

#: What is told only on request: it may be much, or take milliseconds.
_BIG = {"messages", "memory"}

#: Ancestors that are told.
_ANCESTORS = 100


def tell(cell: Cell, items: tuple[str, ...]) -> Any:
    """Return what `ActorRef.info` does.

    Raises:
        ValueError: there is no such item.
    """
    unknown = [item for item in items if item not in ITEMS]
    if unknown:
        raise ValueError(f"there is no {unknown[0]!r} to tell about an actor; what there is: {', '.join(ITEMS)}")
    if cell.state == DEAD and not cell.system.is_zombie(cell):
        return None
    if len(items) == 1:
        return ITEMS[items[0]](cell)
    return {item: ITEMS[item](cell) for item in items or ITEMS if items or item not in _BIG}


def _status(cell: Cell) -> str:
    if cell.state == DEAD:
        return "zombie"
    if cell.exiting is not None or cell.stopping is not None:
        return "exiting"
    if cell.debug is not None and cell.debug.is_suspended:
        return "suspended"
    if cell.state == IDLE:
        return "waiting"
    return "starting" if any(frame.f_code is _START for frame in cell.frames()) else "running"


def _links(cell: Cell) -> list[Any]:
    with GUARD:
        return [peer.peer if isinstance(peer, Muffled) else peer for peer in (cell.links or {}).values()]


def _monitors(cell: Cell) -> list[Any]:
    with GUARD:
        return list((cell.watching or {}).values())


def _monitored_by(cell: Cell) -> list[Any]:
    with GUARD:
        watchers = [watcher for watcher, _ in (cell.monitors or {}).values()]
    # Code outside actors watches too, and is nobody.
    return [watcher for watcher in watchers if hasattr(watcher, "id")]


def _ancestors(cell: Cell) -> list[Any]:
    found: list[Any] = []
    parent = cell.parent
    while parent is not None and len(found) < _ANCESTORS:
        found.append(parent)
        parent = parent._cell.parent if parent._is_local else None  # noqa: SLF001  one package
    return found


def _current_stacktrace(cell: Cell) -> list[str]:
    frames = cell.frames()[:_FRAMES]
    summary = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in reversed(frames))
    return [line.rstrip("\n") for line in summary.format()]


def _current_message(cell: Cell) -> Any:
    for frame in reversed(cell.frames()):
        # The outermost that is the cell's: its turn.
        if frame.f_locals.get("self") is cell and "message" in frame.f_locals:
            return _content(cell, frame.f_locals["message"])
    return None


def _messages(cell: Cell) -> list[Any]:
    return [_content(cell, message) for message in cell.unread()]


def _busy_time(cell: Cell) -> float | None:
    return None if cell.debug is None else cell.debug.busy_time(cell)


def _content(cell: Cell, entry: Any) -> Any:
    content = entry.message if type(entry) in {Ask, Tied} else entry
    return outline(content) if cell.kind.hides_values else content


#: What can be told, and how.
ITEMS: dict[str, Callable[[Cell], Any]] = {
    "status": _status,
    "message_queue_len": lambda cell: cell.queued(),
    "messages": _messages,
    "links": _links,
    "monitors": _monitors,
    "monitored_by": _monitored_by,
    "registered_name": lambda cell: cell.name,
    "trap_exit": lambda cell: cell.is_trapping(),
    "initial_call": lambda cell: f"{cell.kind.__module__}.{cell.kind.__qualname__}",
    "current_stacktrace": _current_stacktrace,
    "current_message": _current_message,
    "parent": lambda cell: cell.parent,
    "ancestors": _ancestors,
    "label": lambda cell: cell.label,
    "node": lambda cell: cell.id.peer.name,
    "started_at": lambda cell: cell.started_at,
    "handled": lambda cell: cell.handled,
    "busy_time": _busy_time,
    "memory": footprint.estimate,
}

_START = Cell.start.__code__
