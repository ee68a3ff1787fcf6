"""Preemption: threads give way in the middle of the actor runtime's own code, by the seed.

On real threads the interpreter may switch between any two lines: after a message was put and before
the actor is woken, between a death and what the bereaved do about it. The simulation runs the same
code, and with a chance it gives way before a line of it, too. So races of the runtime are found by
seeds, and the runtime needs no hook for it: the lines are traced (`sys.settrace`) on the threads
that the simulation owns, and only if a simulation asks for it.

No thread gives way while it holds the lock of the runtime, nor while it logs, which has a lock too:
who wants that lock would block for real. What is under a lock is one step.

Reference: CHESS (Musuvathi and others, "Finding and Reproducing Heisenbugs in Concurrent Programs"); Rust's `loom`.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable
from random import Random
from types import FrameType
from typing import Any

from actorcloud.actor import thread_context
from actorcloud.actor.cell import bonds, cell, death, ending, handler
from actorcloud.actor.mailbox import mailbox
from actorcloud.actor.ref import ref
from actorcloud.actor.thread.context import GUARD
from actorcloud.testing.scheduler import Scheduler

#: The files whose lines are traced: all through which mail, signals and turns go.
_FILES = frozenset(module.__file__ for module in (bonds, cell, death, ending, handler, mailbox, ref))

_Trace = Callable[[FrameType, str, Any], Any]


class Preemption:
    """Makes threads give way before lines of the runtime.

    Args:
        scheduler: whose threads.
        random: of the seed.
        chance: before each line, over 0 and up to 1.
    """

    def __init__(self, scheduler: Scheduler, random: Random, chance: float) -> None:
        self._scheduler = scheduler
        self._random = random
        self._scale = math.log1p(-chance) if chance < 1 else -math.inf
        self._lines_left = self._draw()

    def enter(self) -> None:
        """Trace the calling thread, which runs simulated code from here on."""
        # Python ends the tracing of a thread in which it raised `Crashed`.
        if sys.gettrace() is not self._trace_call:
            sys.settrace(self._trace_call)

    def _draw(self) -> int:
        """Return how many lines to pass by: as many as single draws would, by one draw."""
        return int(math.log(1.0 - self._random.random()) / self._scale)

    def _trace_call(self, frame: FrameType, _event: str, _argument: Any) -> _Trace | None:  # noqa: ANN401  Python's
        return self._trace_line if frame.f_code.co_filename in _FILES else None

    def _trace_line(self, frame: FrameType, event: str, _argument: Any) -> _Trace:  # noqa: ANN401  Python's
        if event == "line":
            if self._lines_left:
                self._lines_left -= 1
            elif not GUARD.locked():
                self._lines_left = self._draw()
                self._give_way(frame)
        return self._trace_line

    def _give_way(self, frame: FrameType) -> None:
        running, system = thread_context.cell, thread_context.system
        if running is not None:
            system = running.system
        if system is not None and not _is_logging(frame):
            code = frame.f_code
            self._scheduler.give_way(system.dispatcher, f"{code.co_qualname}:{frame.f_lineno - code.co_firstlineno}")


def _is_logging(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == logging.__file__:
            return True
        frame = frame.f_back
    return False
