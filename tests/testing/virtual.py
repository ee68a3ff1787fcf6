"""A clock with timers and a seeded random: the least world in which a `SimNetwork` lives."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from actorcloud.base.clock import ManualClock


class VirtualTimer:
    def __init__(self) -> None:
        self.is_cancelled = False
        self.has_fired = False

    def cancel(self) -> bool:
        was_pending = not self.is_cancelled and not self.has_fired
        self.is_cancelled = True
        return was_pending


class VirtualWorld:
    def __init__(self, seed: int = 0) -> None:
        self.clock = ManualClock()
        self.random = random.Random(seed)
        self.timers = self
        self._queue: list[tuple[float, int, VirtualTimer, Callable[[], None]]] = []
        self._count = 0

    def call_at(self, deadline: float, function: Callable[[], None]) -> VirtualTimer:
        timer = VirtualTimer()
        self._count += 1
        heapq.heappush(self._queue, (deadline, self._count, timer, function))
        return timer

    def run(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while self._queue and self._queue[0][0] <= end:
            due, _, timer, function = heapq.heappop(self._queue)
            if not timer.is_cancelled:
                timer.has_fired = True
                self.clock.advance(max(0.0, due - self.clock.monotonic()))
                function()
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
