"""The store through a `Cloud`: the protocol itself is tested in tests/store."""

from __future__ import annotations

import contextvars
import logging
from collections.abc import Callable

import pytest

from actorcloud.base.errors import (
    JobConflict,
    NestedTransaction,
    NotInJob,
    NotInTransaction,
    OnceReused,
    ReadOnlyTransaction,
)
from actorcloud.base.ids import JobRef
from actorcloud.client import Cloud, CurrentJob, finish_job
from actorcloud.protocol.job import AddJobs, Finished, FinishJob
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Outcome
from actorcloud.protocol.transaction import Commit as Committing
from actorcloud.protocol.transaction import Refused
from actorcloud.store import Abort, Commit, Fail
from tests.client.fakes import FakeHead


def double(number: int) -> int:
    return 2 * number


@pytest.fixture
def head() -> FakeHead:
    return FakeHead()


@pytest.fixture
def cloud(head: FakeHead) -> Cloud:
    return Cloud.over(head)


def test_a_transaction_commits_its_writes_and_its_value(cloud: Cloud) -> None:
    # Given
    def count() -> int:
        total: int = cloud.fetch("visits", "total", 0) + 1
        cloud.store("visits", "total", total)
        return total

    # Then
    assert cloud.mutate_store(count) == Commit(1)
    assert cloud.mutate_store(count) == Commit(2)
    assert cloud.fetch("visits", "total") == 2


def test_a_key_that_is_taken_refuses_the_transaction_and_the_error_says_by_which_job(cloud: Cloud) -> None:
    # Given
    keyed = cloud.options(key="avg-2024")
    ref = keyed.add_job(double, 3)

    def add_again() -> None:
        cloud.store("visits", "total", 1)
        keyed.add_job(double, 3)

    def add_two() -> None:
        cloud.options(key="new").add_job(double, 1)
        cloud.options(key="new").add_job(double, 2)

    # Then
    with pytest.raises(JobConflict, match=f"the key 'avg-2024' names job {ref} already"):
        cloud.mutate_store(add_again)
    assert cloud.fetch("visits", "total") is None
    with pytest.raises(JobConflict, match="the key 'new' names two jobs of this transaction"):
        cloud.mutate_store(add_two)
    assert cloud.jobs() == [ref]


def test_an_abort_writes_nothing(cloud: Cloud) -> None:
    # Given
    def spend() -> None:
        cloud.store("purse", "coins", -1)
        raise Abort("too poor")

    # When
    outcome = cloud.mutate_store(spend)
    # Then
    assert outcome == Fail("too poor")
    assert not outcome
    assert cloud.fetch("purse", "coins", 7) == 7


def test_a_job_keys_the_store_and_takes_its_keys_along(cloud: Cloud, head: FakeHead) -> None:
    # Given
    ref = cloud.add_job(double, 1)
    cloud.mutate_store(lambda: cloud.store(ref, "half", 0.5))
    assert cloud.fetch(ref, "half") == 0.5
    # When
    cloud.mutate_store(lambda: cloud.delete(ref, "half"))
    # Then
    assert cloud.fetch(ref, "half") is None


@pytest.mark.parametrize("text_of", [str, lambda ref: str(ref).lower()])
def test_the_text_of_a_job_keys_the_store_as_the_job_does(cloud: Cloud, text_of: Callable[[object], str]) -> None:
    # Given
    ref = cloud.add_job(double, 1)
    text = text_of(ref)
    # When
    cloud.mutate_store(lambda: cloud.store(text, "half", 1))
    cloud.mutate_store(lambda: cloud.add(text, "half", 1))
    # Then
    assert cloud.fetch(ref, "half") == cloud.fetch(text, "half") == 2
    assert cloud.scan(text) == cloud.scan(ref) == [("half", 2)]
    assert cloud.usage(text) == cloud.usage(ref)
    assert cloud.spaces() == []
    with cloud.watch(text, "half") as halves:
        assert next(halves) == 2


def test_a_text_as_long_as_a_jobs_that_is_none_names_a_space(cloud: Cloud) -> None:
    # Given
    name = "z" * 26
    # When
    cloud.mutate_store(lambda: cloud.store(name, "key", 1))
    # Then
    assert cloud.fetch(name, "key") == 1


def test_a_conflict_runs_the_function_again(cloud: Cloud, head: FakeHead) -> None:
    # Given
    other = Cloud.over(head)
    seen: list[int] = []

    def count() -> int:
        seen.append(cloud.fetch("s", "n", 0))
        if len(seen) == 1:
            # In a context of its own, as another program would be.
            contextvars.Context().run(other.mutate_store, lambda: other.store("s", "n", 10))
        cloud.store("s", "n", seen[-1] + 1)
        return seen[-1] + 1

    # Then
    assert cloud.mutate_store(count) == Commit(11)
    assert seen == [0, 10]


def test_a_snapshot_reads_and_does_not_write(cloud: Cloud) -> None:
    # Given
    cloud.mutate_store(lambda: cloud.store("s", "n", 1))
    # Then
    assert cloud.snapshot(lambda: cloud.fetch("s", "n")) == 1
    with pytest.raises(ReadOnlyTransaction):
        cloud.snapshot(lambda: cloud.store("s", "n", 2))
    with pytest.raises(ReadOnlyTransaction):
        cloud.snapshot(lambda: cloud.add_job(double, 1))


def test_storing_needs_a_transaction(cloud: Cloud) -> None:
    with pytest.raises(NotInTransaction, match="`store` was used outside"):
        cloud.store("s", "n", 1)
    with pytest.raises(NotInTransaction, match="`delete` was used outside"):
        cloud.delete("s", "n")
    with pytest.raises(NotInTransaction, match="`add` was used outside"):
        cloud.add("s", "n", 1)
    with pytest.raises(NotInTransaction, match="`txn` was used outside"):
        _ = cloud.txn


@pytest.mark.parametrize(
    "call",
    [
        lambda cloud, ref: cloud.delete_job(ref),
        lambda cloud, ref: cloud.cancel(ref),
        lambda cloud, _: cloud.add_node("n9", 7),
        lambda cloud, _: cloud.remove_node("n9"),
    ],
    ids=["delete_job", "cancel", "add_node", "remove_node"],
)
def test_what_no_transaction_can_take_back_is_refused_in_one(
    cloud: Cloud, head: FakeHead, call: Callable[[Cloud, JobRef[int]], object]
) -> None:
    # Given
    ref = cloud.add_job(double, 1)
    told = len(head.received)
    # When
    with pytest.raises(NestedTransaction, match="call it after mutate_store"):
        cloud.mutate_store(lambda: call(cloud, ref))
    # Then
    assert len(head.received) == told


def test_once_needs_a_job(cloud: Cloud) -> None:
    with pytest.raises(NotInJob):
        cloud.mutate_store(lambda: None, once="paid")


def test_a_once_name_serves_one_transaction_of_a_run(head: FakeHead) -> None:
    # Given
    ref = Cloud.over(head).add_job(double, 1)
    cloud = Cloud.over(head, fence=(ref.raw, head.records[ref.raw].run))
    assert cloud.mutate_store(lambda: 1, once="paid") == Commit(1)
    # Then
    with pytest.raises(OnceReused):
        cloud.mutate_store(lambda: 2, once="paid")


def test_a_job_added_in_a_transaction_exists_if_that_commits(cloud: Cloud, head: FakeHead) -> None:
    # Given
    def both() -> tuple[JobRef[int], ...]:
        cloud.store("orders", 1, "paid")
        return cloud.options(retries=1).add_job(double, 21), *cloud.add_jobs(double, [1, 2])

    def neither() -> None:
        cloud.add_job(double, 1)
        raise Abort

    cloud.add_job(double, 1)
    # When
    refs: tuple[JobRef[int], ...] = cloud.mutate_store(both).value
    # Then
    assert cloud.results(refs) == [42, 2, 4]
    assert {head.records[ref.raw].retries for ref in refs[:1]} == {1}
    # When
    assert not cloud.mutate_store(neither)
    # Then
    assert len(head.records) == 4
    # The function was sent once for the transactions, alone.
    sent = [(len(message.jobs), bool(message.code)) for message in head.received if isinstance(message, AddJobs)]
    assert sent == [(1, True), (0, True)]


def test_a_function_that_was_collected_meanwhile_is_brought_again(cloud: Cloud, head: FakeHead) -> None:
    # Given
    runs: list[int] = []
    answer = head.store.answer

    def forget(message: Message) -> Message:
        if isinstance(message, Committing) and len(runs) == 1:
            head.functions.clear()
            return Refused("need-function", message.jobs[0].function.hex())
        return answer(message)

    head.store.answer = forget  # type: ignore[method-assign]

    def order() -> JobRef[int]:
        runs.append(1)
        return cloud.add_job(double, 21)

    # When
    ref: JobRef[int] = cloud.mutate_store(order).value
    # Then
    assert cloud.result(ref) == 42
    assert len(runs) == 2


def test_a_job_finishes_with_what_it_staged(head: FakeHead, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    ref = Cloud.over(head).add_job(double, 1)
    fence = (ref.raw, head.records[ref.raw].run)
    cloud = Cloud.over(head, fence=fence)
    finished: list[FinishJob] = []
    reply = head._reply

    def finish(message: Message) -> Message:
        if not isinstance(message, FinishJob):
            return reply(message)
        finished.append(message)
        return Finished(stored=True)

    monkeypatch.setattr(head, "_reply", finish)
    outcome = Outcome("done", b"value")
    called: list[str] = []

    def second() -> None:
        cloud.store(ref, "b", 2)
        cloud.txn.on_commit(lambda: called.append("committed"))

    # When
    stored = finish_job(cloud, outcome, [lambda: cloud.store(ref, "a", 1), second])
    # Then
    assert stored is True
    assert called == ["committed"]
    (message,) = finished
    assert (message.fence, message.outcome) == (fence, outcome)
    assert len(message.writes) == 2


async def nothing() -> None:
    raise AssertionError("nobody awaits it")


def test_a_staged_function_that_does_nothing_when_it_is_called_fails_the_job(head: FakeHead) -> None:
    # Given
    ref = Cloud.over(head).add_job(double, 1)
    cloud = Cloud.over(head, fence=(ref.raw, head.records[ref.raw].run))
    # Then
    with pytest.raises(TypeError, match="returned a coroutine, so nothing of it has run"):
        finish_job(cloud, Outcome("done"), [nothing])


def test_what_cannot_be_called_is_refused_where_it_is_staged(cloud: Cloud) -> None:
    with pytest.raises(TypeError, match="on_done takes a function without arguments, not 5"):
        CurrentJob(JobRef(bytes(16)), 1, lambda: cloud).on_done(5)  # type: ignore[arg-type]  # that is what is tested


def test_what_does_nothing_after_a_commit_is_logged(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    # When
    outcome = cloud.mutate_store(lambda: cloud.txn.on_commit(nothing))
    # Then
    assert outcome == Commit(None)
    assert "returned a coroutine, so nothing of it has run" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_staged_abort_is_raised(head: FakeHead) -> None:
    # Given
    ref = Cloud.over(head).add_job(double, 1)
    cloud = Cloud.over(head, fence=(ref.raw, head.records[ref.raw].run))

    def refuse() -> None:
        raise Abort("no")

    # Then
    with pytest.raises(Abort):
        finish_job(cloud, Outcome("done"), [refuse])
