"""Watches by programs and by jobs, whatever breaks: no change is missed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from actorcloud import Cloud
from actorcloud.base.errors import NoSuchJob
from actorcloud.store.watches import Watches
from actorcloud.testing import Simulation
from tests.simulation import jobs
from tests.simulation.acts import Book
from tests.simulation.chaos import Chaos
from tests.simulation.mutants import replaced
from tests.simulation.stories import Stage, chaos, prove

FAULTS = (Chaos.crash_head, Chaos.partition, Chaos.crash_core_actor, Chaos.crash_proxy)


@contextmanager
def tells_only_of_changes_to_come() -> Iterator[None]:
    """A store that does not look at what its watcher has seen."""

    def make(original: Any) -> Any:
        def add(self: Watches, view: Any, watch: Any, to: object, client: object) -> object:
            return original(self, view, type(watch)(watch.key, view.seq(watch.key)), to, client)

        return add

    with replaced(Watches, "add", make):
        yield


@contextmanager
def tells_no_watcher_of_a_deletion() -> Iterator[None]:
    with replaced(Watches, "deleted", lambda _: lambda *_: ()):
        yield


def watch_a_job_count(cloud: Cloud, book: Book, number: int) -> None:
    key = str(cloud.room.session.refs.make().hex())
    ref = cloud.add_job(jobs.step, "steps", key, number)
    last = -1
    with cloud.watch("steps", key, 0) as watch:
        for value in watch:
            assert value >= last, "it was seen to go back"
            last = value
            if value == number:
                break
    assert cloud.result(ref) == number


def be_watched_by_a_job(cloud: Cloud, book: Book, number: int) -> None:
    key = str(cloud.room.session.refs.make().hex())
    ref = cloud.add_job(jobs.follow, "steps", key, number)
    for _ in range(number):
        jobs.rest(cloud, 0.05)
        cloud.mutate_store(lambda: jobs.increment(cloud, "steps", key))
    assert 1 <= cloud.result(ref) <= number + 1


def test_no_change_is_missed_by_a_program() -> None:
    prove(chaos(watch_a_job_count, faults=FAULTS), tells_only_of_changes_to_come)


def test_no_change_is_missed_by_a_job() -> None:
    prove(chaos(be_watched_by_a_job, faults=FAULTS), tells_only_of_changes_to_come)


def test_the_deletion_of_a_job_ends_the_watches_of_its_keys() -> None:
    def story(seed: int) -> None:
        def work(cloud: Cloud) -> None:
            ref = cloud.add_job(jobs.sleep, 1000.0)
            watch = cloud.watch(ref, "k")
            next(watch)
            cloud.submit(jobs.delete_after, ref, 0.2)
            with pytest.raises(NoSuchJob):
                next(watch)

        with Simulation(seed) as sim:
            stage = Stage(sim)
            program = stage.cloud.program("c1", work)
            sim.run_until(program.is_done)
            program.get()

    prove(story, tells_no_watcher_of_a_deletion, seeds=1)


def test_a_client_that_is_gone_watches_nothing() -> None:
    def work(cloud: Cloud) -> None:
        watch = cloud.watch("s", "k")
        next(watch)
        next(watch)

    with Simulation(1) as sim:
        stage = Stage(sim)
        stage.cloud.program("c1", work)
        sim.run_until(lambda: len(stage.cloud.actor("store")._watches) == 1)
        # When
        stage.cloud.crash_program("c1")
        # Then
        sim.run_until(lambda: len(stage.cloud.actor("store")._watches) == 0, timeout=60)
