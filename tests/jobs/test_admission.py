"""Adding jobs again: the same is the same, anything else is refused; in a simulated cloud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actorcloud import Cloud
from actorcloud.base.code import dump_function
from actorcloud.base.codec import dump_call
from actorcloud.base.errors import ActorCloudError, JobConflict, NoSuchJob, WireError
from actorcloud.protocol.job import (
    BATCH_LIMIT,
    FINGERPRINT_LIMIT_BYTES,
    Added,
    AddJobs,
    Await,
    CancelJob,
    DeleteJob,
    FinishJob,
    GetJob,
    JobDetail,
    NeedFunction,
    Outcomes,
)
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Outcome
from actorcloud.testing import SimCloud, Simulation
from tests.simulation.jobs import echo, rest, sleep

Say = Callable[[Cloud], object]

DIGEST, CODE = dump_function(echo)
ONE, TWO = (bytes([number]) * 16 for number in (1, 2))


@pytest.fixture
def run() -> Iterator[Callable[[Say], Any]]:
    """Run a program in a cloud of one node."""
    with Simulation(1) as sim:
        cloud = SimCloud(sim)
        cloud.start_head()
        cloud.start_node("n1")

        def run(say: Say) -> Any:
            program = cloud.program("c1", say)
            sim.run_until(program.is_done)
            return program.get()

        yield run


def add(cloud: Cloud, *jobs: tuple[bytes, int], code: bytes = CODE, key: str | None = None) -> Message:
    items = tuple((ref, dump_call((number,), {})) for ref, number in jobs)
    return cloud.room.session.call(AddJobs(DIGEST, code, items, key=key), Message)


def test_a_job_that_is_added_again_is_the_same_job(run: Any) -> None:
    assert run(lambda cloud: [add(cloud, (ONE, 1)), add(cloud, (ONE, 1))]) == [Added((ONE,))] * 2


def test_of_a_batch_that_is_added_again_what_is_missing_is_added(run: Any) -> None:
    assert run(lambda cloud: [add(cloud, (ONE, 1)), add(cloud, (ONE, 1), (TWO, 2))][1]) == Added((ONE, TWO))


def test_the_same_reference_with_other_arguments_is_refused(run: Any) -> None:
    with pytest.raises(JobConflict, match="other arguments"):
        run(lambda cloud: [add(cloud, (ONE, 1)), add(cloud, (ONE, 2))])


def test_a_deleted_job_is_not_added_again(run: Any) -> None:
    def say(cloud: Cloud) -> None:
        add(cloud, (ONE, 1))
        cloud.room.session.call(DeleteJob(ONE), Message)
        add(cloud, (ONE, 1))

    with pytest.raises(NoSuchJob, match="deleted"):
        run(say)


def test_a_function_that_the_head_does_not_have_is_asked_for(run: Any) -> None:
    assert run(lambda cloud: add(cloud, (ONE, 1), code=b"")) == NeedFunction(DIGEST)


def test_a_key_that_is_taken_gives_the_job_that_has_it(run: Any) -> None:
    assert run(lambda cloud: [add(cloud, (ONE, 1), key="k"), add(cloud, (TWO, 2), key="k")][1]) == Added((ONE,))


def test_who_meets_a_key_that_is_taken_hears_what_it_was_taken_for(run: Any) -> None:
    def say(cloud: Cloud) -> list[Message]:
        return [
            cloud.room.session.call(AddJobs(DIGEST, CODE, ((ref, b""),), key="k", fingerprint=mark), Message)
            for ref, mark in ((ONE, b"mine"), (TWO, b"other"))
        ]

    assert run(say) == [Added((ONE,)), Added((ONE,), b"mine")]


def test_a_fingerprint_that_is_too_long_is_refused(run: Any) -> None:
    request = AddJobs(DIGEST, CODE, ((ONE, b""),), key="k", fingerprint=bytes(FINGERPRINT_LIMIT_BYTES + 1))
    with pytest.raises(JobConflict, match="fingerprint"):
        run(lambda cloud: cloud.room.session.call(request, Message))


@pytest.mark.parametrize(
    ("jobs", "key"),
    [
        ([(ONE, 1), (ONE, 1)], None),
        ([(ONE, 1), (TWO, 1)], "k"),
        ([(number.to_bytes(16, "big"), 1) for number in range(BATCH_LIMIT + 1)], None),
    ],
    ids=["twice", "a key for two", "too many"],
)
def test_a_request_that_makes_no_sense_is_refused(run: Any, jobs: list[tuple[bytes, int]], key: str | None) -> None:
    with pytest.raises(JobConflict):
        run(lambda cloud: add(cloud, *jobs, key=key))


def test_a_message_that_the_manager_does_not_know_is_refused(run: Any) -> None:
    with pytest.raises(WireError, match="Outcomes"):
        run(lambda cloud: cloud.room.session.call(Outcomes(()), Message))


def test_all_jobs_are_listed_page_by_page(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from actorcloud.jobs import query

    monkeypatch.setattr(query, "PAGE", 3)

    def say(cloud: Cloud) -> None:
        refs = cloud.add_jobs(echo, range(10))
        cloud.results(refs)
        newest = refs[::-1]
        assert cloud.jobs() == newest
        assert cloud.jobs("done", limit=4) == newest[:4]
        assert cloud.jobs("failed") == []

    run(say)


def test_running_jobs_are_listed_without_reading_those_that_wait(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from actorcloud.jobs.query import Query

    def say(cloud: Cloud) -> None:
        refs = cloud.add_jobs(sleep, [60.0] * 10)
        rest(cloud, 5.0)
        monkeypatch.setattr(Query, "_scan", None)
        running = cloud.jobs("running")
        assert running == [refs[1], refs[0]]
        assert cloud.jobs("running", limit=1) == [refs[1]]
        assert [str(cloud.status(ref)) for ref in running] == ["running on n1"] * 2

    run(say)


def test_a_job_that_never_was_is_not_found(run: Any) -> None:
    with pytest.raises(NoSuchJob):
        run(lambda cloud: cloud.room.session.call(GetJob(ONE), JobDetail))


@pytest.mark.parametrize(
    "request_",
    [
        GetJob(b"x"),
        CancelJob(b"x" * 600),
        Await((b"x",)),
        AddJobs(b"f" * 16, b"", ((b"short", b""),)),
        AddJobs(b"f" * 16, b"", ((bytes(16), b""),), key=""),
        AddJobs(b"f", b"", ((bytes(16), b""),)),
        AddJobs(b"f" * 16, b"", ((bytes(16), b""),), fence=(b"x", b"y")),
        AddJobs(b"f" * 16, b"", ((bytes(16), b""),), fence=(bytes(16), b"y")),
        AddJobs(b"f" * 16, b"another function", ((bytes(16), b""),)),
        AddJobs(DIGEST, b"", ((bytes(16), b""),), retries=-1),
        AddJobs(DIGEST, b"", ((bytes(16), b""),), retries=2**40),
        AddJobs(DIGEST, b"", ((bytes(16), b""),), timeout=float("nan")),
        AddJobs(DIGEST, b"", ((bytes(16), b""),), timeout=0.0),
        Await((bytes(16),) * (BATCH_LIMIT + 1)),
        FinishJob((bytes(16), bytes(16)), Outcome("running"), (), ()),
    ],
    ids=repr,
)
def test_what_cannot_be_a_request_is_answered_and_ends_nothing(request_: object) -> None:
    # Given a head
    with Simulation(1) as sim:
        cloud = SimCloud(sim)
        cloud.start_head()
        assert cloud.head is not None
        manager = cloud.head.lookup("jobs")
        sim.run(1.0)
        # When somebody asks what nobody could
        with pytest.raises(ActorCloudError):
            manager.ask(request_)
        # Then the manager is the same
        assert manager.is_alive()
