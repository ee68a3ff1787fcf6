"""Scans: what they find, what they depend on, and what a run sees of its own writes in them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorcloud.base.errors import BadKey, NoSuchJob, TransactionTooLarge
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    RANGE_LIMIT,
    RECORD_LIMIT,
    Commit,
    Conflict,
    RangeEntry,
    RangeRead,
    Read,
    Refused,
    Values,
)
from actorcloud.store import Commit as Committed
from actorcloud.store import Key, Transaction, Transactions, encode_key, keys
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.transaction import Origin, Restart
from actorcloud.store.range import range_entry
from tests.store.local import JOB, PICKLE, REF, LocalStore, put_value, txn_of

IDS = itertools.count()


def begin(store: LocalStore) -> tuple[Transaction, Attempt]:
    """Return a transaction to be driven step by step."""
    attempt = Attempt(b"begun" + next(IDS).to_bytes(11, "big"), 1)
    return Transaction(attempt, store.ask, PICKLE, Origin(0.0)), attempt


def fill(client: Transactions, *names: Key) -> None:
    """Store each key as its own value."""

    def work() -> None:
        for key in names:
            txn_of(client).store("s", key, key)

    client.mutate(work)


def names(found: list[tuple[Key, Any]]) -> list[Key]:
    return [key for key, _ in found]


# -- what is found --------------------------------------------------------------------------------


def test_a_scan_gives_keys_and_values_in_the_order_of_the_keys(client: Transactions) -> None:
    fill(client, "b", "a", ("x", 2), ("x", 1), 7)
    assert client.scan("s") == [(key, key) for key in ("a", "b", ("x", 1), ("x", 2), 7)]
    assert names(client.scan("s", reverse=True, limit=2)) == [7, ("x", 2)]
    assert client.scan("another space") == []


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"prefix": ("x",)}, [("x",), ("x", None), ("x", "a"), ("x", "a", 1), ("x", 2)]),
        ({"prefix": ("x", "a")}, [("x", "a"), ("x", "a", 1)]),
        ({"prefix": ()}, [("x",), ("x", None), ("x", "a"), ("x", "a", 1), ("x", 2), ("x\0y", 3)]),
        ({"prefix": "x"}, ["x", "x\0", "xy"]),
        ({"prefix": b"\xff"}, [b"\xff", b"\xff\xff"]),
        ({"prefix": ("x",), "start": ("x", "a", 1)}, [("x", "a", 1), ("x", 2)]),
        ({"prefix": ("x",), "stop": ("x", "a")}, [("x",), ("x", None)]),
        ({"start": "x\0", "stop": "y"}, ["x\0", "xy"]),
        ({"start": "y", "stop": "x"}, []),
        ({"prefix": ("x",), "limit": 2, "reverse": True}, [("x", 2), ("x", "a", 1)]),
        ({"limit": 0}, []),
    ],
)
def test_a_prefix_and_bounds_choose(client: Transactions, options: dict[str, Any], found: list[Key]) -> None:
    fill(client, ("x",), ("x", None), ("x", "a"), ("x", "a", 1), ("x", 2), ("x\0y", 3))
    fill(client, "w", "x", "x\0", "xy", "y", b"\xfe", b"\xff", b"\xff\xff")
    assert names(client.scan("s", **options)) == found


def test_what_cannot_be_a_prefix_is_refused(client: Transactions) -> None:
    with pytest.raises(BadKey, match=r"7 is no prefix of keys: a tuple, a str or bytes is needed"):
        client.scan("s", 7)
    with pytest.raises(BadKey, match="JobRef or the name of a space"):
        client.scan(7)  # type: ignore[arg-type]


def test_a_scan_of_a_job_that_is_not_there_says_so(client: Transactions) -> None:
    with pytest.raises(NoSuchJob):
        client.scan(JOB)


def test_a_large_answer_comes_in_parts(store: LocalStore, client: Transactions) -> None:
    # Given
    for number in range(7):
        put_value(client, number, bytes(1_000_000))
    store.asked.clear()
    # When
    both = [client.scan("s"), client.scan("s", reverse=True)]
    # Then
    assert [names(found) for found in both] == [[*range(7)], [*range(6, -1, -1)]]
    assert len([message for message in store.asked if isinstance(message, Read)]) == 4


def test_a_fetch_of_a_scanned_key_asks_nobody(store: LocalStore, client: Transactions) -> None:
    fill(client, 1, 2)
    store.asked.clear()

    def work() -> list[object]:
        txn = txn_of(client)
        txn.scan("s", limit=2)
        return [txn.fetch("s", 1), txn.fetch("s", 2), txn.fetch("s", 1.0, "behind the last")]

    assert client.mutate(work).value == [1, 2, "behind the last"]
    assert len(store.asked) == 2


# -- own writes -----------------------------------------------------------------------------------


def test_a_scan_sees_what_this_run_stored_and_deleted(client: Transactions) -> None:
    fill(client, 1, 2, 3, 4, 5)

    def work() -> list[list[Key]]:
        txn = txn_of(client)
        txn.delete("s", 2)
        txn.delete("s", 5)
        txn.store("s", 2.5, "mine")
        txn.store("s", 3, "mine")
        return [
            names(txn.scan("s")),
            names(txn.scan("s", limit=2)),
            names(txn.scan("s", limit=2, reverse=True)),
        ]

    assert client.mutate(work).value == [[1, 3, 4, 2.5], [1, 3], [2.5, 4]]


def test_own_deletes_that_thin_out_a_limit_have_it_fetch_further(store: LocalStore, client: Transactions) -> None:
    fill(client, *range(10))

    def drain() -> list[Key]:
        txn, taken = txn_of(client), []
        while found := txn.scan("s", limit=1):
            taken.append(found[0][0])
            txn.delete("s", found[0][0])
        return taken

    assert client.mutate(drain).value == [*range(10)]
    assert client.scan("s") == []


MODEL_KEYS = st.integers(0, 12)
STEP = st.one_of(
    st.tuples(st.just("store"), MODEL_KEYS),
    st.tuples(st.just("delete"), MODEL_KEYS),
    st.tuples(st.just("fetch"), MODEL_KEYS),
    st.tuples(st.just("scan"), MODEL_KEYS, MODEL_KEYS, st.integers(1, 5) | st.none(), st.booleans()),
)


@given(before=st.sets(MODEL_KEYS), steps=st.lists(STEP, max_size=12))
@settings(max_examples=150)
def test_a_run_sees_a_sorted_dictionary(before: set[int], steps: list[tuple[Any, ...]]) -> None:
    # Given
    store = LocalStore()
    client = store.client()
    fill(client, *before)
    model: dict[int, object] = {key: key for key in before}

    def work() -> None:
        txn = txn_of(client)
        for number, (verb, *args) in enumerate(steps):
            if verb == "scan":
                start, stop, limit, reverse = args
                expected = sorted((item for item in model.items() if start <= item[0] < stop), reverse=reverse)
                found = txn.scan("s", start=start, stop=stop, limit=limit, reverse=reverse)
                assert found == expected[:limit]
            elif verb == "fetch":
                assert txn.fetch("s", args[0]) == model.get(args[0])
            elif verb == "store":
                txn.store("s", args[0], (verb, number))
                model[args[0]] = (verb, number)
            else:
                txn.delete("s", args[0])
                model.pop(args[0], None)

    # When
    client.mutate(work)
    # Then
    assert client.scan("s") == sorted(model.items())


# -- what is validated ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reverse", "changed", "conflicts"),
    [
        (False, 0, True),
        (False, 1, True),
        (False, 2, True),
        (False, 3, True),
        (False, 4, False),
        (False, 5, False),
        (True, 6, True),
        (True, 5, True),
        (True, 4, True),
        (True, 3, True),
        (True, 2, False),
        (True, 1, False),
    ],
)
def test_a_limited_scan_depends_on_nothing_behind_its_last_item(
    store: LocalStore, client: Transactions, *, reverse: bool, changed: int, conflicts: bool
) -> None:
    # Given
    fill(client, 1, 3, 5)
    txn, attempt = begin(store)
    assert names(txn.scan("s", start=-1, stop=9, limit=2, reverse=reverse)) == ([5, 3] if reverse else [1, 3])
    # When
    put_value(client, changed, "changed")
    txn.store("other", "k", 1)
    # Then
    assert isinstance(store.ask(attempt.to_commit()), Conflict) == conflicts


def test_a_deletion_within_a_scanned_range_is_a_conflict(store: LocalStore, client: Transactions) -> None:
    fill(client, 1, 2, 3)
    txn, attempt = begin(store)
    txn.scan("s")
    client.mutate(lambda: txn_of(client).delete("s", 2))
    txn.store("other", "k", 1)
    assert isinstance(store.ask(attempt.to_commit()), Conflict)


def test_a_scan_extends_the_snapshot_or_restarts(store: LocalStore, client: Transactions) -> None:
    # Given
    fill(client, 1, 2)
    first, second = begin(store)[0], begin(store)[0]
    first.fetch("s", 1)
    second.fetch("s", 2)
    # When
    put_value(client, 2, "changed")
    # Then: what the first has read still holds now.
    assert first.scan("s") == [(1, 1), (2, "changed")]
    with pytest.raises(Restart):
        second.scan("s")


def test_a_fetch_after_a_scan_restarts_if_the_range_has_changed(store: LocalStore, client: Transactions) -> None:
    fill(client, 1, 2)
    txn, _ = begin(store)
    txn.scan("s", start=1, stop=3)
    put_value(client, "x", 1)
    assert txn.fetch("s", "x") == 1
    put_value(client, 2, "changed")
    put_value(client, "x", 2)
    with pytest.raises(Restart):
        txn.fetch("s", "y")


def test_a_range_is_judged_on_what_is_not_durable_yet(store: LocalStore, client: Transactions) -> None:
    # Given: two runs that scanned the same queue.
    fill(client, 1, 2)
    commits: list[Commit] = []
    for name in ("a", "b"):
        txn, attempt = begin(store)
        ((key, _),) = txn.scan("s", limit=1)
        txn.delete("s", key)
        txn.store("taken", name, key)
        commits.append(attempt.to_commit())
    # When: both are in the batch that gathers, and a third one judged under a batch in flight.
    answers = store.submit(*commits)
    flight = store.sequencer.take()
    assert flight is not None
    late = store.submit(commits[1])
    # Then
    store.engine.commit(flight.batch, epoch=store.epoch, expect=flight.expect, new=flight.new)
    store.finish()
    assert [type(answer).__name__ for answer in answers + late] == ["Committed", "Conflict", "Conflict"]
    assert names(client.scan("s")) == [2]


def test_a_range_that_is_as_it_was_again_is_no_conflict(store: LocalStore, client: Transactions) -> None:
    fill(client, 1, 2)
    txn, attempt = begin(store)
    txn.scan("s")
    put_value(client, 1.5, "in between")
    client.mutate(lambda: txn_of(client).delete("s", 1.5))
    txn.store("other", "k", 1)
    assert not isinstance(store.ask(attempt.to_commit()), Conflict)


def test_neighbouring_scans_are_one_range(store: LocalStore, client: Transactions) -> None:
    fill(client, *range(9))
    txn, attempt = begin(store)
    txn.scan("s", start=2, stop=4)
    txn.scan("s", start=6, stop=8)
    assert len(attempt.ranges) == 2
    assert names(txn.scan("s", start=1, stop=7)) == [1, 2, 3, 4, 5, 6]
    assert [(entry.count, entry.digest) for entry in attempt.ranges] == [
        (7, range_entry(b"", b"", [(keys.user("s", encode_key(key)), 1) for key in range(1, 8)]).digest)
    ]


def test_what_a_staged_transaction_scanned_goes_along(client: Transactions) -> None:
    fill(client, 1, 2)
    staged = client.stage(lambda: txn_of(client).scan("s"))
    assert [entry.count for entry in staged.ranges] == [2]


# -- limits ---------------------------------------------------------------------------------------


def test_a_transaction_scans_so_many_ranges(store: LocalStore, client: Transactions) -> None:
    txn, _ = begin(store)
    for number in range(RANGE_LIMIT):
        txn.scan("s", start=2 * number, stop=2 * number + 1)
    with pytest.raises(
        TransactionTooLarge, match=r"scanned 64 ranges with 0 records; .* give a limit, or go through it in several"
    ):
        txn.scan("s", start=1000, stop=1001)
    # What was scanned before is still there.
    assert txn.scan("s", start=0, stop=1) == []


@pytest.mark.parametrize("reverse", [False, True])
def test_the_last_range_may_come_in_parts(store: LocalStore, client: Transactions, *, reverse: bool) -> None:
    # Given
    for number in range(7):
        put_value(client, number, bytes(1_000_000))

    # When
    def work() -> int:
        txn = txn_of(client)
        for number in range(RANGE_LIMIT - 1):
            txn.scan("other", start=2 * number, stop=2 * number + 1)
        found = len(txn.scan("s", reverse=reverse))
        with pytest.raises(TransactionTooLarge, match="scanned 64 ranges with 7 records"):
            txn.scan("other", start=1000)
        txn.store("count", 0, found)
        return found

    # Then
    assert client.mutate(work) == Committed(7)


def test_a_transaction_scans_so_many_records(store: LocalStore, client: Transactions) -> None:
    # Given
    half = RECORD_LIMIT // 2
    for first in (0, half, 2 * half):
        fill(client, *range(first, first + half))
    # Then
    for reverse in (False, True):
        with pytest.raises(TransactionTooLarge, match="scanned 1 range with 10000 records, and there are more"):
            client.scan("s", reverse=reverse)
    assert len(client.scan("s", limit=RECORD_LIMIT)) == RECORD_LIMIT


@pytest.mark.parametrize("reverse", [False, True])
def test_a_transaction_scans_as_many_records_as_it_may(client: Transactions, *, reverse: bool) -> None:
    # Given
    half = RECORD_LIMIT // 2
    for first in (0, half):
        fill(client, *range(first, first + half))

    # When
    def work() -> int:
        found = txn_of(client).scan("s", reverse=reverse)
        # What is known to end there is asked for no more, and there is room for what is empty.
        assert txn_of(client).scan("s", reverse=reverse) == found
        assert txn_of(client).scan("empty") == []
        txn_of(client).store("s", 0, len(found))
        return len(found)

    # Then
    assert client.mutate(work) == Committed(RECORD_LIMIT)
    assert client.fetch("s", 0) == RECORD_LIMIT


def test_one_record_too_many_is_not_kept(client: Transactions) -> None:
    # Given
    half = RECORD_LIMIT // 2
    for first in (0, half):
        fill(client, *range(first, first + half))
    client.mutate(lambda: txn_of(client).store("other", "one", 1))

    # When
    def work() -> int:
        found = txn_of(client).scan("s")
        with pytest.raises(TransactionTooLarge, match="there are more"):
            txn_of(client).scan("other")
        txn_of(client).store("s", 0, 0)
        return len(found)

    # Then
    assert client.mutate(work) == Committed(RECORD_LIMIT)


@pytest.mark.parametrize(
    ("limit", "error"), [(-1, ValueError), ("3", TypeError), (2.0, TypeError), (True, TypeError), (b"", TypeError)]
)
def test_what_cannot_be_a_limit_is_refused(client: Transactions, limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"the limit of a scan is .*, not (-1|'3'|2.0|True|b'')"):
        client.scan("s", limit=limit)
    with pytest.raises(error, match="the limit of a scan"):
        client.mutate(lambda: txn_of(client).scan("s", start=2, stop=1, limit=limit))


SPACE = keys.space("s")
GOOD = range_entry(SPACE, SPACE + b"\xff", ())


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ([GOOD] * (RANGE_LIMIT + 1), "transaction-too-large"),
        ([RangeEntry(SPACE, SPACE + b"\xff", RECORD_LIMIT + 1, GOOD.digest)], "transaction-too-large"),
        ([RangeEntry(SPACE, SPACE + b"\xff", -1, GOOD.digest)], "bad-key"),
        ([RangeEntry(SPACE, SPACE + b"\xff", 0, b"")], "bad-key"),
        ([RangeEntry(keys.RECORD, keys.ARGUMENTS, 0, GOOD.digest)], "bad-key"),
        ([RangeEntry(SPACE, keys.space("t"), 0, GOOD.digest)], "bad-key"),
        ([RangeEntry(SPACE[:-1], SPACE, 0, GOOD.digest)], "bad-key"),
        ([RangeEntry(SPACE + b"b", SPACE + b"a", 0, GOOD.digest)], "bad-key"),
        ([RangeEntry(SPACE + b"b" * 600, SPACE + b"c", 0, GOOD.digest)], "bad-key"),
        ([RangeEntry(keys.space(REF), keys.space(REF) + b"\xff", 0, GOOD.digest)], "no-such-job"),
    ],
)
def test_ranges_that_a_caller_may_not_have_are_refused(store: LocalStore, bad: list[RangeEntry], code: str) -> None:
    for message in (Commit(b"t" * 16, 1, ranges=tuple(bad)), Read((), ranges=tuple(bad))):
        answer = store.ask(message)
        assert isinstance(answer, Refused)
        assert answer.code == code


@pytest.mark.parametrize("limit", [RECORD_LIMIT + 1, -1])
def test_scans_that_a_caller_may_not_ask_for_are_refused(store: LocalStore, limit: int) -> None:
    assert isinstance(store.ask(Read((), scans=(RangeRead(SPACE, SPACE + b"\xff", limit),))), Refused)
    assert isinstance(store.ask(Read((), scans=(RangeRead(b"", b"\xff", 1),))), Refused)


def test_one_answer_is_bounded_however_many_scans_it_has(store: LocalStore, client: Transactions) -> None:
    # Given
    for number in range(6):
        put_value(client, number, bytes(1_000_000))
    # When
    answer = store.ask(Read((), scans=(RangeRead(SPACE, SPACE + b"\xff", 10),) * 8))
    # Then
    assert isinstance(answer, Values)
    sizes = [sum(len(value) for _, _, value in scan.items) for scan in answer.scans]
    assert max(sizes) < COMMIT_LIMIT_BYTES // 8 + 1_100_000
    assert all(scan.more for scan in answer.scans)


# -- what a run says of it ------------------------------------------------------------------------


def test_a_run_tells_what_it_has_scanned(store: LocalStore, client: Transactions) -> None:
    fill(client, 1, 2)
    txn, attempt = begin(store)
    txn.scan("s")
    assert repr(attempt._scanned) == "<Coverage of 1 ranges with 2 records>"
    assert "0 read, 0 written" in repr(attempt)
    assert repr(attempt.peek(b"k")) == "UNKNOWN"
    assert repr(txn).endswith("attempt 1 open>")
    txn.end()
    assert repr(txn).endswith("attempt 1 ended>")


def test_what_was_scanned_is_summed_up_once_however_many_questions_bring_it_along(
    store: LocalStore, client: Transactions
) -> None:
    fill(client, 1, 2, 3)
    txn, attempt = begin(store)
    txn.scan("s", start=2)
    first = attempt.ranges
    txn.fetch("t", 1)
    assert attempt.ranges is first
    txn.scan("s", stop=2)
    assert [entry.count for entry in attempt.ranges] == [3]
