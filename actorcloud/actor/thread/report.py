"""What every thread does, and for which actor: for a program that stands still.

Reference: Pykka's `debug.log_thread_tracebacks`, for threads that are not those of single actors.
"""

from __future__ import annotations

import logging
import threading
import traceback
from typing import Any

from actorcloud.actor.thread.context import current_system
from actorcloud.base.frames import current_frames

logger = logging.getLogger("actorcloud.actor")


def log_thread_tracebacks(*_args: Any, **_kwargs: Any) -> None:
    """Log the stack of each thread, and which actor runs on it, at level CRITICAL.

    Takes any arguments, so that it can be a signal handler::

        signal.signal(signal.SIGUSR1, log_thread_tracebacks)
    """
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    running = {ref._cell.thread: ref for ref in current_system().actors()}  # noqa: SLF001  one package
    for ident, frame in current_frames().items():
        actor = running.get(ident)
        whose = f", which runs {actor}" if actor is not None else ""
        stack = "".join(traceback.format_stack(frame))
        logger.critical("Thread %s (ident %d)%s:\n%s", names.get(ident, "?"), ident, whose, stack)
