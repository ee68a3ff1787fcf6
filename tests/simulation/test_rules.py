"""The rules that keep the promises (design 6.1), each with a proof that the simulation misses it.

A rule's test runs a story over some seeds and everything holds; then it runs it with the mutant that
breaks the rule, and some seed must notice: a promise of the auditor's, an assertion of a program, or
that the story does not end.

Covered here: 2, 3, 6, 7, 8, 9, 11, 16; in `test_node_rules`: 4, 5, 13 and 14. Elsewhere: 1 (leaving:
`tests/system`), 12 (fork: `tests/client`), the fences of foreign stamps (3: `tests/worker`, `tests/node`),
commit ids that age (11: `tests/store`). Not built yet: chunked results (10), suspension and its tickets
(15), sessions of actor hosts (17).
"""

from __future__ import annotations

import pytest

from actorcloud import Cloud
from actorcloud.base.errors import JobCancelled, NoSuchJob
from actorcloud.testing import Chances, Simulation
from tests.simulation import acts, jobs, mutants
from tests.simulation.chaos import Chaos, give_up
from tests.simulation.stories import Stage, chaos, is_noticed, prove

# -- the proofs themselves ------------------------------------------------------------------------


def test_a_mutant_that_only_crashes_the_code_proves_nothing() -> None:
    story = chaos(acts.count_once, faults=())
    with pytest.raises(AssertionError, match="stale_mutant crashes the code, which proves nothing"):
        is_noticed(story, mutants.stale_mutant, 1)


# -- 2: one recovery path -------------------------------------------------------------------------


def test_the_end_of_any_part_of_the_core_restarts_it_whole() -> None:
    story = chaos(acts.count_once, acts.map_many, faults=(Chaos.crash_core_actor,))
    prove(story, mutants.restarts_alone)


def test_a_proxy_that_dies_resets_the_link_of_its_node() -> None:
    story = chaos(acts.count_once, acts.map_many, faults=(Chaos.crash_proxy,))
    prove(story, mutants.keeps_the_link_of_a_dead_proxy)


def test_the_jobs_of_a_node_whose_proxy_crashes_go_on_and_run_once() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, latency=0.01)
            program = stage.cloud.program("c1", lambda cloud: cloud.results(cloud.add_jobs(jobs.count, range(24))))
            for number in range(2, 20, 3):
                stage.begun(number)
                sim.run_until(lambda: bool(stage.cloud.actors("head", "NodeProxy")))
                stage.cloud.crash_actor(sim.random.choice(stage.cloud.actors("head", "NodeProxy")))
            sim.run_until(program.is_done)
            assert program.get() == list(range(24))
            refs = [ref for ref, _ in stage.cloud.witness.begun]
            assert len(refs) == len(set(refs)) == 24
            stage.end()

    for seed in range(10):
        story(seed)
    prove(story, mutants.loses_the_jobs_of_a_dead_proxy, seeds=10)


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
                give_up(stage.cloud, sim.random.choice(stage.cloud.actors("head", "NodeProxy")))
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


def test_a_job_cancels_and_deletes_jobs_only_by_its_current_run() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, slots=12, latency=0.02)
            program = stage.cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(jobs.cancel_children, 8)))
            stage.begun(4)
            sim.run(sim.random.random() * 0.05)
            parent, _ = stage.cloud.witness.begun[0]
            (node,) = [name for name in ("n1", "n2") if parent in dict(stage.cloud.agent(name).holding.held())]
            (proxy,) = [ref for ref in stage.cloud.actors("head", "NodeProxy") if ref._actor_weakref()._node == node]
            give_up(stage.cloud, proxy)
            sim.run_until(program.is_done)
            program.get()
            stage.end()

    prove(story, mutants.removes_without_fence)


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
    # A slow disk: what is sent again meets a finish that is recorded and not yet told.
    faults = (Chaos.give_up_a_node, Chaos.crash_core_actor)
    story = chaos(acts.count_with_the_end, faults=faults, chances=Chances(latency=0.05))
    prove(story, mutants.refuses_the_finish_of_the_recorded_run, seeds=100)


def test_a_finish_that_a_head_has_recorded_before_it_died_is_answered_stored_by_the_next() -> None:
    def story(seed: int) -> None:
        with Simulation(seed) as sim:
            stage = Stage(sim, latency=0.02)
            records = stage.auditor.history.records
            program = stage.cloud.program("c1", lambda cloud: cloud.results(cloud.add_jobs(jobs.finish, [0] * 9)))
            for number in range(1, 9, 2):
                # Whoever sent the finish that is now on the disk may not have heard of it.
                sim.run_until(lambda: sum(record.state == "done" for record in records.values()) >= number)  # noqa: B023  used at once
                stage.cloud.crash_head()
                stage.cloud.start_head()
            sim.run_until(program.is_done)
            assert program.get() == [0] * 9
            stage.end()

    prove(story, mutants.refuses_the_finish_of_the_recorded_run)


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
