"""The directory of a store in files: who has it, whether it is one, how it is made.

::

    PATH/head.lock       flock for the life of the owner; its text says who that is. Afterwards, if all went well, which
                         state the file was closed in: as long as it is in that, there is no need to look at its pages
    PATH/data/           the engine's files: `data.mdb` of LMDB, or `data.sqlite`
    PATH/data.new/       while a store is being created, or restored; renamed when it is complete

Owns: the lock.

Reference: store-design 1.2, 1.5 and 1.8.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged
from actorcloud.store.engine.lockfile import LockFile
from actorcloud.store.engine.mounts import read_mounts, refuse_remote
from actorcloud.store.engine.port import CheckLevel, Report

LMDB_FILE = "data.mdb"
SQLITE_FILE = "data.sqlite"

#: File -> which engine opens it.
_ENGINES = {LMDB_FILE: "LmdbEngine", SQLITE_FILE: "SqliteEngine"}

_LOCK = "head.lock"
_DATA = "data"
_NEW = "data.new"
_OURS = frozenset({_LOCK, _DATA, _NEW})

#: The disk is full, or a quota or file-size limit is reached.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

#: Bytes by which one tries whether there is room: a page.
_TRIED_BYTES = 4096


class StoreDirectory:
    """A store's directory, locked while this object is open.

    Args:
        path: the directory; it is created if it does not exist.
        companions: names that others may have put beside the store (sockets, keys).
        create: make a store where there is none; else that is `StoreDamaged`.
        file: name of the engine's file, `LMDB_FILE` or `SQLITE_FILE`.
        mounts: tells what is mounted, as /proc/self/mountinfo does.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        companions: Collection[str] = (),
        *,
        create: bool = True,
        file: str = LMDB_FILE,
        mounts: Callable[[], str] = read_mounts,
    ) -> None:
        self.path = Path(path)
        self._file = file
        self._may_create = create
        self._companions = frozenset(companions) | _OURS
        self._mounts = mounts
        self._lock = LockFile(self.path / _LOCK)
        self._seal = ""

    @property
    def data(self) -> Path:
        """Where the engine's files are."""
        return self.path / _DATA

    @property
    def file(self) -> Path:
        """The engine's own file."""
        return self.data / self._file

    @property
    def new(self) -> Path:
        """Where they are made."""
        return self.path / _NEW

    def lock(self, owner: str) -> None:
        """Become the only one.

        Raises:
            StoreLocked: another process is; the text says which.
            NotAStore: the path is not a directory, or holds something else.
            ConfigError: it is on a file system of other machines.
            NoSpace: there is no room for it.
            StoreDamaged: the store that was here is gone.
        """
        self.check_presence()
        self._check_contents()
        refuse_remote(self.path, self._mounts())
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._seal = self._lock.take(str(self.path), owner)
        except OSError as error:
            raise refusal(f"{self.path} cannot be used as a store", error) from error

    def unlock(self, *, in_order: bool = False) -> None:
        """Let the next one in; safe to call twice.

        Args:
            in_order: the file was closed, and is whole: the next one need not look.
        """
        # Without the text the next one looks, that is all.
        self._lock.release(self._fingerprint() if in_order else "")

    def is_new(self) -> bool:
        """Tell whether there is no store here yet; what an interrupted creation left is removed.

        Raises:
            StoreDamaged: there was one.
        """
        shutil.rmtree(self.new, ignore_errors=True)
        # Again: it may have gone before it was locked.
        self.check_presence()
        return not self.data.exists()

    def publish(self) -> None:
        """Make what is in `new` the store, so that it survives a power cut."""
        for file in self.new.iterdir():
            sync(file)
        sync(self.new)
        self.new.rename(self.data)
        sync(self.path)
        sync(self.path.parent)

    @contextlib.contextmanager
    def build(self) -> Iterator[Path]:
        """Give `new`, for a store that is to be written there, and publish it; after an error nothing stays of it.

        Raises:
            NotAStore: there is something in the directory, or it is a file, or it cannot be made.
            NoSpace: there is no room for it.
        """
        try:
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise NotAStore(f"{self.path} is not empty; give an empty or new directory")
            self.new.mkdir(mode=0o700, parents=True)
        except OSError as error:
            raise refusal(f"{self.path} cannot be made", error) from error
        try:
            yield self.new
            self.publish()
        except BaseException:
            shutil.rmtree(self.new, ignore_errors=True)
            raise

    def check(self, level: CheckLevel, look: Callable[[CheckLevel], Report]) -> Report:
        """Look at a store that nobody has; one in which nothing is found is left as it was closed.

        Raises:
            StoreLocked, NotAStore, ConfigError, NoSpace: as `lock` says.
        """
        self.lock("a check")
        is_sound = False
        try:
            self.check_file()
            report = look(level)
            is_sound = not report.problems
            return report
        except StoreDamaged as damage:
            return Report(level, (str(damage),), 0)
        finally:
            # What rots in place has the size and the time that it had: whoever opens it must look.
            self.unlock(in_order=is_sound and self.is_as_left())

    def is_as_left(self) -> bool:
        """Tell whether the file is the one that was closed in order, and untouched since; only of a locked store."""
        return self._seal == self._fingerprint()

    def is_there(self) -> bool:
        """Tell whether this path still leads to the directory; only of a locked store."""
        return self._lock.is_there()

    def _fingerprint(self) -> str:
        """Tell one state of the file from others; by `stat`, as closing the file would drop LMDB's locks."""
        try:
            found = self.file.stat()
        except OSError:
            return ""
        return f"closed {found.st_ino} {found.st_size} {found.st_mtime_ns}\n"

    def check_file(self) -> None:
        """Refuse a store whose file is gone: it must not look like a new one.

        Raises:
            StoreDamaged: it is.
            NotAStore: it may not be read.
        """
        if not self.file.is_file():
            raise StoreDamaged(
                f"the store {self.path} has lost its file {_DATA}/{self._file}; restore it from a backup"
            )
        # Not by opening it: to close it again would drop the locks of LMDB and SQLite.
        if not os.access(self.file, os.R_OK):
            raise NotAStore(f"{self.file} cannot be read: {os.strerror(errno.EACCES)}; be its owner")

    def found(self) -> None:
        """Note that there is a store: whoever opens it with this object again must find it."""
        self._may_create = False

    def check_presence(self) -> None:
        """Refuse to be where a store has been and is no more, unless one may be made.

        Raises:
            StoreDamaged: it is gone.
        """
        # An empty store in the place of one that vanished would look as if nothing had ever been there.
        if self._may_create or self.data.exists():
            return
        gone = f"its {_DATA!r} directory" if self.path.exists() else "its directory"
        raise StoreDamaged(
            f"the store {self.path} has lost {gone} since a head opened it; an empty one was not made in "
            "its place: put it back or restore a backup, then start again"
        )

    def _check_contents(self) -> None:
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise NotAStore(f"{self.path} is a file; a store is a directory")
        names = {entry.name for entry in os.scandir(self.path)}
        others = names - self._companions
        if others and _DATA not in names:
            example = min(others)
            raise NotAStore(
                f"{self.path} holds other things ({example!r}) and no store; give an empty or new directory"
            )
        if (engine := file_of(self.path)) not in {None, self._file}:
            raise NotAStore(
                f"{self.path} is a store in {engine}, which {_ENGINES[str(engine)]} opens: name its directory alone, "
                "without sqlite://, and a head takes that one; a program of yours must take that class"
            )
        if _DATA in names and engine is None and _LOCK not in names:
            raise NotAStore(
                f"{self.path} has a directory {_DATA!r} that is none of ours; give an empty or new directory"
            )


def file_of(path: Path) -> str | None:
    """Return the name of the engine's file in a store's directory; None: there is no store."""
    return next((file for file in _ENGINES if (path / _DATA / file).exists()), None)


def refusal(text: str, error: OSError) -> NoSpace | NotAStore:
    """Return the error of a directory that cannot be used: `text`, and why."""
    kind = NoSpace if error.errno in FULL else NotAStore
    return kind(f"{text}: {error.strerror}")


def has_room(directory: Path) -> bool:
    """Tell whether the largest file in a directory may grow: neither disk nor quota nor the limit of a file is reached.

    By writing a page where that one ends, into a file of its own.
    """
    try:
        end = max(entry.stat().st_size for entry in os.scandir(directory))
        with tempfile.TemporaryFile(dir=directory) as probe:
            os.pwrite(probe.fileno(), bytes(_TRIED_BYTES), end)
            os.fsync(probe.fileno())
    except OSError as error:
        return error.errno not in FULL
    return True


def sync(path: Path) -> None:
    """See to it that a file, or what a directory lists, survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
