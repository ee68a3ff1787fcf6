"""Jobs that wait for other jobs lend their slots: they never wait for each other for ever."""

from __future__ import annotations

import pytest

from actorcloud import current
from actorcloud.jobs.transition import LOST_LIMIT
from actorcloud.node import pace
from actorcloud.testing import Simulation
from actorcloud.testing.cloud import SimCloud
from tests.simulation.jobs import rest


def fibonacci(n: int) -> int:
    if n < 2:
        return n
    cloud = current().cloud
    left, right = cloud.add_job(fibonacci, n - 1), cloud.add_job(fibonacci, n - 2)
    return int(cloud.result(left)) + int(cloud.result(right))


def dawdle_and_nest(n: int) -> int:
    if current().attempt <= 3:
        rest(current().cloud, 1000.0)
    return fibonacci(n)


@pytest.mark.parametrize("seed", range(25))
@pytest.mark.parametrize("held", [1, 4])
def test_nested_jobs_end_on_a_single_worker(seed: int, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a cloud of one worker, whose jobs count as long (held 1) or as short
    monkeypatch.setattr(pace.Pace, "held", lambda _self: held)
    monkeypatch.setattr(pace.Pace, "batch", lambda _self: held)
    with Simulation(seed) as sim:
        cloud = SimCloud(sim, slots=1)
        cloud.start_head()
        cloud.start_node("n1")
        # When a job adds jobs and waits for them, which do the same
        program = cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(fibonacci, 5)))
        # Then it ends
        sim.run_until(program.is_done, timeout=120)
        assert program.get() == 5


@pytest.mark.parametrize("seed", range(5))
def test_a_job_that_goes_alone_gets_what_it_waits_for_on_the_only_node(seed: int) -> None:
    with Simulation(seed) as sim:
        # Given a job that was lost with its node until it goes alone
        cloud = SimCloud(sim, slots=1)
        cloud.start_head()
        cloud.start_node("n1")
        program = cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(dawdle_and_nest, 3)))
        for lost in range(LOST_LIMIT):
            sim.run_until(lambda lost=lost: len(cloud.witness.begun) > lost, timeout=120)  # type: ignore[misc]
            cloud.crash_node("n1")
            cloud.start_node("n1")
        # When it waits for jobs of its own, then it ends
        sim.run_until(program.is_done, timeout=240)
        assert program.get() == 2
