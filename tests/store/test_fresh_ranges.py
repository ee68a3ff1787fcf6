"""What a conflict brings of the ranges that its run had scanned, and what the next run makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.protocol.transaction import COMMIT_LIMIT_BYTES, Commit, Conflict, RangeNow, RangeRead, Read
from actorcloud.store import Engine, Transactions, encode_key, keys
from actorcloud.store.caller.coverage import Coverage
from actorcloud.store.caller.transaction import Restart
from actorcloud.store.stored import HEADER_BYTES
from actorcloud.store.view import FRESH_RECORDS, FRESH_VALUE_BYTES
from tests.store.local import LocalStore, txn_of
from tests.store.test_hermitage import Steps

SPACE = keys.space("test")


@pytest.fixture
def store() -> LocalStore:
    return filled(LocalStore())


@pytest.fixture
def each(engine: Engine) -> LocalStore:
    """A store on each engine, as what a check reads is theirs."""
    return filled(LocalStore(engine=engine))


def filled(store: LocalStore) -> LocalStore:
    write(store, a=10, b=20)
    return store


def write(store: LocalStore, **values: Any) -> None:
    """Commit these; None: deleted."""
    txn = Steps(store)
    for name, value in values.items():
        if value is None:
            txn.d(name)
        else:
            txn.s(name, value)
    assert txn.commits()


def refused(txn: Steps) -> Conflict:
    """Write something and commit, which must conflict."""
    txn.s("mine", 0)
    answer = txn.c()
    assert isinstance(answer, Conflict)
    return answer


def items(now: RangeNow) -> dict[bytes, int]:
    """Return the keys in a range, and the commits that wrote them."""
    return {key.removeprefix(SPACE): seq for key, seq, _ in now.items}


def of(*names: str) -> list[bytes]:
    return [encode_key(name) for name in names]


# -- what it brings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"c": 30}, {"a": 1, "b": 1, "c": 2}),
        ({"a": None}, {"b": 1}),
        ({"a": 11}, {"a": 2, "b": 1}),
        ({"a": None, "b": None}, {}),
    ],
)
def test_a_conflict_brings_a_range_as_it_is_now(
    each: LocalStore, change: dict[str, Any], expected: dict[str, int]
) -> None:
    # Given
    txn = Steps(each)
    txn.scan()
    write(each, **change)
    # When
    answer = refused(txn)
    # Then
    (now,) = answer.ranges
    assert (now.lo, now.hi) == (SPACE, SPACE + b"\xff")
    assert items(now) == dict(zip(of(*expected), expected.values(), strict=True))
    assert answer.snapshot == (each.sequencer.incarnation, 2)


def test_of_a_range_that_has_grown_it_brings_the_beginning(each: LocalStore) -> None:
    txn = Steps(each)
    txn.scan()
    write(each, aa=1, ab=2, c=3)
    (now,) = refused(txn).ranges
    assert [*items(now)] == of("a", "aa", "ab", "b")
    assert now.hi == SPACE + encode_key("b") + b"\0"


def test_a_read_that_conflicts_is_told_the_ranges_too(store: LocalStore) -> None:
    txn = Steps(store)
    txn.scan(stop="x")
    write(store, b=21)
    with pytest.raises(Restart):
        txn.f("x")
    conflict = txn._handle.conflict
    assert conflict is not None
    assert [items(now) for now in conflict.ranges] == [dict(zip(of("a", "b"), (1, 2), strict=True))]


def test_what_is_not_durable_yet_is_in_it(store: LocalStore) -> None:
    # Given: a batch that flies and one that gathers, which change what is on the disk.
    txn = Steps(store)
    txn.scan()
    flies, gathers = Steps(store), Steps(store)
    flies.d("a")
    flies.s("c", 30)
    gathers.s("b", "a longer value than any check would read" * 10)
    store.submit(flies._attempt.to_commit())
    flight = store.sequencer.take()
    assert flight is not None
    store.submit(gathers._attempt.to_commit())
    # When
    txn.s("mine", 0)
    answers = store.submit(txn._attempt.to_commit())
    store.engine.commit(flight.batch, epoch=store.epoch, expect=flight.expect, new=flight.new)
    store.finish()
    assert not answers
    store.land()
    # Then
    (answer,) = answers
    assert isinstance(answer, Conflict)
    assert [items(now) for now in answer.ranges] == [dict(zip(of("b", "c"), (3, 2), strict=True))]


@pytest.mark.parametrize("brought", [True, False])
def test_it_brings_small_values_alone(each: LocalStore, *, brought: bool) -> None:
    # A stored value has a header besides.
    write(each, c=bytes(FRESH_VALUE_BYTES - HEADER_BYTES - brought))
    txn = Steps(each)
    txn.scan()
    write(each, a=11)
    assert bool(refused(txn).ranges) is brought


@pytest.mark.parametrize("brought", [True, False])
def test_it_brings_short_ranges_alone(each: LocalStore, *, brought: bool) -> None:
    write(each, **{f"c{number}": number for number in range(FRESH_RECORDS - 1 - brought)})
    txn = Steps(each)
    txn.scan()
    write(each, a=11)
    assert bool(refused(txn).ranges) is brought


def test_what_one_answer_does_not_hold_is_left_out_and_the_keys_come_first(store: LocalStore) -> None:
    # Given
    write(store, **{f"k{number}": bytes(1_000_000) for number in range(4)})
    txn, other = Steps(store), Steps(store)
    for number in range(4):
        txn.f(f"k{number}")
    txn.scan(prefix="a")
    txn.scan(prefix="x")
    # When: there is a large value that is not on the disk yet, so that no limit of a scan is its limit.
    other.s("a", 11)
    other.s("x", bytes(COMMIT_LIMIT_BYTES - 4_000_000))
    txn.s("mine", 0)
    answers = store.submit(other._attempt.to_commit(), txn._attempt.to_commit())
    store.land()
    # Then
    answer = answers[1]
    assert isinstance(answer, Conflict)
    assert (len(answer.fresh), [items(now) for now in answer.ranges]) == (4, [{encode_key("a"): 3}])


# -- what the next run makes of it ----------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"limit": 2}, {"limit": 1, "reverse": True}, {"reverse": True}, {"prefix": "a"}], ids=str
)
def test_the_next_run_asks_for_no_range_that_the_conflict_brought(
    store: LocalStore, client: Transactions, options: dict[str, Any]
) -> None:
    # Given
    runs: list[list[Any]] = []

    def work() -> None:
        txn = txn_of(client)
        runs.append(txn.scan("test", **options))
        txn.store("test", "mine", len(runs))
        if len(runs) == 1:
            write(store, a=11, b=21)
            store.asked.clear()

    # When
    client.mutate(work)
    # Then
    expected = sorted({"a": 11, "b": 21}.items(), reverse="reverse" in options)
    if options.get("prefix"):
        expected = [("a", 11)]
    assert runs[1] == expected[: options.get("limit")]
    assert [type(message) for message in store.asked] == [Commit, Commit]


def test_the_next_run_asks_for_the_rest_of_a_range_that_has_grown(store: LocalStore, client: Transactions) -> None:
    # Given
    runs: list[list[Any]] = []

    def work() -> None:
        txn = txn_of(client)
        runs.append(txn.scan("test"))
        txn.store("another", 1, 1)
        if len(runs) == 1:
            write(store, aa=1, ab=2, c=3)
            store.asked.clear()

    # When
    client.mutate(work)
    # Then
    assert [name for name, _ in runs[1]] == ["a", "aa", "ab", "b", "c"]
    (rest,) = [message for message in store.asked if isinstance(message, Read)]
    assert [(scan.lo, scan.hi) for scan in rest.scans] == [(SPACE + encode_key("b") + b"\0", SPACE + b"\xff")]


def test_a_key_in_a_range_that_the_conflict_brought_is_read_alone(store: LocalStore) -> None:
    # Given
    first = Steps(store)
    first.scan()
    write(store, a=11)
    again = Steps(store, seed=refused(first))
    # When
    store.asked.clear()
    assert (again.f("a"), again.f("x")) == (11, None)
    # Then: what else is in the range does not matter to it.
    assert store.asked == []
    write(store, b=21)
    assert again.commits()
    assert (again._attempt.ranges, len(again._attempt.reads)) == ((), 2)


def test_ranges_of_a_conflict_are_not_mixed_with_what_is_newer(store: LocalStore) -> None:
    # Given
    first = Steps(store)
    first.scan()
    write(store, a=11)
    seed = refused(first)
    write(store, b=21)
    # When: it reads something newer first.
    newer, older = Steps(store, seed=seed), Steps(store, seed=seed)
    newer._handle.fetch("another", 1)
    # Then
    assert newer.scan() == {"a": 11, "b": 21}
    # And: what it brought is good as long as the run stays where it was.
    assert older.scan() == {"a": 11, "b": 20}
    with pytest.raises(Restart):
        older.scan(prefix="x") or older._handle.fetch("another", 1)


_bytes = st.binary(max_size=2)


@given(
    st.dictionaries(_bytes, st.integers(1, 9), max_size=12),
    st.sets(_bytes, max_size=6),
    st.builds(RangeRead, _bytes, _bytes, st.integers(1, 4), st.booleans()),
)
def test_the_beginning_of_a_range_is_what_a_scan_of_it_finds_first(
    kept: dict[bytes, int], bounds: set[bytes], wanted: RangeRead
) -> None:
    # Given: between these bounds all is known.
    everything = sorted(kept.items())
    edges = sorted(bounds)
    parts = [(lo, hi) for lo, hi in zip(edges[::2], edges[1::2], strict=False)]
    known = Coverage(
        RangeNow(lo, hi, tuple((key, seq, b"") for key, seq in everything if lo <= key < hi)) for lo, hi in parts
    )
    # When
    found = known.beginning(wanted)
    # Then
    end = wanted.hi if wanted.reverse else wanted.lo
    begins = any(lo < end <= hi if wanted.reverse else lo <= end < hi for lo, hi in parts)
    assert (found is not None) is (begins and wanted.lo < wanted.hi)
    if found is not None:
        asked, answer = found
        inside = [(key, seq, b"") for key, seq in everything if asked.lo <= key < asked.hi]
        assert list(answer.items) == (inside[::-1] if wanted.reverse else inside)[: wanted.limit]
        assert wanted.lo <= asked.lo < asked.hi <= wanted.hi
        assert (asked.hi if wanted.reverse else asked.lo) == end
        assert any(lo <= asked.lo and asked.hi <= hi for lo, hi in parts)
