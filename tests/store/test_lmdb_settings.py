"""How LMDB is opened, and how its file comes to be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import pytest

from actorcloud.store import LmdbEngine
from actorcloud.store.engine import directory
from actorcloud.store.engine import lmdb as lmdb_engine

MIB = 1 << 20

Open = Callable[[], lmdb.Environment]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Opens the same store, again and again."""
    engine = LmdbEngine(tmp_path / "store", map_bytes=16 * MIB)

    def open_env() -> lmdb.Environment:
        engine.open("a test")
        assert engine._env is not None
        return engine._env

    yield open_env
    engine.close()


def test_the_settings_that_weaken_durability_are_off(opened: Open) -> None:
    env = opened()
    flags = env.flags()
    assert (flags["sync"], flags["metasync"], flags["writemap"], flags["lock"]) == (True, True, False, True)
    assert env.lib_version()[:2] == (0, 9)


def test_a_file_that_memory_does_not_hold_is_not_read_ahead(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    assert opened().flags()["readahead"]
    monkeypatch.setattr(lmdb_engine, "_memory_bytes", lambda: 4096)
    assert not opened().flags()["readahead"]


def test_a_new_store_has_the_format_of_all_others_whatever_the_environment_says(tmp_path: Path) -> None:
    # Given: what py-lmdb takes for its default
    code = "import sys; from actorcloud.store import LmdbEngine as E; e = E(sys.argv[1]); e.open('other'); e.close()"
    environment = {**os.environ, "LMDB_DEFAULT_LIB_VERSION": "1"}
    # When
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "store")], env=environment, check=True)
    # Then
    with lmdb.open(str(tmp_path / "store" / "data"), readonly=True) as env:
        assert env.lib_version()[:2] == (0, 9)


def test_a_new_store_is_on_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    path = tmp_path / "store"
    done: list[object] = []
    rename = Path.rename

    def note(old: Path, new: Path) -> Path:
        done.append((old.name, new.name))
        return rename(old, new)

    monkeypatch.setattr(directory, "sync", done.append)
    monkeypatch.setattr(Path, "rename", note)
    engine = LmdbEngine(path, map_bytes=16 * MIB)
    # When
    engine.open("a test")
    engine.close()
    # Then: what it holds, its directory, its name, and the name of the store itself
    new = path / "data.new"
    *files, last = done[: done.index(("data.new", "data"))]
    assert new / "data.mdb" in files
    assert last == new
    assert done[done.index(("data.new", "data")) :] == [("data.new", "data"), path, tmp_path]
