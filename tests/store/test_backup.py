"""Copies of an LMDB store: whole, checked, also of one that another process writes to."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged, StoreLocked
from actorcloud.store import Batch, LmdbEngine, ReadPlan
from actorcloud.store.engine import lmdb_file

MIB = 1 << 20

#: Moves a unit between two accounts at each commit, until it is killed.
WRITER = """
import sys
from actorcloud.store import Batch, LmdbEngine
engine = LmdbEngine(sys.argv[1], map_bytes=64 << 20)
opened = engine.open("writer")
for seq in range(opened.seq, 1_000_000):
    accounts = {b"\\x03a": b"%d" % (1000 - seq), b"\\x03b": b"%d" % seq}
    engine.commit(Batch(accounts, ()), epoch=opened.epoch, expect=seq, new=seq + 1)
    if seq == opened.seq + 20:
        print("ready", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def engine(path: Path) -> Iterator[LmdbEngine]:
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    engine.open("a test")
    engine.commit(Batch({b"k%d" % n: bytes(5000) for n in range(20)}, ()), epoch=1, expect=0, new=1)
    yield engine
    engine.close()


def test_a_backup_is_a_store_with_what_was_durable(engine: LmdbEngine, tmp_path: Path) -> None:
    # When
    engine.backup(tmp_path / "copy")
    # Then
    engine.commit(Batch({b"k0": b"later"}, ()), epoch=1, expect=1, new=2)
    copy = LmdbEngine(tmp_path / "copy", map_bytes=16 * MIB)
    assert copy.open("next").seq == 1
    assert copy.read(ReadPlan([b"k0"])).values == {b"k0": bytes(5000)}
    copy.close()


def test_a_backup_of_a_store_that_another_process_writes_to_is_one_moment_of_it(path: Path, tmp_path: Path) -> None:
    # Given
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        # When
        copies = [tmp_path / f"copy-{number}" for number in range(3)]
        for copy in copies:
            LmdbEngine(path).backup(copy)
        writer.kill()
    # Then
    seqs = []
    for copy in copies:
        engine = LmdbEngine(copy, map_bytes=64 * MIB)
        seqs.append(engine.open("next").seq)
        values = engine.read(ReadPlan([b"\x03a", b"\x03b"])).values
        engine.close()
        assert sum(int(value or b"0") for value in values.values()) == 1000
    assert seqs == sorted(seqs)
    assert seqs[0] > 0


#: A reader in the middle of a copy.
READER = """
import sys, lmdb
env = lmdb.open(sys.argv[1], readonly=True, map_size=64 << 20, lib_version=0)
txn = env.begin()
print("reads", flush=True)
sys.stdin.read()
"""


def test_a_backup_that_was_killed_is_forgotten_with_the_next_look_at_the_store(engine: LmdbEngine, path: Path) -> None:
    # Given
    command = [sys.executable, "-c", READER, str(path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        assert engine._env is not None
        assert str(reader.pid) in engine._env.readers()
        reader.kill()
        reader.wait()
        # When
        engine.stats()
        # Then
        assert str(reader.pid) not in engine._env.readers()


def test_a_backup_fits_into_a_process_with_little_memory(engine: LmdbEngine, path: Path, tmp_path: Path) -> None:
    # Given: the default map is larger than what this process may have.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30));"
        "from actorcloud.store import LmdbEngine; LmdbEngine(sys.argv[1]).backup(sys.argv[2])"
    )
    # When
    subprocess.run([sys.executable, "-c", code, str(path), str(tmp_path / "copy")], check=True)
    # Then
    copy = LmdbEngine(tmp_path / "copy", map_bytes=16 * MIB)
    assert copy.open("next").seq == 1
    copy.close()


def test_a_backup_goes_into_an_empty_directory_only(engine: LmdbEngine, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("dear reader")
    with pytest.raises(NotAStore, match="not empty"):
        engine.backup(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "dear reader"


def test_a_backup_where_nothing_can_be_made_says_so(engine: LmdbEngine, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(NotAStore, match=r"thesis\.tex/backup cannot be made: Not a directory"):
        engine.backup(tmp_path / "thesis.tex" / "backup")


def test_a_backup_that_is_not_sound_is_no_store(
    engine: LmdbEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lmdb_file, "walk", lambda _: ("page 7 is two pages",))
    with pytest.raises(StoreDamaged, match="page 7"):
        engine.backup(tmp_path / "copy")
    assert not (tmp_path / "copy" / "data").exists()


def test_a_backup_onto_a_full_disk_is_removed(engine: LmdbEngine, tmp_path: Path) -> None:
    # Given
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    # When
    try:
        with pytest.raises(NoSpace, match="does not fit"):
            engine.backup(tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    # Then
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_store_that_fails_while_it_is_copied_says_so(
    engine: LmdbEngine, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(*_: object, **__: object) -> None:
        raise lmdb.Error("mdb_env_copy2", errno.EIO)

    engine.close()
    monkeypatch.setattr(engine, "_copy_closed", copy)
    with pytest.raises(StoreDamaged, match="cannot be copied"):
        engine.backup(tmp_path / "copy")


def test_a_file_of_another_lmdb_cannot_be_copied(engine: LmdbEngine, path: Path, tmp_path: Path) -> None:
    # Given: the version that both meta pages speak of.
    engine.close()
    with (path / "data" / "data.mdb").open("r+b") as file:
        for page in (0, os.sysconf("SC_PAGE_SIZE")):
            file.seek(page + 20)
            file.write(bytes([7]))
    # When
    with pytest.raises(StoreDamaged, match="cannot be opened"):
        engine.backup(tmp_path / "copy")


def test_there_is_no_backup_of_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreDamaged):
        LmdbEngine(tmp_path / "other").backup(tmp_path / "copy")


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_sound_store_has_no_problems_open_or_closed(engine: LmdbEngine, level: str) -> None:
    is_open = engine.check(level)  # type: ignore[arg-type]
    engine.close()
    is_closed = engine.check(level)  # type: ignore[arg-type]
    assert (is_open.problems, is_closed.problems) == ((), ())
    assert is_open.checked_bytes > 20 * 5000
    assert is_closed.level == level


def test_a_check_finds_a_flipped_page(engine: LmdbEngine, path: Path) -> None:
    # Given
    engine.close()
    file = path / "data" / "data.mdb"
    with file.open("r+b") as stream:
        stream.seek(2 * os.sysconf("SC_PAGE_SIZE"))
        stream.write(b"\xff" * (file.stat().st_size - stream.tell()))
    # When
    report = engine.check("full")
    # Then
    assert report.problems


def test_a_check_of_a_file_that_was_cut_short_is_a_report(engine: LmdbEngine, path: Path) -> None:
    engine.close()
    os.truncate(path / "data" / "data.mdb", 100)
    assert "cut short" in engine.check("quick").problems[0]


def test_a_check_leaves_alone_what_another_has(engine: LmdbEngine, path: Path) -> None:
    with pytest.raises(StoreLocked):
        LmdbEngine(path).check("full")
