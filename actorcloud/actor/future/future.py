"""Futures: the answer to an ask, outside the mailbox, so that a late answer can never be mistaken.

A `Future` is set once; the second outcome is dropped, whoever sets it: an answer that loses the
race against the death of the answerer, or against a timeout, is no error.

Thread: any. `_LOCK` guards the outcome and the list of waiters of all futures; it is a leaf.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import Any, Protocol, TypeVar

import pykka

from actorcloud.actor.errors import AskTimeout, CallingSelf
from actorcloud.actor.future.reply import Keeper
from actorcloud.actor.future.timeout import DEFAULT, Timeout, Unset
from actorcloud.actor.thread.context import local
from actorcloud.actor.thread.latch import Latch
from actorcloud.actor.thread.ports import Waits

logger = logging.getLogger("actorcloud.actor")

T = TypeVar("T")
J = TypeVar("J")
M = TypeVar("M")
T_co = TypeVar("T_co", covariant=True)

_LOCK = threading.Lock()


class _Gives(Protocol[T_co]):
    """A future of this type or a narrower one; `Future` itself, which is also set, cannot say so."""

    def get(self, timeout: Timeout = ...) -> T_co: ...


class Future(pykka.Future[T]):
    """A value that will be there later.

    >>> future = Future()
    >>> future.set(42)
    True
    >>> future.get()
    42

    Args:
        waits: through which `get` blocks; None: as is the way of the system that is current then.
        timeout: seconds that `get` waits unless told otherwise; None waits for ever.
        what: what is waited for, for the text of a timeout.
    """

    _get_hook: Callable[[float | None], T] | None = None
    #: Whether `get` has all it needs to compute the value.
    _is_computable = False
    #: Set once the thread that computes the value is done, well or not; None while none does.
    _computed: Future[None] | None = None
    #: What the value is computed from.
    _sources: tuple[pykka.Future[Any], ...] = ()
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
        """Whether the outcome is there, or can be computed without waiting for other actors."""
        return self._outcome is not None or self._is_computable

    def get(self, timeout: Timeout = DEFAULT) -> T:
        """Return the value, waiting for it.

        Args:
            timeout: seconds; None waits for ever; the future's own limit unless given.

        Raises:
            AskTimeout: nothing came in time.
            CallingSelf: the actor that is to answer is the one that waits.
            Exception: what the answerer raised, or `ActorDeadError` if it died first.
        Blocks:
            until there is an outcome, or `timeout`.
        """
        limit = self._timeout if isinstance(timeout, Unset) else timeout
        if self._outcome is None:
            if not self.wait(limit):
                raise self._late(limit)
            if self._get_hook is not None:
                self._compute(self._get_hook, limit)
        assert self._outcome is not None, "a wait that ended without a timeout has an outcome"
        value, error = self._outcome
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]  # what was set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the outcome, whatever it is.

        Returns:
            False if `timeout` seconds passed first.

        Raises:
            CallingSelf: as `get`.
        Blocks:
            until there is an outcome, or `timeout`.
        """
        latch = Latch()
        with _LOCK:  # `add_waiter`, unrolled: an ask passes here
            if self._outcome is not None or self._is_computable:
                return True
            self._waiters = (*self._waiters, latch.set)
        try:
            if self._what is not None and timeout != 0:
                self.check_asked()
            waits = self._waits if self._waits is not None else _waits_here()
            if waits is None:
                latch.acquire(timeout)
            else:
                waits.wait(latch, timeout)
        finally:
            if self._outcome is None:
                self.drop_waiter(latch.set)
        return self.is_done()

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
        """Call `function(self)` when there is an outcome; at once if there is one. What it raises is logged.

        Thread:
            It runs on the thread that sets the outcome and must not block.
        """

        def call() -> None:
            try:
                function(self)
            except Exception:
                # It is not the fault of who answered.
                logger.exception("a done callback of %r raised", self)

        if not self.add_waiter(call):
            call()

    def __await__(self) -> Generator[Any, None, T]:
        """Wait on the running asyncio loop, which goes on meanwhile; else as `get`, its limit included.

        Cancelling the task that awaits leaves the question with the answerer; nobody hears the answer.
        """
        from actorcloud.actor.future import awaiting  # noqa: PLC0415  asyncio: 30 ms, and most programs never await

        if not self.is_done() and self._is_from_me():
            raise CallingSelf(
                f"{self._what} awaits its own answer, which would never come; return first, or call the method"
            )
        if not self.is_done() and not (yield from awaiting.until_done(self).__await__()):
            raise self._late(self._timeout)
        if self._may_block():
            value: T = yield from awaiting.computed(self).__await__()
            return value
        return self.get()

    __iter__ = __await__

    # -- computed from others ---------------------------------------------------------------------

    def set_get_hook(self, func: Callable[[float | None], T]) -> None:
        """Let `get` compute the value, at its first call.

        Args:
            func: called with the seconds that `get` may take; None means for ever. What it returns is
                kept; what it raises is not, so that the next `get` tries again.
        """
        self._get_hook = func
        self._become_computable()

    def map(self, func: Callable[[T], M]) -> Future[M]:
        """Return a future of `func(value)`, which the first `get` computes.

        >>> price = Future()
        >>> double = price.map(lambda value: value * 2)
        >>> price.set(21)
        True
        >>> double.get()
        42
        """
        return _derive((self,), lambda timeout: func(self.get(timeout=timeout)))

    def filter(self: _Gives[Iterable[J]], func: Callable[[J], bool]) -> Future[list[J]]:  # type: ignore[override]
        """Return a future of the list of the value's items for which `func(item)` is true."""
        return _derive((self,), lambda timeout: [item for item in self.get(timeout=timeout) if func(item)])

    def join(self, *futures: pykka.Future[Any]) -> Future[list[Any]]:  # type: ignore[override]  # a list, truly
        """Return a future of the list of this value and those of `futures`."""
        sources = (self, *futures)
        return _derive(sources, lambda timeout: [source.get(timeout=timeout) for source in sources])

    def reduce(self: _Gives[Iterable[J]], func: Callable[[M, J], M], *args: M) -> Future[M]:
        """Return a future of `functools.reduce(func, value, *args)`."""
        return _derive((self,), lambda timeout: functools.reduce(func, self.get(timeout=timeout), *args))

    def _derive(self, sources: tuple[Any, ...], compute: Callable[[float | None], T]) -> None:
        """Be computed from `sources` once they are done; wait as long as they would."""
        ours = [source for source in sources if isinstance(source, Future)]
        limits = [source._timeout for source in ours]  # noqa: SLF001  this class's own
        self._waits = ours[0]._waits  # noqa: SLF001  as above
        self._timeout = None if None in limits else max(limit for limit in limits if limit is not None)
        self._what = ours[0]._what  # noqa: SLF001  as above
        self._sources = sources
        self._get_hook = compute
        pending = ours

        def on_done() -> None:
            # In order, as `compute` will take them: it is enough that one fails and those before it do not.
            nonlocal pending
            here = pending
            for place, source in enumerate(here):
                if not source.is_done():
                    pending = here[place:]
                    return
                if source._has_failed():  # noqa: SLF001  as above
                    break
            self._become_computable()

        for source in ours:
            if not source.add_waiter(on_done):
                on_done()

    def _compute(self, hook: Callable[[float | None], T], limit: float | None) -> None:
        """Compute the value, on one thread at a time; the others wait for that one."""
        mine: Future[None] = Future(self._waits)
        while self._outcome is None:
            with _LOCK:
                other = self._computed
                if other is None:
                    self._computed = mine
            if other is None:
                try:
                    self._settle((hook(limit), None))
                finally:
                    self._computed = None
                    mine.set()
            elif not other.wait(limit):
                raise AskTimeout(f"{self!r} was not computed within {limit} s")

    def _late(self, limit: float | None) -> AskTimeout:
        # Rounded: what is left of a time for several is no round number.
        seconds = None if limit is None else round(limit, 3)
        return AskTimeout(f"no answer within {seconds} s from {self._what or 'whom it was asked'}")

    def _is_from_me(self) -> bool:
        """Whether the actor that runs here is to answer, in a turn after this one."""
        is_running = getattr(self._what, "_is_running", None)
        return is_running is not None and is_running() and not self._is_put_off()

    def is_own(self) -> bool:
        """Whether the actor that is to answer is the one that runs here, so that waiting is in vain."""
        is_me = getattr(self._what, "_is_me", None)
        return is_me is not None and is_me() and not self._is_put_off()

    def check_asked(self) -> None:
        """Refuse to wait on the stack of who is to answer.

        Raises:
            CallingSelf: this is that stack.
        """
        if self.is_own():
            raise CallingSelf(f"{self._what} is waited for on its own stack, and would never come; handle it later")

    def _is_put_off(self) -> bool:
        """Whether an actor has read the question and owes the answer, which another may give in its place."""
        keeper: Any = self.keeper
        while hasattr(keeper, "keeper"):  # a reply around this one
            keeper = keeper.keeper
        return keeper is not None

    def _may_block(self) -> bool:
        """Whether `get` may block although all sources are done: only a hook of the user's knows."""
        if self._outcome is not None or self._get_hook is None:
            return False
        return not self._sources or any(
            not isinstance(source, Future) or source._may_block()  # noqa: SLF001  this class's own
            for source in self._sources
        )

    def _has_failed(self) -> bool:
        return self._outcome is not None and self._outcome[1] is not None

    def _become_computable(self) -> None:
        with _LOCK:
            self._is_computable = True
            waiters, self._waiters = self._waiters, ()
        for waiter in waiters:
            waiter()

    # -- the outcome ------------------------------------------------------------------------------

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

    @property
    def timeout(self) -> float | None:
        """Seconds that `get` waits unless told otherwise; None: for ever."""
        return self._timeout

    def add_waiter(self, waiter: Callable[[], object]) -> bool:
        """Have `waiter` called, once, when there is an outcome; False, and it is not, if there is one."""
        with _LOCK:
            if self._outcome is not None or self._is_computable:
                return False
            self._waiters = (*self._waiters, waiter)
            self._note_waiters()
            return True

    def drop_waiter(self, waiter: Callable[[], object]) -> None:
        """Take a waiter back; it may be under way."""
        with _LOCK:
            self._waiters = tuple(known for known in self._waiters if known != waiter)
            self._note_waiters()

    def _note_waiters(self) -> None:
        """Whom to call has changed; under the lock."""


def _derive(sources: tuple[Any, ...], compute: Callable[[float | None], M]) -> Future[M]:
    """Return a future that `compute` makes out of `sources`."""
    future: Future[M] = type(sources[0])()
    future._derive(sources, compute)  # noqa: SLF001  this file's own
    return future


def _waits_here() -> Waits | None:
    """Return how this thread waits; None, plainly, if no system is current."""
    system: Any = local.system if local.cell is None else local.cell.system
    return None if system is None else system.dispatcher
