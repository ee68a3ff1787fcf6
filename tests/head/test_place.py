"""Which engine opens a store."""

from __future__ import annotations

from pathlib import Path

from actorcloud.head.place import engine_at
from actorcloud.store import LmdbEngine, SqliteEngine


def test_a_new_store_is_lmdbs(tmp_path: Path) -> None:
    assert isinstance(engine_at(tmp_path / "new"), LmdbEngine)


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
