"""Jobs that wait for other jobs lend their slots: they never wait for each other for ever."""

from __future__ import annotations

import pytest

from actorcloud import current
from actorcloud.node import pace
from actorcloud.testing import Simulation
from actorcloud.testing.cloud import SimCloud


def fibonacci(n: int) -> int:
    if n < 2:
        return n
    cloud = current().cloud
    left, right = cloud.add_job(fibonacci, n - 1), cloud.add_job(fibonacci, n - 2)
    return int(cloud.result(left)) + int(cloud.result(right))


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
