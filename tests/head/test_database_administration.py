"""Looking after a store in PostgreSQL: copies of it, and copies that fill one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest

from actorcloud.base.errors import (
    NotAStore,
    StoreDamaged,
    StoreLeased,
    StoreLocked,
    StoreNotEmpty,
)
from actorcloud.base.location import Where, locate
from actorcloud.head import (
    back_up_store,
    check_store,
    compact_store,
    export_store,
    import_store,
    open_offline,
    restore_store,
)
from actorcloud.head.place import engine_at
from actorcloud.protocol.record import JobRecord
from actorcloud.store import Bulk, Opened, PostgresEngine, keys
from actorcloud.store.format import FORMAT, FORMAT_MAJOR, FormatRecord, check_format, pack_format
from actorcloud.store.maintenance.migration import UNFINISHED
from actorcloud.store.quota import Usage, pack_usage
from actorcloud.store.stored import pack, payload_of
from tests.store.postgres import PostgresServer

REF, OTHER = bytes(range(16)), bytes(range(1, 17))

#: Of a job that runs: its copy is another run.
RUN = b"r" * 16


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.database()


@pytest.fixture
def store(database: str) -> str:
    """A store with a job that runs, and a value, at commit 7."""
    bulk = bulk_of(database)
    record = JobRecord("running", b"f" * 16, 1.0, run=RUN)
    items = {keys.function(b"f" * 16): pack(1, b"code"), keys.arguments(REF): pack(1, b"")}
    bulk.commit({**items, keys.record(REF): pack(1, msgspec.msgpack.encode(record))})
    value = {keys.user("s", b"\x14"): pack(2, b"value")}
    usage = Usage(1, len(keys.user("s", b"\x14")) + len(pack(2, b"value")))
    bulk.commit({**value, keys.usage(keys.space("s")): pack(2, pack_usage(usage))}, new=7)
    bulk.engine.close()
    return database


@pytest.fixture
def live(store: str) -> Iterator[PostgresEngine]:
    """The store's head, on another machine; with a lease that nobody waits for."""
    engine = PostgresEngine(store, lease=3600.0)
    engine.open("a head elsewhere")
    yield engine
    engine.close()


def bulk_of(store: Where) -> Bulk:
    engine = engine_at(store)
    return Bulk(engine, engine.open("a test"))


def looked_at(store: Where) -> tuple[Opened, dict[bytes, bytes]]:
    bulk = bulk_of(store)
    try:
        return bulk.opened, dict(item for chunk in bulk.chunks() for item in chunk)
    finally:
        bulk.engine.close()


def check_is_another(copy: Where, store: Where) -> None:
    """What a copy must be that was made to be used: the same, but fitting nothing of the original."""
    (there, copied), (here, original) = looked_at(copy), looked_at(store)
    assert {key for key, value in original.items() if copied.get(key) != value} == {keys.record(REF)}
    assert copied.keys() == original.keys()
    assert msgspec.msgpack.decode(payload_of(copied[keys.record(REF)]), type=JobRecord).run != RUN
    assert there.incarnation != here.incarnation
    assert there.seq >= here.seq + 2**32


def test_a_backup_is_of_the_moment_and_fills_a_database_and_a_directory(
    store: str, live: PostgresEngine, postgres: PostgresServer, tmp_path: Path
) -> None:
    # When a head has it
    back_up_store(store, tmp_path / "backup")
    live.close()
    # Then
    opened, copied = looked_at(tmp_path / "backup")
    assert (opened.seq, opened.incarnation, copied) == (7, looked_at(store)[0].incarnation, looked_at(store)[1])
    # When
    other = postgres.database()
    restore_store(tmp_path / "backup", other)
    restore_store(tmp_path / "backup", tmp_path / "again")
    # Then
    check_is_another(other, store)
    check_is_another(tmp_path / "again", store)


def test_an_export_goes_from_a_database_into_each_engine_and_back(
    store: str, live: PostgresEngine, postgres: PostgresServer, tmp_path: Path
) -> None:
    # When
    assert export_store(store, tmp_path / "file") == 5
    live.close()
    import_store(tmp_path / "file", tmp_path / "lmdb")
    import_store(tmp_path / "file", f"sqlite://{tmp_path}/sqlite")
    export_store(tmp_path / "lmdb", tmp_path / "back")
    back = postgres.database()
    import_store(tmp_path / "back", back)
    # Then
    assert (tmp_path / "lmdb" / "data" / "data.mdb").exists()
    assert (tmp_path / "sqlite" / "data" / "data.sqlite").exists()
    for copy in (tmp_path / "lmdb", tmp_path / "sqlite", back):
        check_is_another(copy, store)


def test_a_backup_in_lmdb_is_restored_into_the_engine_that_is_named(tmp_path: Path) -> None:
    # Given
    bulk = bulk_of(tmp_path / "store")
    bulk.commit({keys.user("s", b"\x14"): pack(1, b"value")})
    bulk.engine.close()
    back_up_store(tmp_path / "store", tmp_path / "backup")
    # When
    restore_store(tmp_path / "backup", f"sqlite://{tmp_path}/again")
    # Then
    assert looked_at(f"sqlite://{tmp_path}/again")[1] == looked_at(tmp_path / "store")[1]


def test_an_import_that_was_killed_is_opened_by_nobody_and_done_again(
    store: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    # Given the first commits of one
    export_store(store, tmp_path / "file")
    half = postgres.database()
    bulk = bulk_of(half)
    bulk.commit({UNFINISHED: b"import"})
    bulk.commit({keys.user("of another", b"\x14"): pack(1, b"value")})
    bulk.engine.close()
    with pytest.raises(StoreDamaged, match="import again"), open_offline(half):
        pass
    # When
    import_store(tmp_path / "file", half)
    # Then
    check_is_another(half, store)
    with open_offline(half):
        pass


def test_an_empty_store_that_was_used_is_another_after_an_import(
    store: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    # Given
    export_store(store, tmp_path / "file")
    used = postgres.database()
    before = looked_at(used)[0].incarnation
    # When
    import_store(tmp_path / "file", used)
    # Then
    assert looked_at(used)[0].incarnation != before


def test_a_database_that_holds_a_store_is_not_filled(store: str, tmp_path: Path) -> None:
    # Given
    export_store(store, tmp_path / "file")
    back_up_store(store, tmp_path / "backup")
    before = looked_at(store)[1]
    # Then
    with pytest.raises(StoreNotEmpty):
        import_store(tmp_path / "file", store)
    with pytest.raises(StoreNotEmpty):
        restore_store(tmp_path / "backup", store)
    assert looked_at(store)[1] == before


def test_a_check_reads_the_records_beside_a_head(store: str, live: PostgresEngine) -> None:
    # Given
    assert check_store(store, "full").problems == ()
    # When
    with psycopg.connect(store, autocommit=True) as other:
        other.execute("delete from actorcloud.kv where k = %b", (keys.function(b"f" * 16),))
    # Then
    assert "lacks its function" in check_store(store, "full").problems[0]
    assert check_store(store, "quick").problems == ()


def test_a_store_that_a_head_has_is_not_opened_beside_it(store: str, live: PostgresEngine, tmp_path: Path) -> None:
    # Given
    export_store(store, tmp_path / "file")
    # Then
    with pytest.raises(StoreLeased, match="a head elsewhere"), open_offline(store):
        pass
    live.close()
    with open_offline(store) as cloud:
        assert cloud.room.store_figures().seq == 7
        with pytest.raises(StoreLocked, match="an actorcloud command"):
            import_store(tmp_path / "file", store)


def test_after_a_compaction_the_space_is_the_disks_and_the_counts_are_right(store: str) -> None:
    # Given
    bulk = bulk_of(store)
    bulk.commit({keys.user(OTHER, b"\x15%c" % n): pack(1, os.urandom(2000)) for n in range(200)})
    bulk.commit({keys.garbage(OTHER): pack(1, b""), keys.usage(keys.space("s")): pack(2, pack_usage(Usage(5, 5)))})
    bulk.engine.close()
    before = looked_at(store)[0].seq
    assert "was counted otherwise" in check_store(store, "full").problems[0]
    # When
    size, left = compact_store(store)
    # Then
    assert left < size - 200 * 2000
    opened, items = looked_at(store)
    assert opened.seq > before
    assert [key for key in items if OTHER in key] == []
    assert items[keys.user("s", b"\x14")] == pack(2, b"value")
    assert check_store(store, "full").problems == ()


def test_a_migration_is_preceded_by_a_backup_beside_the_home(store: str) -> None:
    # Given
    bulk = bulk_of(store)
    bulk.commit({FORMAT: pack_format(FormatRecord(major=FORMAT_MAJOR - 1))})
    bulk.commit({}, [keys.user("s", b"\x14")])
    bulk.engine.close()
    # When
    with open_offline(store) as cloud:
        assert cloud.fetch("s", "none") is None
    # Then
    home = locate(store).home
    backup = home.with_name(f"{home.name}.format{FORMAT_MAJOR - 1}")
    assert looked_at(store)[1] == looked_at(backup)[1]
    assert [check_format("", raw).major for raw in (format_in(store), format_in(backup))] == [
        FORMAT_MAJOR,
        FORMAT_MAJOR - 1,
    ]


def format_in(store: Where) -> bytes:
    bulk = bulk_of(store)
    try:
        return bulk.get(FORMAT) or b""
    finally:
        bulk.engine.close()


def test_where_there_is_no_store_none_is_made(database: str, tmp_path: Path) -> None:
    # Then
    for act in (
        lambda: back_up_store(database, tmp_path / "backup"),
        lambda: check_store(database, "full"),
        lambda: export_store(database, tmp_path / "file"),
        lambda: open_offline(database).__enter__(),
    ):
        with pytest.raises(NotAStore, match=f"no store in {locate(database).name[:20]}"):
            act()
    with psycopg.connect(database) as connection:
        assert connection.execute("select to_regclass('actorcloud.head')").fetchall() == [(None,)]
    assert list(tmp_path.iterdir()) == []
