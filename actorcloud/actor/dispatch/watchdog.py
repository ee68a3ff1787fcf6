"""The watchdog of a pool: adds threads while all are stuck and work waits."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any, Protocol

from actorcloud.actor.context import GUARD
from actorcloud.actor.ports import Runnable

logger = logging.getLogger("actorcloud.actor")

#: Seconds between two looks of the watchdog while actors run.
_TICK = 0.01

#: Ticks without work after which the watchdog sleeps; waking it costs more than some ticks do.
_IDLE_TICKS = 50

#: Share of a tick spent on the CPU from which the threads count as computing, not as blocked.
_SATURATED = 0.8

#: Threads that may compute at the same time.
_COMPUTING_THREADS = 32


class Watched(Protocol):
    """What the watchdog sees of its pool."""

    #: Turns begun, roughly.
    begun: int
    #: Thread -> the cell it runs, and the number of that turn.
    turns: dict[int, tuple[Runnable, int]]
    #: Threads of others that run turns as well.
    hosts: set[int]

    @property
    def queued(self) -> int:
        """Actors that wait for a thread."""
        ...

    @property
    def running(self) -> int:
        """Threads that are neither parked nor in a wait of ours."""
        ...

    @property
    def threads(self) -> int:
        """Threads of the pool."""
        ...

    def is_idle(self) -> bool:
        """Whether there is nothing to do, now."""
        ...

    def add_runner(self, count: int = 1, *, beyond_target: bool = False) -> int:
        """Let more threads run; returns how many."""
        ...


class Watchdog:
    """Adds threads while all are stuck and work waits. Sleeps while nothing runs.

    A turn that lasts longer than a tick while others wait is first asked to end after its message;
    if it still runs a tick later, its handler blocks or computes, and another thread is added.
    """

    def __init__(self, pool: Watched) -> None:
        self._pool = pool
        self._thread: threading.Thread | None = None
        #: Released to begin to look; a bare lock, since it is touched whenever a thread is woken.
        self._wakeup = threading.Lock()
        self._wakeup.acquire()
        self._is_watching = False
        self._is_closed = False
        self._warned = False

    def wake(self) -> None:
        """Begin to look. Thread: any; nearly free while it looks already."""
        if self._is_watching or self._is_closed:
            return
        with GUARD:
            is_first, self._is_watching = not self._is_watching, True
        if not is_first:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="actorcloud-watchdog", daemon=True)
            self._thread.start()
        self._release()

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._release()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was told already
            self._wakeup.release()

    def _run(self) -> None:
        tick = threading.Lock()
        tick.acquire()
        while not self._is_closed:
            self._wakeup.acquire()
            self._watch(tick)

    def _watch(self, tick: Any) -> None:
        """Look once a tick until nothing has run for a while."""
        pool = self._pool
        idle_ticks = 0
        while not self._is_closed:
            if pool.is_idle():
                idle_ticks += 1
                if idle_ticks > _IDLE_TICKS:
                    self._is_watching = False
                    # Whoever scheduled before that line saw us watching: look once more.
                    if pool.is_idle():
                        return
                    self._is_watching = True
            else:
                idle_ticks = 0
            due = pool.begun + pool.queued
            turns = dict(pool.turns)
            cpu = time.process_time()
            tick.acquire(True, _TICK)
            self._hurry_guests(turns)
            if pool.queued and pool.begun < due:
                self._relieve(turns, time.process_time() - cpu)

    def _hurry_guests(self, turns: dict[int, tuple[Runnable, int]]) -> None:
        """End turns that last while the thread's host is due, whether actors wait or not."""
        pool = self._pool
        for thread in tuple(pool.hosts):
            cell, turn = turns.get(thread, (None, 0))
            if cell is not None and pool.turns.get(thread, (None, 0))[1] == turn:
                cell.preempt()

    def _relieve(self, turns: dict[int, tuple[Runnable, int]], cpu: float) -> None:
        """What was queued a tick ago still waits: make room for it."""
        pool = self._pool
        stuck = 0
        for thread, (cell, turn) in turns.items():
            if pool.turns.get(thread, (None, 0))[1] != turn:
                continue
            if cell.preempted and cell.thread == thread:
                stuck += 1
            cell.preempt()
        if stuck < pool.running:
            return
        count = max(1, stuck)
        if cpu > _TICK * _SATURATED:
            # They compute: more threads make nothing faster, a few keep the others from starving.
            count = 1 if pool.running < _COMPUTING_THREADS else 0
        added = pool.add_runner(count, beyond_target=True)
        if count and not added and not self._warned and not self._is_closed:
            self._warned = True
            logger.warning("all %d threads are blocked and %d actors wait for one", pool.threads, pool.queued)
