"""The rules of `test_rules` about what nodes hold, lose, give up and are blamed for (design 6.1: 4, 5, 13, 14)."""

from __future__ import annotations

from actorcloud import Cloud
from actorcloud.testing import Simulation
from actorcloud.testing.cloud import NODE_TIMEOUT
from tests.simulation import acts, jobs, mutants, node_mutants
from tests.simulation.chaos import Chaos
from tests.simulation.stories import Stage, chaos, prove

# -- 4: outage ------------------------------------------------------------------------------------


def test_time_without_a_head_counts_for_no_deadline_of_a_job() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)

            def work(cloud: Cloud) -> object:
                slow = cloud.add_job(jobs.sleep, 1.0)
                return cloud.result(cloud.add_job(jobs.wait_for, slow, 10.0))

            program = stage.cloud.program("c1", work)
            stage.begun(2)
            stage.cloud.crash_head()
            sim.run(100.0)
            stage.cloud.start_head()
            sim.run_until(program.is_done)
            assert program.get() == 1.0
            stage.end()

    prove(story, mutants.counts_time_without_a_head, seeds=3)


def test_what_a_node_gives_up_is_lost_and_never_failed() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, orphan_time=20.0)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 0.5)))
            stage.begun(1)
            stage.cloud.crash_head()
            sim.run(60.0)
            stage.cloud.start_head()
            sim.run_until(program.is_done)
            assert program.get() == 0.5
            stage.end()

    prove(story, mutants.fails_what_it_gives_up, seeds=3)


def test_what_a_node_gives_up_is_told_to_a_head_that_was_only_out_of_reach() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            # Given a node that gives up sooner than its lease ends
            stage = Stage(sim, orphan_time=0.1)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 5.0)))
            stage.begun(1)
            sim.run(0.1)
            # When nothing passes for longer than that, and the streams go on where they stopped
            for name in ("n1", "n2"):
                stage.cloud.network.partition("head", name)
            sim.run(NODE_TIMEOUT * 0.3)
            for name in ("n1", "n2"):
                stage.cloud.network.heal("head", name)
            # Then the job runs again
            sim.run_until(program.is_done)
            assert program.get() == 5.0
            stage.end()

    prove(story, mutants.gives_up_in_silence, seeds=3)


# -- 5: blame -------------------------------------------------------------------------------------


def test_a_dead_workers_socket_is_emptied_before_anybody_is_blamed() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, slots=1)
            program = stage.cloud.program("c1", lambda cloud: list(cloud.map(jobs.echo, range(60))))
            # Just now a worker has begun a few, one after the other; what it wrote of their ends is on its way.
            stage.begun(30)
            for name in ("n1", "n2"):
                stage.cloud.kill_worker(name)
            sim.run_until(program.is_done)
            assert program.get() == list(range(60))
            stage.end()

    prove(story, node_mutants.blames_before_the_socket_is_empty, seeds=10)


def test_a_job_is_not_blamed_for_the_death_of_a_worker_that_we_killed() -> None:
    prove(chaos(acts.time_out, acts.cancel, faults=(Chaos.cut,)), node_mutants.blames_what_it_killed_itself, seeds=5)


def test_a_job_is_not_blamed_for_what_an_earlier_one_left_behind() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, slots=1)

            def work(cloud: Cloud) -> list[int]:
                spending = cloud.add_jobs(jobs.leave_a_thread, range(8))
                counting = cloud.add_jobs(jobs.tell_attempt, range(8))
                assert cloud.results(spending) == list(range(8))
                return cloud.results(counting)

            program = stage.cloud.program("c1", work)
            sim.run_until(program.is_done)
            stage.end()
            assert all(record.crashes == 0 for record in stage.auditor.history.records.values())

    prove(story, node_mutants.blames_the_next_job_for_a_spent_worker)


def test_lost_nodes_count_nothing_until_there_are_three() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 2.0)))
            for number in range(3):
                stage.begun(number + 1)
                (node,) = [name for name in ("n1", "n2") if stage.cloud.agent(name).holding.held()]
                stage.cloud.crash_node(node)
                stage.cloud.start_node(node)
            sim.run_until(program.is_done)
            assert program.get() == 2.0
            (record,) = stage.auditor.history.records.values()
            assert (record.lost, record.crashes) == (3, 0)

    prove(story, node_mutants.counts_lost_nodes_as_crashes, seeds=3)


def test_runs_that_are_lost_with_their_head_are_never_crashes() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 2.0)))
            for number in range(5):
                stage.begun(number + 1)
                (node,) = [name for name in ("n1", "n2") if stage.cloud.agent(name).holding.held()]
                # A machine that has both loses its power.
                stage.cloud.crash_node(node)
                stage.cloud.crash_head()
                stage.cloud.start_head()
                stage.cloud.start_node(node)
            sim.run_until(program.is_done)
            assert program.get() == 2.0
            (record,) = stage.auditor.history.records.values()
            assert (record.lost, record.crashes) == (5, 0)

    prove(story, node_mutants.counts_lost_heads_as_nodes, seeds=3)


def test_nodes_that_end_in_order_count_nothing_however_many() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 2.0)))
            for number in range(7):
                stage.begun(number + 1)
                (node,) = [name for name in ("n1", "n2") if stage.cloud.agent(name).holding.held()]
                stage.cloud.end_node(node)
                sim.run_until(lambda number=number: len(stage.cloud.witness.begun) > number + 1)  # type: ignore[misc]  # bound now
                stage.cloud.start_node(node)
            sim.run_until(program.is_done)
            assert program.get() == 2.0
            (record,) = stage.auditor.history.records.values()
            assert (record.attempt, record.lost, record.crashes) == (8, 0, 0)
            stage.end()

    prove(story, node_mutants.counts_nodes_that_left_as_lost, seeds=1)


# -- 13: un-run -----------------------------------------------------------------------------------


def test_only_the_worker_says_what_it_has_not_begun() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, slots=1)

            def work(cloud: Cloud) -> None:
                cloud.results(cloud.add_jobs(jobs.echo, range(40)))
                cloud.results([cloud.submit(jobs.sleep, 0.05).ref for _ in range(30)])

            program = stage.cloud.program("c1", work)
            sim.run_until(program.is_done)
            program.get()
            stage.end()

    prove(story, node_mutants.gives_back_what_may_have_begun)


# -- 14: the inventory ----------------------------------------------------------------------------


def test_what_a_node_does_not_hold_is_lost() -> None:
    story = chaos(acts.count_once, faults=(Chaos.crash_head, Chaos.crash_proxy, Chaos.crash_node))
    prove(story, node_mutants.believes_no_inventory)


def test_what_a_node_holds_beyond_the_records_is_killed() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)

            def work(cloud: Cloud) -> None:
                ref = cloud.add_job(jobs.sleep, 1000.0)
                jobs.rest(cloud, 1.0)
                cloud.cancel(ref)

            program = stage.cloud.program("c1", work)
            stage.begun(1)
            (node,) = [name for name in ("n1", "n2") if stage.cloud.agent(name).holding.held()]
            # The node misses the order: its link is reset after the cancellation.
            stage.cloud.network.partition("head", node)
            sim.run_until(program.is_done)
            stage.cloud.crash_head()
            stage.cloud.network.heal()
            stage.cloud.start_head()
            stage.end()

    prove(story, node_mutants.leaves_surplus_alone, seeds=5)


def test_a_node_that_comes_back_within_the_grace_keeps_its_jobs() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 3.0)))
            stage.begun(1)
            stage.cloud.crash_head()
            stage.cloud.start_head()
            sim.run_until(program.is_done)
            (record,) = stage.auditor.history.records.values()
            assert (record.attempt, record.lost) == (1, 0)

    prove(story, node_mutants.gives_no_grace, seeds=3)


def test_a_node_that_does_not_come_back_loses_its_jobs() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.sleep, 1.0)))
            stage.begun(1)
            (node,) = [name for name in ("n1", "n2") if stage.cloud.agent(name).holding.held()]
            stage.cloud.crash_head()
            stage.cloud.crash_node(node)
            stage.cloud.start_head()
            sim.run_until(program.is_done)
            assert program.get() == 1.0

    prove(story, node_mutants.never_ends_the_grace, seeds=1)
