"""A pool on a thread of another's: the network's thread runs the actors between two turns of its own.

A message that comes in is then handled, and the answer sent, without a switch of threads, each of
which costs 50 to 100 us: two of the five wake-ups of every hop between processes.

::

    host:   poll -> events to mailboxes -> guest.run: turns, 2 ms at most -> poll
    wait:   an actor waits -> the host's own turns go on, a thread of the pool runs the others

What must not happen on such a thread is a handler that blocks other than in a wait of ours: the
network would stand still for that time. Hence only processes whose actors are all ours are hosted.

Thread: the host's, but for `release`.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from actorcloud.actor.thread.context import as_nobody, local
from actorcloud.actor.thread.latch import Latch
from actorcloud.base.ports import HostThread

#: Seconds of turns between two turns of the host.
_SHARE = 0.002


class Hosted(Protocol):
    """What the guest needs of its pool."""

    #: Threads of others that run turns as well.
    hosts: set[int]

    def run_queue(self, may_go_on: Callable[[], bool] | None) -> bool:
        """Give turns on this thread; False if some wait still."""
        ...

    def rest(self, guest: PoolGuest) -> bool:
        """Count this thread out until it is woken; False if there is something to do first."""
        ...

    def dismiss(self, guest: PoolGuest) -> None:
        """This thread runs no more turns."""
        ...

    def count_out(self) -> None:
        """This thread is about to wait."""
        ...

    def count_in(self) -> None:
        """This thread goes on."""
        ...


class PoolGuest:
    """See the module; a `base.ports.Guest`.

    Args:
        pool: whose actors run.
    """

    def __init__(self, pool: Hosted) -> None:
        self._pool = pool
        self._host: HostThread | None = None
        self._until = 0.0
        #: Whether the host's thread counts as one that runs; guarded by the pool's lock.
        self.is_running = False

    def arrive(self, host: HostThread) -> None:
        """See `Guest.arrive`."""
        self._host = host
        local.pooled, local.guest = True, self
        self._pool.hosts.add(threading.get_ident())
        self._pool.rest(self)

    def run(self) -> bool:
        """See `Guest.run`."""
        if not self.is_running:
            return False
        self._until = time.monotonic() + _SHARE
        is_done = self._pool.run_queue(self._may_go_on)
        return self._host is not None and not (is_done and self._pool.rest(self))

    def leave(self) -> None:
        """See `Guest.leave`; the turn that runs, if there is one, is ended here all the same."""
        self._host = None
        local.pooled, local.guest = False, None
        self._pool.hosts.discard(threading.get_ident())
        self._pool.dismiss(self)

    def release(self) -> None:
        """Wake the thread. Thread: any."""
        host = self._host
        if host is not None:
            host.wake()

    def acquire(self, latch: Latch, timeout: float | None) -> bool:
        """Wait for a latch while the host's own turns go on; see `Latch.acquire`."""
        host = self._host
        if host is None:
            return latch.acquire(timeout)
        latch.call_when_set(host.wake)
        until = math.inf if timeout is None else time.monotonic() + timeout
        # What comes in now comes in for others, not in the name of the actor whose code is on this stack.
        with as_nobody():
            while not latch.is_set and (left := until - time.monotonic()) > 0:
                if not host.turn(left):
                    return latch.acquire(None if timeout is None else until - time.monotonic())
        return latch.is_set

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """See `Guest.away`."""
        if not self.is_running:
            yield
            return
        self._pool.count_out()
        try:
            with as_nobody():
                yield
        finally:
            self._pool.count_in()

    def _may_go_on(self) -> bool:
        return self._host is not None and time.monotonic() < self._until
