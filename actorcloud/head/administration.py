"""Looking after a store: back it up, check it, restore, compact, export and import it.

=================  ===========  ==============================================================
of files           with a head  how
=================  ===========  ==============================================================
`back_up_store`    yes          this process copies as a reader among others: the head does nothing
`export_store`     yes          of such a copy
`check_store`      no           the pages are walked by a process of their own
`compact_store`    no           a copy without what is free takes the store's place
`restore_store`    no           into a directory that has no store
`import_store`     no           into a directory that has no store
=================  ===========  ==============================================================

A database is looked at by a reader of its own: back up, check and export go on beside a head. What is
restored or imported there fills the tables while they are ours; killed in the middle, it leaves a store
that no head opens, and is done again. To compact is a vacuum of the server's.

What needs the store alone is told who has it. A store that was restored or imported is one of its own
(`store.renew`); the head's identity (`identity`) is no part of it, and stays what it is beside it.

Blocks: each of these, until it is done.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from actorcloud.actor import System
from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged, StoreNotEmpty
from actorcloud.base.location import Location, Where, locate
from actorcloud.head.place import COMPANIONS, engine_at, existing, vacuum
from actorcloud.store import (
    Bulk,
    CheckLevel,
    ExportReader,
    Report,
    StoreActor,
    Tidy,
    find_problems,
    header_of,
    import_items,
    is_sqlite,
    new_store,
    recount,
    renew,
    replaced_store,
    sync,
    write_export,
)

logger = logging.getLogger("actorcloud.head")

#: Seconds that tidying up before a compaction may take: a disk that is full never ends it.
TIDY_TIMEOUT = 3600.0


def back_up_store(store: Where, dest: Path) -> None:
    """Copy what is durable now into a store of its own, and check that one.

    Args:
        store: whether a head has it or not.
        dest: a directory that is empty, or is made.

    Raises:
        NotAStore: there is no store, or something is in `dest`.
        NoSpace, StoreDamaged: as `Engine.backup` says.
    """
    engine_at(existing(store)).backup(dest)


def check_store(store: Where, level: CheckLevel) -> Report:
    """Look for damage in a store that no head has, or that is in a database; it is not changed.

    Args:
        store: see `base.location`.
        level: `full` reads a copy's records too, in the store's directory.

    Raises:
        NotAStore: there is none.
        StoreLocked: a head has it, and it is in files.
        NoSpace: the copy does not fit.
    """
    place = existing(store)
    report = engine_at(place).check(level)
    if level == "quick" or report.problems:
        return report
    # A copy of a store in files where there is room for the one, and where we may write: within its directory.
    where = None if place.is_database else place.home
    with tempfile.TemporaryDirectory(prefix="check-", dir=where) as beside:
        copy = Path(beside) / "store"
        back_up_store(place, copy)
        engine = engine_at(copy)
        try:
            return report._replace(problems=find_problems(Bulk(engine, engine.open("a check"))))
        finally:
            engine.close()


def restore_store(backup: Path, dest: Where) -> None:
    """Make a store from a backup.

    Args:
        backup: a directory that `back_up_store` has made; it is not changed.
        dest: where there is no store.

    Raises:
        NotAStore, StoreDamaged: the backup is none, or not sound.
        StoreNotEmpty: there is a store in `dest`.
        StoreLocked, NoSpace: as they say.
    """
    existing(backup)
    target = locate(dest)
    if target.is_database or (target.kind == "sqlite" and not is_sqlite(backup)):
        with tempfile.TemporaryDirectory(prefix="actorcloud-restore-") as beside:
            export_store(backup, Path(beside) / "export")
            import_store(Path(beside) / "export", target)
        return
    with new_store(target.home, "a restore", COMPANIONS) as place:
        engine_at(backup).backup(place)
        engine = engine_at(place)
        try:
            renew(Bulk(engine, engine.open("a restore")), os.urandom)
        finally:
            engine.close()


def compact_store(store: Where) -> tuple[int, int]:
    """Rewrite a store that no head has, without what is free or waits to be thrown away; count anew what spaces have.

    Returns:
        Its size before, and after, in bytes.

    Raises:
        NotAStore, StoreLocked, StoreDamaged, NoSpace: as they say; the store is then as it was.
    """
    place = existing(store)
    before = _size(place)
    _tidy(place)
    _recount(place)
    if place.is_database:
        vacuum(place)
    else:
        with replaced_store(place.home, "a compaction", COMPANIONS) as copy:
            engine_at(place).backup(copy)
    return before, _size(place)


def export_store(store: Where, file: Path) -> int:
    """Write a store as one file that any engine can be filled from.

    Args:
        store: whether a head has it or not.
        file: that is made; it is there whole, or not at all.

    Returns:
        How many items it has.

    Raises:
        StoreNotEmpty: there is such a file.
        NotAStore: there is no store, or no file can be made there.
        NoSpace, StoreDamaged: as `back_up_store` says.
    """
    if file.exists():
        raise StoreNotEmpty(f"the file {file} is there already; name another one, or move it away")
    # The copy beside the file: where there is room for the one there is for the other.
    with _writing(file):
        beside = tempfile.TemporaryDirectory(prefix=".export-", dir=file.absolute().parent)
    with beside as place:
        copy, partial = Path(place) / "store", Path(place) / "export"
        back_up_store(store, copy)
        engine = engine_at(copy)
        try:
            bulk = Bulk(engine, engine.open("an export"))
            with _writing(file):
                count = _write(bulk, partial)
        finally:
            engine.close()
        with _writing(file):
            partial.rename(file)
            sync(file.absolute().parent)
    return count


def _write(bulk: Bulk, file: Path) -> int:
    with file.open("xb") as stream:
        os.fchmod(stream.fileno(), 0o600)
        items = (item for chunk in bulk.chunks() for item in chunk)
        count = write_export(stream, header_of(bulk), items)
        stream.flush()
        os.fsync(stream.fileno())
    return count


@contextlib.contextmanager
def _writing(file: Path) -> Iterator[None]:
    """Say in words why an export cannot be written; around nothing that reads the store it is of."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise NoSpace(f"the export {file} does not fit there: {error.strerror}; make room") from error
        raise NotAStore(f"the export {file} cannot be written: {error.strerror}") from error


def import_store(file: Path, dest: Where) -> int:
    """Make a store from an export.

    Args:
        file: that `export_store` has made; it is read to its end before anything is written.
        dest: where there is no store.

    Returns:
        How many items it has.

    Raises:
        BadExport: the file is none, or not whole.
        StoreTooNew: a newer actorcloud wrote it.
        StoreNotEmpty: there is a store in `dest`.
        StoreLocked, NoSpace: as they say.
    """
    if not file.is_file():
        raise NotAStore(f"there is no file {file}")
    with file.open("rb") as stream:
        for _ in ExportReader(stream, str(file)):
            pass
        stream.seek(0)
        with _emptied(locate(dest)) as place:
            engine = engine_at(place)
            try:
                bulk = Bulk(engine, engine.open("an import"))
                return import_items(bulk, ExportReader(stream, str(file)), os.urandom)
            finally:
                engine.close()


@contextlib.contextmanager
def _emptied(dest: Location) -> Iterator[Location]:
    """Give a place for a store that is to be filled, and put it where it is wanted."""
    if dest.is_database:
        yield dest
        return
    with new_store(dest.home, "an import", COMPANIONS) as place:
        # Beside the directory, and of the engine that was named.
        yield msgspec.structs.replace(dest, address=str(place), name=str(place), home=place)


def _tidy(store: Location) -> None:
    with System(name="compact") as system:
        actor = StoreActor.options(system=system).start(engine_at(store), owner="a compaction")
        try:
            actor.ask(Tidy(), timeout=TIDY_TIMEOUT)
        finally:
            actor.stop()


def _recount(store: Location) -> None:
    engine = engine_at(store)
    try:
        count = recount(Bulk(engine, engine.open("a compaction")))
    finally:
        engine.close()
    if count:
        logger.warning("the store %s had %d spaces that were counted wrongly; they are counted anew", store, count)


def _size(store: Location) -> int:
    if store.is_database:
        return engine_at(store).check("quick").checked_bytes
    sizes = [file.stat().st_size for file in (store.home / "data").iterdir()]
    if not sizes:
        raise StoreDamaged(f"the store {store} has lost its file; restore it from a backup")
    return sum(sizes)
