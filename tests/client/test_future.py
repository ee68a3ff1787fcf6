"""Jobs as futures: gathered, cancelled, awaited."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading

import pytest

from actorcloud.base.errors import ClosedCloud, JobConflict, NestedTransaction, NoSuchJob, ResultTimeout
from actorcloud.base.ids import JobRef
from actorcloud.base.states import Failed
from actorcloud.client import Cloud, JobFuture
from actorcloud.client.submitting import GATHERED_LIMIT
from actorcloud.protocol.job import AddJobs, Await, CancelJob
from tests.client.fakes import FakeHead


def double(number: int) -> int:
    return 2 * number


def divide(number: int) -> float:
    return number / 0


@pytest.fixture
def head() -> FakeHead:
    return FakeHead(runs=False)


@pytest.fixture
def cloud(head: FakeHead) -> Cloud:
    return Cloud.over(head)


def test_jobs_submitted_while_a_commit_is_under_way_share_the_next_one(cloud: Cloud, head: FakeHead) -> None:
    # When
    futures = [cloud.submit(double, number) for number in range(1000)]
    head.deliver_all()
    # Then
    assert len(head.records) == 1000
    assert [len(message.jobs) for message in head.received if isinstance(message, AddJobs)] == [1, 999]
    # When
    for ref in list(head.records):
        head.run(ref)
    head.deliver_all()
    # Then
    assert [future.result() for future in futures] == [2 * number for number in range(1000)]


def test_jobs_of_several_functions_keep_their_order(cloud: Cloud, head: FakeHead) -> None:
    # When
    refs = [cloud.submit(function, 1).ref.raw for function in (double, divide, double, divide)]
    head.deliver_all()
    # Then
    assert list(head.records) == refs


def test_who_submits_faster_than_the_head_commits_waits(cloud: Cloud, head: FakeHead) -> None:
    # When
    futures = [cloud.submit(double, number) for number in range(GATHERED_LIMIT + 100)]
    # Then
    assert len(head.records) > 2
    # When
    cloud.close()
    # Then
    assert len(head.records) == len(futures)


def test_a_future_raises_what_its_job_raised(cloud: Cloud, head: FakeHead) -> None:
    # Given
    future = cloud.submit(divide, 1)
    head.script.append(lambda: head.run(future.ref.raw))
    # Then
    with pytest.raises(ZeroDivisionError):
        future.result()
    assert future.exception() is future.exception()
    assert isinstance(future.exception(), ZeroDivisionError)


def test_a_future_has_a_timeout_and_the_job_goes_on(cloud: Cloud, head: FakeHead) -> None:
    # Given
    future = cloud.submit(double, 1)
    # When
    with pytest.raises(ResultTimeout):
        future.result(timeout=2)
    # Then
    head.run(future.ref.raw)
    assert future.result() == 2


def test_a_future_of_an_existing_job_shares_nothing_with_others(cloud: Cloud, head: FakeHead) -> None:
    # Given
    ref = cloud.add_job(double, 4)
    one, two = cloud.future(ref), cloud.future(ref)
    # When
    assert one.cancel() is True
    head.deliver_all()
    # Then
    assert one.cancelled()
    assert two.done()
    assert not two.cancelled()
    assert isinstance(cloud.status(ref), Failed)


def test_a_future_of_no_job_says_so(cloud: Cloud) -> None:
    with pytest.raises(NoSuchJob):
        cloud.future(JobRef(bytes(16))).result()


def test_cancelling_a_future_cancels_its_job(cloud: Cloud, head: FakeHead) -> None:
    # Given
    durable, fresh = cloud.submit(double, 1), cloud.submit(double, 2)
    head.deliver_all()
    late = cloud.submit(double, 3)
    # When
    assert [future.cancel() for future in (durable, late)] == [True, True]
    assert head.count(CancelJob) == 1
    head.deliver_all()
    # Then: the one that was not durable yet is cancelled when it is
    assert head.count(CancelJob) == 2
    assert [head.records[future.ref.raw].state for future in (durable, fresh, late)] == ["failed", "queued", "failed"]
    with pytest.raises(concurrent.futures.CancelledError):
        late.result()
    assert late.cancel() is True


def test_an_ended_future_cannot_be_cancelled(cloud: Cloud, head: FakeHead) -> None:
    # Given
    future = cloud.submit(double, 1)
    head.deliver_all()
    head.run(future.ref.raw)
    head.deliver_all()
    # Then
    assert future.cancel() is False
    assert future.result() == 2


def test_a_head_that_refuses_a_batch_fails_its_futures(cloud: Cloud, head: FakeHead) -> None:
    # Given
    head._add_new = lambda job: (_ for _ in ()).throw(JobConflict())  # type: ignore[method-assign]
    # When
    future = cloud.submit(double, 1)
    head.deliver_all()
    # Then
    assert isinstance(future.exception(), JobConflict)


def test_futures_work_with_concurrent_futures(cloud: Cloud, head: FakeHead) -> None:
    # Given
    futures = [cloud.submit(double, number) for number in range(3)]
    head.deliver_all()
    for ref in sorted(head.records)[:2]:
        head.run(ref)
    futures[2].cancel()
    head.deliver_all()
    # When
    done, left = concurrent.futures.wait(futures, timeout=1)
    # Then
    assert not left
    assert sorted(future.result() for future in done if not future.cancelled()) == [0, 2]


def test_futures_can_be_awaited(cloud: Cloud, head: FakeHead) -> None:
    # Given
    async def main() -> tuple[int, str]:
        good, bad = cloud.submit(double, 21), cloud.submit(divide, 1)
        head.deliver_all()
        for ref in sorted(head.records):
            head.run(ref)
        # Another thread delivers, as in life.
        thread = threading.Thread(target=head.deliver_all)
        thread.start()
        try:
            return await good, await _name_of_error(bad)
        finally:
            thread.join()

    async def _name_of_error(future: JobFuture[float]) -> str:
        try:
            await future
        except ZeroDivisionError as error:
            return type(error).__name__
        return ""

    # Then
    assert asyncio.run(main()) == (42, "ZeroDivisionError")


def test_cancelling_an_await_cancels_the_job(cloud: Cloud, head: FakeHead) -> None:
    # Given
    async def main() -> None:
        future = cloud.submit(double, 1)
        head.deliver_all()
        task = asyncio.ensure_future(asyncio.wait_for(_value(future), 30))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def _value(future: JobFuture[int]) -> int:
        return await future

    # When
    asyncio.run(main())
    # Then
    assert head.count(CancelJob) == 1


def test_closing_waits_for_durability_and_ends_the_futures(cloud: Cloud, head: FakeHead) -> None:
    # Given
    futures = [cloud.submit(double, number) for number in range(50)]
    # When
    cloud.close()
    # Then
    assert len(head.records) == 50
    for future in futures:
        with pytest.raises(ClosedCloud, match="JobRef is still good"):
            future.result()


def test_a_future_asks_for_its_job_once(cloud: Cloud, head: FakeHead) -> None:
    # When
    future = cloud.submit(double, 1)
    head.script.append(lambda: head.run(future.ref.raw))
    future.result()
    future.result()
    # Then
    assert head.count(Await) == 1


def test_nothing_is_submitted_inside_a_transaction(cloud: Cloud) -> None:
    # Then
    with pytest.raises(NestedTransaction, match="submit"):
        cloud.mutate_store(lambda: cloud.submit(double, 1))
    with pytest.raises(NestedTransaction, match="map"):
        cloud.mutate_store(lambda: cloud.map(double, [1]))


def test_repr_tells_the_state(cloud: Cloud, head: FakeHead) -> None:
    # Given
    future = cloud.submit(double, 1)
    assert repr(future) == f"<JobFuture {future.ref} pending>"
    # When
    future.cancel()
    # Then
    assert repr(future) == f"<JobFuture {future.ref} cancelled>"
