"""`Cloud` over a model of the head."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from msgspec.structs import replace

from actorcloud.base.errors import (
    ClosedCloud,
    ConfigError,
    ForkedCloud,
    JobCancelled,
    JobSuspended,
    NoSuchJob,
    NotInJob,
    RemoteError,
    ResultTimeout,
    Unpicklable,
)
from actorcloud.base.ids import JobRef, NodeRef
from actorcloud.base.states import Crashed, Done, Failed, JobError, Queued, Running, Suspended
from actorcloud.client import Cloud, CurrentJob, filled
from actorcloud.client.info import CloudInfo
from actorcloud.protocol.job import AddJobs, Await, Info
from actorcloud.protocol.record import Outcome
from actorcloud.protocol.storestats import StoreFigures
from tests.client.fakes import FakeHead


def double(number: int) -> int:
    return 2 * number


def divide(number: int, by: int = 0) -> float:
    return number / by


@pytest.fixture
def head() -> FakeHead:
    return FakeHead()


@pytest.fixture
def cloud(head: FakeHead) -> Cloud:
    return Cloud.over(head)


def test_a_job_gives_its_value(cloud: Cloud) -> None:
    # When
    ref = cloud.add_job(divide, 6, by=3)
    # Then
    assert cloud.result(ref) == 2.0
    assert cloud.status(ref) == Done()


def test_every_call_takes_the_text_of_a_reference(cloud: Cloud) -> None:
    # Given
    ref = cloud.add_job(double, 21)
    # Then
    assert cloud.result(str(ref)) == 42
    assert cloud.results([str(ref)]) == [42]
    assert cloud.status(str(ref)) == Done()
    assert cloud.future(str(ref)).result() == 42
    assert cloud.delete_job(str(ref)) is True


def test_a_job_reference_arrives_as_one(cloud: Cloud) -> None:
    # Given
    ref = cloud.add_job(double, 1)
    # Then
    assert cloud.result(cloud.add_job(lambda given: given, ref)) == ref


def test_a_job_raises_its_own_error_from_the_remote_traceback(cloud: Cloud) -> None:
    # Given
    ref = cloud.add_job(divide, 1)
    # When
    with pytest.raises(ZeroDivisionError) as caught:
        cloud.result(ref)
    # Then
    assert isinstance(caught.value.__cause__, RemoteError)
    assert "return number / by" in str(caught.value.__cause__)
    assert any(str(ref) in note for note in caught.value.__notes__)
    state = cloud.status(ref)
    assert isinstance(state, Failed)
    assert state.error.type == "ZeroDivisionError"


def test_what_cannot_travel_is_named_at_once(cloud: Cloud, head: FakeHead) -> None:
    # When
    with pytest.raises(Unpicklable):
        cloud.add_job(double, (number for number in range(3)))  # type: ignore[arg-type]  # the point
    # Then
    assert head.received == []


def test_the_code_of_a_function_travels_once(cloud: Cloud, head: FakeHead) -> None:
    # When
    cloud.results([cloud.add_job(double, number) for number in range(3)])
    # Then
    assert [bool(message.code) for message in head.received if isinstance(message, AddJobs)] == [True, False, False]


def test_a_head_that_lacks_the_function_is_sent_it(cloud: Cloud, head: FakeHead) -> None:
    # Given
    cloud.add_job(double, 1)
    head.functions.clear()
    # When
    ref = cloud.add_job(double, 2)
    # Then
    assert cloud.result(ref) == 4
    assert [bool(message.code) for message in head.received if isinstance(message, AddJobs)] == [True, False, True]


def test_options_travel_with_the_job(cloud: Cloud, head: FakeHead) -> None:
    # When
    ref = cloud.options(retries=2, timeout=1.5, key="avg-2024").add_job(double, 1)
    # Then
    record = head.records[ref.raw]
    assert (record.retries, record.timeout, record.key) == (2, 1.5, "avg-2024")


def test_many_jobs_are_added_in_chunks_and_awaited_in_a_window(cloud: Cloud, head: FakeHead) -> None:
    # When
    refs = cloud.add_jobs(double, range(10_000))
    # Then
    assert len(set(refs)) == 10_000
    assert refs == sorted(refs)
    assert head.count(AddJobs) == 10
    assert head.count(Await) == 0
    # When
    values = cloud.results(refs)
    # Then
    assert values == [2 * number for number in range(10_000)]
    assert max(len(message.refs) for message in head.received if isinstance(message, Await)) <= 4096


def test_results_may_name_a_job_twice(cloud: Cloud) -> None:
    # Given
    one, two = cloud.add_jobs(double, [1, 2])
    # Then
    assert cloud.results([two, one, two]) == [4, 2, 4]
    assert cloud.results([]) == []


def test_an_iterable_that_breaks_tells_which_jobs_there_are(cloud: Cloud, head: FakeHead) -> None:
    # Given
    def numbers() -> Iterator[int]:
        yield from range(3000)
        raise RuntimeError("no more")

    # When
    with pytest.raises(RuntimeError, match="no more") as caught:
        cloud.add_jobs(double, numbers())
    head.deliver_all()
    # Then
    refs: list[JobRef[int]] = caught.value.refs  # type: ignore[attr-defined]  # promised
    assert sorted(ref.raw for ref in refs) == sorted(head.records)
    assert len(refs) == 2048


def test_map_is_durable_when_called_and_lazy_when_read() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    # When
    values = cloud.map(double, range(3))
    # Then
    assert len(head.records) == 3
    assert head.count(Await) == 0
    # When they end in another order
    for ref in sorted(head.records, reverse=True):
        head.script.append(partial(head.run, ref))
    # Then
    assert list(values) == [0, 2, 4]


def test_a_dropped_map_forgets_its_waits() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    values = cloud.map(double, range(3))
    head.script.extend([lambda: head.run(min(head.records))])
    assert next(values) == 0
    # When
    del values
    # Then
    assert not any(ask.is_open for ask in head._open if isinstance(ask.message, Await))


def test_as_completed_yields_in_the_order_of_the_ends() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    refs = cloud.add_jobs(double, range(4))
    for index in (2, 0, 3, 1):
        head.script.append(partial(head.run, refs[index].raw))
    # When
    ended = [(ref, cloud.result(ref)) for ref in cloud.as_completed(refs)]
    # Then
    assert ended == [(refs[2], 4), (refs[0], 0), (refs[3], 6), (refs[1], 2)]
    # The results came along: nothing more was asked.
    assert head.count(Await) == 1


def test_a_deleted_job_is_gone_even_if_its_result_was_here(cloud: Cloud) -> None:
    # Given
    ref = cloud.add_job(double, 1)
    assert list(cloud.as_completed([ref])) == [ref]
    # When
    assert cloud.delete_job(ref) is True
    # Then
    with pytest.raises(NoSuchJob):
        cloud.result(ref)
    with pytest.raises(NoSuchJob):
        cloud.status(ref)
    with pytest.raises(NoSuchJob):
        cloud.delete_job(ref)


def test_deletion_wakes_who_waits() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)
    head.script.append(lambda: Cloud.over(head).delete_job(ref))
    # Then
    with pytest.raises(NoSuchJob, match=str(ref)):
        cloud.result(ref)


def test_states_are_as_the_record_says() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)
    assert cloud.status(ref) == Queued()
    # When
    head.records[ref.raw] = replace(head.records[ref.raw], state="running", node="n1")
    # Then
    assert cloud.status(ref) == Running(NodeRef("n1"))


def test_a_suspended_job_says_why() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)
    error = JobError("JobSuspended", "the process that ran it died 3 times", "")
    head.end(ref.raw, Outcome("suspended", error=error, code="job-suspended"), crashes=3)
    # When
    with pytest.raises(JobSuspended, match="died 3 times") as caught:
        cloud.result(ref)
    # Then
    assert caught.value.why == Crashed(3)
    assert cloud.status(ref) == Suspended(Crashed(3))


def test_a_cancelled_job_keeps_its_record() -> None:
    # Given
    cloud = Cloud.over(FakeHead(runs=False))
    ref = cloud.add_job(double, 1)
    # When
    assert cloud.cancel(ref) is True
    # Then
    assert cloud.cancel(ref) is False
    with pytest.raises(JobCancelled):
        cloud.result(ref)
    assert isinstance(cloud.status(ref), Failed)


def test_jobs_are_found_again_the_newest_first(cloud: Cloud) -> None:
    # Given
    good = cloud.add_jobs(double, range(5))
    bad = cloud.add_job(divide, 1)
    # Then
    assert cloud.jobs() == [bad, *reversed(good)]
    assert cloud.jobs("failed") == [bad]
    assert cloud.jobs("done", limit=2) == [good[4], good[3]]
    assert cloud.jobs(limit=0) == []
    with pytest.raises(ConfigError, match="queued, running"):
        cloud.jobs("lost")


def test_nodes_join_and_leave(cloud: Cloud) -> None:
    # When
    node = cloud.add_node("n0", 7711)
    # Then
    assert cloud.nodes() == [NodeRef("n0"), NodeRef("n1")]
    assert cloud.remove_node(node) is True
    assert cloud.nodes() == [NodeRef("n1")]
    assert "n1  up  2 workers" in str(cloud.info())


def test_a_result_waits_no_longer_than_told() -> None:
    # Given
    cloud = Cloud.over(FakeHead(runs=False))
    ref = cloud.add_job(double, 1)
    # Then
    with pytest.raises(ResultTimeout, match=f"{ref} did not come within 3 s"):
        cloud.result(ref, timeout=3)
    with pytest.raises(TimeoutError):
        list(cloud.as_completed([ref], timeout=0))


def test_a_long_wait_says_once_what_it_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    head = FakeHead(runs=False)
    head.nodes.clear()
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)
    # When
    with caplog.at_level(logging.WARNING, "actorcloud.client"), pytest.raises(ResultTimeout):
        cloud.result(ref, timeout=100)
    # Then
    (record,) = caplog.records
    assert str(ref) in record.getMessage()
    assert "0 nodes have joined" in record.getMessage()


def test_ctrl_c_ends_the_wait_and_not_the_job() -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    ref = cloud.add_job(double, 1)

    def interrupt() -> None:
        raise KeyboardInterrupt

    head.script.append(interrupt)
    # When
    with pytest.raises(KeyboardInterrupt):
        cloud.result(ref)
    # Then
    assert cloud.status(ref) == Queued()
    head.run(ref.raw)
    assert cloud.result(ref) == 2


def test_closing_tells_what_becomes_of_unfinished_jobs(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    head = FakeHead(runs=False)
    cloud = Cloud.over(head)
    cloud.room._fate = "kept in /data"
    cloud.add_jobs(double, range(2))
    # When
    cloud.close()
    cloud.close()
    # Then
    assert [record.getMessage() for record in caplog.records] == ["closing with 2 unfinished jobs: kept in /data"]
    assert head.closed


def test_a_closed_cloud_refuses_every_call() -> None:
    # Given
    with Cloud.over(FakeHead()) as cloud:
        ref = cloud.add_job(double, 1)
    # Then
    calls: list[Callable[[], object]] = [
        lambda: cloud.add_job(double, 1),
        lambda: cloud.submit(double, 1),
        lambda: cloud.map(double, [1]),
        lambda: cloud.result(ref),
        lambda: cloud.results([ref]),
        lambda: cloud.as_completed([ref]),
        lambda: cloud.future(ref),
        lambda: cloud.status(ref),
        cloud.info,
        lambda: cloud.fetch("space", "key"),
        lambda: cloud.mutate_store(lambda: None),
    ]
    for call in calls:
        with pytest.raises(ClosedCloud):
            call()
    assert repr(cloud) == "<Cloud (cluster) closed>"


def test_a_forked_child_must_open_its_own(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, head: FakeHead) -> None:
    # Given
    monkeypatch.setattr(os, "getpid", lambda: -1)
    # Then
    with pytest.raises(ForkedCloud):
        cloud.add_job(double, 1)
    # When the child closes what it inherited
    cloud.close()
    # Then the parent's connection is untouched
    assert not head.closed


def test_a_captured_cloud_is_the_jobs_own_where_it_arrives(cloud: Cloud) -> None:
    # Given
    job_cloud = Cloud.over(FakeHead(), fence=(bytes(16), bytes(16)))
    data = pickle.dumps(cloud)
    with pytest.raises(NotInJob):
        pickle.loads(data)
    # When
    with filled(CurrentJob(JobRef(bytes(16)), 1, lambda: job_cloud)):
        arrived, opened = pickle.loads(data), Cloud("nowhere:1", workers=3)
    # Then
    assert arrived is job_cloud
    assert opened.room is job_cloud.room
    # When the job closes them
    opened.close()
    with arrived:
        pass
    # Then there is still the job's own, until the job has ended
    assert job_cloud.add_job(double, 1)
    job_cloud.room.close()
    with pytest.raises(ClosedCloud):
        arrived.add_job(double, 1)


def test_the_calls_of_a_job_carry_its_fence() -> None:
    # Given
    head, fence = FakeHead(), (bytes(16), bytes(range(16)))
    cloud = Cloud.over(head, fence=fence)
    # When
    ref = cloud.add_job(double, 1)
    cloud.cancel(ref)
    cloud.delete_job(ref)
    # Then
    assert [message.fence for message in head.received] == [fence] * 3  # type: ignore[attr-defined]  # all have one


def test_repr_tells_the_state_in_one_line(cloud: Cloud) -> None:
    assert repr(cloud) == "<Cloud (cluster): 1 node, 2 workers; 0 queued, 0 running, 0 suspended>"


def test_suspended_jobs_are_not_among_the_unfinished() -> None:
    info = Info({"queued": 1, "running": 2, "suspended": 4}, {}, (), 1.0, "0")
    assert CloudInfo.of(info).unfinished == 3


def test_the_number_of_commits_is_the_stores_and_not_that_of_the_jobs_feed() -> None:
    # Given: three batches with jobs were fed since the head started, and 70 transactions committed in an old store
    info = Info({}, {}, (), 1.0, "0", 3)
    # Then
    asked = CloudInfo.of(info, StoreFigures(seq=2**32 + 70, commits=70))
    assert (asked.commits, CloudInfo.of(info).commits) == (70, 0)
    assert "70 commits" in str(asked)
    assert "up 1 s, 1 commit\n" in str(CloudInfo.of(info, StoreFigures(seq=9, commits=1)))
    assert "up 1 s, 0 commits\n" in str(CloudInfo.of(info, StoreFigures(seq=9)))
    assert "commit" not in str(CloudInfo.of(info))
