"""Putting a store in files in the place of another, or of none, so that a crash leaves one or the other.

What is made is made beside the store, in `NAME.new`, and moved when it is whole; a later try removes
what an earlier one left. The store is locked meanwhile.

Owns: that directory, while it works.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from actorcloud.base.errors import NotAStore, StoreNotEmpty
from actorcloud.store.engine.directory import LMDB_FILE, SQLITE_FILE, StoreDirectory, file_of, sync

#: LMDB's own, made anew when it is missing.
_LOCK_FILES = frozenset({"lock.mdb"})


def is_sqlite(store: str | Path) -> bool:
    """Tell whether there is a store made by SQLite."""
    return file_of(Path(store)) == SQLITE_FILE


def has_store(store: str | Path) -> bool:
    """Tell whether there is a store in a directory, of whichever engine."""
    return file_of(Path(store)) is not None


def find_store(store: Path) -> None:
    """See to it that a store in files is there, of whichever engine.

    Raises:
        StoreDamaged: it is not; it has been, as the caller knows.
    """
    StoreDirectory(store, create=False).check_presence()


@contextlib.contextmanager
def new_store(dest: Path, owner: str, companions: Collection[str] = ()) -> Iterator[Path]:
    """Make a store where there is none.

    Args:
        dest: its directory; companions may be there.
        owner: who this is, for others who want the store meanwhile.
        companions: as for `StoreDirectory`.

    Yields:
        A directory that is not there yet, in which the block makes a store, closed when it ends; an error
        there leaves nothing.

    Raises:
        StoreNotEmpty: there is a store already, which nobody has open.
        StoreLocked, NotAStore: as `StoreDirectory.lock` says.
    """
    directory = StoreDirectory(dest, companions, file=file_of(dest) or LMDB_FILE)
    is_fresh = not dest.exists()
    # First: a store that a head has is not to be moved away.
    directory.lock(owner)
    try:
        if directory.data.exists():
            raise StoreNotEmpty(f"{dest} holds a store already; name a new directory, or move that one away")
        with _beside(dest) as place:
            yield place
            (place / directory.data.name).rename(directory.data)
            sync(directory.path)
            sync(directory.path.parent)
    except BaseException:
        if is_fresh:
            shutil.rmtree(dest, ignore_errors=True)
        raise
    finally:
        # Of a store that was refused nobody need look at the pages again.
        directory.unlock(in_order=directory.is_as_left())


@contextlib.contextmanager
def replaced_store(dest: Path, owner: str, companions: Collection[str] = ()) -> Iterator[Path]:
    """Replace the file of a store that nobody has open by that of a copy.

    Args:
        dest: the store's directory.
        owner: as for `new_store`.
        companions: as for `StoreDirectory`.

    Yields:
        A directory that is not there yet, for a copy that the block makes; an error there changes nothing.

    Raises:
        StoreLocked, NotAStore: as `StoreDirectory.lock` says.
    """
    directory = StoreDirectory(dest, companions, file=SQLITE_FILE if is_sqlite(dest) else LMDB_FILE)
    directory.lock(owner)
    try:
        with _beside(dest) as place:
            yield place
            (file,) = (file for file in (place / directory.data.name).iterdir() if file.name not in _LOCK_FILES)
            # One file, so one step: there is the old one, or the new one.
            file.replace(directory.data / file.name)
            sync(directory.data)
    finally:
        directory.unlock()


@contextlib.contextmanager
def _beside(dest: Path) -> Iterator[Path]:
    place = dest.with_name(f"{dest.name}.new")
    if place.exists() and not {entry.name for entry in place.iterdir()} <= {"data", "data.new", "head.lock"}:
        raise NotAStore(f"{place} is in the way, and holds something else than half a store; move it away")
    shutil.rmtree(place, ignore_errors=True)
    dest.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
