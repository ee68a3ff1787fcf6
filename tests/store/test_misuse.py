"""What is done to a store from outside while it is open: forks, readers that died, directories that cannot be used."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actorcloud.base.errors import NotAStore, StoreDamaged
from actorcloud.store import Batch, EngineFailed, LmdbEngine, ReadPlan, SqliteEngine

ROOT = Path(__file__).parents[2]
MIB = 1 << 20


def run(program: str, path: Path) -> str:
    """Return what a program says that works on the store."""
    command = [sys.executable, "-c", program, str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout


#: A child inherits an open engine, and tries what LMDB itself would let it do.
FORK = """
import os, sys
from actorcloud.store import Batch, EngineFailed, LmdbEngine, ReadPlan

engine = LmdbEngine(sys.argv[1], map_bytes=1 << 24)
epoch = engine.open("parent").epoch

def refused(call):
    try:
        call()
    except EngineFailed as error:
        return "before a fork" in str(error)

pid = os.fork()
if pid == 0:
    read = refused(lambda: engine.read(ReadPlan([b"k"])))
    written = refused(lambda: engine.commit(Batch({b"k": b"child"}, ()), epoch=epoch, expect=0, new=1))
    # Must not touch what is the parent's.
    engine.close()
    os._exit(0 if read and written else 1)
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
engine.commit(Batch({b"k": b"parent"}, ()), epoch=epoch, expect=0, new=1)
print(code, engine.read(ReadPlan([b"k"])).values)
engine.close()
"""


@pytest.mark.slow
def test_a_forked_child_may_neither_read_nor_write_and_does_no_harm(tmp_path: Path) -> None:
    assert run(FORK, tmp_path / "store").strip() == "0 {b'k': b'parent'}"


#: Takes all slots for readers, and dies with them.
READERS = """
import os, signal, sys
import lmdb

environment = lmdb.open(sys.argv[1] + "/data", map_size=1 << 24, max_readers=512, readonly=True, max_spare_txns=0)
readers = []
try:
    while True:
        readers.append(environment.begin())
except lmdb.ReadersFullError:
    print(len(readers), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_readers_that_died_are_cleared_away_when_their_slots_are_needed(tmp_path: Path) -> None:
    # Given
    engine = LmdbEngine(tmp_path / "store", map_bytes=16 * MIB)
    epoch = engine.open("test").epoch
    engine.commit(Batch({b"k": b"v"}, ()), epoch=epoch, expect=0, new=1)
    command = [sys.executable, "-c", READERS, str(tmp_path / "store")]
    taken = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120).stdout
    assert int(taken) > 500
    # Then
    assert engine.read(ReadPlan([b"k"])).values == {b"k": b"v"}
    engine.close()


@pytest.mark.slow
def test_pages_of_readers_that_died_are_used_again_once_it_was_looked(tmp_path: Path) -> None:
    # Given
    engine = LmdbEngine(tmp_path / "store", map_bytes=16 * MIB)
    epoch = engine.open("test").epoch
    file, seq = tmp_path / "store" / "data" / "data.mdb", 0

    def write(commits: int) -> int:
        nonlocal seq
        before = file.stat().st_size
        for _ in range(commits):
            puts = {b"k%d" % number: bytes([seq % 256]) * 500 for number in range(20)}
            engine.commit(Batch(puts, ()), epoch=epoch, expect=seq, new=seq + 1)
            seq += 1
        return file.stat().st_size - before

    write(10)
    subprocess.run(
        [sys.executable, "-c", READERS, str(tmp_path / "store")], capture_output=True, check=False, timeout=120
    )
    # Then
    assert write(50) > 20 * 4096
    engine.stats()
    write(5)
    assert write(50) == 0
    engine.close()


def test_a_place_that_cannot_be_written_to_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotAStore, match="Not a directory"):
        LmdbEngine(tmp_path / "file" / "store").open("test")
    with pytest.raises(NotAStore, match="cannot be used as a store"):
        LmdbEngine("/proc/store").open("test")


def test_a_directory_that_was_removed_or_replaced_is_noticed(tmp_path: Path) -> None:
    # Given
    engine = LmdbEngine(tmp_path / "store", map_bytes=16 * MIB)
    engine.open("test")
    # When
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    # Then
    with pytest.raises(EngineFailed, match="removed or replaced"):
        engine.stats()
    # When
    other = LmdbEngine(tmp_path / "store", map_bytes=16 * MIB)
    other.open("test")
    # Then
    with pytest.raises(EngineFailed, match="removed or replaced"):
        engine.stats()
    other.close()
    engine.close()


@pytest.mark.parametrize("kind", [LmdbEngine, SqliteEngine])
@pytest.mark.parametrize("gone", ["", "data"])
def test_a_store_that_vanished_is_not_made_again(
    tmp_path: Path, kind: type[LmdbEngine | SqliteEngine], gone: str
) -> None:
    # Given
    store = tmp_path / "store"
    engine = kind(store)
    engine.open("test")
    # When
    shutil.rmtree(store / gone)
    # Then
    with pytest.raises(StoreDamaged, match=f"{store} has lost its .*an empty one was not made"):
        engine.open("again")
    with pytest.raises(StoreDamaged, match=f"{store} has lost its .*an empty one was not made"):
        kind(store, create=False).open("the next start of the core")
    assert not (store / "data").exists()


def test_a_store_that_was_replaced_by_an_empty_directory_is_not_made_again(tmp_path: Path) -> None:
    # Given
    engine = LmdbEngine(tmp_path / "store", map_bytes=16 * MIB)
    engine.open("test")
    # When
    (tmp_path / "store").rename(tmp_path / "elsewhere")
    (tmp_path / "store").mkdir()
    # Then
    with pytest.raises(StoreDamaged, match="has lost its 'data' directory"):
        engine.open("again")
    # When it is put back
    (tmp_path / "store").rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "store")
    # Then
    assert engine.open("again").epoch == 2
    engine.close()
