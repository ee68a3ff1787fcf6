"""The limit of memory of an isolated actor's process.

What counts is what the process may write to and shares with nobody (RLIMIT_DATA): heaps, anonymous maps,
the stacks of threads; files that are mapped and code do not. Linux only; elsewhere there is no limit.

Thread: any; the limit is the process's.

Reference: setrlimit(2), proc(5).
"""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def limit_memory(more: int) -> None:
    """Let this process take so many bytes beyond those that it has now."""
    taken = _taken()
    if taken is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        soft = taken + more
        resource.setrlimit(resource.RLIMIT_DATA, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def lift_limit() -> None:
    """Take the limit away, so that the end can be told."""
    with contextlib.suppress(OSError, ValueError):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))


def _taken() -> int | None:
    """Return the bytes of this process that count; None where that cannot be known."""
    if sys.platform != "linux":
        return None
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return None
