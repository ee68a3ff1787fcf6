"""What a view asks an engine for, and what it makes of it."""

from __future__ import annotations

import msgspec
import pytest

from actorcloud.protocol.transaction import COMMIT_LIMIT_BYTES, RangeRead, Read
from actorcloud.store import encode_key, keys, stored
from actorcloud.store.engine import Scan
from actorcloud.store.extension import scans_of_read
from actorcloud.store.range import range_entry
from actorcloud.store.view import FRESH_RECORDS, FRESH_VALUE_BYTES, Moment, Overlay, View, rescan_of, scan_of
from tests.store.local import raw


def key(name: str) -> bytes:
    return keys.user("test", encode_key(name))


LO, HI = key("a"), key("z")


@pytest.mark.parametrize(
    ("count", "more", "value_bytes"),
    [(FRESH_RECORDS, 2, FRESH_VALUE_BYTES), (FRESH_RECORDS + 1, 1, stored.HEADER_BYTES)],
)
def test_whether_a_range_still_holds_is_asked_with_the_values_of_short_ones_only(
    count: int, more: int, value_bytes: int
) -> None:
    entry = range_entry(LO, HI, [(key(f"k{number}"), 1) for number in range(count)])
    assert rescan_of(entry) == Scan(LO, HI, count + more, value_bytes=value_bytes)


def test_what_one_answer_holds_is_shared_out_in_whole_bytes() -> None:
    scans = scans_of_read(Read((), scans=tuple(RangeRead(LO, HI, limit) for limit in (1, 2, 3))))
    assert [scan.limit_bytes for scan in scans] == [COMMIT_LIMIT_BYTES // 3] * 3
    assert {type(scan.limit_bytes) for scan in scans} == {int}


def test_what_was_forgotten_in_the_plan_of_a_read_is_named() -> None:
    view = View({})
    with pytest.raises(KeyError) as missing:
        view.value(b"forgotten")
    assert missing.value.args == (b"forgotten",)
    with pytest.raises(KeyError):
        view.still_holds((), (range_entry(LO, HI, []),))


@pytest.mark.parametrize(
    ("limit", "spare", "more"), [(9, 0, True), (9, -1, True), (9, 1, False), (2, 0, False), (2, -1, False)]
)
def test_a_scan_says_whether_it_was_bytes_that_stopped_it(limit: int, spare: int, *, more: bool) -> None:
    # Given: two records, of as many bytes as were wanted, or of one more or less.
    items = [(key(name), stored.pack_value(1, raw(b"v"))) for name in ("b", "c")]
    limit_bytes = sum(len(name) + len(value) for name, value in items) + spare
    wanted = RangeRead(LO, HI, limit)
    # When
    found = View({}, {scan_of(wanted, limit_bytes): items}).scanned(wanted, limit_bytes)
    # Then
    assert found.more is more
    assert found.items == ((key("b"), 1, raw(b"v")), (key("c"), 1, raw(b"v")))


def test_a_range_holds_that_was_found_with_what_the_engine_does_not_have_yet() -> None:
    # Given
    entry = range_entry(LO, HI, [(key("b"), 5)])
    layer = Overlay()
    layer.accept({key("b"): stored.pack_value(5, raw(b"new"))})
    # Then
    assert View({}, {rescan_of(entry): []}, over=[layer]).still_holds((), (entry,))


@pytest.mark.parametrize(("spare", "brings"), [(0, True), (-1, False)])
def test_a_conflict_brings_ranges_to_the_last_byte_of_an_answer(spare: int, *, brings: bool) -> None:
    # Given: a key and a range that fill an answer, or have one byte too many.
    record = key("b"), stored.pack_value(1, raw(b"v"))
    entry = range_entry(LO, HI, [(key("b"), 1)])
    whole = COMMIT_LIMIT_BYTES - len(key("a")) - len(key("b")) - len(raw(b"v")) - spare
    view = View({key("a"): stored.pack_value(1, raw(bytes(whole - len(raw(b"")))))}, {rescan_of(entry): [record]})
    # When
    conflict = view.conflict(Moment(b"i" * 16, 1, 0.0), [key("a")], [entry])
    # Then
    assert len(conflict.fresh) == 1
    assert [now.items for now in conflict.ranges] == ([((key("b"), 1, raw(b"v")),)] if brings else [])


def test_a_range_is_told_in_bytes_that_do_not_change() -> None:
    """A client of one version and a head of another must come to the same."""
    entry = range_entry(b"a", b"z", [(b"b", 1), (b"cc", 2)])
    assert msgspec.msgpack.encode(entry).hex() == "94c40161c4017a02c410bdefddf19135f75e31df707086b9e2c9"


def test_a_key_that_was_forgotten_in_the_plan_is_a_bug_that_shows() -> None:
    with pytest.raises(KeyError):
        View({b"asked for": None}).value(b"forgotten")


def test_a_layer_knows_its_keys_in_order_before_and_after_the_first_range() -> None:
    layer = Overlay()
    layer.accept({b"c": b"1", b"a": None})
    assert layer.between(b"a", b"c") == [b"a"]
    layer.accept({b"b": b"2", b"a": b"3", b"d": None})
    assert layer.between(b"a", b"d") == [b"a", b"b", b"c"]
    assert layer[b"a"] == b"3"
