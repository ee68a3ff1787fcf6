"""The engines that the suites run against, and a store in one thread."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from actorcloud.store import Engine, LmdbEngine, MemoryDisk, MemoryEngine, PostgresEngine, SqliteEngine, Transactions
from tests.store.local import LocalStore
from tests.store.postgres import Make, PostgresServer


class Disk(Protocol):
    """A place that engines open, one after the other."""

    def engine(self) -> Engine: ...


class _Memory:
    def __init__(self) -> None:
        self._disk = MemoryDisk()

    def engine(self) -> Engine:
        return MemoryEngine(self._disk)


class _Files:
    def __init__(self, make: Callable[[], Engine]) -> None:
        self._make = make
        self._last: Engine | None = None

    def engine(self) -> Engine:
        self.close()
        self._last = self._make()
        return self._last

    def close(self) -> None:
        if self._last is not None:
            self._last.close()


@pytest.fixture(params=["memory", "lmdb", "sqlite", "postgres"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "store"
    if request.param == "memory":
        yield _Memory()
        return
    if request.param == "postgres":
        dsn, schema = request.getfixturevalue("postgres").dsn, f"s{secrets.token_hex(4)}"
    makers: dict[str, Callable[[], Engine]] = {
        "postgres": lambda: PostgresEngine(dsn, schema=schema),
        "lmdb": lambda: LmdbEngine(path, map_bytes=64 << 20),
        "sqlite": lambda: SqliteEngine(path),
    }
    files = _Files(makers[request.param])
    yield files
    files.close()


@pytest.fixture
def make_engine(disk: Disk) -> Callable[[], Engine]:
    return disk.engine


@pytest.fixture
def engine(make_engine: Callable[[], Engine]) -> Engine:
    """A new engine of each kind, not yet opened."""
    return make_engine()


@pytest.fixture
def store() -> LocalStore:
    return LocalStore()


@pytest.fixture
def client(store: LocalStore) -> Transactions:
    return store.client()


@pytest.fixture
def schema() -> str:
    return f"p{secrets.token_hex(4)}"


@pytest.fixture
def make(postgres: PostgresServer, schema: str) -> Iterator[Make]:
    made: list[PostgresEngine] = []

    def engine(**settings: object) -> PostgresEngine:
        made.append(PostgresEngine(postgres.dsn, schema=schema, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield engine
    for one in made:
        one.close()


@pytest.fixture
def sql(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        yield connection
