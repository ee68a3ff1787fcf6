"""Time, injected: nothing of ours reads the wall clock but through a `Clock`.

Reference: river's baseservice: monotonic for local arithmetic, UTC only at the store and the wire.
"""

from __future__ import annotations

import time
from typing import Protocol


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


class ManualClock:
    """A clock that moves only when told; for tests and for the simulation."""

    def __init__(self, start: float = 1_000.0, epoch: float = 1_700_000_000.0) -> None:
        self._now = start
        self._epoch = epoch - start

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._now

    def time(self) -> float:
        """See `Clock.time`; moves together with `monotonic`."""
        return self._epoch + self._now

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`.

        Raises:
            ValueError: if they are negative.
        """
        if seconds < 0:
            raise ValueError(f"a clock cannot go back by {-seconds} s")
        self._now += seconds
