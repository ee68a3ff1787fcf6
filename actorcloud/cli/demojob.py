"""The jobs of `actorcloud demo`: each adds the temperatures of some days into the store, once.

Worker processes import this file by its name; it loads nothing that a job does not need.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from actorcloud.client import Cloud, current

#: Where the sums are: (tenths of a degree, days).
SPACE, SUMS = "demo", "sums"

#: Key, per job, of how often it has added its part: exactly once, says the promise.
COUNTED = "counted"

#: Seconds that a job works, so that there is something to kill.
WORK_TIME = 0.06


def add_part(tenths: Sequence[int]) -> int:
    """Add these temperatures, in tenths of a degree, to the sums in the store.

    Returns:
        How many they are.
    """
    time.sleep(WORK_TIME)
    job = current()
    cloud: Cloud = job.cloud

    def add() -> None:
        total, days = cloud.fetch(SPACE, SUMS, (0, 0))
        cloud.store(SPACE, SUMS, (total + sum(tenths), days + len(tenths)))
        cloud.store(job.ref, COUNTED, cloud.fetch(job.ref, COUNTED, 0) + 1)

    # A run that dies after this commit is run again: `once` keeps it from adding twice.
    cloud.mutate_store(add, once="add")
    return len(tenths)
