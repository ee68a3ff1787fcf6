"""Futures: the answer to an ask, outside the mailbox, so that a late answer can never be mistaken.

A `Future` is set once; the second outcome is dropped, whoever sets it: an answer that loses the
race against the death of the answerer, or against a timeout, is no error.

Thread: any. `_LOCK` guards the outcome and the list of waiters of all futures; it is a leaf.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Protocol, TypeVar, cast

import pykka

from actorcloud.actor.errors import AskTimeout
from actorcloud.actor.latch import Latch
from actorcloud.actor.ports import Waits

T = TypeVar("T")

#: How long an ask waits unless told otherwise: Erlang's five seconds, long enough for a healthy answer.
ASK_TIMEOUT_DEFAULT = 5.0

_LOCK = threading.Lock()


class Unset:
    """The type of `DEFAULT`."""

    def __repr__(self) -> str:
        return "DEFAULT"


#: As a timeout: the usual one. `None` means to wait for ever.
DEFAULT = Unset()

Timeout = float | None | Unset


class ReplyTo(Protocol):
    """Where the answer to an ask goes; a `Future` here, a message back for an asker elsewhere.

    Thread: any; the methods never raise but as said and never block.
    """

    def set(self, value: Any = None, /) -> object:
        """Answer; ignored if there was an answer already."""
        ...

    def set_exception(self, error: BaseException, /) -> object:
        """Answer with an error; ignored if there was an answer already."""
        ...

    def push(self, value: Any, /) -> None:
        """Send a part of the answer, more to follow.

        Raises:
            TypeError: if the asker takes only one answer.
        """
        ...


class Keeper(Protocol):
    """Who owes an answer, and wants to know when another gave it."""

    def release(self, reply_to: ReplyTo, /) -> None:
        """Forget this debt."""
        ...


class Future(pykka.Future[T]):
    """A value that will be there later.

    >>> future = Future()
    >>> future.set(42)
    True
    >>> future.get()
    42

    Args:
        waits: through which `get` blocks; None blocks the thread plainly.
        timeout: seconds that `get` waits unless told otherwise; None waits for ever.
        what: what is waited for, for the text of a timeout.
    """

    _get_hook: Callable[[float | None], T] | None = None
    #: The cell that keeps this future as a deferred reply.
    keeper: Keeper | None = None
    _waiters: tuple[Callable[[], object], ...] = ()

    def __init__(self, waits: Waits | None = None, timeout: float | None = None, what: object = None) -> None:
        self._waits = waits
        self._timeout = timeout
        self._what = what
        self._outcome: tuple[Any, BaseException | None] | None = None

    def __repr__(self) -> str:
        if self._outcome is None:
            return "<Future pending>"
        value, error = self._outcome
        return f"<Future {value!r}>" if error is None else f"<Future raises {error!r}>"

    def is_done(self) -> bool:
        """Whether the outcome is there."""
        return self._outcome is not None

    def get(self, timeout: Timeout = DEFAULT) -> T:
        """Return the value, waiting for it.

        Args:
            timeout: seconds; None waits for ever; the future's own limit unless given.

        Raises:
            AskTimeout: nothing came in time.
            Exception: what the answerer raised, or `ActorDeadError` if it died first.
        Blocks:
            until there is an outcome, or `timeout`.
        """
        limit = self._timeout if isinstance(timeout, Unset) else timeout
        if self._get_hook is not None and self._outcome is None:
            self.set(self._get_hook(limit))
        if self._outcome is None and not self.wait(limit):
            raise AskTimeout(f"no answer within {limit} s from {self._what or 'whom it was asked'}")
        value, error = cast("tuple[Any, BaseException | None]", self._outcome)
        if error is not None:
            raise error
        return cast("T", value)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the outcome, whatever it is.

        Returns:
            False if `timeout` seconds passed first.

        Blocks:
            until there is an outcome, or `timeout`.
        """
        latch = Latch()
        if not self._add_waiter(latch.set):
            return True
        try:
            if self._waits is None:
                latch.acquire(timeout)
            else:
                self._waits.wait(latch, timeout)
        finally:
            if self._outcome is None:
                self._drop_waiter(latch.set)
        return self._outcome is not None

    def set(self, value: T | None = None) -> bool:  # type: ignore[override]  # tells whether it counted
        """Set the value; False, and nothing happens, if there is an outcome already."""
        return self._settle((value, None))

    def set_exception(  # type: ignore[override]  # takes an exception as well as Pykka's exc_info
        self,
        error: BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | None = None,
    ) -> bool:
        """Set an error for `get` to raise; False, and nothing happens, if there is an outcome already.

        Args:
            error: the exception, or Pykka's `exc_info`; None means the one that is being handled.
        """
        if error is None:
            error = sys.exc_info()[1]
        elif isinstance(error, tuple):
            error = error[1]
        return self._settle((None, error or RuntimeError("set_exception() without an exception")))

    def push(self, value: Any) -> None:
        """Refuse: a future takes one value.

        Raises:
            TypeError: always.
        """
        raise TypeError(f"this asker takes one answer, not a stream; {value!r} was not sent")

    def add_done_callback(self, function: Callable[[Future[T]], object]) -> None:
        """Call `function(self)` when there is an outcome; at once if there is one.

        Thread:
            It runs on the thread that sets the outcome and must not block.
        """
        if not self._add_waiter(lambda: function(self)):
            function(self)

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio  # noqa: PLC0415  costs 30 ms, and most programs never await

        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        self.add_done_callback(lambda _: loop.call_soon_threadsafe(wake))
        if self._outcome is None:
            yield from waiter.__await__()
        return self.get()

    __iter__ = __await__

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Compute the value at the first `get`; Pykka's `map`, `filter`, `join` and `reduce` use it."""
        self._get_hook = func

    def _settle(self, outcome: tuple[Any, BaseException | None]) -> bool:
        with _LOCK:
            if self._outcome is not None:
                return False
            self._outcome = outcome
            waiters = self._waiters
            self._waiters = ()
        if self.keeper is not None:
            self.keeper.release(self)
        for waiter in waiters:
            waiter()
        return True

    def _add_waiter(self, waiter: Callable[[], object]) -> bool:
        with _LOCK:
            if self._outcome is not None:
                return False
            self._waiters = (*self._waiters, waiter)
            return True

    def _drop_waiter(self, waiter: Callable[[], object]) -> None:
        with _LOCK:
            self._waiters = tuple(known for known in self._waiters if known != waiter)
