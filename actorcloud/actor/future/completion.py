"""Waiting for several futures: for all, or for each as it is done.

What is not done when the time is over goes on: its future may be waited for again, or dropped, and
then its answer is dropped too.

Thread: any; it waits through the current system.

Reference: OTP's `gen_server:wait_response` over collections; `concurrent.futures.as_completed`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, TypeVar

import pykka

from actorcloud.actor.errors import AskTimeout
from actorcloud.actor.future.future import Future
from actorcloud.actor.future.timeout import DEFAULT, Timeout, Unset, check_timeout
from actorcloud.actor.thread.context import current_system
from actorcloud.actor.thread.latch import Latch

T = TypeVar("T")


class _Arrivals:
    """Futures that are done and not yet told, and who waits for the next one."""

    def __init__(self) -> None:
        self.done: deque[Future[Any]] = deque()
        self._latch = Latch()

    def add(self, future: Future[Any]) -> None:
        """Note that `future` is done. Thread: any."""
        self.done.append(future)
        self._latch.set()

    def wait(self, timeout: float | None) -> bool:
        """Wait until there is one; False if `timeout` seconds passed first."""
        # Made before the look, so that whoever adds after the look sets it.
        self._latch = Latch()
        return bool(self.done) or current_system().wait(self._latch, timeout) or bool(self.done)


def as_completed(futures: Iterable[Future[T]], *, timeout: float | None = None) -> Iterator[Future[T]]:
    """Yield futures in the order in which they are done, each once.

    To know which is which, keep them as the keys of a dict.

    >>> first, second = Future(), Future()
    >>> second.set("two"), first.set("one")
    (True, True)
    >>> [future.get() for future in as_completed([first, second])]
    ['one', 'two']

    Args:
        futures: those done already come first, in this order.
        timeout: seconds for all together; None waits for ever.

    Raises:
        AskTimeout: some were not done in time; those may be waited for again.
        CallingSelf: those that are left are to be answered by the actor that waits.
        ValueError: `timeout` is no number of seconds >= 0.
    Blocks:
        until the next is done, or `timeout`.
    """
    check_timeout(timeout)
    return _as_completed(list(dict.fromkeys(futures)), timeout)


def _as_completed(futures: list[Future[T]], timeout: float | None) -> Iterator[Future[T]]:
    clock = current_system().clock
    deadline = None if timeout is None else clock.monotonic() + timeout
    arrivals = _Arrivals()
    waiters = {future: partial(arrivals.add, future) for future in futures}
    try:
        for future, waiter in waiters.items():
            if not future.add_waiter(waiter):
                waiter()
        own: list[Future[T]] | None = None
        for left in range(len(futures), 0, -1):
            if not arrivals.done:
                own = [
                    future for future in (futures if own is None else own) if not future.is_done() and future.is_own()
                ]
                if len(own) == left:
                    own[0].check_asked()
            if not arrivals.wait(None if deadline is None else max(0.0, deadline - clock.monotonic())):
                raise AskTimeout(f"{left} of {len(futures)} futures were not done within {timeout} s")
            yield arrivals.done.popleft()
    finally:
        # Else a future that is waited for again and again would keep them all.
        for future, waiter in waiters.items():
            future.drop_waiter(waiter)


def wait_any(futures: Iterable[Future[T]], *, timeout: float | None = None) -> Future[T] | None:
    """Return the first future that is done, whatever its outcome; None if none was in time.

    Args:
        futures: at least one.
        timeout: seconds; None waits for ever.

    Raises:
        CallingSelf: all are to be answered by the actor that waits.
        ValueError: there are no futures, or `timeout` is no number of seconds >= 0.
    Blocks:
        until one is done, or `timeout`.
    """
    known = list(futures)
    if not known:
        raise ValueError("there are no futures to wait for")
    try:
        return next(as_completed(known, timeout=timeout))
    except AskTimeout:
        return None


def get_all(futures: Iterable[pykka.Future[T]], *, timeout: Timeout = DEFAULT) -> list[T]:
    """Return the values of futures, in their order.

    Args:
        futures: any.
        timeout: seconds for all together; None waits for ever, each future's own limit unless given.

    Raises:
        AskTimeout: one was not there in time.
        Exception: what the first of them raised.
    Blocks:
        until all are there.
    """
    if isinstance(timeout, Unset):
        return [future.get() for future in futures]
    if timeout is None:
        return [future.get(timeout=None) for future in futures]
    clock = current_system().clock
    deadline = clock.monotonic() + timeout
    return [future.get(timeout=max(0.0, deadline - clock.monotonic())) for future in futures]
