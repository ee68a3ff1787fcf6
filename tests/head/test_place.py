"""Which engine opens a store."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actorcloud.base.errors import NotAStore, StoreDamaged
from actorcloud.head.place import Place, engine_at
from actorcloud.store import LmdbEngine, SqliteEngine


def test_a_new_store_is_lmdbs(tmp_path: Path) -> None:
    assert isinstance(engine_at(tmp_path / "new"), LmdbEngine)


def test_a_head_loads_no_engine_that_it_does_not_open(tmp_path: Path) -> None:
    code = (
        f"import sys, actorcloud.head; from actorcloud.head.place import engine_at; engine_at({str(tmp_path)!r}); "
        "print([name for name in ('sqlite3', 'psycopg') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_a_store_in_sqlite_is_opened_by_sqlite(tmp_path: Path) -> None:
    # Given
    made = SqliteEngine(tmp_path / "store")
    made.open("test")
    made.close()
    # When
    engine = engine_at(tmp_path / "store")
    # Then
    assert isinstance(engine, SqliteEngine)
    assert engine.open("again").epoch == 2
    engine.close()


def test_an_address_of_sqlite_makes_a_store_in_sqlite(tmp_path: Path) -> None:
    # When
    engine = engine_at(f"sqlite://{tmp_path}/store")
    engine.open("test")
    engine.close()
    # Then
    assert isinstance(engine_at(tmp_path / "store"), SqliteEngine)


def test_an_address_of_sqlite_does_not_fit_a_store_in_lmdb(tmp_path: Path) -> None:
    # Given
    made = LmdbEngine(tmp_path / "store")
    made.open("test")
    made.close()
    # When, then
    with pytest.raises(NotAStore, match=r"a store in data\.mdb.* name its directory alone, without sqlite://"):
        engine_at(f"sqlite://{tmp_path}/store").open("test")
    assert [file.name for file in (tmp_path / "store" / "data").glob("*.sqlite")] == []


def test_the_core_of_a_head_makes_its_store_once(tmp_path: Path) -> None:
    # Given
    place = Place(tmp_path / "store")
    first = place.engine()
    first.open("first")
    first.close()
    again = place.engine()
    assert again.open("again").epoch == 2
    again.close()
    assert place.trouble() is None
    # When
    shutil.rmtree(tmp_path / "store")
    # Then
    assert "is gone: put it back" in str(place.trouble())
    with pytest.raises(StoreDamaged, match="has lost its directory"):
        place.engine().open("after that")
    assert not (tmp_path / "store").exists()
