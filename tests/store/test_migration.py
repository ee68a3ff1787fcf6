"""Older stores are brought up to this format, and go on where a crash stopped them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from actorcloud.actor import System
from actorcloud.base.errors import NotAStore, StoreDamaged, StoreTooNew
from actorcloud.store import Batch, Engine, EngineFailed, LmdbEngine, MemoryEngine, StoreActor, keys
from actorcloud.store.engine.port import Opened
from actorcloud.store.format import FORMAT, FORMAT_MAJOR, FORMAT_MINOR, FormatRecord, check_format, pack_format
from actorcloud.store.maintenance.bulk import BULK_ITEMS, Bulk
from actorcloud.store.maintenance.migration import MIGRATING, UNFINISHED, Plan, Step, prepare
from actorcloud.store.stored import payload_of, seq_of
from tests.store.conftest import Disk

ITEMS = 2 * BULK_ITEMS + 7


def shout(key: bytes, value: bytes) -> Mapping[bytes, bytes | None]:
    """Not idempotent: done twice, it shows."""
    return {key: value + b"!"}


def move(key: bytes, value: bytes) -> Mapping[bytes, bytes | None]:
    return {key: None, keys.PINNED + key[1:]: value}


OLD = Plan(steps=(Step(1, (keys.ARGUMENTS, keys.USER), shout),), major=1)


def noted(backups: list[int]) -> Callable[[Engine, int], None]:
    return lambda _, major: backups.append(major)


def old_store(engine: Engine) -> Opened:
    """Fill a store of format 0."""
    bulk = Bulk(engine, engine.open("old"))
    record = msgspec.structs.replace(FormatRecord(), major=0, created_by="0.0.1")
    bulk.commit({FORMAT: pack_format(record)})
    for prefix in (keys.ARGUMENTS, keys.USER, keys.RESULT):
        items = {prefix + number.to_bytes(4, "big"): b"v" for number in range(ITEMS)}
        bulk.commit(items)
    return bulk.opened._replace(seq=bulk.seq)


def contents(engine: Engine, opened: Opened) -> dict[bytes, bytes]:
    return dict(item for items in Bulk(engine, opened).chunks() for item in items)


def wanted() -> dict[bytes, bytes]:
    values = {keys.ARGUMENTS: b"v!", keys.USER: b"v!", keys.RESULT: b"v"}
    return {prefix + n.to_bytes(4, "big"): value for prefix, value in values.items() for n in range(ITEMS)}


def test_every_record_is_changed_once_and_the_store_says_so(make_engine: Callable[[], Engine]) -> None:
    # Given
    engine = make_engine()
    backups: list[int] = []
    opened = old_store(engine)
    # When
    after = prepare(engine, opened, "new", OLD._replace(backup=noted(backups)))
    # Then
    assert contents(engine, after) == wanted()
    bulk = Bulk(engine, after)
    record = check_format("it", bulk.get(FORMAT))
    assert (record.major, record.created_by != "0.0.1") == (1, True)
    assert bulk.get(MIGRATING) is None
    assert backups == [0]
    # Then it is one like any other.
    assert prepare(engine, after, "new", OLD._replace(backup=noted(backups))) == after
    assert backups == [0]
    bulk.commit({keys.USER + b"x": b"y"})


class Fuse:
    """Lets an engine commit so many times; then its process is dead."""

    def __init__(self, engine: Engine, commits: int) -> None:
        self.engine = engine
        self.left = commits
        self.caps = engine.caps

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        assert len(batch.puts) + len(batch.deletes) <= 2 * BULK_ITEMS + 1
        if self.left == 0:
            raise EngineFailed("dead")
        self.left -= 1
        self.engine.commit(batch, epoch=epoch, expect=expect, new=new)


def test_a_crash_after_any_commit_is_gone_on_from(disk: Disk) -> None:
    # Given: two steps, and a process that dies after each commit of it once more.
    steps = (*OLD.steps, Step(2, (keys.RESULT,), move))
    backups: list[int] = []
    plan = Plan(noted(backups), steps, 1)
    engine = disk.engine()
    opened = old_store(engine)
    engine.close()
    crashes = 0
    while True:
        engine = disk.engine()
        opened = engine.open("again")
        try:
            after = prepare(Fuse(engine, 1), opened, "again", plan)  # type: ignore[arg-type]
            break
        except EngineFailed:
            crashes += 1
            _die(engine)
    # Then
    assert crashes >= 5
    assert backups == [0]
    assert contents(engine, after) == wanted()


def _die(engine: Engine) -> None:
    """Only the lock goes, as with the process."""
    if isinstance(engine, LmdbEngine):
        engine._release()


def test_two_steps_follow_one_another_and_only_one_backup_is_made() -> None:
    # Given
    backups: list[int] = []
    engine = MemoryEngine()
    opened = old_store(engine)
    plan = Plan(noted(backups), (*OLD.steps, Step(2, (keys.RESULT,), move)), 2)
    crashes = 0
    # When
    while True:
        try:
            after = prepare(Fuse(engine, 1), opened, "again", plan)  # type: ignore[arg-type]
            break
        except EngineFailed:
            crashes += 1
            opened = engine.open("again")
    # Then
    found = contents(engine, after)
    assert {key[:1] for key in found} == {keys.ARGUMENTS, keys.USER, keys.PINNED}
    assert sum(key[:1] == keys.PINNED for key in found) == ITEMS
    assert backups == [0]
    assert crashes >= 8


def test_values_of_the_first_format_get_their_codec(make_engine: Callable[[], Engine]) -> None:
    # Given: pickles without one, and records of our own.
    engine = make_engine()
    bulk = Bulk(engine, engine.open("old"))
    old = b"\x01" + (7).to_bytes(8, "big")
    where = [keys.user("s", b"\x00"), keys.once(bytes(16), "paid"), keys.record(bytes(16))]
    bulk.commit({FORMAT: pack_format(FormatRecord(major=1)), **{key: old + pickle.dumps("v") for key in where}})
    # When
    after = prepare(engine, bulk.opened._replace(seq=bulk.seq), "new")
    # Then
    values = Bulk(engine, after)
    stored = [values.get(key) or b"" for key in where]
    assert [value[0] for value in stored] == [0x22, 0x22, 0x01]
    assert [(seq_of(value), payload_of(value)) for value in stored] == [(7, pickle.dumps("v"))] * 3
    assert check_format("it", values.get(FORMAT)).major == FORMAT_MAJOR


def test_a_backup_that_cannot_be_made_leaves_the_store_as_it_was() -> None:
    # Given
    engine = MemoryEngine()
    opened = old_store(engine)

    def backup(_: Engine, major: int) -> None:
        raise StoreDamaged("the copy is not sound")

    # When
    with pytest.raises(StoreDamaged):
        prepare(engine, opened, "new", OLD._replace(backup=backup))
    # Then
    assert engine.disk.seq == opened.seq
    assert set(contents(engine, opened).values()) == {b"v"}


def test_an_old_format_from_which_no_way_leads_is_refused() -> None:
    engine = MemoryEngine()
    opened = old_store(engine)
    with pytest.raises(NotAStore, match="format 0"):
        prepare(engine, opened, "new", Plan(steps=(), major=1))


@pytest.mark.parametrize(
    "record",
    [
        FormatRecord(major=FORMAT_MAJOR + 1),
        FormatRecord(minor=FORMAT_MINOR + 1, min_reader=FORMAT_MINOR + 1),
        FormatRecord(minor=FORMAT_MINOR + 1, min_writer=FORMAT_MINOR + 1),
    ],
    ids=["major", "min_reader", "min_writer"],
)
def test_what_is_too_new_is_refused_in_words(record: FormatRecord) -> None:
    with pytest.raises(StoreTooNew, match=r"the store is one of format .*, written by actorcloud .*upgrade it"):
        check_format("the store is one", pack_format(record))


def test_a_newer_minor_that_allows_it_is_read() -> None:
    assert check_format("it is", pack_format(FormatRecord(minor=99))).minor == 99


@pytest.mark.parametrize("raw", [None, b"", b"dear reader", msgspec.msgpack.encode({"magic": "other"})])
def test_what_is_none_of_ours_is_refused(raw: bytes | None) -> None:
    with pytest.raises(NotAStore):
        check_format("it is something", raw)


def test_a_store_actor_migrates_and_its_writer_may_write(tmp_path: Path) -> None:
    # Given
    engine = LmdbEngine(tmp_path / "store", map_bytes=64 << 20)
    old_store(engine)
    engine.close()
    with System() as system:
        # When
        store = StoreActor.options(system=system).start(engine, plan=OLD)
        # Then
        bulk = Bulk(engine, Opened(b"", 0, 0))
        assert bulk.get(keys.USER + bytes(4)) == b"v!"
        store.stop()


def test_half_an_import_is_no_store(tmp_path: Path) -> None:
    # Given
    engine = LmdbEngine(tmp_path / "store", map_bytes=64 << 20)
    bulk = Bulk(engine, engine.open("import"))
    bulk.commit({UNFINISHED: b"import"})
    engine.close()
    with System() as system:
        # When
        with pytest.raises(StoreDamaged, match="import"):
            StoreActor.options(system=system).start(engine)
        # Then its lock is free.
        engine.open("next")
        engine.close()
