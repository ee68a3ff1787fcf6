"""How much memory an actor takes: an estimate, made when somebody asks.

What can be reached from the actor's object and from its mailbox is added up, each object once, without
what belongs to the program (classes, functions, modules) or to the runtime and to other actors (refs,
cells, systems). What two actors share counts at both; what C code keeps to itself is not seen. It stops
after `OBJECTS_LIMIT` objects, a few milliseconds: of an actor that has more it is the least.

Of an isolated actor it is what its process has in memory.

Thread: any; what the actor changes meanwhile may be missed, or counted although it is gone.

Reference: Erlang's `process_info(Pid, memory)`; `sys.getsizeof`; proc(5), statm.
"""

from __future__ import annotations

import gc
import resource
import sys
import types
from pathlib import Path
from typing import Any

from actorcloud.actor.mailbox.mail import Ask, Tied
from actorcloud.actor.mailbox.mailbox import DEAD, Mailbox

#: Objects that are looked at.
OBJECTS_LIMIT = 10_000

#: What is not the actor's own.
_SHARED = (
    type,
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.CodeType,
    types.FrameType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)


def estimate(cell: Any) -> int | None:
    """Return the bytes of an actor; None if it is dead, or its process cannot be looked into."""
    actor = cell.actor
    pid = getattr(actor, "pid", None) if hasattr(cell.kind, "isolated") else None
    if pid is not None:
        return _resident(pid)
    if cell.state == DEAD:
        return None
    # What wraps a message is the runtime's, and leads to who waits for an answer.
    mail = [entry.message if type(entry) in {Ask, Tied} else entry for entry in cell.unread()]
    return sys.getsizeof(cell) + sys.getsizeof(cell.mail) + _reachable([actor, *mail])


def _reachable(roots: list[Any]) -> int:
    seen: dict[int, Any] = {}  # keeps what is seen alive, so that no address is used anew
    waiting = list(roots)
    total = 0
    while waiting and len(seen) < OBJECTS_LIMIT:
        found = waiting.pop()
        if id(found) in seen or _is_foreign(found):
            continue
        seen[id(found)] = found
        total += _size(found)
        waiting.extend(gc.get_referents(found))
    return total


def _size(found: Any) -> int:
    try:
        return sys.getsizeof(found, 0)
    except Exception:  # noqa: BLE001  the user's `__sizeof__`: the others are still worth telling
        return 0


def _is_foreign(found: Any) -> bool:
    kind = type(found)
    if issubclass(kind, (*_SHARED, Mailbox)):
        return True
    # The runtime's own objects, such as refs and systems, and the locks of threads.
    return str(kind.__module__).startswith("actorcloud.actor.") and not hasattr(kind, "on_receive")


def _resident(pid: int) -> int | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None  # it has ended, or this system has no such file
    return pages * resource.getpagesize()
