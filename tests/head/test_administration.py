"""Looking after a store: what comes out is whole, what is refused changes nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from actorcloud.base.errors import (
    BadExport,
    NoSpace,
    NotAStore,
    StoreDamaged,
    StoreLocked,
    StoreNotEmpty,
)
from actorcloud.head import (
    back_up_store,
    check_store,
    compact_store,
    export_store,
    import_store,
    open_offline,
    restore_store,
)
from actorcloud.head.place import engine_at, plan_at
from actorcloud.protocol.record import JobRecord
from actorcloud.store import Bulk, Opened, SqliteEngine, find_problems, keys, renew
from actorcloud.store.engine import lmdb_file
from actorcloud.store.format import FORMAT, FormatRecord, pack_format
from actorcloud.store.maintenance import replacement
from actorcloud.store.quota import Usage, pack_usage
from actorcloud.store.stored import pack, pack_time, payload_of

#: Found in a file as it is.
MARKER = b"the secret of a job that was deleted" * 40

REF, OTHER = bytes(range(16)), bytes(range(1, 17))


def bulk_of(store: Path) -> Bulk:
    engine = engine_at(store)
    return Bulk(engine, engine.open("a test"))


def made(store: Path) -> Path:
    """Make a store with two jobs, one of them deleted and not yet collected."""
    bulk = bulk_of(store)
    running = JobRecord("running", b"f" * 16, 1.0, run=b"r" * 16)
    bulk.commit(
        {
            keys.record(REF): pack(1, msgspec.msgpack.encode(running)),
            keys.function(b"f" * 16): pack(1, b"code"),
            keys.arguments(REF): pack(1, b""),
            keys.function(b"g" * 16): pack(1, MARKER),
            keys.user("s", b"\x14"): pack(1, b"value"),
            keys.usage(keys.space("s")): pack(1, pack_usage(Usage(1, len(keys.user("s", b"\x14")) + 14))),
            keys.garbage(OTHER): pack(1, b""),
            keys.tombstone(OTHER): pack(1, pack_time(4e9)),
            **{keys.user(OTHER, b"\x15%c" % n): pack(1, MARKER) for n in range(200)},
            keys.once(OTHER, "paid"): pack(1, MARKER),
        }
    )
    bulk.engine.close()
    return store


def contents(store: Path) -> dict[bytes, bytes]:
    bulk = bulk_of(store)
    try:
        return dict(item for chunk in bulk.chunks() for item in chunk)
    finally:
        bulk.engine.close()


def opened(store: Path) -> Opened:
    bulk = bulk_of(store)
    bulk.engine.close()
    return bulk.opened


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return made(tmp_path / "store")


def names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


def test_a_backup_is_the_store_and_a_restored_one_is_another(store: Path, tmp_path: Path) -> None:
    # When
    back_up_store(store, tmp_path / "backup")
    restore_store(tmp_path / "backup", tmp_path / "again")
    # Then
    assert contents(tmp_path / "backup") == contents(store)
    again = contents(tmp_path / "again")
    assert {key for key, value in contents(store).items() if again[key] != value} == {keys.record(REF)}
    assert msgspec.msgpack.decode(payload_of(again[keys.record(REF)]), type=JobRecord).run != b"r" * 16
    assert opened(tmp_path / "again").incarnation != opened(store).incarnation
    assert opened(tmp_path / "again").seq == opened(store).seq + 2**32
    assert names(tmp_path) == {"store", "backup", "again"}


def test_a_store_is_restored_beside_the_identity_of_its_head(store: Path, tmp_path: Path) -> None:
    # Given
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "head.key").write_text("key")
    back_up_store(store, tmp_path / "backup")
    # When
    restore_store(tmp_path / "backup", tmp_path / "again")
    # Then
    assert (tmp_path / "again" / "head.key").read_text() == "key"
    assert keys.user("s", b"\x14") in contents(tmp_path / "again")


def test_a_store_in_sqlite_is_looked_after_by_its_own_engine(tmp_path: Path) -> None:
    # Given
    store = tmp_path / "store"
    engine = SqliteEngine(store)
    engine.open("a test")
    engine.close()
    made(store)
    before = opened(store)
    # When
    back_up_store(store, tmp_path / "backup")
    restore_store(tmp_path / "backup", tmp_path / "again")
    export_store(store, tmp_path / "file")
    import_store(tmp_path / "file", tmp_path / "moved")
    compact_store(store)
    # Then
    assert check_store(store, "full").problems == ()
    assert all(MARKER not in file.read_bytes() for file in (store / "data").iterdir())
    assert {file.name for file in (tmp_path / "again" / "data").iterdir()} == {"data.sqlite"}
    assert opened(tmp_path / "again").incarnation != before.incarnation
    # Then what was exported is in LMDB now.
    assert (tmp_path / "moved" / "data" / "data.mdb").exists()
    assert contents(tmp_path / "moved").keys() == contents(tmp_path / "again").keys()


def test_what_would_overwrite_a_store_is_refused(store: Path, tmp_path: Path) -> None:
    # Given
    back_up_store(store, tmp_path / "backup")
    export_store(store, tmp_path / "file")
    before = contents(store)
    # Then
    with pytest.raises(StoreNotEmpty):
        restore_store(tmp_path / "backup", store)
    with pytest.raises(StoreNotEmpty):
        import_store(tmp_path / "file", store)
    with pytest.raises(StoreNotEmpty):
        export_store(store, tmp_path / "file")
    with pytest.raises(NotAStore, match="not empty"):
        back_up_store(store, tmp_path / "backup")
    assert contents(store) == before


def test_a_store_that_is_open_is_not_to_be_moved_away(store: Path, tmp_path: Path) -> None:
    # Given
    back_up_store(store, tmp_path / "backup")
    export_store(store, tmp_path / "file")
    with open_offline(store):
        # Then
        with pytest.raises(StoreLocked, match="stop it first"):
            restore_store(tmp_path / "backup", store)
        with pytest.raises(StoreLocked, match="stop it first"):
            import_store(tmp_path / "file", store)


def test_a_store_that_was_only_looked_at_is_not_walked_through_at_the_next_start(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    back_up_store(store, tmp_path / "backup")
    opened(store)
    # When
    check_store(store, "full")
    with pytest.raises(StoreNotEmpty):
        restore_store(tmp_path / "backup", store)
    # Then
    monkeypatch.setattr(lmdb_file, "check_pages", pytest.fail)
    opened(store)


def test_where_nothing_can_be_made_it_is_said_in_words(store: Path, tmp_path: Path) -> None:
    # Given: a file where a directory is needed, as nothing keeps root out
    (tmp_path / "file").touch()
    # Then
    with pytest.raises(NotAStore, match=r"cannot be made: Not a directory"):
        back_up_store(store, tmp_path / "file" / "backup")
    with pytest.raises(NotAStore, match=r"nowhere/file cannot be written: No such file or directory"):
        export_store(store, tmp_path / "nowhere" / "file")
    assert names(tmp_path) == {"store", "file"}


def test_a_store_that_cannot_be_read_is_not_an_export_that_cannot_be_written(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a file of another user's, as far as nothing keeps root out
    monkeypatch.setattr(os, "access", lambda file, _: Path(file).name != "data.mdb")
    # Then
    with pytest.raises(NotAStore, match=r"store/data/data\.mdb cannot be read: Permission denied"):
        export_store(store, tmp_path / "file")
    with pytest.raises(NotAStore, match=r"store/data/data\.mdb cannot be read: Permission denied"):
        check_store(store, "full")
    assert names(tmp_path) == {"store"}


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, NoSpace), (errno.EACCES, NotAStore)])
def test_an_export_that_cannot_be_written_says_so_at_each_step(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    for step in ("write_export", "sync"):
        monkeypatch.setattr(f"actorcloud.head.administration.{step}", fail)
        with pytest.raises(error, match=f"the export {tmp_path / 'file'} .*{os.strerror(code)}"):
            export_store(store, tmp_path / "file")
        monkeypatch.undo()


def test_a_directory_with_other_things_is_left_alone(store: Path, tmp_path: Path) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").touch()
    back_up_store(store, tmp_path / "backup")
    with pytest.raises(NotAStore, match=r"thesis\.tex"):
        restore_store(tmp_path / "backup", tmp_path / "papers")
    assert names(tmp_path / "papers") == {"thesis.tex"}


def test_an_interrupted_restore_is_no_store_and_the_next_one_clears_it_away(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    back_up_store(store, tmp_path / "backup")

    def die(*_: object) -> None:
        raise StoreDamaged("a power cut, as good as")

    with monkeypatch.context() as patched:
        patched.setattr("actorcloud.head.administration.renew", die)
        with pytest.raises(StoreDamaged):
            restore_store(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()
    (tmp_path / "again.new" / "data").mkdir(parents=True)
    # When
    restore_store(tmp_path / "backup", tmp_path / "again")
    # Then
    assert keys.user("s", b"\x14") in contents(tmp_path / "again")
    assert names(tmp_path) == {"store", "backup", "again"}


def test_a_damaged_backup_is_not_restored(store: Path, tmp_path: Path) -> None:
    back_up_store(store, tmp_path / "backup")
    os.truncate(tmp_path / "backup" / "data" / "data.mdb", 5000)
    with pytest.raises(StoreDamaged):
        restore_store(tmp_path / "backup", tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_store_is_exported_and_imported(store: Path, tmp_path: Path) -> None:
    # When
    count = export_store(store, tmp_path / "file")
    assert import_store(tmp_path / "file", tmp_path / "again") == count
    # Then
    again = contents(tmp_path / "again")
    assert {key for key, value in contents(store).items() if again[key] != value} == {keys.record(REF)}
    assert len(again) == count
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path) == {"store", "file", "again"}


def test_a_compacted_file_has_its_place_on_disk_before_it_is_told_of(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: what was flushed, and which file was there then
    flushed: list[tuple[Path, int]] = []
    file = store / "data" / "data.mdb"

    def note(path: Path) -> None:
        flushed.append((path, file.stat().st_ino))

    monkeypatch.setattr(replacement, "sync", note)
    before = file.stat().st_ino
    # When
    compact_store(store)
    # Then
    assert file.stat().st_ino != before
    assert flushed == [(store / "data", file.stat().st_ino)]


def test_an_export_is_on_disk_before_it_is_told_of(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    flush, flushed = os.fsync, list[tuple[str, bool]]()

    def note(descriptor: int) -> None:
        flushed.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), (tmp_path / "file").exists()))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    # When
    export_store(store, tmp_path / "file")
    # Then: what it holds, then its name
    (written, before), (named, after) = flushed[-2:]
    assert (Path(written).name, before) == ("export", False)
    assert (Path(named), after) == (tmp_path, True)


def test_an_export_that_is_not_whole_writes_nothing(store: Path, tmp_path: Path) -> None:
    # Given
    export_store(store, tmp_path / "file")
    whole = (tmp_path / "file").read_bytes()
    for data in (whole[:-1], whole[: len(whole) // 2], b"", b"dear reader", whole[:50] + b"x" + whole[51:]):
        (tmp_path / "file").write_bytes(data)
        # Then
        with pytest.raises(BadExport):
            import_store(tmp_path / "file", tmp_path / "again")
        assert names(tmp_path) == {"store", "file"}


def test_after_a_compaction_nothing_of_a_deleted_job_is_in_the_file(store: Path) -> None:
    # Given
    file = store / "data" / "data.mdb"
    assert MARKER in file.read_bytes()
    seq = opened(store).seq
    # When
    before, after = compact_store(store)
    # Then
    left = contents(store)
    assert [key for key, value in left.items() if OTHER in key or OTHER in value] == [keys.tombstone(OTHER)]
    assert MARKER not in file.read_bytes()
    assert after < before
    assert keys.function(b"f" * 16) in left
    assert left[keys.user("s", b"\x14")] == pack(1, b"value")
    assert opened(store).seq > seq
    assert names(store) == {"data", "head.lock"}
    assert check_store(store, "full").problems == ()


def test_a_store_that_is_in_use_is_copied_and_exported_and_nothing_else(store: Path, tmp_path: Path) -> None:
    with open_offline(store) as cloud:
        # In another process, as a command is: LMDB forbids to open a file twice in one.
        cloud.mutate_store(lambda: cloud.store("s", "k", 1))
        for refused in (
            lambda: check_store(store, "quick"),
            lambda: compact_store(store),
        ):
            with pytest.raises(StoreLocked, match="an actorcloud command"):
                refused()


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    other = tmp_path / "other"
    with pytest.raises(NotAStore):
        check_store(other, "quick")
    with pytest.raises(NotAStore):
        compact_store(other)
    with pytest.raises(NotAStore):
        back_up_store(other, tmp_path / "backup")
    with pytest.raises(NotAStore):
        export_store(other, tmp_path / "file")
    with pytest.raises(NotAStore):
        restore_store(other, tmp_path / "again")
    with pytest.raises(NotAStore):
        import_store(other, tmp_path / "again")
    assert names(tmp_path) == set()


def test_a_full_check_reads_the_records_too(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    before = opened(store).epoch
    seen: list[set[str]] = []

    def look(bulk: Bulk) -> tuple[str, ...]:
        seen.append(names(tmp_path))
        return find_problems(bulk)

    monkeypatch.setattr("actorcloud.head.administration.find_problems", look)
    assert check_store(store, "full").problems == ()
    assert seen == [{"store"}], "what is beside the store may belong to others"
    assert opened(store).epoch == before + 1
    bulk = bulk_of(store)
    bulk.commit({}, [keys.function(b"f" * 16)])
    bulk.engine.close()
    # Then
    assert "lacks its function" in check_store(store, "full").problems[0]
    assert check_store(store, "quick").problems == ()
    assert names(tmp_path) == {"store"}


def test_what_was_counted_wrongly_is_told_and_a_compaction_counts_anew(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    bulk = bulk_of(store)
    bulk.commit({keys.usage(keys.space("s")): pack(2, pack_usage(Usage(5, 5)))})
    bulk.engine.close()
    (problem,) = check_store(store, "full").problems
    assert "the space 's' has 1 keys" in problem
    # When
    compact_store(store)
    # Then
    assert "1 spaces that were counted wrongly" in caplog.text
    assert check_store(store, "full").problems == ()


def test_a_migration_is_preceded_by_a_backup_that_overwrites_no_other(store: Path, tmp_path: Path) -> None:
    # Given
    bulk = bulk_of(store)
    bulk.commit({FORMAT: pack_format(FormatRecord(major=0))})
    plan = plan_at(store)
    assert plan.backup is not None
    # When
    plan.backup(bulk.engine, 0)
    renew(bulk, os.urandom)
    plan.backup(bulk.engine, 0)
    bulk.engine.close()
    # Then
    assert names(tmp_path) == {"store", "store.format0", "store.format0-2"}
    assert (tmp_path / "store.format0" / "data" / "data.mdb").exists()
