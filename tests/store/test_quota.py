"""What each job and each space has in the store is counted, and bounded."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorcloud.base.errors import QuotaExceeded
from actorcloud.base.ids import JobRef
from actorcloud.head.options import QUOTA_BYTES_DEFAULT, QUOTA_KEYS_DEFAULT
from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import Commit, Committed, Refused
from actorcloud.store import QUOTA_DEFAULT, Change, Expect, Quota, ReadPlan, SingleStore, Transactions, encode_key, keys
from actorcloud.store import Refused as RefusedChange
from actorcloud.store.engine import Scan
from actorcloud.store.quota import Usage, usage_of
from actorcloud.store.view import View
from tests.store.local import FENCE, JOB, NOW, PICKLE, REF, Clock, LocalStore, means, put_value, raw, run_of, txn_of


def usage(store: LocalStore, space: bytes | str = "s") -> Usage:
    where = keys.space(space)
    return usage_of(View(store.engine.read(ReadPlan([keys.usage(where)])).values), where)


def counted(store: LocalStore, space: bytes | str = "s") -> Usage:
    where = keys.space(space)
    items = store.engine.read(ReadPlan((), [Scan(where, keys.after_prefix(where), 1000)])).scans[0]
    return Usage(len(items), sum(len(key) + len(value) for key, value in items))


def limit(store: LocalStore, **quota: int) -> None:
    store.sequencer.quota = QUOTA_DEFAULT._replace(**quota)


STEP = st.one_of(
    st.tuples(st.just("store"), st.integers(0, 5), st.binary(max_size=20)),
    st.tuples(st.just("delete"), st.integers(0, 5), st.just(b"")),
    st.tuples(st.just("append"), st.integers(6, 7), st.binary(max_size=5)),
    st.tuples(st.just("push"), st.just(0), st.binary(max_size=5)),
)


@given(transactions=st.lists(st.lists(STEP, max_size=4), max_size=6), together=st.booleans())
@settings(max_examples=60)
def test_what_is_counted_is_what_is_there(transactions: list[list[tuple[str, int, bytes]]], *, together: bool) -> None:
    # Given
    store = LocalStore()
    client = store.client()
    if together:
        # All of them in one batch, unread.
        store.land = lambda: None  # type: ignore[method-assign]
    # When
    for steps in transactions:

        def work(steps: list[tuple[str, int, bytes]] = steps) -> None:
            txn = txn_of(client)
            for verb, key, value in steps:
                match verb:
                    case "push":
                        txn.push("s", ("q",), value)
                    case "delete":
                        txn.delete("s", key)
                    case _:
                        getattr(txn, verb)("s", key, value)

        staged = client.stage(work)
        answers = store.submit(Change(tag=0, writes=staged.writes, atomics=staged.atomics))
        if not together:
            store.land()
            assert answers == [None]
    LocalStore.land(store)
    # Then
    assert usage(store) == counted(store)


def test_a_space_without_keys_has_no_record(store: LocalStore, client: Transactions) -> None:
    put_value(client, "k", 1)
    assert usage(store) == counted(store) != Usage()
    client.mutate(lambda: txn_of(client).delete("s", "k"))
    assert keys.usage(keys.space("s")) not in store.engine.disk._items


def test_one_batch_writes_a_spaces_usage_once(store: LocalStore) -> None:
    commits = [Commit(bytes((n,)) * 16, 1, writes=((keys.user("s", encode_key(n)), raw(b"v")),)) for n in range(1, 6)]
    store.submit(*commits)
    flight = store.sequencer.take()
    assert flight is not None
    assert [key for key in flight.batch.puts if key[:1] == keys.USAGE] == [keys.usage(keys.space("s"))]


@pytest.mark.parametrize(
    ("quota", "text"),
    [
        ({"keys": 3}, "the space 's' would have 4 keys; its quota is 3: delete some"),
        ({"size_bytes": 60}, r"the space 's' would have \d+ bytes; its quota is 60: delete some"),
    ],
)
def test_what_exceeds_a_quota_is_refused(
    store: LocalStore, client: Transactions, quota: dict[str, int], text: str
) -> None:
    # Given
    limit(store, **quota)
    for key in range(3):
        put_value(client, key, 1)
    before = usage(store)
    # Then
    with pytest.raises(QuotaExceeded, match=text):
        put_value(client, 3, 1)
    assert usage(store) == before
    # Another space has its own.
    client.mutate(lambda: txn_of(client).store("other", 3, 1))
    # What does not grow still goes, and what was deleted makes room.
    put_value(client, 2, 2)
    client.mutate(lambda: [txn_of(client).delete("s", 2), txn_of(client).store("s", 3, 1)])  # type: ignore[func-returns-value]
    client.mutate(lambda: txn_of(client).delete("s", 3))
    assert usage(store) == counted(store)


def test_a_space_above_a_smaller_quota_may_shrink(store: LocalStore, client: Transactions) -> None:
    for key in range(5):
        put_value(client, key, 1)
    limit(store, keys=2)
    client.mutate(lambda: txn_of(client).delete("s", 0))
    put_value(client, 1, 2)
    assert usage(store).keys == 4


def test_a_job_has_a_quota_which_goes_with_it(store: LocalStore) -> None:
    # Given
    store.add_job(REF, "running", run_of(1))
    job = store.client(FENCE)
    limit(store, keys=1)
    job.mutate(lambda: txn_of(job).store(JOB, 1, "x"))
    with pytest.raises(QuotaExceeded, match=r"the job 0004\w+ would have 2 keys"):
        job.mutate(lambda: txn_of(job).store(JOB, 2, "x"))
    # When it wants to end with more
    refused = store.change(
        Change(tag=0, expect=(Expect(REF, "running"),), writes=((keys.user(REF, encode_key(2)), raw(b"")),))
    )
    # Then
    assert isinstance(refused, RefusedChange)
    assert refused.code == "quota-exceeded"
    assert usage(store, REF) == counted(store, REF)


def test_once_names_and_the_managers_own_are_not_counted(store: LocalStore) -> None:
    store.add_job(REF, "running", run_of(1))
    limit(store, keys=1, size_bytes=1)
    job: Any = store.client(FENCE)
    assert job.mutate(lambda: "paid", once="pay").value == "paid"
    assert usage(store, REF) == Usage()


def test_transactions_of_one_batch_share_the_quota(store: LocalStore) -> None:
    limit(store, keys=2)
    commits = [Commit(bytes((n,)) * 16, 1, writes=((keys.user("s", encode_key(n)), raw(b"v")),)) for n in range(1, 5)]
    answers = store.submit(*commits)
    store.land()
    assert [type(answer) for answer in answers] == [Committed, Committed, Refused, Refused]


def test_quotas_hold_without_a_head_as_well() -> None:
    # Given
    job = JobRecord("running", b"f" * 16, NOW, run=run_of(1))
    single = SingleStore(lambda ref: job if ref == REF else None, lambda _: None, lambda _: None, Quota(keys=2))
    client = Transactions(single.answer, PICKLE, means(Clock()))

    def store_one(space: JobRef[object] | str, key: int) -> None:
        txn_of(client).store(space, key, 1)

    def store_in(*keys: int) -> None:
        for key in keys:
            client.mutate(partial(store_one, JOB, key))
            client.mutate(partial(store_one, "s", key))

    store_in(1, 2)
    # Then
    with pytest.raises(QuotaExceeded, match="would have 3 keys; its quota is 2"):
        store_in(3)
    # When
    client.mutate(lambda: txn_of(client).delete("s", 1))
    single.forget(REF)
    # Then: there is room again.
    store_in(3)


def test_the_head_knows_the_default() -> None:
    assert Quota(QUOTA_KEYS_DEFAULT, QUOTA_BYTES_DEFAULT) == QUOTA_DEFAULT
