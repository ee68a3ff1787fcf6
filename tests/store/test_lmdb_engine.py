"""LMDB: its directory and its lock, damaged files, full disks, guards."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import msgspec
import pytest

from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged, StoreLocked, StoreTooNew
from actorcloud.store import Batch, EngineFailed, LmdbEngine, ReadPlan, Unresolved, keys
from actorcloud.store.engine import lmdb as lmdb_engine
from actorcloud.store.format import FormatRecord
from actorcloud.store.reserve import room_of

MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def engine(path: Path) -> Iterator[LmdbEngine]:
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    engine.open("a test")
    yield engine
    engine.close()


def made(path: Path) -> Path:
    """Make a store with some pages in it, closed; return its file."""
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    engine.open("maker")
    engine.commit(Batch({b"k%d" % n: bytes(5000) for n in range(20)}, ()), epoch=1, expect=0, new=1)
    engine.close()
    return path / "data" / "data.mdb"


def refused(path: Path, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        LmdbEngine(path, map_bytes=16 * MIB).open("late")
    assert str(path) in str(caught.value)


def test_a_second_head_is_refused_and_told_who_has_the_store(engine: LmdbEngine, path: Path) -> None:
    refused(path, StoreLocked, rf"open in process {os.getpid()} \(a test\)")


def test_a_store_that_was_closed_can_be_opened(path: Path) -> None:
    made(path)
    engine = LmdbEngine(path)
    assert engine.open("next").seq == 1
    engine.close()


def test_a_store_that_was_not_closed_can_be_opened(path: Path) -> None:
    # Given: only the lock goes, as with the process.
    dead = LmdbEngine(path, map_bytes=16 * MIB)
    dead.open("dead")
    dead.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    dead._release()
    # When
    engine = LmdbEngine(path)
    opened = engine.open("next")
    # Then
    assert (opened.epoch, opened.seq) == (2, 1)
    assert engine.read(ReadPlan([b"k"])).values == {b"k": b"v"}
    engine.close()


def test_files_are_for_their_owner_only(engine: LmdbEngine, path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / "data" / "data.mdb").stat().st_mode & 0o777 == 0o600


def test_a_directory_with_other_things_is_no_store(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("dear reader")
    refused(path, NotAStore, r"thesis\.tex")
    assert [entry.name for entry in path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_store(path: Path) -> None:
    path.write_text("dear reader")
    refused(path, NotAStore, "is a file")


def test_companions_may_be_there_before_the_store(path: Path) -> None:
    path.mkdir()
    (path / "head.sock").touch()
    engine = LmdbEngine(path, companions=["head.sock"])
    assert engine.open("test").seq == 0
    engine.close()


def test_an_environment_of_somebody_else_is_no_store(path: Path) -> None:
    file = made(path)
    shutil.rmtree(file.parent)
    with lmdb.open(str(file.parent), lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"dear", b"reader")
    refused(path, NotAStore, "none of actorcloud's")


def test_a_file_of_another_kind_is_no_store(path: Path) -> None:
    made(path).write_bytes(b"dear reader" * 1000)
    refused(path, NotAStore, "no LMDB file")


def test_a_store_of_a_newer_format_is_refused(path: Path) -> None:
    file = made(path)
    with lmdb.open(str(file.parent)) as env, env.begin(write=True) as txn:
        txn.put(keys.meta("fmt"), msgspec.msgpack.encode(FormatRecord(major=9, created_by="7.1")))
    refused(path, StoreTooNew, r"format 9\.1, written by actorcloud 7\.1")


def test_a_newer_minor_format_that_we_can_write_to_is_opened(path: Path) -> None:
    file = made(path)
    with lmdb.open(str(file.parent)) as env, env.begin(write=True) as txn:
        txn.put(keys.meta("fmt"), msgspec.msgpack.encode({**msgspec.structs.asdict(FormatRecord(minor=9)), "x": 1}))
    engine = LmdbEngine(path)
    assert engine.open("test").seq == 1
    engine.close()


@pytest.mark.parametrize("keep", [0, 100, 4096, 5000, 8192, 40_000])
def test_a_file_that_was_cut_short_is_refused_and_not_opened(path: Path, keep: int) -> None:
    with made(path).open("r+b") as file:
        file.truncate(keep)
    refused(path, StoreDamaged, "backup")


def test_a_file_without_its_free_pages_at_the_end_is_whole(path: Path) -> None:
    """LMDB need not ever have written those."""
    # Given
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    engine.open("maker")
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    engine.commit(Batch({b"big": bytes(200_000)}, ()), epoch=1, expect=1, new=2)
    engine.commit(Batch({}, [b"big"]), epoch=1, expect=2, new=3)
    engine.close()
    file = path / "data" / "data.mdb"
    os.truncate(file, file.stat().st_size - 20_000)
    # When
    assert engine.open("next").seq == 3
    # Then
    assert engine.read(ReadPlan([b"k", b"big"])).values == {b"k": b"v", b"big": None}
    engine.close()


def test_a_directory_that_is_named_like_a_stores_is_no_store(path: Path) -> None:
    (path / "data").mkdir(parents=True)
    refused(path, NotAStore, "none of ours")


def test_a_file_that_is_gone_is_refused(path: Path) -> None:
    made(path).unlink()
    refused(path, StoreDamaged, "lost its file")


def test_a_creation_that_was_interrupted_begins_anew(path: Path) -> None:
    made(path)
    shutil.rmtree(path / "data")
    (path / "data.new").mkdir()
    (path / "data.new" / "data.mdb").write_bytes(b"half")
    engine = LmdbEngine(path)
    assert engine.open("test").seq == 0
    assert not (path / "data.new").exists()
    engine.close()


def test_a_refused_store_can_be_opened_once_it_is_mended(path: Path) -> None:
    file = made(path)
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    engine = LmdbEngine(path)
    with pytest.raises(StoreDamaged):
        engine.open("test")
    file.write_bytes(whole)
    assert engine.open("test").seq == 1
    engine.close()


def test_a_full_map_grows(path: Path) -> None:
    engine = LmdbEngine(path, map_bytes=MIB)
    engine.open("test")
    engine.commit(Batch({b"k%d" % n: bytes(100_000) for n in range(50)}, ()), epoch=1, expect=0, new=1)
    assert engine.stats().limit_bytes >= 5_000_000
    assert engine.read(ReadPlan([b"k49"])).values[b"k49"] == bytes(100_000)
    engine.close()


def test_a_map_at_its_limit_refuses_and_goes_on(path: Path) -> None:
    # Given
    engine = LmdbEngine(path, map_bytes=MIB, map_limit_bytes=MIB)
    engine.open("test")
    # When
    with pytest.raises(NoSpace, match="limit of 1048576 bytes"):
        engine.commit(Batch({b"k%d" % n: bytes(100_000) for n in range(50)}, ()), epoch=1, expect=0, new=1)
    # Then
    engine.commit(Batch({b"small": b"v"}, ()), epoch=1, expect=0, new=1)
    assert engine.read(ReadPlan([b"small", b"k0"])).values == {b"small": b"v", b"k0": None}
    engine.close()


def test_a_second_thread_that_writes_is_refused(engine: LmdbEngine) -> None:
    # Given
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    raised: list[BaseException] = []

    def write() -> None:
        try:
            engine.commit(Batch({b"k": b"w"}, ()), epoch=1, expect=1, new=2)
        except EngineFailed as error:
            raised.append(error)

    # When
    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    # Then
    assert "second thread" in str(raised[0])
    engine.commit(Batch({b"k": b"x"}, ()), epoch=1, expect=1, new=2)


def test_a_forked_child_is_refused(engine: LmdbEngine) -> None:
    engine._guard._pid -= 1
    with pytest.raises(EngineFailed, match="before a fork"):
        engine.read(ReadPlan())
    engine._guard._pid += 1


def test_a_closed_store_is_refused(engine: LmdbEngine) -> None:
    engine.close()
    with pytest.raises(EngineFailed, match="not open"):
        engine.read(ReadPlan())


def test_a_full_disk_refuses_and_goes_on(engine: LmdbEngine, path: Path) -> None:
    # Given: the file may not grow, which needs no full disk.
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (path / "data" / "data.mdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    # When
    try:
        with pytest.raises(NoSpace, match="disk"):
            engine.commit(Batch({b"big": bytes(1_000_000)}, ()), epoch=1, expect=1, new=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # Then
    engine.commit(Batch({b"big": bytes(1_000_000)}, ()), epoch=1, expect=1, new=2)
    assert engine.read(ReadPlan([b"k"])) == (2, {b"k": b"v"}, [])


@pytest.mark.parametrize("room_bytes", [4096, 100_000])
def test_a_disk_that_becomes_full_in_the_middle_of_a_commit_refuses_and_goes_on(
    engine: LmdbEngine, path: Path, room_bytes: int
) -> None:
    # Given: a write that is cut short, which LMDB calls EIO
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (path / "data" / "data.mdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room_bytes, hard))
    # When
    try:
        with pytest.raises(NoSpace, match="disk"):
            engine.commit(Batch({b"big": bytes(1_000_000)}, ()), epoch=1, expect=1, new=2)
        engine.commit(Batch({b"k": b"w"}, ()), epoch=1, expect=1, new=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # Then
    engine.commit(Batch({b"big": bytes(1_000_000)}, ()), epoch=1, expect=2, new=3)
    assert engine.read(ReadPlan([b"k"])) == (3, {b"k": b"w"}, [])


def test_any_other_error_of_a_commit_is_the_end(engine: LmdbEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise lmdb.Error("mdb_txn_commit", errno.EIO)

    monkeypatch.setattr(engine, "_write", write)
    with pytest.raises(EngineFailed, match="could not commit"):
        engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)


def test_a_full_disk_with_the_commit_on_it_is_a_commit(engine: LmdbEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = engine._write

    def write(env: lmdb.Environment, batch: Batch, epoch: int, step: tuple[int, int]) -> None:
        whole(env, batch, epoch, step)
        raise lmdb.DiskError("mdb_txn_commit", errno.ENOSPC)

    monkeypatch.setattr(engine, "_write", write)
    with pytest.raises(Unresolved):
        engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    assert engine.resolve(epoch=1, expect=0, new=1)


def test_a_full_disk_after_which_nothing_can_be_read_is_the_end(
    engine: LmdbEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: object) -> None:
        raise lmdb.DiskError("mdb_txn_commit", errno.ENOSPC)

    def read(*_: object) -> None:
        raise lmdb.PanicError("mdb_txn_begin")

    monkeypatch.setattr(engine, "_write", write)
    monkeypatch.setattr(lmdb_engine, "_read", read)
    with pytest.raises(EngineFailed, match="given up"):
        engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)


def test_a_read_for_which_there_is_no_place_among_the_readers_is_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: one place, which a program that lives has taken.
    monkeypatch.setattr(lmdb_engine, "_MAX_READERS", 1)
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    engine.open("test")
    assert engine._env is not None
    # Then
    with engine._env.begin(), pytest.raises(EngineFailed, match="cannot read"):
        engine.read(ReadPlan([b"k"]))
    engine.close()


def test_a_close_that_cannot_be_noted_is_a_close(
    engine: LmdbEngine, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: nothing may be written to the file any more.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    # When
    try:
        engine.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # Then: the next one looks at all of it.
    assert "could not note that it was closed" in caplog.text
    assert (path / "head.lock").read_bytes() == b""
    assert engine.open("next").epoch == 2


def test_who_was_passed_over_does_not_say_that_it_is_closed(engine: LmdbEngine) -> None:
    # Given: another head came in, past the lock.
    assert engine._env is not None
    with engine._env.begin(write=True) as txn:
        txn.put(keys.meta("epoch"), (9).to_bytes(8, "big"))
    # When
    engine.close()
    # Then
    assert engine.open("next").epoch == 10
    assert engine.read(ReadPlan([keys.meta("clean")])).values == {keys.meta("clean"): None}


def test_a_read_that_a_growing_map_broke_is_read_again(engine: LmdbEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    read, broken = lmdb_engine._read, [lmdb.Error("mdb_cursor_get: closed/deleted/dropped")]

    def once(env: lmdb.Environment, plan: ReadPlan) -> object:
        if broken:
            raise broken.pop()
        return read(env, plan)

    monkeypatch.setattr(lmdb_engine, "_read", once)
    assert engine.read(ReadPlan([b"k"])).values == {b"k": None}


def test_a_machine_that_forbids_large_maps_gets_a_smaller_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, refused_sizes = lmdb_engine._open_lmdb, []

    def limited(where: str, map_bytes: int, **options: bool) -> lmdb.Environment:
        if map_bytes > 1 << 30:
            refused_sizes.append(map_bytes)
            raise lmdb.MemoryError("mmap")
        return whole(where, map_bytes, **options)

    monkeypatch.setattr(lmdb_engine, "_open_lmdb", limited)
    engine = LmdbEngine(path)
    engine.open("test")
    assert engine.stats().limit_bytes == 1 << 30
    assert refused_sizes[:3] == [1 << 40, 64 << 30, 8 << 30]
    engine.close()


def test_a_process_without_memory_for_any_map_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: bool) -> lmdb.Environment:
        raise lmdb.MemoryError("mmap")

    monkeypatch.setattr(lmdb_engine, "_open_lmdb", refuse)
    refused_engine = LmdbEngine(path)
    with pytest.raises(NoSpace, match="not even a map of 134217728 bytes"):
        refused_engine.open("test")


# -- how full it is -------------------------------------------------------------------------------


def test_deleted_data_is_room_again(engine: LmdbEngine) -> None:
    # Given
    empty = engine.stats()
    names = [b"k%d" % number for number in range(50)]
    engine.commit(Batch({name: bytes(9000) for name in names}, ()), epoch=1, expect=0, new=1)
    full = engine.stats()
    # When
    engine.commit(Batch({}, names), epoch=1, expect=1, new=2)
    # Then
    after = engine.stats()
    assert full.used_bytes - empty.used_bytes >= 450_000
    assert after.used_bytes == empty.used_bytes
    assert after.limit_bytes == empty.limit_bytes == lmdb_engine.MAP_BYTES_LIMIT
    assert 0 < (after.free_bytes or 0) < (after.disk_bytes or 0)


#: Fills its map where there is no memory for a larger one, says what that is told, and commits once more.
LIMITED = """
import pathlib, resource, sys
from actorcloud.base.errors import NoSpace
from actorcloud.store import Batch, LmdbEngine

MIB = 1 << 20
engine = LmdbEngine(sys.argv[1], map_bytes=16 * MIB)
epoch, seq = engine.open("test").epoch, 0
in_use = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 12 * MIB, resource.RLIM_INFINITY))
try:
    while True:
        engine.commit(Batch({b"%d" % seq: bytes(MIB)}, ()), epoch=epoch, expect=seq, new=seq + 1)
        seq += 1
except NoSpace as error:
    print(error)
engine.commit(Batch({b"small": b"v"}, ()), epoch=epoch, expect=seq, new=seq + 1)
engine.close()
"""


@pytest.mark.slow
def test_a_map_that_may_not_grow_refuses_and_goes_on(path: Path) -> None:
    """LMDB would not survive the attempt."""
    # When
    command = [sys.executable, "-c", LIMITED, str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    # Then
    assert "limit of 16777216 bytes" in said
    engine = LmdbEngine(path)
    engine.open("test")
    assert engine.read(ReadPlan([b"small"])).values == {b"small": b"v"}
    engine.close()


def test_the_reserve_of_a_full_map_takes_deletions(path: Path) -> None:
    """Without it, a full map cannot be emptied: store-design 1.3."""
    # Given
    engine = LmdbEngine(path, map_bytes=MIB, map_limit_bytes=MIB)
    engine.open("test")
    seq = 0
    while room_of(engine.stats())[1] is None:
        puts = {b"k%04d" % name: bytes(1000) for name in range(seq * 20, seq * 20 + 20)}
        engine.commit(Batch(puts, ()), epoch=1, expect=seq, new=seq + 1)
        seq += 1
    # When
    for number in range(seq):
        gone = [b"k%04d" % name for name in range(number * 20, number * 20 + 20)]
        engine.commit(Batch({b"id%d" % number: b"v"}, gone), epoch=1, expect=seq, new=seq + 1)
        seq += 1
    # Then
    assert room_of(engine.stats())[1] is None
    engine.close()
