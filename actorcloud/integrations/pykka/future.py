"""Pykka's future: to set it twice is an error."""

from __future__ import annotations

import queue
from collections.abc import Callable
from types import TracebackType
from typing import Any, TypeVar

from actorcloud.actor import Future

T = TypeVar("T")


class ThreadingFuture(Future[T]):
    """A value that will be there later; see `actorcloud.actor.Future`.

    >>> future = ThreadingFuture()
    >>> doubled = future.map(lambda value: 2 * value)
    >>> future.set(21)
    True
    >>> doubled.get(timeout=1)
    42
    """

    def set(self, value: T | None = None) -> bool:  # type: ignore[override]  # as `actorcloud.actor.Future`
        """Set the value.

        Raises:
            queue.Full: there is an outcome already, or a hook that computes it.
        """
        return self._once(Future.set, value)

    def set_exception(  # type: ignore[override]  # as above
        self,
        error: BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
    ) -> bool:
        """Set an error for `get` to raise; unless given, the one that is being handled.

        Raises:
            queue.Full: as `set`.
        """
        return self._once(Future.set_exception, error)

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let `get` compute the value.

        Raises:
            queue.Full: there is an outcome already.
        """
        if self._outcome is not None:
            raise queue.Full(f"{self!r} has its outcome already: a hook would never be called")
        super().set_get_hook(func)

    def _once(self, setter: Callable[[Future[T], Any], bool], outcome: object) -> bool:
        if self._get_hook is not None or not setter(self, outcome):
            raise queue.Full(f"{self!r} has its outcome already, or computes it")
        return True


class Answer(ThreadingFuture[T]):
    """What an ask returns: an answer that comes too late is dropped, and no error of who answers."""

    set = Future.set
    set_exception = Future.set_exception
