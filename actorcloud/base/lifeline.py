"""A child process never outlives its parent.

Three lines hold it, the first that is there counts: the kernel's (PDEATHSIG, Linux), end of file
on the socket, and the parent's own kill of the process group.

Thread: the main thread, once, before anything else. PDEATHSIG belongs to the *thread* that started
the child: a parent starts children on a permanent thread only.

Reference: prctl(2).
"""

from __future__ import annotations

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def die_with(parent: int) -> None:
    """Arrange to be killed when the process `parent` dies; end at once if it already has.

    Args:
        parent: the pid that started this process, as it told in the arguments.
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before the line above: then nobody will send the signal.
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parents ended, so that none is overlooked."""
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def has_children() -> bool:
    """Tell whether child processes still run; those that have ended are buried."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _prctl(option: int, value: int) -> None:
    import ctypes  # noqa: PLC0415  5 ms, and only Linux needs it

    # Best effort: a kernel that refuses leaves the other two lines.
    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)
