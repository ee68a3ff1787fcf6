"""Worker processes are killed at random moments; the job is run again, and none is counted twice."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

import actorcloud
from actorcloud import Cloud, JobRef
from tests.system.cluster import Site, wait_for, workers_of
from tests.system.counting import Chance, count, verify

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def kill_workers(rounds: int, chance: Chance) -> None:
    # Given
    with Site() as site:
        site.wait_head(site.head())
        node = site.node("n1", workers=2)
        refs: list[JobRef[str]] = []
        with Cloud(site.endpoint) as cloud:
            for _ in range(rounds):
                added = cloud.add_jobs(count, [chance.random.random() * 0.02 for _ in range(10)])
                # When: two a round. The third death of its process would suspend a job.
                for _ in range(2):
                    chance.wait(0.2)
                    victims = wait_for(lambda: workers_of(node.pid), "a worker")
                    victim = chance.random.choice(victims)
                    victim.kill()
                    psutil.wait_procs([victim], 10)
                cloud.results(added, timeout=120)
                refs += added
            # Then
            verify(cloud, refs)
            assert node.is_running


@pytest.mark.timeout(400)
def test_workers_are_killed_fifty_times_and_every_job_counts_once() -> None:
    kill_workers(25, Chance())


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_workers_are_killed_a_thousand_times_and_every_job_counts_once() -> None:
    kill_workers(500, Chance())


def add_and_die(once: str | None) -> None:
    """Add 1, durably; the process of the first attempt dies before the job has ended."""
    job = actorcloud.current()

    def add() -> None:
        job.cloud.store("tally", str(once), job.cloud.fetch("tally", str(once), 0) + 1)

    job.cloud.mutate_store(add, once=once)
    if job.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("once", "counted"), [(None, 2), ("tally", 1)])
def test_without_once_a_job_that_is_run_again_counts_again(once: str | None, counted: int) -> None:
    with Cloud(workers=1) as cloud:
        # When
        cloud.result(cloud.add_job(add_and_die, once), timeout=60)
        # Then
        assert cloud.fetch("tally", str(once)) == counted
