"""Transactions inside a job: once, fences, staged writes, jobs added along."""

from __future__ import annotations

import pytest

from actorcloud.base.errors import NotInJob, OnceReused
from actorcloud.protocol.record import NewJob
from actorcloud.store import Abort, Change, Commit, Expect, Fail, FencedRun, Transactions, encode_key, keys
from tests.store.local import FENCE, JOB, REF, LocalStore, run_of, txn_of, txn_of_any
from tests.store.local import put_value as put


@pytest.fixture
def job(store: LocalStore) -> Transactions:
    store.add_job(REF, "running", run_of(1))
    return store.client(FENCE)


def test_once_is_for_jobs(client: Transactions) -> None:
    with pytest.raises(NotInJob):
        client.mutate(lambda: None, once="paid")


def test_a_later_run_gets_the_value_of_once_and_does_not_run(store: LocalStore, job: Transactions) -> None:
    # Given
    def pay() -> str:
        txn = txn_of_any()
        txn.store("s", "paid", txn.fetch("s", "paid", 0) + 1)
        return "receipt"

    assert job.mutate(pay, once="pay") == Commit("receipt")
    # When
    store.add_job(REF, "running", run_of(2))
    again = store.client((REF, run_of(2)))
    again._means = again._means._replace(randbytes=lambda n: b"2" * n)
    # Then
    assert again.mutate(pay, once="pay") == Commit("receipt")
    assert store.client().fetch("s", "paid") == 1


def test_a_once_name_serves_one_transaction_of_a_run(job: Transactions) -> None:
    assert job.mutate(lambda: 1, once="pay") == Commit(1)
    with pytest.raises(OnceReused, match="'pay'"):
        job.mutate(lambda: 2, once="pay")


def test_a_once_that_aborted_may_be_tried_again(job: Transactions) -> None:
    def fail() -> None:
        raise Abort("later")

    assert job.mutate(fail, once="pay") == Fail("later")
    assert job.mutate(lambda: 1, once="pay") == Commit(1)


def test_a_superseded_run_is_ended(store: LocalStore, job: Transactions) -> None:
    store.add_job(REF, "running", run_of(2))
    with pytest.raises(FencedRun):
        put(job, "a", 1)
    assert store.client().fetch("s", "a") is None


def test_staged_writes_go_with_another_commit(store: LocalStore, job: Transactions) -> None:
    # Given
    put(job, "n", 1)

    def work() -> str:
        txn = txn_of_any()
        txn.store(JOB, "n", txn.fetch("s", "n") + 1)
        return "ready"

    # When
    staged = job.stage(work)
    change = Change(tag=0, expect=(Expect(*FENCE[:1], "running", FENCE[1]),), reads=staged.reads, writes=staged.writes)
    # Then
    assert staged.value == "ready"
    assert store.value(REF, encode_key("n")) is None
    assert store.change(change) is None
    assert store.client().fetch(JOB, "n") == 2


def test_jobs_are_added_with_the_transaction(store: LocalStore, client: Transactions) -> None:
    store.change(Change(tag=0, puts=((keys.function(b"f" * 16), b"code"),)))

    def work() -> object:
        txn = txn_of(client)
        txn.add_job(NewJob(REF, b"f" * 16, b"arguments"))
        txn.store(JOB, "input", 7)
        return txn.fetch(JOB, "input"), txn.fetch(JOB, "other", "none")

    assert client.mutate(work) == Commit((7, "none"))
    assert client.fetch(JOB, "input") == 7
    record = store.record(REF)
    assert record is not None
    assert record.state == "queued"
