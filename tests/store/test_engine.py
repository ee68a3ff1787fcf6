"""One suite for every engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actorcloud.base.errors import NotAStore
from actorcloud.store import Batch, Engine, EngineFailed, EngineScan, FencedOut, MemoryEngine, ReadPlan
from actorcloud.store.engine.port import CheckLevel

Make = Callable[[], Engine]


def put(engine: Engine, epoch: int, seq: int, **items: str) -> None:
    puts = {key.encode(): value.encode() for key, value in items.items()}
    engine.commit(Batch(puts, ()), epoch=epoch, expect=seq, new=seq + 1)


def everything(engine: Engine) -> list[tuple[bytes, bytes]]:
    return engine.read(ReadPlan((), (EngineScan(b"\x01", b"\xff", 1_000_000),))).scans[0]


def test_a_new_store_is_empty_and_at_commit_nought(make_engine: Make) -> None:
    engine = make_engine()
    opened = engine.open("test")
    assert (len(opened.incarnation), opened.epoch, opened.seq) == (16, 1, 0)
    assert engine.read(ReadPlan([b"k"], ())) == (0, {b"k": None}, [])
    assert everything(engine) == []


def test_what_was_committed_is_read_with_its_number(make_engine: Make) -> None:
    # Given
    engine = make_engine()
    opened = engine.open("test")
    # When
    put(engine, opened.epoch, 0, a="1", b="2")
    # Then
    view = engine.read(ReadPlan([b"a", b"c"], [EngineScan(b"a", b"z", 10)]))
    assert view == (1, {b"a": b"1", b"c": None}, [[(b"a", b"1"), (b"b", b"2")]])


def test_a_batch_overwrites_and_deletes(make_engine: Make) -> None:
    engine = make_engine()
    epoch = engine.open("test").epoch
    put(engine, epoch, 0, a="1", b="2", c="3")
    # When
    engine.commit(Batch({b"a": b"9"}, [b"b", b"never was"]), epoch=epoch, expect=1, new=7)
    # Then
    assert everything(engine) == [(b"a", b"9"), (b"c", b"3")]
    assert engine.read(ReadPlan()).seq == 7
    assert engine.resolve(epoch=epoch, expect=1, new=7)
    assert not engine.resolve(epoch=epoch, expect=1, new=8)


@pytest.mark.parametrize(
    ("lo", "hi", "limit", "found"),
    [
        (b"b", b"d", 10, [b"b", b"bb", b"c"]),
        (b"b", b"d", 2, [b"b", b"bb"]),
        (b"ba", b"c", 10, [b"bb"]),
        (b"b", b"z", 0, []),
        (b"x", b"z", 5, []),
    ],
)
def test_a_scan_is_half_open_and_bounded(
    make_engine: Make, lo: bytes, hi: bytes, limit: int, found: list[bytes]
) -> None:
    engine = make_engine()
    put(engine, engine.open("test").epoch, 0, a="", b="", bb="", c="", d="")
    scan = engine.read(ReadPlan((), [EngineScan(lo, hi, limit)])).scans[0]
    assert [key for key, _ in scan] == found


@pytest.mark.parametrize(
    ("lo", "hi", "limit", "found"),
    [
        (b"b", b"d", 10, [b"c", b"bb", b"b"]),
        (b"b", b"d", 2, [b"c", b"bb"]),
        (b"ba", b"c", 10, [b"bb"]),
        (b"b", b"z", 0, []),
        (b"b", b"z", 1, [b"d"]),
        (b"x", b"z", 5, []),
        (b"", b"a", 5, []),
        (b"c", b"b", 5, []),
    ],
)
def test_a_scan_can_go_from_the_end(make_engine: Make, lo: bytes, hi: bytes, limit: int, found: list[bytes]) -> None:
    engine = make_engine()
    put(engine, engine.open("test").epoch, 0, a="", b="", bb="", c="", d="")
    scan = engine.read(ReadPlan((), [EngineScan(max(lo, b"\x01"), hi, limit, reverse=True)])).scans[0]
    assert [key for key, _ in scan] == found


def test_a_scan_stops_where_it_has_the_bytes_wanted(make_engine: Make) -> None:
    engine = make_engine()
    put(engine, engine.open("test").epoch, 0, a="1" * 50, b="2" * 49, c="3")
    for size, found in ((1, 1), (51, 1), (52, 2), (101, 2), (102, 3), (1000, 3)):
        for reverse in (False, True):
            scan = EngineScan(b"a", b"z", 9, reverse, size)
            items = engine.read(ReadPlan((), [scan])).scans[0]
            total = sum(len(key) + len(value) for key, value in items[:-1])
            assert total < size
            assert reverse or len(items) == found


def test_a_scan_may_want_only_the_beginning_of_each_value(make_engine: Make) -> None:
    engine = make_engine()
    put(engine, engine.open("test").epoch, 0, a="1" * 50, b="2")
    items = engine.read(ReadPlan((), [EngineScan(b"a", b"z", 9, value_bytes=4)])).scans[0]
    assert [(key, value[:4]) for key, value in items] == [(b"a", b"1111"), (b"b", b"2")]


def test_opened_again_it_has_what_was_committed_and_a_new_epoch(make_engine: Make) -> None:
    # Given
    first = make_engine()
    before = first.open("first")
    put(first, before.epoch, 0, a="1")
    first.close()
    # When
    second = make_engine()
    after = second.open("second")
    # Then
    assert after == (before.incarnation, before.epoch + 1, 1)
    assert everything(second) == [(b"a", b"1")]


def test_an_old_epoch_may_not_write(make_engine: Make) -> None:
    engine = make_engine()
    epoch = engine.open("test").epoch
    with pytest.raises(FencedOut):
        put(engine, epoch - 1, 0, a="1")
    assert everything(engine) == []


def test_a_commit_that_expects_another_number_is_not_applied(make_engine: Make) -> None:
    engine = make_engine()
    epoch = engine.open("test").epoch
    put(engine, epoch, 0, a="1")
    with pytest.raises(EngineFailed, match=r"expected .* at 0, but it is at 1"):
        put(engine, epoch, 0, a="2")
    assert everything(engine) == [(b"a", b"1")]


def test_closing_twice_is_once(make_engine: Make) -> None:
    engine = make_engine()
    engine.open("test")
    engine.close()
    engine.close()


def test_an_engine_shows_in_a_line_what_it_is(make_engine: Make) -> None:
    engine = make_engine()
    closed = repr(engine)
    engine.open("test")
    assert closed[:5] == repr(engine)[:5] != ""
    assert "\n" not in closed


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_sound_store_has_no_problems(make_engine: Make, level: CheckLevel) -> None:
    engine = make_engine()
    put(engine, engine.open("test").epoch, 0, a="1" * 5000)
    report = engine.check(level)
    assert (report.level, report.problems) == (level, ())
    assert report.checked_bytes >= 5000


def test_a_memory_in_disorder_is_noticed_and_has_no_copies(tmp_path: Path) -> None:
    engine = MemoryEngine()
    put(engine, engine.open("test").epoch, 0, a="1", b="2")
    engine.disk._order.reverse()
    assert engine.check("full").problems
    with pytest.raises(NotAStore, match="in memory"):
        engine.backup(tmp_path / "copy")


def test_statistics_count_keys(make_engine: Make) -> None:
    engine = make_engine()
    epoch = engine.open("test").epoch
    empty = engine.stats()
    put(engine, epoch, 0, a="1" * 5000, b="2")
    full = engine.stats()
    assert full.entries == empty.entries + 2
    assert empty.used_bytes < full.used_bytes < full.limit_bytes


BATCHES = st.lists(
    st.dictionaries(
        st.binary(min_size=1, max_size=3).map(lambda tail: b"\x03" + tail), st.none() | st.binary(max_size=5)
    ),
    max_size=12,
)


@given(batches=BATCHES, lo=st.binary(max_size=3), hi=st.binary(max_size=3), limit=st.integers(0, 9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_an_engine_is_a_sorted_dictionary(
    make_engine: Make, batches: list[dict[bytes, bytes | None]], lo: bytes, hi: bytes, limit: int
) -> None:
    # Given
    engine = make_engine()
    opened = engine.open("test")
    clear = Batch({}, [key for key, _ in everything(engine)])
    engine.commit(clear, epoch=opened.epoch, expect=opened.seq, new=opened.seq + 1)
    model: dict[bytes, bytes] = {}
    # When
    for number, batch in enumerate(batches, opened.seq + 1):
        puts = {key: value for key, value in batch.items() if value is not None}
        deletes = [key for key, value in batch.items() if value is None]
        engine.commit(Batch(puts, deletes), epoch=opened.epoch, expect=number, new=number + 1)
        model.update(puts)
        for key in deletes:
            model.pop(key, None)
    # Then
    lo, hi = b"\x03" + lo, b"\x03" + hi
    view = engine.read(ReadPlan([b"\x03a", b"\x03b"], [EngineScan(lo, hi, limit)]))
    assert everything(engine) == sorted(model.items())
    assert view.values == {key: model.get(key) for key in (b"\x03a", b"\x03b")}
    assert view.scans[0] == [item for item in sorted(model.items()) if lo <= item[0] < hi][:limit]
