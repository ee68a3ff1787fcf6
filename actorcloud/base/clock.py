"""Time, injected: nothing of ours reads the wall clock but through a `Clock`.

Reference: river's baseservice: monotonic for local arithmetic, UTC only at the store and the wire.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol

from actorcloud.base.ports import TimerHandle


class Clock(Protocol):
    """Where an actor gets its time from."""

    def monotonic(self) -> float:
        """Return seconds that never go back; deadlines are measured in them."""
        ...

    def time(self) -> float:
        """Return seconds since 1970, UTC; for records and for display only."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()

    def time(self) -> float:
        """See `Clock.time`."""
        return time.time()


class _Alarm:
    """A timer of a `ManualClock`."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function

    def cancel(self) -> bool:
        """See `ports.TimerHandle`."""
        was_set, self.function = self.function is not None, None
        return was_set


class ManualClock:
    """A clock with timers that moves only when told; for tests and for the simulation.

    >>> clock = ManualClock()
    >>> alarm = clock.call_at(clock.monotonic() + 60.0, lambda: print("a minute later"))
    >>> clock.advance(59.0)
    >>> clock.advance(1.0)
    a minute later

    Thread: timers are set and cancelled on any; one at a time moves it.
    """

    def __init__(self, start: float = 1_000.0, epoch: float = 1_700_000_000.0) -> None:
        self._now = start
        self._epoch = epoch - start
        self._alarms: list[tuple[float, int, _Alarm]] = []
        self._serial = itertools.count()

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._now

    def time(self) -> float:
        """See `Clock.time`; moves together with `monotonic`."""
        return self._epoch + self._now

    def call_at(self, deadline: float, function: Callable[[], None]) -> TimerHandle:
        """See `ports.Timers`; `advance` calls it, one that is due already at its next call."""
        alarm = _Alarm(function)
        heapq.heappush(self._alarms, (deadline, next(self._serial), alarm))
        return alarm

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`; timers that are due on the way are called here, each at its moment.

        Raises:
            ValueError: if they are negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        end = self._now + seconds
        while self._alarms and self._alarms[0][0] <= end:
            deadline, _, alarm = heapq.heappop(self._alarms)
            self._now = max(self._now, deadline)
            function, alarm.function = alarm.function, None
            if function is not None:
                function()
        self._now = end
