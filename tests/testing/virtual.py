"""A clock with timers and a seeded random: the least world in which a `SimNetwork` lives."""

from __future__ import annotations

import random

from actorcloud.base.clock import ManualClock


class VirtualWorld:
    def __init__(self, seed: int = 0) -> None:
        self.clock = ManualClock()
        self.timers = self.clock
        self.random = random.Random(seed)

    def run(self, seconds: float) -> None:
        self.clock.advance(seconds)
