"""What every thread of this process executes right now."""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType

#: Reentrant, for a signal handler may look too.
_LOCK = threading.RLock()


def current_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread, by its ident. Thread: any.

    The garbage collector rests meanwhile: up to Python 3.11.8, one that began within
    `sys._current_frames` could give up the GIL there and stop the whole process for good
    (https://github.com/python/cpython/issues/106883).
    """
    with _LOCK:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()  # noqa: SLF001  documented, for debuggers
        finally:
            if was_enabled:
                gc.enable()
