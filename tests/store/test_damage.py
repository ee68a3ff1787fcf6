"""Files that were damaged, changed or are of somebody else: found before LMDB has them, and refused."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lmdb import verify

from actorcloud.base.errors import ConfigError, NotAStore, StoreDamaged, StoreError
from actorcloud.store import Batch, EngineFailed, EngineScan, LmdbEngine, ReadPlan, SqliteEngine
from actorcloud.store.engine import lmdb_file, mounts
from actorcloud.store.engine.directory import StoreDirectory
from actorcloud.store.engine.mounts import file_system_of, read_mounts, refuse_remote

MIB = 1 << 20


def make(path: Path, *, closed: bool = True) -> Path:
    """Make a store of some pages of each kind; return its file."""
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    epoch = engine.open("maker").epoch
    for seq in range(2):
        puts = {b"\x03%03d" % number: bytes([seq]) * (300 if number % 30 else 9000) for number in range(seq * 50, 60)}
        engine.commit(Batch(puts, ()), epoch=epoch, expect=seq, new=seq + 1)
    if closed:
        engine.close()
    else:
        engine._release()
    return path / "data" / "data.mdb"


def opened(path: Path) -> int:
    """Open the store as a head does, read all of it, and return how much that was."""
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    try:
        engine.open("late")
        return len(engine.read(ReadPlan((), (EngineScan(b"\x00", b"\xff", 1000),))).scans[0])
    finally:
        engine.close()


def rot(file: Path) -> None:
    """Change where some pages in the middle of a file have their items, and let it look untouched."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    middle = len(data) // 8192
    for at in range(middle * 4096, (middle + 20) * 4096, 4096):
        # Not those that lead to others in SQLite: who counts the keys notices these.
        if data[at] != 2:
            data[at + 8 : at + 24] = b"\xa5" * 16
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are walked through."""
    seen: list[Path] = []
    whole = lmdb_file._walk_here

    def walk(file: Path) -> tuple[str, ...]:
        seen.append(file)
        return whole(file)

    monkeypatch.setattr(lmdb_file, "_walk_here", walk)
    return seen


# -- when it is looked at -------------------------------------------------------------------------


def test_a_store_that_was_closed_in_order_is_not_walked_through(tmp_path: Path, walks: list[Path]) -> None:
    make(tmp_path / "store")
    walks.clear()
    assert opened(tmp_path / "store") > 60
    assert walks == []


def test_a_store_that_was_not_is(tmp_path: Path, walks: list[Path]) -> None:
    file = make(tmp_path / "store", closed=False)
    walks.clear()
    opened(tmp_path / "store")
    assert walks == [file]


def test_a_store_that_was_changed_since_is(tmp_path: Path, walks: list[Path]) -> None:
    file = make(tmp_path / "store")
    walks.clear()
    os.utime(file)
    opened(tmp_path / "store")
    assert walks == [file]


@pytest.mark.parametrize("make_engine", [LmdbEngine, SqliteEngine])
def test_a_store_that_a_check_has_found_damaged_is_not_opened_unseen(
    tmp_path: Path, make_engine: Callable[[Path], LmdbEngine | SqliteEngine]
) -> None:
    # Given a store that was closed in order, and whose pages have changed since without a trace
    engine = make_engine(tmp_path / "store")
    puts = {b"\x03%05d" % number: bytes(300) for number in range(3000)}
    engine.commit(Batch(puts, ()), epoch=engine.open("maker").epoch, expect=0, new=1)
    engine.close()
    rot(next((tmp_path / "store" / "data").glob("data.*")))
    # When
    assert engine.check("full").problems
    # Then
    with pytest.raises(StoreDamaged):
        engine.open("late")


def test_a_large_store_is_walked_through_by_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = make(tmp_path / "store", closed=False)
    monkeypatch.setattr(lmdb_file, "_HERE_LIMIT_BYTES", 0)
    assert opened(tmp_path / "store") > 60
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    with pytest.raises(StoreDamaged, match="page"):
        opened(tmp_path / "store")


def test_a_page_that_the_walk_itself_stumbles_over_is_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_: str) -> list[str]:
        raise IndexError

    make(tmp_path / "store", closed=False)
    monkeypatch.setattr(verify, "verify", stumble)
    with pytest.raises(StoreDamaged, match="IndexError"):
        opened(tmp_path / "store")


def test_a_store_that_is_too_large_is_opened_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    make(tmp_path / "store", closed=False)
    monkeypatch.setattr(lmdb_file, "WALK_LIMIT_BYTES", 4096)
    with caplog.at_level(logging.WARNING):
        opened(tmp_path / "store")
    assert "actorcloud store check" in caplog.text


# -- what is found --------------------------------------------------------------------------------


#: Opens stores again and again, each with its file damaged in another way, and says how often one was refused.
PROGRAM = """
import random, sys
from pathlib import Path
from tests.store import test_damage

test_damage.try_damages(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
"""


def try_damages(directory: Path, seed: int, count: int) -> None:
    file = make(directory / "store")
    whole, chance, refused = file.read_bytes(), random.Random(seed), 0
    for _ in range(count):
        file.write_bytes(damaged(whole, chance))
        (directory / "store" / "data" / "lock.mdb").unlink(missing_ok=True)
        try:
            opened(directory / "store")
        except StoreError as error:
            assert not isinstance(error, EngineFailed), error  # noqa: PT017  what else it is, is for the count
            refused += 1
    print(refused)


def damaged(whole: bytes, chance: random.Random) -> bytes:
    page = 4096 * chance.randrange(len(whole) // 4096)
    match chance.randrange(4):
        case 0:
            return whole[:page]
        case 1:
            return whole[:page] + bytes(4096) + whole[page + 4096 :]
        case 2:
            at = page + chance.choice((10, 12, 14, 16, 18, 20))
            return whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :]
    other = 4096 * chance.randrange(len(whole) // 4096)
    return whole[:page] + whole[other : other + 4096] + whole[page + 4096 :]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "count"), [(1, 60), pytest.param(2, 5000, marks=[pytest.mark.soak, pytest.mark.timeout(900)])]
)
def test_a_damaged_file_never_ends_the_process(tmp_path: Path, seed: int, count: int) -> None:
    """Cut at pages, pages of zeros, flipped bits in headers, pages in the wrong place."""
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(seed), str(count)]
    root = Path(__file__).parents[2]
    ended = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=800, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    # The rest of them hit free pages, whose content nobody needs, or nothing.
    assert int(ended.stdout) > count // 3


@given(junk=st.binary(max_size=9000), at=st.integers(0, 9000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_junk_at_the_front_of_a_file_is_refused_or_harmless(tmp_path: Path, junk: bytes, at: int) -> None:
    file = tmp_path / "junk.mdb"
    whole = make_once(tmp_path)
    file.write_bytes(whole[:at] + junk + whole[at + len(junk) :])
    try:
        lmdb_file.check_size(file)
        lmdb_file.check_pages(file)
    except (NotAStore, StoreDamaged):
        return
    with (
        lmdb.open(str(file), subdir=False, readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        assert sum(1 for _ in transaction.cursor()) > 60


def make_once(directory: Path) -> bytes:
    file = directory / "store" / "data" / "data.mdb"
    return (file if file.exists() else make(directory / "store")).read_bytes()


# -- whose file system it is ----------------------------------------------------------------------

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:50 / /mnt/share rw - nfs4 server:/export rw,vers=4.2
31 22 0:51 / /mnt/my\\040disk rw - fuse.sshfs me@there: rw
32 30 0:52 / /mnt/share/local rw - xfs /dev/sdb1 rw
33 22 8:2 / /mnt/windows rw - fuseblk /dev/sdc1 rw
34 22 0:53 / /host rw - 9p host rw
35 22 0:54 / /host rw - tmpfs tmpfs rw
36 broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/store", "ext4"),
        ("/mnt/share/store", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/store", "xfs"),
        ("/mnt/my disk", "fuse.sshfs"),
        ("/mnt/windows/store", "fuseblk"),
        ("/host/store", "tmpfs"),
    ],
)
def test_the_innermost_and_latest_mount_counts(path: str, kind: str) -> None:
    assert file_system_of(path, MOUNTS) == kind


def test_a_system_that_does_not_say_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    assert read_mounts() == ""
    assert file_system_of("/store", "") is None
    refuse_remote(Path("/store"), "")


def test_this_machines_own_temporary_directory_is_its_own(tmp_path: Path) -> None:
    if sys.platform == "linux":
        assert file_system_of(os.path.realpath(tmp_path), read_mounts()) is not None
    refuse_remote(tmp_path, read_mounts())


def test_a_store_on_another_machines_disk_is_refused_unless_it_is_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    share = f"30 1 0:50 / {tmp_path} rw - cifs //server/share rw"
    directory = StoreDirectory(tmp_path / "store", mounts=lambda: share)
    # Then
    with pytest.raises(ConfigError, match="type cifs"):
        directory.lock("test")
    assert not (tmp_path / "store").exists()
    # When
    monkeypatch.setenv("ACTORCLOUD_REMOTE_STORE", "1")
    # Then
    directory.lock("test")
    directory.unlock()
