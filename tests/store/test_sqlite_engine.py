"""SQLite: its directory and its lock, damaged files, full disks, guards, copies, a kill."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged, StoreLocked, StoreTooNew
from actorcloud.store import Batch, EngineFailed, FencedOut, LmdbEngine, ReadPlan, SqliteEngine, Unresolved, keys
from actorcloud.store.engine import sqlite as sqlite_engine
from actorcloud.store.engine.sqlite import write_copy
from actorcloud.store.format import FormatRecord, pack_format

MIB = 1 << 20

ROOT = Path(__file__).parents[2]

#: Commits one number after the other, and prints what is durable.
CHILD = """
import itertools, sys
from actorcloud.store import Batch, SqliteEngine

engine = SqliteEngine(sys.argv[1])
opened = engine.open("child")
for seq in itertools.count(opened.seq):
    batch = Batch({b"\\x03%d" % seq: b"v" * 200}, ())
    engine.commit(batch, epoch=opened.epoch, expect=seq, new=seq + 1)
    print(seq, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def engine(path: Path) -> Iterator[SqliteEngine]:
    engine = SqliteEngine(path)
    engine.open("a test")
    yield engine
    engine.close()


def made(path: Path) -> Path:
    """Make a store with some pages in it, closed; return its file."""
    engine = SqliteEngine(path)
    engine.open("maker")
    engine.commit(Batch({b"k%d" % n: bytes(5000) for n in range(20)}, ()), epoch=1, expect=0, new=1)
    engine.close()
    return path / "data" / "data.sqlite"


def refused(path: Path, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        SqliteEngine(path).open("late")
    assert str(path) in str(caught.value)


def change(file: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(file)
    with connection:
        connection.execute(statement, values)
    connection.close()


def test_a_second_head_is_refused_and_told_who_has_the_store(engine: SqliteEngine, path: Path) -> None:
    refused(path, StoreLocked, r"\(a test\)")
    with pytest.raises(StoreLocked):
        SqliteEngine(path).check("quick")


def test_files_are_for_their_owner_only(engine: SqliteEngine, path: Path) -> None:
    assert {file.stat().st_mode & 0o777 for file in (path / "data").iterdir()} == {0o600}


def test_the_settings_that_weaken_durability_are_off(engine: SqliteEngine) -> None:
    writer, reader = engine._guard.checked(engine._connections)
    for connection in (writer, reader):
        assert connection.execute("pragma synchronous").fetchone() == (2,)
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_store_that_was_not_closed_can_be_opened(path: Path) -> None:
    # Given
    dead = SqliteEngine(path)
    dead.open("dead")
    dead.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    dead._release()
    # When
    opened = dead.open("next")
    # Then
    assert (opened.epoch, opened.seq) == (2, 1)
    assert dead.read(ReadPlan([b"k"])).values == {b"k": b"v"}
    dead.close()


def test_a_store_of_another_engine_is_told_how_to_be_opened(path: Path, tmp_path: Path) -> None:
    made(path)
    with pytest.raises(NotAStore, match="which SqliteEngine opens"):
        LmdbEngine(path).open("test")
    lmdb = LmdbEngine(tmp_path / "lmdb", map_bytes=MIB)
    lmdb.open("test")
    lmdb.close()
    refused(tmp_path / "lmdb", NotAStore, r"store in data\.mdb, which LmdbEngine opens")


def test_a_file_of_another_kind_is_no_store(path: Path) -> None:
    made(path).write_bytes(b"dear reader" * 1000)
    refused(path, NotAStore, "no SQLite database")


def test_a_database_of_somebody_else_is_no_store(path: Path) -> None:
    change(made(path), "update kv set v = x'00' where k = ?", keys.meta("fmt"))
    refused(path, NotAStore, "none of actorcloud's")


def test_a_store_of_a_newer_format_is_refused(path: Path) -> None:
    record = pack_format(FormatRecord(major=99))
    change(made(path), "update kv set v = ? where k = ?", record, keys.meta("fmt"))
    refused(path, StoreTooNew, r"format 99")


@pytest.mark.parametrize("keep", [0, 4096, 40_000])
def test_a_file_that_was_cut_short_is_refused_and_told_of(path: Path, keep: int) -> None:
    with made(path).open("r+b") as file:
        file.truncate(keep)
    refused(path, StoreDamaged, "damaged")
    assert SqliteEngine(path).check("full").problems


def test_a_damaged_page_is_found(path: Path) -> None:
    file = made(path)
    whole = bytearray(file.read_bytes())
    whole[4096 : 2 * 4096] = b"\xaa" * 4096
    file.write_bytes(whole)
    refused(path, StoreDamaged, "damaged")
    assert SqliteEngine(path).check("full").problems


def test_a_file_that_is_gone_is_refused_and_told_of(path: Path) -> None:
    made(path).unlink()
    refused(path, StoreDamaged, "lost its file")
    assert "lost its file" in SqliteEngine(path).check("quick").problems[0]


def test_a_closed_store_can_be_checked(path: Path) -> None:
    made(path)
    assert SqliteEngine(path).check("full").problems == ()


def test_a_limit_that_is_reached_refuses_and_goes_on(path: Path) -> None:
    # Given
    engine = SqliteEngine(path, limit_bytes=MIB)
    engine.open("test")
    # When
    with pytest.raises(NoSpace, match="full"):
        engine.commit(Batch({b"big": bytes(2 * MIB)}, ()), epoch=1, expect=0, new=1)
    # Then
    engine.commit(Batch({b"small": b"v"}, ()), epoch=1, expect=0, new=1)
    assert engine.read(ReadPlan([b"small", b"big"])).values == {b"small": b"v", b"big": None}
    assert engine.stats().limit_bytes == MIB
    engine.close()


def test_room_that_the_file_will_take_of_the_log_is_not_free(
    engine: SqliteEngine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a disk of which nobody else takes anything
    disk = os.statvfs(path)
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    before = engine.stats().free_bytes
    # When: the log has it, and the file does not yet
    engine.commit(Batch({b"big": bytes(MIB)}, ()), epoch=1, expect=0, new=1)
    # Then
    after = engine.stats().free_bytes
    assert before is not None
    assert after is not None
    assert MIB <= before - after < 2 * MIB


def test_a_full_disk_with_the_commit_on_it_is_a_commit(engine: SqliteEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    with pytest.raises(Unresolved):
        engine._explain(full, 0)
    assert engine.resolve(epoch=1, expect=0, new=1)


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond that: EFBIG, which SQLite does not tell from other failures, nor EDQUOT."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_index_of_the_log_that_does_not_fit_is_the_end(engine: SqliteEngine) -> None:
    """The log may have the whole commit, which whoever opens the file again finds."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_SHMSIZE
    with files_of_at_most(0), pytest.raises(EngineFailed, match="could not commit"):
        engine._explain(error, 0)


def test_a_limit_of_the_files_size_refuses_and_goes_on(engine: SqliteEngine) -> None:
    # Given
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    # When
    with files_of_at_most(1 << 17), pytest.raises(NoSpace, match="make room"):
        engine.commit(Batch({b"big": bytes(MIB)}, ()), epoch=1, expect=1, new=2)
    # Then
    assert engine.read(ReadPlan([b"k", b"big"])) == (1, {b"k": b"v", b"big": None}, [])
    engine.commit(Batch({b"big": bytes(MIB)}, ()), epoch=1, expect=1, new=2)
    engine.close()
    assert engine.open("next").seq == 2
    assert engine.read(ReadPlan([b"big"])).values == {b"big": bytes(MIB)}


@pytest.mark.parametrize(("error", "expected"), [(errno.EDQUOT, NoSpace), (errno.EIO, EngineFailed), (0, EngineFailed)])
def test_a_write_that_fails_is_told_from_a_full_disk_by_another_write(
    engine: SqliteEngine, path: Path, monkeypatch: pytest.MonkeyPatch, error: int, expected: type[Exception]
) -> None:
    def write(*_: object) -> int:
        if error:
            raise OSError(error, "planted")
        return 0

    # Given
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    monkeypatch.setattr(os, "pwrite", write)
    # When
    with files_of_at_most(1 << 17), pytest.raises(expected):
        engine.commit(Batch({b"big": bytes(MIB)}, ()), epoch=1, expect=1, new=2)
    # Then: the file decides.
    monkeypatch.undo()
    engine.close()
    assert engine.open("next").seq == 1
    assert engine.read(ReadPlan([b"k", b"big"])).values == {b"k": b"v", b"big": None}


def test_a_store_that_cannot_be_made_for_lack_of_room_says_so(path: Path) -> None:
    """It is the index of the log that does not fit first."""
    with files_of_at_most(1 << 13), pytest.raises(NoSpace, match="make room"):
        SqliteEngine(path).open("test")
    engine = SqliteEngine(path)
    assert engine.open("test").seq == 0
    engine.close()


def test_the_number_of_keys_is_kept(engine: SqliteEngine) -> None:
    # Given
    before = engine.stats().entries
    # When
    engine.commit(Batch({b"a": b"1", b"b": b"1"}, ()), epoch=1, expect=0, new=1)
    engine.commit(Batch({b"a": b"2", b"c": b"1"}, [b"b", b"never was"]), epoch=1, expect=1, new=2)
    # Then
    assert engine.stats().entries == before + 2


def test_a_second_thread_that_writes_is_refused(engine: SqliteEngine) -> None:
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    raised: list[BaseException] = []

    def write() -> None:
        try:
            engine.commit(Batch({b"k": b"w"}, ()), epoch=1, expect=1, new=2)
        except EngineFailed as error:
            raised.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert "second thread" in str(raised[0])


def test_an_owner_that_was_passed_over_is_fenced_out(engine: SqliteEngine, path: Path) -> None:
    change(path / "data" / "data.sqlite", "update kv set v = ? where k = ?", (9).to_bytes(8, "big"), keys.meta("epoch"))
    with pytest.raises(FencedOut):
        engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)


def test_a_forked_child_is_refused(engine: SqliteEngine) -> None:
    engine._guard._pid -= 1
    with pytest.raises(EngineFailed, match="before a fork"):
        engine.read(ReadPlan())
    engine.close()
    engine._guard._pid += 1


def test_a_closed_store_is_refused(engine: SqliteEngine) -> None:
    engine.close()
    with pytest.raises(EngineFailed, match="not open"):
        engine.read(ReadPlan())


def test_a_store_that_was_removed_is_noticed(engine: SqliteEngine, path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(EngineFailed, match="removed or replaced"):
        engine.stats()


def test_a_read_that_fails_is_the_end(engine: SqliteEngine) -> None:
    _, reader = engine._guard.checked(engine._connections)
    reader.close()
    with pytest.raises(EngineFailed, match="cannot read"):
        engine.read(ReadPlan([b"k"]))


def test_a_close_that_cannot_be_noted_is_a_close(engine: SqliteEngine, caplog: pytest.LogCaptureFixture) -> None:
    writer, _ = engine._guard.checked(engine._connections)
    writer.close()
    engine.close()
    assert "could not note that it was closed" in caplog.text


@pytest.mark.parametrize(
    ("code", "expected"),
    [(sqlite3.SQLITE_FULL, NoSpace), (sqlite3.SQLITE_IOERR, EngineFailed), (sqlite3.SQLITE_CANTOPEN, EngineFailed)],
)
def test_what_keeps_a_store_from_opening_says_what_to_do(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    def fail(*_: object) -> object:
        error = sqlite3.OperationalError("planted")
        error.sqlite_errorcode = code
        raise error

    made(path)
    monkeypatch.setattr(sqlite_engine, "_get", fail)
    refused(path, expected, "planted")


# -- copies ---------------------------------------------------------------------------------------


def test_a_backup_is_a_store_with_what_was_durable(engine: SqliteEngine, path: Path, tmp_path: Path) -> None:
    # Given: once through the engine that has it, once through another.
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    engine.backup(tmp_path / "monday")
    SqliteEngine(path).backup(tmp_path / "tuesday")
    engine.commit(Batch({b"k": b"w"}, ()), epoch=1, expect=1, new=2)
    # When
    for name in ("monday", "tuesday"):
        copy = SqliteEngine(tmp_path / name)
        opened = copy.open("test")
        # Then
        assert (opened.epoch, opened.seq) == (2, 1)
        assert copy.read(ReadPlan([b"k"])).values == {b"k": b"v"}
        copy.close()


def test_a_backup_on_a_disk_that_nobody_writes_to_can_be_copied(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: the source is never connected to as one that is written to
    engine = SqliteEngine(path)
    engine.open("maker")
    engine.commit(Batch({b"k": b"v"}, ()), epoch=1, expect=0, new=1)
    engine.close()
    connect, files = sqlite_engine._connect, list[Path]()

    def note(file: Path) -> sqlite3.Connection:
        files.append(file)
        return connect(file)

    monkeypatch.setattr(sqlite_engine, "_connect", note)
    monkeypatch.setattr("os.access", lambda _, mode: not mode & os.W_OK)
    # When
    SqliteEngine(path).backup(tmp_path / "copy")
    # Then
    assert files == [tmp_path / "copy" / "data.new" / "data.sqlite"]
    copy = SqliteEngine(tmp_path / "copy")
    assert copy.open("next").seq == 1
    copy.close()


def test_a_backup_that_is_not_sound_is_removed(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_engine, "_problems", lambda *_: ("a page is missing",))
    with pytest.raises(StoreDamaged, match="not sound"):
        engine.backup(tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_copy_that_does_not_fit_is_removed(engine: SqliteEngine, tmp_path: Path) -> None:
    engine.commit(Batch({b"big": bytes(MIB)}, ()), epoch=1, expect=0, new=1)
    with files_of_at_most(1 << 17):
        with pytest.raises(NoSpace, match="does not fit"):
            engine.backup(tmp_path / "backup")
        with pytest.raises(NoSpace, match="does not fit"):
            write_copy(tmp_path / "copy", [(b"big", bytes(MIB))])
    assert list((tmp_path / "backup").iterdir()) == list((tmp_path / "copy").iterdir()) == []


def test_a_copy_that_is_not_sound_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreDamaged, match="cannot be copied"):
        write_copy(tmp_path / "copy", [(b"k", b"v"), (b"k", b"w")])
    monkeypatch.setattr(sqlite_engine, "_problems", lambda *_: ("a page is missing",))
    with pytest.raises(StoreDamaged, match="not sound"):
        write_copy(tmp_path / "copy", [(b"k", b"v")])
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.parametrize(("code", "expected"), [(sqlite3.SQLITE_FULL, NoSpace), (sqlite3.SQLITE_IOERR, StoreDamaged)])
def test_a_backup_that_fails_is_removed(
    engine: SqliteEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    def fail(*_: object) -> object:
        error = sqlite3.OperationalError("planted")
        error.sqlite_errorcode = code
        raise error

    monkeypatch.setattr(sqlite_engine, "_problems", fail)
    with pytest.raises(expected, match="planted"):
        engine.backup(tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.slow
@pytest.mark.chaos
def test_what_was_acknowledged_survives_a_kill(path: Path) -> None:
    for count in (1, 30, 60):
        # When
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        acked = [int(child.stdout.readline()) for _ in range(count)]
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate(timeout=60)
        acked += [int(line) for line in rest.splitlines() if line.strip().isdigit()]
        # Then
        engine = SqliteEngine(path)
        opened = engine.open("test")
        assert opened.seq > max(acked)
        wanted = [b"\x03%d" % number for number in range(opened.seq)]
        assert None not in engine.read(ReadPlan(wanted)).values.values()
        assert engine.check("full").problems == ()
        engine.close()
    shutil.rmtree(path)
