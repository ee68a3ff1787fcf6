"""A stage for many blocking programs in one thread's worth of time: events in order, on a clock of its own.

Each `Fiber` is a thread, of which exactly one runs: who waits performs the next events itself, and gives the
baton away only when one of them resumes another fiber. So real, blocking code runs unchanged, one switch
for each wait, and a seed decides everything.

Owns its threads; `run` ends them all.
"""

from __future__ import annotations

import ctypes
import heapq
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

#: Events of one run; a program that never ends reaches it.
EVENT_LIMIT = 3_000_000


class Over(BaseException):
    """The stage has ended; a program that hears of it must do so, too."""


class Fiber:
    """A program that waits, or runs."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.resumed: Any = None
        self.thread: threading.Thread | None = None


class Stage:
    """See the module."""

    def __init__(self) -> None:
        self.now = 0.0
        #: Grows with each event, and with each look.
        self._ticks = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._fibers: list[Fiber] = []
        self._left = 0
        self._main = Fiber()
        self._running = self._main
        self._resumed: Fiber | None = None
        self._is_over = False
        self._error: BaseException | None = None

    def tick(self) -> int:
        """Return a number that is greater than all before."""
        self._ticks += 1
        return self._ticks

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Do something in `delay` seconds."""
        self._ticks += 1
        heapq.heappush(self._events, (self.now + delay, self._ticks, action))

    def start(self, program: Callable[[], object]) -> None:
        """Let a program run once `run` is called."""
        fiber = Fiber()
        fiber.thread = threading.Thread(target=self._perform, args=(fiber, program), daemon=True)
        self._fibers.append(fiber)
        self._left += 1
        self.after(0.0, lambda: self.resume(fiber, None))

    def current(self) -> Fiber:
        """Return who runs."""
        return self._running

    def wait(self) -> Any:
        """Wait until somebody resumes this fiber; return with what."""
        me = self._running
        self._turn_to_events(me)
        self._running = me
        if self._is_over:
            raise Over
        return me.resumed

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        me = self._running
        self.after(seconds, lambda: self.resume(me, None))
        self.wait()

    def resume(self, fiber: Fiber, value: object) -> None:
        """Let a fiber go on when this event has ended; an event resumes one at most."""
        assert self._resumed is None
        fiber.resumed = value
        self._resumed = fiber

    def run(self) -> None:
        """Perform until all programs have ended; raise the first error of any, or of an event."""
        with _on_one_cpu():
            for fiber in self._fibers:
                assert fiber.thread is not None
                fiber.thread.start()
            self._turn_to_events(self._main)
            self._end()
        if self._error is not None:
            raise self._error

    def _end(self) -> None:
        self._is_over = True
        for fiber in self._fibers:
            if fiber.thread is not None and fiber.thread.is_alive():
                # One after the other: what they do on their way out is in order, too.
                self._running = fiber
                fiber.gate.release()
                fiber.thread.join(60)
                assert not fiber.thread.is_alive(), "a program does not end"

    def _turn_to_events(self, me: Fiber) -> None:
        """Perform events until one resumes `me`; another one that is resumed goes on with them."""
        if self._is_over:
            return
        fiber = self._next()
        if fiber is not me:
            fiber.gate.release()
            me.gate.acquire()

    def _next(self) -> Fiber:
        """Perform events until one resumes somebody; at the end that is the main one."""
        try:
            while self._left and self._error is None:
                if not self._events or self._ticks > EVENT_LIMIT:
                    self._fail()
                self.now, _, action = heapq.heappop(self._events)
                action()
                if self._resumed is not None:
                    fiber, self._resumed = self._resumed, None
                    return fiber
        except BaseException as error:  # noqa: BLE001  raised by `run`, whoever performed the event
            self._error = error
        self._is_over = True
        return self._main

    def _fail(self) -> NoReturn:
        raise AssertionError(f"{self._left} programs never end: {len(self._events)} events wait at {self.now:g} s")

    def _perform(self, fiber: Fiber, program: Callable[[], object]) -> None:
        fiber.gate.acquire()
        self._running = fiber
        try:
            if not self._is_over:
                program()
        except Over:
            pass
        except BaseException as error:  # noqa: BLE001  raised by `run`
            self._error = self._error or error
        self._left -= 1
        if not self._is_over:
            self._next().gate.release()


@contextmanager
def _on_one_cpu() -> Iterator[None]:
    """Keep the threads that start now on one CPU: waking one on another costs ten times as much."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # The one where the system has this process now, so that processes side by side do not share one.
    os.sched_setaffinity(0, {ctypes.CDLL(None).sched_getcpu()})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
