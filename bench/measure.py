"""Taking samples and boiling them down.

Every measurement is repeated, ours and the peer's in turns, so that a busy moment of the machine
hits both; the median is reported, with the 99th percentile beside it.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

#: Times that a throughput is measured.
REPEATS = 5


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def p99(values: Sequence[float]) -> float:
    """Return the smallest value that 99 % of all do not exceed."""
    return sorted(values)[math.ceil(len(values) * 0.99) - 1]


def seconds(work: Callable[[], object]) -> float:
    """Return how long one call of `work` takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def in_turns(
    ours: Callable[[], float], peer: Callable[[], float], repeats: int = REPEATS
) -> tuple[list[float], list[float]]:
    """Measure both `repeats` times, alternating, after one round that is not counted.

    Args:
        ours: takes one sample and returns it.
        peer: likewise.
        repeats: rounds that count.

    Returns:
        The samples of ours and those of the peer.
    """
    ours(), peer()
    samples = [(ours(), peer()) for _ in range(repeats)]
    return [mine for mine, _ in samples], [theirs for _, theirs in samples]


@contextmanager
def durable_path() -> Iterator[Path]:
    """Give a place for a store below the working directory: the system's temporary one may be in memory."""
    with TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as directory:
        yield Path(directory) / "store"
