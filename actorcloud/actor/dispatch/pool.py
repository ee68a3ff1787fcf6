"""The pool: runs the actors that have mail.

Actors are queued in `_queue`; a thread takes one, gives it a turn of up to `throughput` messages, and
takes the next. One thread is enough while handlers do not block: the interpreter lets one run anyway,
and every further one costs a hand-over of 50 us.

A handler may block all the same:

- in a wait of ours (`Pool.wait`): the thread counts itself out, and another runs in its place;
- in anything else (`time.sleep`, a socket): the watchdog sees that work waits for a whole tick
  while every thread is stuck in one handler, and doubles the threads, tick by tick. A thread found
  stuck is set aside: it does not count as running until its turn ends, so that what comes meanwhile
  waits for no further tick.

Threads that find nothing to do park, last in first out, and retire after `_RETIRE_AFTER`. A hosted
pool has a `guest`: then the thread of the network is the first to run, the pool's own step in.

No wake-up is lost: who schedules appends and then reads `_running`; who parks lowers `_running`
and then reads the queue. One of the two sees the other.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from actorcloud.actor.dispatch.guest import PoolGuest
from actorcloud.actor.dispatch.pinned import PinnedThread
from actorcloud.actor.dispatch.watchdog import Turn, Watchdog
from actorcloud.actor.errors import Unwound
from actorcloud.actor.thread.context import here, local, wait_as_actor
from actorcloud.actor.thread.latch import Latch
from actorcloud.actor.thread.ports import Home, Runnable

if TYPE_CHECKING:
    from actorcloud.actor.dispatch.loop import LoopThread

logger = logging.getLogger("actorcloud.actor")

R = TypeVar("R")

#: Messages an actor handles before the next one gets the thread: long enough to pay for the switch.
THROUGHPUT_DEFAULT = 256

#: Threads that run actors while none blocks; see the module's docstring.
THREADS_DEFAULT = 1

#: No machine has use for more; the watchdog warns and stops there.
MAX_THREADS_DEFAULT = 2_048

#: Seconds that a parked thread waits for work before it ends.
_RETIRE_AFTER = 5.0


class Pool:
    """Runs the actors of one system on a few threads; see the module's docstring.

    Args:
        threads: that run while none blocks.
        throughput: messages of one turn.
        max_threads: that the watchdog makes at most.
        hosted: prefer the thread of a host, the network's, whose actors never block for long.
    """

    def __init__(
        self,
        threads: int = THREADS_DEFAULT,
        *,
        throughput: int = THROUGHPUT_DEFAULT,
        max_threads: int = MAX_THREADS_DEFAULT,
        hosted: bool = False,
    ) -> None:
        self._target = threads
        self._throughput = throughput
        self._max_threads = max_threads
        self._queue: deque[Runnable] = deque()
        #: See `Home.enqueue`.
        self.enqueue = self._queue.append
        # Guards `_running`, `_parked` and `_threads`; a leaf.
        self._lock = threading.Lock()
        #: Threads that are neither parked, nor in a wait of ours, nor set aside.
        self._running = 0
        self._parked: list[Any] = []
        self._threads: set[threading.Thread] = set()
        #: Those of them that have not begun to run: a Ctrl-C may have kept one from being started at all.
        self._starting: set[threading.Thread] = set()
        #: Thread -> what it runs; each thread writes its own without a lock.
        self.turns: dict[int, Turn] = {}
        #: Threads of others that run turns as well.
        self.hosts: set[int] = set()
        self._is_closed = False
        #: Where actors live that await; guarded by its lock.
        self._loop: LoopThread | None = None
        self._loop_lock = threading.Lock()
        self._resting_guest: PoolGuest | None = None
        self._is_hosted = hosted
        self._watchdog = Watchdog(self)

    @property
    def queued(self) -> int:
        """Actors that wait for a thread."""
        return len(self._queue)

    def is_idle(self) -> bool:
        """Whether there is nothing to do, now."""
        return not self._running and not self._queue

    @property
    def running(self) -> int:
        """Threads that are neither parked, nor in a wait of ours, nor set aside."""
        return self._running

    @property
    def threads(self) -> int:
        """Threads of the pool, the watchdog left out."""
        return len(self._threads)

    def hurry(self) -> None:
        """See `Home.hurry`."""
        if self._running < self._target and not self._unpark():
            self.add_runner()

    def call(self, function: Callable[[], R], timeout: float | None) -> R:  # noqa: ARG002  nothing to wait for
        """Run `function` here: a pooled actor's `__init__` runs on its starter's stack."""
        return function()

    def pinned(self, name: str, *, daemon: bool = True) -> Home:
        """See `Dispatcher.pinned`."""
        return PinnedThread(name, self._throughput, daemon=daemon)

    def loop(self) -> Home:
        """See `Dispatcher.loop`; made at the first call, since asyncio takes 30 ms to load."""
        from actorcloud.actor.dispatch.loop import LoopThread  # noqa: PLC0415

        with self._loop_lock:
            if self._loop is None:
                self._loop = LoopThread(self)
            return self._loop

    def wait(self, latch: Latch, timeout: float | None) -> bool:
        """See `latch.Waits`."""
        if not local.pooled:
            return wait_as_actor(latch, timeout)
        self.count_out()
        try:
            acquire = Latch.acquire if local.guest is None else local.guest.acquire
            return wait_as_actor(latch, timeout, acquire)
        finally:
            self.count_in()

    def count_out(self) -> None:
        """The calling thread is about to wait: another may run in its place."""
        turn = self.turns.get(threading.get_ident())
        with self._lock:
            self._leave(turn)
            is_needed = self._queue and self._running < self._target and not self._is_closed
            parked = self._next_parked() if is_needed else None
            self._running += parked is not None
        if parked is not None:
            parked.release()
        elif self._queue:
            self.add_runner()

    def count_in(self) -> None:
        """The calling thread goes on."""
        with self._lock:
            self._running += 1
        self._watchdog.wake()

    def set_aside(self, thread: int, number: int) -> None:
        """Let others run in place of this thread until its turn ends, if that is still the turn of this number."""
        turn = self.turns.get(thread)
        with self._lock:
            if turn is not None and turn.number == number and turn.cell is not None and not turn.is_aside:
                turn.is_aside = True
                self._running -= 1

    def _rejoin(self, turn: Turn) -> None:
        """The turn is over for which this thread was set aside."""
        with self._lock:
            self._running += turn.is_aside
            turn.is_aside = False
        self._watchdog.wake()

    def _leave(self, turn: Turn | None) -> None:
        """Under the lock: this thread runs no more; one that was set aside did not count."""
        if turn is not None and turn.is_aside:
            turn.is_aside = False
        else:
            self._running -= 1

    def _unpark(self) -> bool:
        """Let one thread more run, if one is parked: `add_runner` for the case that counts."""
        parked = None
        try:
            with self._lock:
                if self._running >= self._target or self._is_closed:
                    return True
                parked = self._next_parked()
                if parked is None:
                    return False
                self._running += 1
        finally:
            if parked is not None:  # also after a Ctrl-C: it is counted
                parked.release()
        self._watchdog.wake()
        return True

    def add_runner(self, count: int = 1, *, beyond_target: bool = False) -> int:
        """Let more threads run: parked ones first, then new ones.

        Args:
            count: how many.
            beyond_target: for the watchdog, which knows that those that run are stuck.

        Returns:
            How many more run now.
        """
        # First of all: it sees to work whose thread does not start, or is interrupted by Ctrl-C while it does.
        self._watchdog.wake()
        added = 0
        while added < count:
            parked = thread = None
            try:
                with self._lock:
                    if self._is_closed or (not beyond_target and self._running >= self._target):
                        break
                    parked = self._next_parked()
                    if parked is None:
                        if len(self._threads) >= self._max_threads:
                            break
                        thread = self._new_thread()
                    else:
                        self._running += 1
            finally:
                if parked is not None:  # also after a Ctrl-C: it is counted
                    parked.release()
            added += 1
            if thread is not None and not self._start(thread):
                return added - 1
        return added

    def _new_thread(self) -> threading.Thread:
        """Return a thread that is to be started, counted in. Under the lock."""
        thread = threading.Thread(target=self._run, name="actorcloud-pool", daemon=True)
        # These two first, with no place between them where a Ctrl-C may come: it is given up again, or begins.
        self._running += 1
        self._starting.add(thread)
        self._threads.add(thread)
        return thread

    def _start(self, thread: threading.Thread) -> bool:
        try:
            thread.start()
        except RuntimeError:
            # The machine gives no more: those that run must do.
            logger.exception("no thread can be started beside the %d there are", len(self._threads) - 1)
            with self._lock:
                self._discount(thread)
            return False
        return True

    def starting(self) -> set[threading.Thread]:
        """Return the threads that have not begun to run. Thread: any."""
        return self._starting.copy()

    def give_up(self, threads: set[threading.Thread]) -> None:
        """Do not count on these any more, which were to start long ago; one that comes all the same is counted then."""
        with self._lock:
            for thread in threads:
                self._discount(thread)

    def _discount(self, thread: threading.Thread) -> None:
        """Under the lock: this thread has not started, and will not; it may have been given up before."""
        if thread in self._starting:
            self._running -= 1
            self._starting.discard(thread)
            self._threads.discard(thread)

    def _began(self, thread: threading.Thread) -> None:
        with self._lock:
            if thread in self._starting:
                self._starting.discard(thread)
            else:
                self._running += 1
                self._threads.add(thread)

    def close(self, timeout: float) -> None:
        """See `Dispatcher.close`."""
        with self._lock:
            self._is_closed = True
            parked, self._parked = self._parked, []
            self._running += len(parked)
            # One that never started, of a Ctrl-C, cannot be waited for.
            threads = [thread for thread in self._threads if thread.ident is not None]
        for lock in parked:
            lock.release()
        self._watchdog.close()
        if self._loop is not None:
            self._loop.close(timeout)
        me = threading.current_thread()
        for thread in threads:
            if thread is not me:
                thread.join(timeout=timeout / len(threads))

    def run_queue(self, may_go_on: Callable[[], bool] | None = None) -> bool:
        """Give turns on this thread, which counts as running.

        Args:
            may_go_on: asked after each turn; None: always.

        Returns:
            False if some wait still.
        """
        queue, throughput, facts = self._queue, self._throughput, here()
        turn = self.turns.get(facts["thread"]) or self.turns.setdefault(facts["thread"], Turn())
        outer = turn.cell
        while queue:
            try:
                cell = queue.popleft()
            except IndexError:
                break
            turn.cell = cell
            turn.number += 1
            try:
                cell.turn(throughput, facts)
            except Unwound:
                pass
            except BaseException:
                # A bug of ours must not take a thread, and with it other actors, down.
                logger.critical("the turn of %r failed", cell, exc_info=True)
            if turn.is_aside:
                self._rejoin(turn)
            if may_go_on is not None and not may_go_on():
                break
        turn.cell = outer
        return not queue

    # -- the guest --------------------------------------------------------------------------------

    def guest(self) -> PoolGuest | None:
        """See `Dispatcher.guest`: each host takes in one of its own."""
        return PoolGuest(self) if self._is_hosted else None

    def rest(self, guest: PoolGuest) -> bool:
        """Count the guest's thread out until it is woken; False if there is something to do first."""
        with self._lock:
            if guest.is_running:
                self._leave(self.turns.get(threading.get_ident()))
            if self._queue and guest.is_running and not self._is_closed:
                self._running += 1
                return False
            guest.is_running = False
            self._resting_guest = guest
        return True

    def dismiss(self, guest: PoolGuest) -> None:
        """The guest's thread runs no more turns; others do."""
        turn = self.turns.pop(threading.get_ident(), None)
        with self._lock:
            if guest.is_running:
                self._leave(turn)
            guest.is_running = False
            if self._resting_guest is guest:
                self._resting_guest = None
        if self._queue:
            self.add_runner()

    # -- threads of its own -----------------------------------------------------------------------

    def _next_parked(self) -> Any:
        """Return who is to run next, counted in by the caller; None if nobody is parked. Under the lock."""
        guest, self._resting_guest = self._resting_guest, None
        if guest is not None:
            guest.is_running = True
            return guest
        if not self._parked:
            return None
        parked = self._parked[-1]
        del self._parked[-1]  # no `pop`: as a call returns a Ctrl-C may come, and nobody would know of it
        return parked

    def _run(self) -> None:
        self._began(threading.current_thread())
        local.pooled = True
        parking = threading.Lock()
        parking.acquire()
        while self.run_queue() and self._park(parking):
            pass
        self.turns.pop(threading.get_ident(), None)

    def _park(self, parking: Any) -> bool:
        """Wait for work; False if this thread is to end."""
        turn = self.turns.get(threading.get_ident())
        with self._lock:
            self._leave(turn)
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
