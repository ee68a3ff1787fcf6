"""How many jobs that do nothing get done in a second, with two workers.

Ours are durable: each job and each result is on disk before it is acknowledged. The peer,
`ProcessPoolExecutor`, keeps everything in memory. `map` is one bulk call against one item a task;
`submit` keeps 64 jobs in flight on both sides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager

from actorcloud import Cloud
from bench.measure import durable_path, in_turns, median, seconds
from bench.registry import Figure, benchmark

WORKERS = 2

#: Jobs of one sample.
JOBS_MAPPED = 20_000
JOBS_SUBMITTED = 5_000

IN_FLIGHT = 64


def noop(number: int) -> int:
    """Do nothing."""
    return number


@contextmanager
def both() -> Iterator[tuple[Cloud, ProcessPoolExecutor]]:
    """Open the peer and a durable cloud, both with their workers running."""
    with ProcessPoolExecutor(WORKERS) as pool, durable_path() as path:
        # The pool forks at its first tasks: before the cloud has threads.
        list(pool.map(noop, range(IN_FLIGHT)))
        with Cloud(path=path, workers=WORKERS) as cloud:
            list(cloud.map(noop, range(IN_FLIGHT)))
            yield cloud, pool


@benchmark("jobs")
def noop_map() -> Iterator[Figure]:
    """Measure one bulk call."""
    expected = list(range(JOBS_MAPPED))

    def ours() -> float:
        return JOBS_MAPPED / seconds(lambda: _check(list(cloud.map(noop, expected)), expected))

    def peer() -> float:
        return JOBS_MAPPED / seconds(lambda: _check(list(pool.map(noop, expected)), expected))

    with both() as (cloud, pool):
        mine, theirs = in_turns(ours, peer)
    yield _figure("noop map", mine, theirs, "ProcessPoolExecutor.map, not durable")


@benchmark("jobs")
def noop_submit() -> Iterator[Figure]:
    """Measure jobs submitted one by one, 64 in flight."""

    def ours() -> float:
        return JOBS_SUBMITTED / seconds(lambda: _keep_in_flight(lambda number: cloud.submit(noop, number)))

    def peer() -> float:
        return JOBS_SUBMITTED / seconds(lambda: _keep_in_flight(lambda number: pool.submit(noop, number)))

    with both() as (cloud, pool):
        mine, theirs = in_turns(ours, peer)
    yield _figure("noop submit", mine, theirs, "ProcessPoolExecutor.submit, not durable")


def _keep_in_flight(submit: Callable[[int], Future[int]]) -> None:
    waiting: deque[Future[int]] = deque()
    total = 0
    for number in range(JOBS_SUBMITTED):
        if len(waiting) == IN_FLIGHT:
            total += waiting.popleft().result()
        waiting.append(submit(number))
    total += sum(future.result() for future in waiting)
    _check(total, sum(range(JOBS_SUBMITTED)))


def _check(got: object, expected: object) -> None:
    if got != expected:
        raise RuntimeError("the results are wrong: this is no measurement")


def _figure(name: str, ours: list[float], peer: list[float], against: str) -> Figure:
    return Figure(name=name, ours=median(ours), peer=median(peer), unit="jobs/s", better="higher", against=against)
