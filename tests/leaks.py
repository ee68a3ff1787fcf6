"""What a test may leave behind: nothing.

`Footprint.take()` before a test, `wait_gone(before)` after it: threads, child processes, file
descriptors and entries of the temporary directory that are new, each as one line for people. What
is on its way out gets a moment; what stays is a leak.

Reference: dask's pytest_resourceleaks.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil

#: Seconds that threads and processes which are ending get; a clean test waits for none of them.
GRACE = 30.0

#: Between two looks at what is ending; there is no event for "a foreign descriptor was closed".
LOOK_EVERY = 0.02

#: Set in the environment of a test session; every process that it starts inherits it.
SESSION_VARIABLE = "ACTORCLOUD_TEST_SESSION"

#: Descriptors of these files belong to nobody: the interpreter opens them once and keeps them.
_SHARED_FILES = ("/dev/", "/proc/", "/sys/")

_FD_DIRECTORY = Path("/proc/self/fd")


class Footprint(msgspec.Struct, frozen=True):
    """What this process holds at one moment."""

    threads: frozenset[threading.Thread]
    #: (pid, start time) of all descendants, so that a reused pid is another process.
    processes: frozenset[tuple[int, float]]
    #: "number -> what it is open on"; empty where /proc does not exist.
    descriptors: frozenset[str]
    #: Names in the temporary directory.
    files: frozenset[str]

    @classmethod
    def take(cls) -> Footprint:
        """Return what there is now."""
        return cls(
            threads=frozenset(threading.enumerate()),
            processes=_descendants(),
            descriptors=_descriptors(),
            files=frozenset(entry.name for entry in Path(tempfile.gettempdir()).iterdir()),
        )

    def since(self, before: Footprint) -> list[str]:
        """Return a line for each thing that `before` did not have."""
        return [
            *sorted(f"thread {thread.name!r}" for thread in self.threads - before.threads),
            *sorted(_describe(pid) for pid, _ in self.processes - before.processes),
            *sorted(f"descriptor {line}" for line in self.descriptors - before.descriptors),
            *sorted(f"{tempfile.gettempdir()}/{name}" for name in self.files - before.files),
        ]


def _descendants() -> frozenset[tuple[int, float]]:
    # Nearly always there are none, and the kernel says so in a twentieth of the time of a look at all processes.
    if not _may_have_children():
        return frozenset()
    return frozenset(_identity(child) for child in psutil.Process().children(recursive=True))


def _may_have_children() -> bool:
    try:
        return any((task / "children").read_bytes() for task in Path("/proc/self/task").iterdir())
    except OSError:  # another system, a kernel without that file, or a thread that has just ended
        return True


def wait_gone(before: Footprint, grace: float = GRACE) -> list[str]:
    """Wait until nothing is new since `before`.

    Args:
        before: taken when the test began.
        grace: seconds to wait at most.

    Returns:
        A line for each thing that is still there; empty when all is clean, then at once.
    """
    left = Footprint.take().since(before)
    if left:
        gc.collect()
    deadline = time.monotonic() + grace
    pause = threading.Event()
    while left and time.monotonic() < deadline:
        pause.wait(LOOK_EVERY)
        left = Footprint.take().since(before)
    return left


def close_default_system(known: object) -> None:
    """Close the process's own actor system, unless it is `known`: then a wider fixture uses it."""
    system = default_system()
    if system is not None and system is not known:
        system.close()


def default_system() -> Any:
    """Return the process's own actor system; None if nothing has made it yet."""
    module = sys.modules.get("actorcloud.actor.system.system")
    return module.System._default if module else None


def processes_of_session(session: str) -> list[str]:
    """Return a line for each living process, orphans included, that this test session started."""
    found = []
    for process in psutil.process_iter():
        try:
            mine = process.environ().get(SESSION_VARIABLE) == session and process.pid != os.getpid()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if mine:
            found.append(_describe(process.pid))
    return found


def _identity(process: psutil.Process) -> tuple[int, float]:
    try:
        return process.pid, process.create_time()
    except psutil.NoSuchProcess:
        return process.pid, 0.0


def _describe(pid: int) -> str:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return f"process {pid} ended, but nobody waited for it"
        return f"process {pid}: {' '.join(process.cmdline())[:200]}"
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return f"process {pid}"


def _descriptors() -> frozenset[str]:
    if not _FD_DIRECTORY.exists():
        return frozenset()
    found = set()
    for entry in _FD_DIRECTORY.iterdir():
        try:
            target = str(entry.readlink())
        except OSError:  # the listing's own
            continue
        if not target.startswith(_SHARED_FILES):
            found.add(f"{entry.name} -> {target}")
    return frozenset(found)
