"""The rules that keep the promises (design 6.1), each with a proof that the simulation misses it.

A rule's test runs a story over some seeds and everything holds; then it runs it with the mutant that
breaks the rule, and some seed must notice: a promise of the auditor's, an assertion of a program, or
that the story does not end.

Covered here: 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 14, 16. Elsewhere: 1 (leaving: `tests/system`), 12 (fork:
`tests/client`), the fences of foreign stamps (3: `tests/worker`, `tests/node`), commit ids that age (11:
`tests/store`). Not built yet: chunked results (10), suspension and its tickets (15), sessions of
actor hosts (17).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from actorcloud import Cloud
from actorcloud.base.errors import ActorCloudError, JobCancelled, NoSuchJob
from actorcloud.testing import Auditor, Chances, CrashingDisk, SimCloud, Simulation
from actorcloud.testing.cloud import NODE_TIMEOUT
from tests.simulation import acts, jobs, mutants
from tests.simulation.chaos import Chaos, Plan, run

Story = Callable[[int], None]
Mutant = Callable[[], AbstractContextManager[None]]

#: Seeds with which a story must hold, and within which a mutant must be noticed.
HOLDS = 3
NOTICED = 40


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def prove(story: Story, *breaks: Mutant, seeds: int = NOTICED) -> None:
    """The story holds; with each of the mutants it does not."""
    for seed in range(HOLDS):
        story(seed)
    for mutant in breaks:
        assert is_noticed(story, mutant, seeds), f"nobody notices a cloud that {mutant.__name__}"


def is_noticed(story: Story, mutant: Mutant, seeds: int) -> bool:
    for seed in range(seeds):
        with mutant():
            try:
                story(seed)
            except (AssertionError, ActorCloudError, pytest.fail.Exception, IndexError, KeyError):
                return True
    return False


def chaos(*of: acts.Act, faults: tuple[Callable[[Chaos], None], ...], chances: Chances | None = None) -> Story:
    """A story of these acts and faults."""
    plan = Plan(acts=of, faults=faults, chances=chances or Chances(latency=0.02), has_victim=False)

    def story(seed: int) -> None:
        run(seed, plan)

    return story


class Stage:
    """A cloud of two nodes for a story told step by step."""

    def __init__(self, sim: Simulation, *, slots: int = 2, orphan_time: float = 600.0, latency: float = 0.0) -> None:
        self.sim = sim
        disk = CrashingDisk(sim.random, Chances(latency=latency))
        self.cloud = SimCloud(sim, slots=slots, orphan_time=orphan_time, disk=disk)
        self.auditor = Auditor(self.cloud)
        sim.on_step(self.auditor.check)
        self.cloud.start_head()
        for name in ("n1", "n2"):
            self.cloud.start_node(name)

    def begun(self, count: int) -> None:
        """Wait until this many runs have begun."""
        self.sim.run_until(lambda: len(self.cloud.witness.begun) >= count)

    def end(self) -> None:
        """Everything has ended, and all promises hold."""
        self.sim.run_until(lambda: self.cloud.is_quiet() and self.cloud.is_whole(), timeout=60)
        self.sim.run(1.0)
        self.auditor.check_quiet()


# -- 2: one recovery path -------------------------------------------------------------------------


def test_the_end_of_any_part_of_the_core_restarts_it_whole() -> None:
    story = chaos(acts.count_once, acts.map_many, faults=(Chaos.crash_core_actor,))
    prove(story, mutants.restarts_alone)


def test_a_proxy_that_dies_resets_the_link_of_its_node() -> None:
    story = chaos(acts.count_once, acts.map_many, faults=(Chaos.crash_proxy,))
    prove(story, mutants.keeps_the_link_of_a_dead_proxy)


def test_the_end_of_a_port_restarts_its_node() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, slots=1)
            program = stage.cloud.program("c1", lambda cloud: cloud.results(cloud.add_jobs(jobs.count, range(6))))
            stage.begun(2)
            stage.cloud.crash_actor(stage.cloud.actors("n1", "WorkerPort")[0])
            sim.run_until(program.is_done)
            assert program.get() == list(range(6))
            stage.end()

    prove(story, mutants.outlives_its_ports, seeds=3)


# -- 3: stamps ------------------------------------------------------------------------------------


def test_a_commit_counts_only_by_the_current_run() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, latency=0.02)
            program = stage.cloud.program("c1", lambda cloud: cloud.results(cloud.add_jobs(jobs.overtake, range(4))))
            for number in range(1, 4):
                # The run is given to another node while the first one goes on.
                stage.begun(number)
                sim.run_until(lambda: bool(stage.cloud.actors("head", "NodeProxy")))
                stage.cloud.crash_actor(sim.random.choice(stage.cloud.actors("head", "NodeProxy")))
            sim.run_until(program.is_done)
            assert program.get() == list(range(4))
            stage.end()

    prove(story, mutants.checks_no_fence)


def test_a_job_adds_jobs_only_by_its_current_run() -> None:
    def cancel_the_reckless(cloud: Cloud, book: acts.Book, number: int) -> None:
        ref = cloud.add_job(jobs.reckless, number)
        jobs.rest(cloud, 0.01 * number)
        cloud.cancel(ref)

    prove(chaos(cancel_the_reckless, faults=(Chaos.cut,)), mutants.adds_without_fence, seeds=80)


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

    prove(story, mutants.blames_before_the_socket_is_empty, seeds=10)


def test_a_job_is_not_blamed_for_the_death_of_a_worker_that_we_killed() -> None:
    prove(chaos(acts.time_out, acts.cancel, faults=(Chaos.cut,)), mutants.blames_what_it_killed_itself, seeds=5)


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

    prove(story, mutants.blames_the_next_job_for_a_spent_worker)


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

    prove(story, mutants.counts_lost_nodes_as_crashes, seeds=3)


# -- 6: durable first -----------------------------------------------------------------------------


def test_nothing_is_answered_before_it_is_durable() -> None:
    prove(chaos(acts.count_once, faults=(Chaos.crash_head,)), mutants.answers_before_durable)


def test_nothing_is_dispatched_or_told_before_it_is_durable() -> None:
    prove(chaos(acts.count_once, faults=(Chaos.crash_head,)), mutants.feeds_before_durable)


def test_no_waiter_hears_of_a_cancellation_before_it_is_durable() -> None:
    def both(cloud: Cloud, book: acts.Book, number: int) -> None:
        ref = cloud.add_job(jobs.sleep, 1000.0)
        future = cloud.future(ref)
        jobs.rest(cloud, 0.02)
        cloud.cancel(ref)
        with pytest.raises(JobCancelled):
            future.result()

    prove(chaos(both, faults=(Chaos.cut,)), mutants.kills_before_durable, seeds=10)


def test_no_head_gives_the_runs_of_another() -> None:
    story = chaos(acts.write_often, acts.count_once, faults=(Chaos.crash_head, Chaos.crash_node))
    prove(story, mutants.gives_runs_again)


# -- 7: on_done, once= ----------------------------------------------------------------------------


def test_what_on_done_stages_is_in_the_commit_that_ends_the_job() -> None:
    story = chaos(acts.count_with_the_end, faults=(Chaos.cut,))
    prove(story, mutants.finishes_without_what_was_staged, seeds=3)


def test_a_conflict_of_on_done_is_run_again_on_the_same_worker() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, slots=3, latency=0.02)
            program = stage.cloud.program("c1", lambda cloud: cloud.results(cloud.add_jobs(jobs.finish, [0, 3, 6, 9])))
            sim.run_until(program.is_done)
            assert program.get() == [0, 3, 6, 9]
            stage.end()
            assert {record.attempt for record in stage.auditor.history.records.values()} == {1}

    prove(story, mutants.loses_the_run_at_a_conflict, seeds=10)


def test_a_finish_by_the_run_already_recorded_is_answered_stored() -> None:
    story = chaos(acts.count_with_the_end, faults=(Chaos.crash_head, Chaos.crash_core_actor, Chaos.crash_proxy))
    prove(story, mutants.refuses_the_finish_of_the_recorded_run, seeds=100)


def test_a_once_value_is_in_the_commit_that_it_remembers() -> None:
    story = chaos(acts.count_once, faults=(Chaos.kill_worker, Chaos.crash_node))
    prove(story, mutants.remembers_once_in_another_commit)


# -- 8: answers -----------------------------------------------------------------------------------


def test_a_node_keeps_an_end_until_it_is_answered() -> None:
    prove(chaos(acts.map_many, faults=(Chaos.crash_head,)), mutants.forgets_done_at_send, seeds=3)


def test_every_end_is_answered() -> None:
    story = chaos(acts.count_once, acts.map_many, faults=(Chaos.crash_proxy, Chaos.crash_head, Chaos.crash_core_actor))
    prove(story, mutants.leaves_late_ends_unanswered, seeds=100)


def test_transitions_wait_for_a_full_disk() -> None:
    full = Chances(no_space=0.3)
    prove(chaos(acts.map_many, faults=(Chaos.cut,), chances=full), mutants.gives_up_on_a_full_disk, seeds=10)


def test_of_two_ends_the_one_in_the_store_is_told() -> None:
    def story(seed: int) -> None:
        def race(cloud: Cloud) -> str:
            ref = cloud.add_job(jobs.sleep, 0.02)
            future = cloud.future(ref)
            jobs.rest(cloud, 0.02)
            cloud.cancel(ref)
            future.exception()
            return cloud.status(ref).__class__.__name__

        with Simulation(seed) as sim:
            stage = Stage(sim, latency=0.02)
            sim.run(0.3)
            programs = [stage.cloud.program(f"c{number}", race) for number in range(3)]
            sim.run_until(lambda: all(program.is_done() for program in programs))
            stage.end()

    prove(story, mutants.mixes_up_outcomes, seeds=200)


# -- 9: the feed ----------------------------------------------------------------------------------


def test_a_gap_in_the_feed_restarts_the_core() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)

            def work(cloud: Cloud) -> list[int]:
                return cloud.results([cloud.add_job(jobs.count, number) for number in range(8)])

            program = stage.cloud.program("c1", work)
            sim.run_until(program.is_done)
            assert program.get() == list(range(8))
            stage.end()

    with mutants.loses_a_feed():
        story(0)
    prove(story, mutants.ignores_a_gap_in_the_feed, seeds=5)


def test_jobs_of_a_transaction_exist_for_the_manager() -> None:
    prove(chaos(acts.add_in_a_transaction, faults=(Chaos.cut,)), mutants.feeds_no_jobs_of_transactions, seeds=1)


# -- 11: no resurrection --------------------------------------------------------------------------


def test_a_deletion_leaves_a_tombstone() -> None:
    prove(chaos(acts.delete, faults=(Chaos.cut,)), mutants.leaves_no_tombstone, seeds=5)


def test_a_transaction_that_is_sent_again_is_committed_once() -> None:
    story = chaos(acts.change_the_store, faults=(Chaos.crash_head, Chaos.partition))
    prove(story, mutants.forgets_commit_ids, seeds=100)


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

    prove(story, mutants.gives_back_what_may_have_begun)


# -- 14: the inventory ----------------------------------------------------------------------------


def test_what_a_node_does_not_hold_is_lost() -> None:
    story = chaos(acts.count_once, faults=(Chaos.crash_head, Chaos.crash_proxy, Chaos.crash_node))
    prove(story, mutants.believes_no_inventory)


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

    prove(story, mutants.leaves_surplus_alone, seeds=5)


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

    prove(story, mutants.gives_no_grace, seeds=3)


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

    prove(story, mutants.never_ends_the_grace, seeds=1)


# -- 16: waiters ----------------------------------------------------------------------------------


def test_who_asks_for_a_job_that_has_ended_is_answered() -> None:
    def late(cloud: Cloud, book: acts.Book, number: int) -> None:
        ref = cloud.add_job(jobs.echo, number)
        jobs.rest(cloud, 1.0)
        assert cloud.result(ref) == number

    prove(chaos(late, faults=(Chaos.cut,)), mutants.waits_for_the_edge, seeds=1)


def test_a_deletion_wakes_who_waits() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim)

            def work(cloud: Cloud) -> None:
                ref = cloud.add_job(jobs.sleep, 1000.0)
                future = cloud.future(ref)
                jobs.rest(cloud, 0.5)
                cloud.delete_job(ref)
                with pytest.raises(NoSuchJob):
                    future.result()

            program = stage.cloud.program("c1", work)
            sim.run_until(program.is_done)
            program.get()
            stage.end()

    prove(story, mutants.tells_no_waiter_of_a_deletion, seeds=1)
