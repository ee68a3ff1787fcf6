"""How many jobs a node wants to hold, and how many a worker gets at a time: by how long jobs take.

Short jobs go in batches, since a message costs more than such a job; long ones one at a time, since
a job that is held here behind a long one could run elsewhere. Pure; seconds are given.

Reference: net-design 4.1 (credits by the recent mean of the duration).
"""

from __future__ import annotations

#: Seconds of work that a worker gets in one message.
WORK_PER_MESSAGE = 0.010

#: Seconds of work that a node holds for each worker, so that it never waits for the head.
WORK_HELD = 0.050

#: Jobs in one message to a worker.
MESSAGE_LIMIT = 64

#: Jobs held for each worker.
HELD_LIMIT = 1024

#: From this mean on nothing is held that no worker can begin.
LONG = 1.0

#: Seconds that a run may take before what waits behind it is given back.
PATIENCE = 0.050

#: Weight of the newest mean.
_NEW = 0.3


class Pace:
    """The recent mean duration of this node's jobs."""

    def __init__(self) -> None:
        #: Seconds; None before the first job has ended.
        self.mean: float | None = None

    def __repr__(self) -> str:
        return f"<Pace {self.mean} s>"

    def note(self, jobs: int, seconds: float) -> None:
        """Take in that `jobs` > 0 jobs took `seconds` together."""
        latest = max(seconds, 0.0) / jobs
        self.mean = latest if self.mean is None else (1 - _NEW) * self.mean + _NEW * latest

    def note_slow(self, seconds: float) -> None:
        """Take in that a job has taken `seconds` already and is not done."""
        if self.mean is None or seconds > self.mean:
            self.mean = seconds

    def batch(self) -> int:
        """Return how many jobs a worker gets in one message: 1 to `MESSAGE_LIMIT`."""
        return _within(1, WORK_PER_MESSAGE, self.mean, MESSAGE_LIMIT)

    def held(self) -> int:
        """Return how many jobs to hold for each worker: 1 to `HELD_LIMIT`."""
        if self.mean is None:
            return 2
        if self.mean >= LONG:
            return 1
        return 1 + _within(1, WORK_HELD, self.mean, HELD_LIMIT - 1)


def _within(least: int, work: float, mean: float | None, most: int) -> int:
    if mean is None:
        return least
    return most if mean * most <= work else max(least, int(work / mean))
