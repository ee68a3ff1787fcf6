"""What a job asks of its own cloud: stamped with its run, relayed by the agent, waiting through outages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from actorcloud.base.errors import NoSuchJob
from actorcloud.base.ids import JobRef, NodeRef
from actorcloud.base.states import Running
from actorcloud.client.cloud import cloud_of_this_job
from actorcloud.protocol.job import JOBS, Answer, CancelJob, FinishJob, GetJob, JobDetail
from actorcloud.protocol.job import Finished as FinishStored
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.signal import Ask, Failed, Reply
from actorcloud.protocol.transaction import Conflict
from actorcloud.protocol.worker import Finished, Outage, Output
from tests.worker.agent import FakeAgent, value_of

OTHER: JobRef[Any] = JobRef(b"another job's ref"[:16])


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    with FakeAgent() as agent:
        yield agent


def asked(agent: FakeAgent) -> tuple[Ask, Message]:
    """Return the next ask of the job, and what is in it."""
    ask = agent.wait_for(Ask)
    return ask, decode(ask.body)


def answer(agent: FakeAgent, ask: Ask, message: Message) -> None:
    agent.send(Reply(ask.id, msgspec.Raw(encode(message)), False))


class Captured:
    """Travels as a `Cloud` does that a function captured."""

    def __reduce__(self) -> tuple[Callable[[], object], tuple[()]]:
        return cloud_of_this_job, ()


def test_a_job_knows_itself(agent: FakeAgent) -> None:
    # Given
    def who() -> tuple[object, int]:
        import actorcloud

        return actorcloud.current().ref, actorcloud.current().attempt

    # When
    finished = agent.run(who)

    # Then
    assert value_of(finished) == (JobRef(finished.item.ref), 1)


def test_a_thread_of_the_job_knows_the_job_too(agent: FakeAgent) -> None:
    # Given
    def who() -> list[object]:
        import threading

        import actorcloud

        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(actorcloud.current().ref))
        thread.start()
        thread.join()
        return found

    # When
    finished = agent.run(who)

    # Then
    assert value_of(finished) == [JobRef(finished.item.ref)]


def test_a_question_goes_to_the_head_and_its_answer_comes_back(agent: FakeAgent) -> None:
    # Given
    def ask(ref: JobRef[Any]) -> object:
        import actorcloud

        return actorcloud.Cloud().status(ref)

    agent.give(ask, OTHER)

    # When
    request, message = asked(agent)
    answer(agent, request, JobDetail(OTHER.raw, JobRecord("running", b"f", 0.0, node="n7")))

    # Then
    assert request.to == JOBS
    assert message == GetJob(OTHER.raw)
    assert value_of(agent.wait_for(Finished)) == Running(NodeRef("n7"))


def test_an_error_of_the_head_is_raised_in_the_job(agent: FakeAgent) -> None:
    # Given
    def ask(ref: JobRef[Any]) -> object:
        import actorcloud

        return actorcloud.Cloud().status(ref)

    agent.give(ask, OTHER)

    # When
    request, _ = asked(agent)
    agent.send(Failed(request.id, NoSuchJob.code, "there is no such job"))

    # Then
    error = agent.wait_for(Finished).item.outcome.error
    assert error is not None
    assert error.message == "there is no such job"


def test_each_change_carries_the_stamp_of_its_own_run_also_by_a_captured_cloud(agent: FakeAgent) -> None:
    # Given one function, which the worker loads, run by two jobs
    cloud: Any = Captured()

    def cancel(ref: JobRef[Any]) -> object:
        return cloud.cancel(ref)

    stamps = []
    items = [agent.give(cancel, OTHER) for _ in range(2)]

    # When
    for _ in items:
        request, message = asked(agent)
        answer(agent, request, Answer(changed=True))
        assert value_of(agent.wait_for(Finished)) is True
        assert isinstance(message, CancelJob)
        stamps.append(message.fence)

    # Then
    assert stamps == [(item.ref, item.run) for item in items]


def test_a_call_waits_through_an_outage(agent: FakeAgent) -> None:
    # Given a job whose patience is short
    def ask(ref: JobRef[Any]) -> object:
        import actorcloud

        print("asking")
        return actorcloud.Cloud().result(ref, timeout=0.05)

    agent.send(Outage(away=True))
    agent.give(ask, OTHER)
    agent.wait_for(Output)
    agent.wait_for(Ask)

    # When the head comes back and says nothing for longer than that
    agent.send(Outage(away=False))

    # Then only now its time runs
    error = agent.wait_for(Finished).item.outcome.error
    assert error is not None
    assert "ResultTimeout" in error.type


def stage(value: object) -> object:
    """The function of a job that commits a write together with its end."""
    import actorcloud

    cloud = actorcloud.Cloud()
    actorcloud.current().on_done(lambda: cloud.store("sums", "total", value))
    return value


def test_on_done_commits_with_the_end_and_again_after_a_conflict(agent: FakeAgent) -> None:
    # Given
    item = agent.give(stage, 5)

    # When
    first, first_message = asked(agent)
    answer(agent, first, Conflict((b"store", 7)))
    second, second_message = asked(agent)
    answer(agent, second, FinishStored(stored=True))

    # Then
    finished = agent.wait_for(Finished)
    assert finished.stored
    assert value_of(finished) == 5
    for message in (first_message, second_message):
        assert isinstance(message, FinishJob)
        assert message.fence == (item.ref, item.run)
        assert message.outcome == finished.item.outcome
        assert len(message.writes) == 1
    assert first.to == second.to == JOBS


def test_on_done_of_a_superseded_run_is_lost_and_not_failed(agent: FakeAgent) -> None:
    # Given
    agent.give(stage, 5)

    # When
    request, _ = asked(agent)
    answer(agent, request, FinishStored(stored=False))

    # Then
    finished = agent.wait_for(Finished)
    assert finished.item.kind == "lost"
    assert not finished.stored


def test_an_error_in_on_done_fails_the_job_and_asks_for_nothing(agent: FakeAgent) -> None:
    # Given
    def stage_a_bug() -> None:
        import actorcloud

        actorcloud.current().on_done(lambda: 1 // 0)

    # When
    finished = agent.run(stage_a_bug)

    # Then
    assert finished.item.kind == "failed"
    assert finished.item.outcome.error is not None
    assert finished.item.outcome.error.type == "ZeroDivisionError"
    assert not any(isinstance(message, Ask) for message in agent.seen)


def test_a_failed_job_stages_nothing(agent: FakeAgent) -> None:
    # Given
    def stage_and_fail() -> None:
        import actorcloud

        cloud = actorcloud.Cloud()
        actorcloud.current().on_done(lambda: cloud.store("sums", "total", 1))
        raise ValueError("no")

    # When
    finished = agent.run(stage_and_fail)

    # Then
    assert finished.item.kind == "failed"
    assert not any(isinstance(message, Ask) for message in agent.seen)
