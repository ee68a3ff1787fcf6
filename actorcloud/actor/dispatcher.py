"""Dispatchers: who runs the actors that have mail.

`Pool` is the real one. Actors are queued in `_queue`; a thread takes one, gives it a turn of up to
`throughput` messages, and takes the next. One thread is enough while handlers do not block: the
interpreter lets one run anyway, and every further one costs a hand-over of 50 us.

A handler may block all the same:

- in a wait of ours (`Pool.wait`): the thread counts itself out, and another runs in its place;
- in anything else (`time.sleep`, a socket): the watchdog sees that work waits for a whole tick
  while every thread is stuck in one handler, and doubles the threads, tick by tick.

Threads that find nothing to do park, last in first out, and retire after `_RETIRE_AFTER`.

No wake-up is lost: who schedules appends and then reads `_running`; who parks lowers `_running`
and then reads the queue. One of the two sees the other.

`PinnedThread` is the thread of one actor that says `dispatcher = "thread"`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from actorcloud.actor.context import GUARD, check_exit, local, running
from actorcloud.actor.errors import Unwound
from actorcloud.actor.future import Future
from actorcloud.actor.latch import Latch
from actorcloud.actor.ports import Home, Runnable
from actorcloud.base.errors import StartError

logger = logging.getLogger("actorcloud.actor")

R = TypeVar("R")

#: Messages an actor handles before the next one gets the thread: long enough to pay for the switch.
THROUGHPUT_DEFAULT = 256

#: Threads that run actors while none blocks; see the module's docstring.
THREADS_DEFAULT = 1

#: No machine has use for more; the watchdog warns and stops there.
MAX_THREADS_DEFAULT = 2_048

#: Seconds between two looks of the watchdog while actors run.
_TICK = 0.01

#: Ticks without work after which the watchdog sleeps; waking it costs more than some ticks do.
_IDLE_TICKS = 50

#: Share of a tick spent on the CPU from which the threads count as computing, not as blocked.
_SATURATED = 0.8

#: Threads that may compute at the same time.
_COMPUTING_THREADS = 32

#: Seconds that a parked thread waits for work before it ends.
_RETIRE_AFTER = 5.0


def wait_as_actor(latch: Latch, timeout: float | None) -> bool:
    """Wait on this thread; if an actor runs here, an exit signal ends the wait.

    Raises:
        ActorExit: the actor was told to exit.
    """
    cell = running()
    if cell is None:
        return latch.acquire(timeout)
    cell.latch = latch
    try:
        # Set before it is looked at, so that a signal after the look finds the latch.
        check_exit()
        return latch.acquire(timeout)
    finally:
        cell.latch = None
        check_exit()


class Pool:
    """Runs the actors of one system on a few threads; see the module's docstring."""

    def __init__(
        self,
        threads: int = THREADS_DEFAULT,
        *,
        throughput: int = THROUGHPUT_DEFAULT,
        max_threads: int = MAX_THREADS_DEFAULT,
    ) -> None:
        self._target = threads
        self._throughput = throughput
        self._max_threads = max_threads
        self._queue: deque[Runnable] = deque()
        # Guards `_running`, `_parked` and `_threads`; a leaf.
        self._lock = threading.Lock()
        #: Threads that are neither parked nor in a wait of ours.
        self._running = 0
        self._parked: list[Any] = []
        self._threads: set[threading.Thread] = set()
        #: Turns begun; written without a lock, since the watchdog needs no exact figure.
        self.begun = 0
        #: Thread -> the cell it runs, and the number of that turn.
        self.turns: dict[int, tuple[Runnable, int]] = {}
        self._is_closed = False
        self._watchdog = _Watchdog(self)

    @property
    def queued(self) -> int:
        """Actors that wait for a thread."""
        return len(self._queue)

    def is_idle(self) -> bool:
        """Whether there is nothing to do, now."""
        return not self._running and not self._queue

    @property
    def running(self) -> int:
        """Threads that are neither parked nor in a wait of ours."""
        return self._running

    @property
    def threads(self) -> int:
        """Threads of the pool, the watchdog left out."""
        return len(self._threads)

    def schedule(self, cell: Runnable) -> None:
        """See `Home.schedule`."""
        self._queue.append(cell)
        if self._running < self._target:
            self.add_runner()

    def call(self, function: Callable[[], R], timeout: float | None) -> R:  # noqa: ARG002  nothing to wait for
        """Run `function` here: a pooled actor's `__init__` runs on its starter's stack."""
        return function()

    def pinned(self, name: str) -> Home:
        """See `Dispatcher.pinned`."""
        return PinnedThread(name, self._throughput)

    def wait(self, latch: Latch, timeout: float | None) -> bool:
        """See `latch.Waits`."""
        if not local.pooled:
            return wait_as_actor(latch, timeout)
        with self._lock:
            self._running -= 1
        if self._queue:
            self.add_runner()
        try:
            return wait_as_actor(latch, timeout)
        finally:
            with self._lock:
                self._running += 1

    def add_runner(self, count: int = 1, *, beyond_target: bool = False) -> int:
        """Let more threads run: parked ones first, then new ones.

        Args:
            count: how many.
            beyond_target: for the watchdog, which knows that those that run are stuck.

        Returns:
            How many more run now.
        """
        added = 0
        while added < count:
            thread: threading.Thread | None = None
            with self._lock:
                if self._is_closed or (not beyond_target and self._running >= self._target):
                    break
                parked = self._parked.pop() if self._parked else None
                if parked is None:
                    if len(self._threads) >= self._max_threads:
                        break
                    thread = threading.Thread(target=self._run, name="actorcloud-pool", daemon=True)
                    self._threads.add(thread)
                self._running += 1
            added += 1
            if parked is not None:
                parked.release()
            elif thread is not None:
                thread.start()
        self._watchdog.wake()
        return added

    def close(self, timeout: float) -> None:
        """See `Dispatcher.close`."""
        with self._lock:
            self._is_closed = True
            parked, self._parked = self._parked, []
            self._running += len(parked)
            threads = list(self._threads)
        for lock in parked:
            lock.release()
        self._watchdog.close()
        me = threading.current_thread()
        for thread in threads:
            if thread is not me:
                thread.join(timeout=timeout / len(threads))

    def _run(self) -> None:
        local.pooled = True
        queue, throughput, turns, me = self._queue, self._throughput, self.turns, threading.get_ident()
        parking = threading.Lock()
        parking.acquire()
        while True:
            try:
                cell = queue.popleft()
            except IndexError:
                if not self._park(parking):
                    return
                continue
            self.begun = begun = self.begun + 1
            turns[me] = (cell, begun)
            try:
                cell.turn(throughput)
            except Unwound:
                pass
            except BaseException:
                # A bug of ours must not take a thread, and with it other actors, down.
                logger.critical("the turn of %r failed", cell, exc_info=True)
            del turns[me]

    def _park(self, parking: Any) -> bool:
        """Wait for work; False if this thread is to end."""
        with self._lock:
            self._running -= 1
            if self._queue and not self._is_closed:
                self._running += 1
                return True
            if self._is_closed:
                self._threads.discard(threading.current_thread())
                return False
            self._parked.append(parking)
        if not parking.acquire(True, _RETIRE_AFTER):
            with self._lock:
                # Not in `_parked` any more means woken: the release is on its way.
                if parking in self._parked and len(self._parked) > self._target:
                    self._parked.remove(parking)
                    self._threads.discard(threading.current_thread())
                    return False
            parking.acquire()
        return True


class _Watchdog:
    """Adds threads while all are stuck and work waits. Sleeps while nothing runs.

    A turn that lasts longer than a tick while others wait is first asked to end after its message;
    if it still runs a tick later, its handler blocks or computes, and another thread is added.
    """

    def __init__(self, pool: Pool) -> None:
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
            if pool.queued and pool.begun < due:
                self._relieve(turns, time.process_time() - cpu)

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


class PinnedThread:
    """The thread of one actor; ends with it."""

    def __init__(self, name: str, throughput: int) -> None:
        self._throughput = throughput
        self._is_over = False
        self._work: deque[Runnable | Callable[[], None]] = deque()
        self._wakeup = threading.Lock()
        self._wakeup.acquire()
        self._thread = threading.Thread(target=self._run, name=f"actorcloud-{name}", daemon=True)
        self._thread.start()

    def schedule(self, cell: Runnable) -> None:
        """See `Home.schedule`."""
        self._put(cell)

    def call(self, function: Callable[[], R], timeout: float | None) -> R:
        """See `Home.call`; a function that raises ends the thread.

        Raises:
            StartError: it did not end in time.
        """
        future: Future[R] = Future()

        def run() -> None:
            try:
                future.set(function())
            except BaseException as error:  # noqa: BLE001  travels to the caller
                self._is_over = True
                future.set_exception(error)

        self._put(run)
        if not future.wait(timeout):
            raise StartError(f"the actor did not start within {timeout} s; give options(start_timeout=...) more")
        return future.get()

    def _put(self, work: Runnable | Callable[[], None]) -> None:
        self._work.append(work)
        with contextlib.suppress(RuntimeError):  # it is awake, and looks at the queue before it sleeps
            self._wakeup.release()

    def _run(self) -> None:
        while not self._is_over:
            try:
                work = self._work.popleft()
            except IndexError:
                self._wakeup.acquire()
                continue
            if callable(work):
                work()
            else:
                self._turn(work)

    def _turn(self, cell: Runnable) -> None:
        try:
            cell.turn(self._throughput)
        except Unwound:
            self._is_over = True
        else:
            self._is_over = cell.is_dead()
