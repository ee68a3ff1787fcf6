"""Programs in a simulated cloud, step by step: what seeds have found, told once more in few words."""

from __future__ import annotations

import pytest

from actorcloud import Cloud, JobRef
from actorcloud.base.errors import JobCancelled
from actorcloud.store import keys
from actorcloud.testing import RELIABLE, Auditor, Chances, SimCloud, Simulation
from tests.simulation import jobs


class Stage:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.cloud = SimCloud(sim)
        self.auditor = Auditor(self.cloud)
        sim.on_step(self.auditor.check)
        self.cloud.start_head()
        self.cloud.start_node("n1")


@pytest.mark.parametrize("seed", range(5))
def test_a_job_that_was_submitted_just_now_can_be_waited_for(seed: int) -> None:
    def work(cloud: Cloud) -> list[int]:
        # Two requests are under way at a time: the head has not heard of the last ones.
        refs = [cloud.submit(jobs.echo, number).ref for number in range(10)]
        return [cloud.result(ref) for ref in reversed(refs)]

    with Simulation(seed) as sim:
        program = Stage(sim).cloud.program("c1", work)
        sim.run_until(program.is_done)
        assert program.get() == list(reversed(range(10)))


@pytest.mark.parametrize("seed", range(5))
def test_a_future_that_was_cancelled_before_the_end_of_a_program_stays_so(seed: int) -> None:
    # Given a program that cancels a job while the head is away, and ends
    with Simulation(seed) as sim:
        stage = Stage(sim)
        refs: list[JobRef[float]] = []

        def work(cloud: Cloud) -> None:
            future = cloud.submit(jobs.sleep, 1000.0)
            refs.append(future.ref)
            jobs.rest(cloud, 1.0)
            future.cancel()

        program = stage.cloud.program("c1", work)
        sim.run(0.9)
        stage.cloud.crash_head()
        sim.run(3.0)
        stage.cloud.start_head()
        sim.run_until(program.is_done)

        # Then the job ends as cancelled
        def look(cloud: Cloud) -> None:
            with pytest.raises(JobCancelled):
                cloud.result(refs[0], timeout=5.0)

        second = stage.cloud.program("c2", look)
        sim.run_until(second.is_done)
        second.get()


@pytest.mark.parametrize("is_full", [False, True])
def test_what_a_deleted_job_leaves_is_thrown_away_also_where_nothing_else_happens(*, is_full: bool) -> None:
    # Given a job that is deleted, on a disk that is full then
    with Simulation(1) as sim:
        stage = Stage(sim)

        def work(cloud: Cloud) -> None:
            ref = cloud.add_job(jobs.count, 1)
            cloud.result(ref)
            cloud.mutate_store(lambda: cloud.store(ref, "note", 1))
            cloud.delete_job(ref)

        def fill() -> None:
            is_deleted = bool(stage.auditor.history.deleted)
            stage.cloud.disk.chances = (
                Chances(no_space=1.0) if is_full and is_deleted and sim.clock.monotonic() < end else RELIABLE
            )

        end = sim.clock.monotonic() + 3.0
        sim.on_step(fill)
        program = stage.cloud.program("c1", work)
        sim.run_until(program.is_done)
        # When there has been room again for a while
        sim.run(7.0)
        # Then nothing of it is left
        (ref,) = stage.auditor.history.deleted
        assert stage.cloud.disk.durable.get(keys.garbage(ref)) is None
        stage.auditor.check_quiet()


def test_a_process_whose_tree_gives_up_is_started_again() -> None:
    with Simulation(1) as sim:
        stage = Stage(sim)
        sim.run(0.5)
        for _ in range(4):
            for ref in stage.cloud.actors("head", "JobManager"):
                stage.cloud.crash_actor(ref)
            sim.run(0.02)
        sim.run(5.0)
        assert stage.cloud.respawned == 1
        assert stage.cloud.is_whole()
