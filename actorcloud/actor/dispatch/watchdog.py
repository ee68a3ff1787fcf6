"""The watchdog of a pool: adds threads while all are stuck and work waits."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any, Protocol

from actorcloud.actor.thread.context import GUARD
from actorcloud.actor.thread.ports import Runnable

logger = logging.getLogger("actorcloud.actor")

#: Seconds between two looks of the watchdog while actors run.
_TICK = 0.01

#: Ticks without work after which the watchdog sleeps; waking it costs more than some ticks do.
_IDLE_TICKS = 50

#: Share of a tick spent on the CPU from which the threads count as computing, not as blocked.
_SATURATED = 0.8

#: Threads that may compute at the same time.
_COMPUTING_THREADS = 32


#: Share of a tick spent on the CPU up to which a turn that lasts is one that blocks.
_IDLE = 0.3


class Turn:
    """What one thread runs; written by that thread alone, read by the watchdog."""

    __slots__ = ("cell", "is_aside", "number")

    def __init__(self) -> None:
        #: None between two turns.
        self.cell: Runnable | None = None
        #: Turns begun.
        self.number = 0
        #: This one is stuck, and its thread does not count as running; under the pool's lock.
        self.is_aside = False


#: Thread -> the cell it runs, and the number of that turn.
Turns = dict[int, tuple[Runnable, int]]


class Watched(Protocol):
    """What the watchdog sees of its pool."""

    #: Thread -> what it runs.
    turns: dict[int, Turn]
    #: Threads of others that run turns as well.
    hosts: set[int]

    @property
    def queued(self) -> int:
        """Actors that wait for a thread."""
        ...

    @property
    def running(self) -> int:
        """Threads that are neither parked, nor in a wait of ours, nor set aside."""
        ...

    @property
    def threads(self) -> int:
        """Threads of the pool."""
        ...

    def is_idle(self) -> bool:
        """Whether there is nothing to do, now."""
        ...

    def set_aside(self, thread: int, number: int, /) -> None:
        """Let others run in place of this thread until its turn of this number ends."""
        ...

    def starting(self) -> set[threading.Thread]:
        """Return the threads that have not begun to run."""
        ...

    def give_up(self, threads: set[threading.Thread], /) -> None:
        """Do not count on these any more."""
        ...

    def add_runner(self, count: int = 1, *, beyond_target: bool = False) -> int:
        """Let more threads run; returns how many."""
        ...


#: Ticks after which a thread that has not begun to run was not started: a Ctrl-C came in between.
_START_TICKS = 20


class Watchdog:
    """Adds threads while all are stuck and work waits. Sleeps while nothing runs.

    A turn that lasts longer than a tick while others wait is asked to end after its message. If the
    process hardly computed meanwhile its handler blocks, and another thread is added at once; else if it
    still runs a tick later.
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
        self._was_refused = False

    def wake(self) -> None:
        """Begin to look. Thread: any; nearly free while it looks already."""
        if self._is_watching or self._is_closed:
            return
        # Until the thread says that it looks: what a Ctrl-C kept from being done is done by the next who comes.
        self._release()
        if self._thread is None:
            self._start()

    def close(self) -> None:
        """End the thread."""
        self._is_closed = True
        self._release()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _start(self) -> None:
        try:
            threading.Thread(target=self._run, name="actorcloud-watchdog", daemon=True).start()
        except RuntimeError:
            # The machine gives no more, or Python is about to end: who comes next tries again.
            if not self._was_refused:
                self._was_refused = True
                logger.exception("no thread can be started that looks after the pool: where all block, none is added")

    def _release(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was told already
            self._wakeup.release()

    def _run(self) -> None:
        with GUARD:
            if self._thread is not None:
                return  # two came at once
            self._thread = threading.current_thread()
        tick = threading.Lock()
        tick.acquire()
        while not self._is_closed:
            self._wakeup.acquire()
            self._watch(tick)

    def _watch(self, tick: Any) -> None:
        """Look once a tick until nothing has run for a while."""
        self._is_watching = True
        pool = self._pool
        idle_ticks = 0
        starting: dict[threading.Thread, int] = {}
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
            due = self._begun() + pool.queued
            turns = self._turns()
            cpu = time.process_time()
            tick.acquire(True, _TICK)
            self._hurry_guests(turns)
            starting = self._await_starts(starting)
            if pool.queued and self._begun() < due:
                self._relieve(turns, time.process_time() - cpu)

    def _await_starts(self, before: dict[threading.Thread, int]) -> dict[threading.Thread, int]:
        """Return for how many ticks threads have not begun to run; those that have not for long are given up."""
        ticks = {thread: before.get(thread, 0) + 1 for thread in self._pool.starting()}
        lost = {thread for thread, count in ticks.items() if count > _START_TICKS and thread.ident is None}
        if lost:
            self._pool.give_up(lost)
        return ticks

    def _begun(self) -> int:
        """Return the number of turns begun, roughly: nobody waits for an exact figure."""
        return sum(turn.number for turn in tuple(self._pool.turns.values()))

    def _turns(self) -> Turns:
        found = ((thread, turn.cell, turn.number) for thread, turn in tuple(self._pool.turns.items()))
        return {thread: (cell, number) for thread, cell, number in found if cell is not None}

    def _lasting(self, turns: Turns) -> Turns:
        """Return those of these turns that run still."""
        now = self._turns()
        return {thread: turn for thread, turn in turns.items() if now.get(thread) == turn}

    def _hurry_guests(self, turns: Turns) -> None:
        """End turns that last while the thread's host is due, whether actors wait or not."""
        for thread, (cell, _) in self._lasting(turns).items():
            if thread in self._pool.hosts:
                cell.preempt()

    def _relieve(self, turns: Turns, cpu: float) -> None:
        """What was queued a tick ago still waits: make room for it."""
        pool = self._pool
        lasting = self._lasting(turns)
        # Where nobody computes, they block: there is no second look.
        is_idle = cpu < _TICK * _IDLE
        stuck = 0
        for thread, (cell, number) in lasting.items():
            if is_idle or (cell.preempted and cell.thread == thread):
                stuck += 1
                pool.set_aside(thread, number)
            cell.preempt()
        # Threads that were added a moment ago may not have begun yet.
        if pool.running > (stuck if is_idle else 0):
            return
        count = max(1, stuck)
        if cpu > _TICK * _SATURATED:
            # They compute: more threads make nothing faster, a few keep the others from starving.
            count = 1 if stuck < _COMPUTING_THREADS else 0
        added = pool.add_runner(count, beyond_target=True)
        if count and not added and not self._warned and not self._is_closed:
            self._warned = True
            logger.warning("all %d threads are blocked and %d actors wait for one", pool.threads, pool.queued)
