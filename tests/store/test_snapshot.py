"""Transactions that only read."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context

import pytest

from actorcloud.base.errors import NestedTransaction, ReadOnlyTransaction, TransactionError
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.transaction import Commit as CommitMessage
from actorcloud.protocol.transaction import Conflict
from actorcloud.store import Abort, Transactions
from tests.store.local import PICKLE, REF, Clock, LocalStore, means, put_value, txn_of

# -- snapshot -------------------------------------------------------------------------------------


def test_a_snapshot_returns_the_value_and_never_commits(store: LocalStore, client: Transactions) -> None:
    put_value(client, "a", 1)
    store.asked.clear()
    assert client.snapshot(lambda: txn_of(client).fetch("s", "a") + 1) == 2
    assert not [message for message in store.asked if isinstance(message, CommitMessage)]


def test_what_a_snapshot_reads_was_all_so_at_one_moment(store: LocalStore, client: Transactions) -> None:
    # Given
    other = store.client()
    other._means = other._means._replace(randbytes=lambda n: b"o" * n)
    put_value(client, "a", 1)
    put_value(client, "b", 1)
    runs: list[int] = []

    def move() -> None:
        txn_of(other).store("s", "a", 0)
        txn_of(other).store("s", "b", 2)

    def total() -> object:
        txn = txn_of(client)
        runs.append(txn.fetch("s", "a"))
        if len(runs) == 1:
            Context().run(lambda: other.mutate(move))
        return runs[-1] + txn.fetch("s", "b")

    # Then
    assert client.snapshot(total) == 2
    assert runs == [1, 0]


def test_a_snapshot_sees_what_was_committed_before_it_began(store: LocalStore, client: Transactions) -> None:
    for number in range(3):
        put_value(store.client() if number == 0 else client, "a", number)
        assert client.snapshot(lambda: txn_of(client).fetch("s", "a")) == number


@pytest.mark.parametrize(
    "write",
    [
        lambda txn: txn.store("s", "a", 1),
        lambda txn: txn.delete("s", "a"),
        lambda txn: txn.add_job(NewJob(REF, b"f" * 16, b"")),
        lambda txn: txn.new_ref(lambda: REF),
        lambda txn: txn.on_commit(lambda: None),
    ],
    ids=["store", "delete", "add_job", "new_ref", "on_commit"],
)
def test_a_snapshot_writes_nothing(store: LocalStore, client: Transactions, write: Callable[[object], object]) -> None:
    with pytest.raises(ReadOnlyTransaction, match="use `mutate_store`"):
        client.snapshot(lambda: write(txn_of(client)))
    assert store.asked == []


def test_an_abort_in_a_snapshot_is_raised(client: Transactions) -> None:
    def abort() -> None:
        raise Abort("no")

    with pytest.raises(Abort, match="no"):
        client.snapshot(abort)


def test_a_snapshot_nests_in_nothing(client: Transactions) -> None:
    with pytest.raises(NestedTransaction):
        client.mutate(lambda: client.snapshot(lambda: None))
    with pytest.raises(NestedTransaction):
        client.snapshot(lambda: client.mutate(lambda: None))


def test_a_snapshot_that_never_holds_ends_at_the_deadline() -> None:
    client = Transactions(lambda _: Conflict((b"", 0)), PICKLE, means(Clock()))
    with pytest.raises(TransactionError, match="kept changing"):
        client.snapshot(lambda: txn_of(client).fetch("s", "a"), timeout=0.2)
