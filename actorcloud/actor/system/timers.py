"""Timers: messages that are sent later.

`TimerThread` is the real `Timers` port of a system: one thread, made at the first timer, that
sleeps until the next deadline. `Timer` is what `send_after` returns.

Thread: any. A timer's function runs on the timer thread and must not block; ours only `tell`.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from actorcloud.actor.mailbox.mailbox import Mailbox
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.clock import Clock
from actorcloud.base.ports import TimerHandle, Timers

logger = logging.getLogger("actorcloud.actor")

#: Cancelled timers stay in the heap until they are due, or until they are half of it and this many.
_SWEEP_AT = 1_000


class _Entry:
    """One timer in the heap."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Callable[[], None], owner: TimerThread) -> None:
        self.function: Callable[[], None] | None = function
        self.owner = owner

    def cancel(self) -> bool:
        return self.owner.cancel(self)


class TimerThread:
    """Calls functions when `clock` reaches their deadline."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, _Entry]] = []
        self._cancelled = 0
        self._serial = itertools.count()
        # Guards the heap; notified when the first deadline comes nearer.
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def call_at(self, deadline: float, function: Callable[[], None]) -> TimerHandle:
        """See `base.ports.Timers`; after `close` it never fires."""
        entry = _Entry(function, self)
        with self._changed:
            heapq.heappush(self._heap, (deadline, next(self._serial), entry))
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._run, name="actorcloud-timers", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is entry:
                self._changed.notify()
        return entry

    def cancel(self, entry: _Entry) -> bool:
        """Stop a timer; True if it had not fired."""
        with self._changed:
            if entry.function is None:
                return False
            entry.function = None
            self._cancelled += 1
            if self._cancelled > _SWEEP_AT and self._cancelled * 2 > len(self._heap):
                self._heap = [item for item in self._heap if item[2].function is not None]
                heapq.heapify(self._heap)
                self._cancelled = 0
            return True

    def close(self) -> None:
        """Drop all timers and end the thread."""
        with self._changed:
            self._is_closed = True
            self._heap.clear()
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=1.0)

    def _run(self) -> None:
        while (function := self._next()) is not None:
            try:
                function()
            except Exception:
                logger.exception("the function of a timer raised: %r", function)

    def _next(self) -> Callable[[], None] | None:
        """Wait for the next due function; None when closed."""
        with self._changed:
            while not self._is_closed:
                wait = None
                if self._heap:
                    deadline, _, entry = self._heap[0]
                    wait = deadline - self._clock.monotonic()
                    if wait <= 0 or entry.function is None:
                        heapq.heappop(self._heap)
                        function, entry.function = entry.function, None
                        if function is not None:
                            return function
                        self._cancelled = max(0, self._cancelled - 1)
                        continue
                self._changed.wait(None if wait is None else min(wait, threading.TIMEOUT_MAX))
        return None


class TimerRef(msgspec.Struct, frozen=True, order=True):
    """The name of one timer; `Expired.ref` and `Cancelled.ref` repeat it."""

    #: Unique in the process that made it.
    serial: int


class Expired(msgspec.Struct, frozen=True, eq=False):
    """What a timer of `start_timer` sends: it tells which timer it was."""

    ref: TimerRef
    message: Any


class Cancelled(msgspec.Struct, frozen=True, eq=False):
    """What `Timer.cancel` reports."""

    ref: TimerRef
    #: Seconds until it would have fired; None if it had fired or was cancelled before.
    remaining: float | None


_serials = itertools.count(1)


class Timer:
    """A message that will be sent, once or again and again; dies with its receiver.

    Args:
        clock: what deadlines are measured by; a wall clock that jumps changes nothing.
        deadline: as `clock.monotonic()`.
        message: what to send.
        target: to whom: something with `deliver`.
        cell: the actor with whose death the timer ends, if any.
        interval: seconds between two messages; None sends one.
        wrap: makes what is sent of the timer's name and the message.
    """

    __slots__ = ("_cell", "_clock", "_deadline", "_handle", "_interval", "_message", "_target", "_timers", "ref")

    _handle: TimerHandle
    _timers: Timers

    def __init__(  # noqa: PLR0913  a record of what `Party` is asked for
        self,
        clock: Clock,
        deadline: float,
        message: Any,
        target: Any,
        cell: Mailbox | None,
        *,
        interval: float | None = None,
        wrap: Callable[[TimerRef, Any], Any] | None = None,
    ) -> None:
        self._clock = clock
        self._deadline: float | None = deadline
        #: Its name.
        self.ref = TimerRef(next(_serials))
        self._message = message if wrap is None else wrap(self.ref, message)
        self._target = target
        self._cell = cell
        self._interval = interval

    def __repr__(self) -> str:
        left = self.remaining
        return f"<Timer {self.ref.serial}: {'over' if left is None else f'in {left:g} s'}>"

    def set(self, timers: Timers) -> Timer:
        """Let it run; its receiver's death cancels it."""
        cell = self._cell
        self._timers = timers
        self._arm()
        if cell is not None:
            with GUARD:
                is_late = cell.is_dead()
                if not is_late and self._deadline is not None:
                    if cell.timers is None:
                        cell.timers = {}
                    cell.timers[self] = None
            if is_late:
                self.cancel()
        return self

    @property
    def remaining(self) -> float | None:
        """Seconds until it fires next; None if it fired, or was cancelled."""
        deadline = self._deadline
        return None if deadline is None else max(0.0, deadline - self._clock.monotonic())

    def cancel(self, *, report_to: Any = None) -> float | None:
        """Stop it.

        Args:
            report_to: an `ActorRef` that is told the result as well, as `Cancelled`.

        Returns:
            Seconds until it would have fired; None if it had fired or was cancelled before. After
            None the message may be on its way still.
        """
        remaining = self.remaining
        # Before the handle: who arms it again looks at the deadline afterwards.
        self._forget()
        if not self._handle.cancel():
            remaining = None
        if report_to is not None:
            report_to.tell(Cancelled(self.ref, remaining))
        return remaining

    def _arm(self) -> None:
        deadline = self._deadline
        if deadline is not None:
            self._handle = self._timers.call_at(deadline, self._fire)
            if self._interval is not None and self._deadline is None:
                self._handle.cancel()

    def _fire(self) -> None:
        interval, deadline = self._interval, self._deadline
        if interval is None or deadline is None:
            self._forget()
        else:
            # From deadline to deadline, so that it does not drift; what was missed is left out.
            missed = (self._clock.monotonic() - deadline) // interval
            self._deadline = deadline + interval * (1 + missed)
            self._arm()
        self._target.deliver(self._message)

    def _forget(self) -> None:
        self._deadline = None
        cell = self._cell
        if cell is not None:
            with GUARD:
                if cell.timers is not None:
                    cell.timers.pop(self, None)
