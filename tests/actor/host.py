"""A thread with hardly any work of its own, which takes in the guest of a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actorcloud.actor import Pool, System
from tests.actor.cast import PATIENCE


class Host:
    """See `base.ports.HostThread`; its own work is to count its turns."""

    def __init__(self, pool: Pool) -> None:
        self.turns = 0
        self.guest = pool.guest()
        self._wakeup = threading.Semaphore(0)
        self._is_over = False
        self.left = threading.Event()
        self.thread = threading.Thread(target=self._run, name="test-host", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        self._wakeup.release()

    def turn(self, seconds: float) -> bool:
        if self._is_over:
            self._leave()
            return False
        self.turns += 1
        self._wakeup.acquire(timeout=min(seconds, PATIENCE))
        return True

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        raise NotImplementedError

    def unwatch(self, descriptor: int) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """End the thread's own work; from the thread itself too, in the middle of a turn of the guest."""
        self._is_over = True
        self.wake()
        if threading.current_thread() is self.thread:
            self._leave()
        else:
            self.left.wait(PATIENCE)

    def _run(self) -> None:
        assert self.guest is not None
        self.guest.arrive(self)
        while self.turn(0.0 if self.guest.run() else PATIENCE):
            pass

    def _leave(self) -> None:
        if not self.left.is_set():
            assert self.guest is not None
            self.guest.leave()
            self.left.set()


@contextmanager
def hosted() -> Iterator[tuple[System, Pool, Host]]:
    """A system whose actors run on a host's thread; current on this thread."""
    pool = Pool(hosted=True)
    host = Host(pool)
    with System(name="test", dispatcher=pool) as system, system.activate():
        yield system, pool, host
    host.end()
    host.thread.join(PATIENCE)
