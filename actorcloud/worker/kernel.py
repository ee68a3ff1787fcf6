"""What the kernel keeps of this process, and a job may change: limits, timers, signal handlers, umask, standard files.

Left to the next job, a timer would end it, and a limit of memory would be its own `MemoryError`.

Thread: the main thread, between jobs. A check costs about 5 us when nothing has changed.
"""

from __future__ import annotations

import os
import resource
import signal

#: Those that jobs and their libraries set.
_SIGNALS = (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGPIPE)
_LIMITS = (
    resource.RLIMIT_AS,
    resource.RLIMIT_CORE,
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_STACK,
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_STANDARD_FILES = (0, 1, 2)


class Kernel:
    """What the process was granted before any job."""

    def __init__(self) -> None:
        self._limits = [(number, resource.getrlimit(number)) for number in _LIMITS]
        self._handlers = [(number, signal.getsignal(number)) for number in _SIGNALS]
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._files = [_file(number) for number in _STANDARD_FILES]

    def restore(self) -> None:
        """Put back what the last job changed.

        Raises:
            OSError, ValueError: that cannot be done: a limit was lowered for good, a standard file closed.
        """
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        for number, handler in self._handlers:
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        os.umask(self._umask)
        for name, limit in self._limits:
            if resource.getrlimit(name) != limit:
                resource.setrlimit(name, limit)
        if [_file(number) for number in _STANDARD_FILES] != self._files:
            raise OSError("a standard file is closed, or another one")


def _file(descriptor: int) -> tuple[int, int] | None:
    """Return which file is open there, None if none is: a service may be started without."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino
