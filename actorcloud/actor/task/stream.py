"""Streams: many items, each run as a task, a bounded number at a time, only as fast as they are taken.

::

    items --next--> [ task | task | task ] --outcome--> who iterates
                      at most max_concurrency, started and not yet yielded

So what is kept is bounded too: an ordered stream holds the outcomes behind a slow one, and starts no
further item meanwhile. Each task has a timer of its own. Whatever ends the iteration (the last item,
a `break`, an error, the death of the actor) ends the tasks that run.

Thread: who iterates first is the owner.

Reference: Elixir's `Task.async_stream`; otp-semantics 3.14.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Generic, Literal, TypedDict, TypeVar

import msgspec

from actorcloud.actor.errors import AskTimeout
from actorcloud.actor.task.claim import Claim
from actorcloud.actor.task.outcome import TIMEOUT, Exited, Outcome
from actorcloud.actor.thread.context import current_system
from actorcloud.actor.thread.latch import Latch
from actorcloud.base.errors import ConfigError
from actorcloud.base.ports import TimerHandle

T = TypeVar("T")

#: Seconds that each item of a stream may take; as for a single task.
ITEM_TIMEOUT_DEFAULT = 5.0


class StreamOptions(TypedDict, total=False):
    """The options of a stream."""

    #: How many items may be started and not yet yielded; the number of processors unless given.
    max_concurrency: int
    #: Whether outcomes come in the order of the items (the default), or as they are there.
    ordered: bool
    #: Seconds that each item may take; `ITEM_TIMEOUT_DEFAULT` unless given, None for no limit.
    timeout: float | None
    #: "exit" (the default): an item that takes longer makes the iteration raise `AskTimeout`.
    #: "kill_task": its task is killed, and its outcome is `Exited(TIMEOUT)`.
    on_timeout: Literal["exit", "kill_task"]
    #: Whether `Exited.reason` is the pair (item, reason).
    zip_input_on_exit: bool


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The options, checked."""

    max_concurrency: int = msgspec.field(default_factory=lambda: os.cpu_count() or 1)
    ordered: bool = True
    timeout: float | None = ITEM_TIMEOUT_DEFAULT
    on_timeout: str = "exit"
    zip_input_on_exit: bool = False

    def __post_init__(self) -> None:
        count: object = self.max_concurrency
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ConfigError(f"max_concurrency is {count!r}; it must be an integer >= 1")
        timeout: object = self.timeout
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if timeout is not None and not (is_number and timeout >= 0):  # type: ignore[operator]  # tested beside
            raise ConfigError(f"timeout is {timeout!r}; it must be seconds >= 0, or None for no limit")
        if self.on_timeout not in {"exit", "kill_task"}:
            raise ConfigError(f"on_timeout is {self.on_timeout!r}; it must be exit or kill_task")


class TaskStream(Generic[T]):
    """What `Task.stream` returns; iterate over it.

    Args:
        launch: starts the task for one item, as the caller's.
        items: what to run.
        options: see `StreamOptions`.

    Raises:
        ConfigError: an option is wrong.
        TypeError: there is no such option.
    """

    def __init__(self, launch: Callable[[Any], Claim[T]], items: Iterable[Any], **options: Any) -> None:
        self._launch = launch
        self._items = items
        self._plan = _Plan(**options)

    def __iter__(self) -> Generator[Outcome[T], None, None]:
        """Yield the outcomes.

        Raises:
            AskTimeout: an item took too long, with `on_timeout="exit"`.
            NotOwner: another began this iteration.
            MaxChildren: the supervisor of the tasks is full.
        Blocks:
            for each outcome.
        """
        run = _Run(self._launch, iter(self._items), self._plan)
        try:
            while run.start_more():
                yield run.take_next()
        finally:
            run.close()


class _Item(Generic[T]):
    """An item whose task was started."""

    __slots__ = ("claim", "timer", "value")

    def __init__(self, value: Any, claim: Claim[T]) -> None:
        self.value = value
        self.claim = claim
        self.timer: TimerHandle | None = None


class _Run(Generic[T]):
    """One iteration."""

    def __init__(self, launch: Callable[[Any], Claim[T]], source: Iterator[Any], plan: _Plan) -> None:
        self._launch = launch
        self._source = source
        self._plan = plan
        self._system = current_system()
        self._has_more = True
        #: Started and not yet yielded, in the order of the items.
        self._items: deque[_Item[T]] = deque()
        #: Those of an unordered run that are settled, in that order. Thread: any.
        self._settled: deque[_Item[T]] = deque()
        #: What the owner waits on.
        self._latch = Latch()

    def start_more(self) -> bool:
        """Start as many items as may run; False if there is nothing left to yield."""
        if self._items:
            self._items[0].claim.check_owner()
        while self._has_more and len(self._items) < self._plan.max_concurrency:
            try:
                value = next(self._source)
            except StopIteration:
                self._has_more = False
            else:
                self._start(value)
        return bool(self._items)

    def take_next(self) -> Outcome[T]:
        """Wait for the outcome that is next, and take it."""
        item = self._items[0] if self._plan.ordered else self._wait_for_any()
        item.claim.check_owner()
        item.claim.future.wait()
        self._items.remove(item)
        outcome = item.claim.take()
        if item.timer is not None:
            item.timer.cancel()
        item.claim.unlink()
        if not isinstance(outcome, Exited):
            return outcome
        if outcome.reason is TIMEOUT and self._plan.on_timeout == "exit":
            raise AskTimeout(f"{item.claim} did not end within {self._plan.timeout} s for {item.value!r}")
        return Exited((item.value, outcome.reason)) if self._plan.zip_input_on_exit else outcome

    def close(self) -> None:
        """End what runs. Thread: any, since an iteration that nobody holds is closed wherever that is noticed."""
        for item in self._items:
            if item.timer is not None:
                item.timer.cancel()
            item.claim.discard()
        if isinstance(self._source, Generator):
            # Some of it was read ahead: nobody else can use the rest.
            self._source.close()

    def _start(self, value: Any) -> None:
        item = _Item(value, self._launch(value))
        self._items.append(item)
        if not self._plan.ordered:
            item.claim.future.add_done_callback(lambda _: self._note(item))
        if self._plan.timeout is not None:
            deadline = self._system.clock.monotonic() + self._plan.timeout
            item.timer = self._system.timers.call_at(deadline, item.claim.expire)

    def _note(self, item: _Item[T]) -> None:
        self._settled.append(item)
        self._latch.set()

    def _wait_for_any(self) -> _Item[T]:
        while not self._settled:
            # Set before it is looked at again, so that what comes after the look finds the latch.
            self._latch = latch = Latch()
            if not self._settled:
                self._system.wait(latch)
        return self._settled.popleft()
