"""How long one job takes from `submit` to its result, when nothing else is going on.

Against `ProcessPoolExecutor`, and against the floor of a durable job: the pool's round trip and two
commits of the storage engine, one that adds the job and one that stores its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import lmdb

from bench.jobs import both, noop
from bench.measure import durable_path, median, p99, seconds
from bench.registry import Figure, benchmark

#: Single jobs that are timed, after a tenth as many that are not.
JOBS = 300


@benchmark("latency")
def latency() -> Iterator[Figure]:
    """Measure single jobs."""
    with both() as (cloud, pool):
        peer = _times(lambda number: pool.submit(noop, number).result())
        ours = _times(lambda number: cloud.result(cloud.add_job(noop, number)))
    commit = _commit_times()
    floor = [trip + 2 * median(commit) for trip in peer]
    yield _figure("latency", ours, peer, "ProcessPoolExecutor.submit, not durable")
    yield _figure("latency, floor", ours, floor, "the same + two LMDB commits")


def _times(run: Callable[[int], object]) -> list[float]:
    for number in range(JOBS // 10):
        run(number)
    return [seconds(partial(run, number)) * 1000 for number in range(JOBS)]


def _commit_times() -> list[float]:
    with durable_path() as path:
        environment = lmdb.open(str(path), map_size=64 * 1024 * 1024)

        def commit(number: int) -> None:
            with environment.begin(write=True) as transaction:
                transaction.put(number.to_bytes(8, "big"), bytes(200))

        times = _times(commit)
        environment.close()
    return times


def _figure(name: str, ours: list[float], peer: list[float], against: str) -> Figure:
    return Figure(
        name=name,
        ours=median(ours),
        peer=median(peer),
        unit="ms",
        better="lower",
        against=against,
        ours_p99=p99(ours),
        peer_p99=p99(peer),
    )
