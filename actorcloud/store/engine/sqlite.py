"""The engine without a wheel: SQLite, which comes with Python; WAL, fsync at each commit.

::

    PATH/data/data.sqlite     kv(k BLOB PRIMARY KEY, v BLOB) WITHOUT ROWID; -wal and -shm beside it

Owns: two connections and, through `StoreDirectory`, the store's lock. `synchronous` is FULL: with
NORMAL a power cut loses the last commits. No map has a size, and no page is unsafe to open: a damaged
file is an error of SQLite's, not the end of the process.

Thread: `commit` only ever from one thread; `read` from any, one at a time, beside the commit. A
forked child is refused.

What a failed commit means: a full disk, quota or limit is `NoSpace` and life goes on; anything else is
`EngineFailed`, for a failed fsync may have left the commit in the file: opening it again tells.

Reference: store-design 3.1; sqlite.org/wal.html, sqlite.org/howtocorrupt.html.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged
from actorcloud.store import keys
from actorcloud.store.engine.directory import SQLITE_FILE, StoreDirectory, has_room
from actorcloud.store.engine.guard import Guard
from actorcloud.store.engine.header import (
    CLEAN,
    EPOCH,
    INCARNATION,
    INCARNATION_BYTES,
    SEQ,
    new_header,
    number_of,
    pack_number,
)
from actorcloud.store.engine.port import (
    Batch,
    CheckLevel,
    EngineCaps,
    EngineFailed,
    EngineStats,
    FencedOut,
    Opened,
    ReadPlan,
    ReadView,
    Report,
    Scan,
    Unresolved,
)
from actorcloud.store.format import FORMAT, check_format

logger = logging.getLogger("actorcloud.store")


#: Seconds that a commit waits for a program which copies the file.
_BUSY_TIMEOUT = 10.0

#: Keys of one statement; SQLite takes at least 999 variables.
_KEYS_AT_ONCE = 500

#: Problems that one check tells.
_PROBLEMS_LIMIT = 100

#: A write failed, of the file or its log, or of the log's index, which is a file as well.
_UNWRITTEN = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})

_CREATE = "create table kv (k blob primary key, v blob not null) without rowid"
_GET = "select v from kv where k = ?"
_SCAN = (
    "select k, ifnull(substr(v, 1, ?), x''), length(k) + length(v) from kv where k >= ? and k < ? order by k {} limit ?"
)


class SqliteEngine:
    """See `engine.Engine`.

    Args:
        path: the store's directory; created if it does not exist.
        create: as said; False where there has been a store, which must not come back empty.
        companions: names of files that others keep in that directory.
        limit_bytes: how large the store may grow; None: as far as SQLite goes, terabytes.
        random: n -> n random bytes, for a new store's incarnation.
    """

    caps = EngineCaps(keys.ENGINE_KEY_LIMIT_BYTES, 1 << 29, shared=False)

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        companions: Collection[str] = (),
        limit_bytes: int | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._directory = StoreDirectory(path, companions, create=create, file=SQLITE_FILE)
        self._limit = limit_bytes
        self._random = random
        self._connections: tuple[sqlite3.Connection, sqlite3.Connection] | None = None
        self._epoch = 0
        self._entries = 0
        self._guard = Guard(self._directory.path)
        # Held during a commit and a close: a connection must not go while it is written through.
        self._closing = threading.Lock()
        # Held during a read: one connection is one snapshot.
        self._reading = threading.Lock()

    def __repr__(self) -> str:
        return f"<SqliteEngine {self._directory.path} {'open' if self._connections else 'closed'}>"

    # -- opening and closing ----------------------------------------------------------------------

    def open(self, owner: str) -> Opened:
        """See `Engine.open`; an owner that was killed may have left this object open."""
        with self._closing, self._reading:
            self._release()
        self._guard.begin()
        self._directory.lock(owner)
        try:
            if self._directory.is_new():
                self._create()
            self._directory.check_file()
            writer = _connect(self._directory.file)
            reader = _connect(self._directory.file)
            self._connections = writer, reader
            with _filling(self._directory.file):
                opened = self._take_over(writer)
            self._directory.found()
            return opened
        except sqlite3.Error as error:
            self._release()
            raise _opening_error(self._directory.file, error) from error
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """See `Engine.close`."""
        with self._closing, self._reading:
            if self._connections is None or not self._guard.is_ours():
                return
            writer, _ = self._connections
            try:
                with _transaction(writer):
                    if number_of(_get(writer, EPOCH)) == self._epoch:
                        writer.execute("insert or replace into kv values (?, ?)", (CLEAN, b"1"))
                in_order = True
            except sqlite3.Error as error:
                logger.warning("the store %s could not note that it was closed: %s", self._directory.path, error)
                in_order = False
            self._release(in_order=in_order)

    def _create(self) -> None:
        self._directory.new.mkdir(mode=0o700)
        file = self._directory.new / SQLITE_FILE
        # Made by hand, so that it is never open to others.
        file.touch(mode=0o600)
        with contextlib.closing(_connect(file)) as connection, _filling(file), _transaction(connection):
            connection.execute(_CREATE)
            header = new_header(self._random(INCARNATION_BYTES))
            connection.executemany("insert into kv values (?, ?)", header.items())
        self._directory.publish()

    def _take_over(self, writer: sqlite3.Connection) -> Opened:
        if not self._directory.is_as_left():
            problems = _problems(writer, "quick_check", 1)
            if problems:
                raise StoreDamaged(f"the file {self._directory.file} is damaged ({problems[0]}); restore a backup")
        if self._limit is not None:
            (page_bytes,) = writer.execute("pragma page_size").fetchone()
            writer.execute(f"pragma max_page_count = {max(1, self._limit // page_bytes)}")
        with _transaction(writer):
            check_format(f"{self._directory.path} is an SQLite database", _get(writer, FORMAT))
            if not writer.execute("delete from kv where k = ?", (CLEAN,)).rowcount:
                logger.info("the store %s was not closed in order; its last commit counts", self._directory.path)
            epoch = number_of(_get(writer, EPOCH)) + 1
            writer.execute("update kv set v = ? where k = ?", (pack_number(epoch), EPOCH))
            opened = Opened(_get(writer, INCARNATION) or b"", epoch, number_of(_get(writer, SEQ)))
            (self._entries,) = writer.execute("select count(*) from kv").fetchone()
        self._epoch = epoch
        return opened

    def _release(self, *, in_order: bool = False) -> None:
        connections, self._connections = self._connections, None
        for connection in reversed(connections or ()):
            connection.close()
        self._directory.unlock(in_order=in_order)

    # -- reading ----------------------------------------------------------------------------------

    def read(self, plan: ReadPlan) -> ReadView:
        """See `Engine.read`."""
        with self._reading:
            _, reader = self._guard.checked(self._connections)
            try:
                with _transaction(reader, "deferred"):
                    seq = number_of(_get(reader, SEQ))
                    found = _get_all(reader, sorted(plan.keys))
                    values = {key: found.get(key) for key in plan.keys}
                    return ReadView(seq, values, [_scan(reader, scan) for scan in plan.scans])
            except sqlite3.Error as error:
                raise EngineFailed(f"SQLite cannot read {self._directory.path}: {error}") from error

    def stats(self) -> EngineStats:
        """See `Engine.stats`."""
        with self._reading:
            _, reader = self._guard.checked(self._connections)
            if not self._directory.is_there():
                # Commits would go on, into a file that nobody finds again.
                raise EngineFailed(f"the store {self._directory.path} was removed or replaced while it was open")
            names = ("page_size", "page_count", "freelist_count", "max_page_count")
            size, pages, freed, most = (reader.execute(f"pragma {name}").fetchone()[0] for name in names)
        # What is in the log alone will be in the file, too; by `stat`, as closing the file would drop SQLite's locks.
        owed = max(0, pages * size - self._directory.file.stat().st_size)
        disk = os.statvfs(self._directory.data)
        return EngineStats(
            entries=self._entries,
            used_bytes=(pages - freed) * size,
            limit_bytes=most * size if self._limit is None else self._limit,
            free_bytes=max(0, disk.f_bavail * disk.f_frsize + freed * size - owed),
            disk_bytes=disk.f_blocks * disk.f_frsize,
        )

    # -- writing ----------------------------------------------------------------------------------

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        """See `Engine.commit`."""
        with self._closing:
            writer, _ = self._guard.checked(self._connections)
            self._guard.check_writer("there is one writer")
            try:
                with _transaction(writer):
                    change = self._write(writer, batch, epoch, (expect, new))
            except sqlite3.Error as error:
                self._explain(error, expect)
            self._entries += change

    def resolve(self, *, epoch: int, expect: int, new: int) -> bool:  # noqa: ARG002  the port's
        """See `Engine.resolve`; here it only confirms, all that cannot be told is `EngineFailed`."""
        return self.read(ReadPlan()).seq == new

    def renew(self) -> None:
        """See `Engine.renew`; here the lock lasts as long as the process."""

    def _write(self, writer: sqlite3.Connection, batch: Batch, epoch: int, step: tuple[int, int]) -> int:
        """Apply the batch inside a transaction; return by how many keys there are more."""
        expect, new = step
        if number_of(_get(writer, EPOCH)) != epoch:
            raise FencedOut(f"epoch {epoch} of the store {self._directory.path} is over: it was opened again")
        seq = number_of(_get(writer, SEQ))
        if seq != expect:
            raise EngineFailed(f"a commit expected {self._directory.path} at {expect}, but it is at {seq}")
        gone = writer.executemany("delete from kv where k = ?", ((key,) for key in batch.deletes)).rowcount
        items = sorted(batch.puts.items())
        fresh = writer.executemany("insert or ignore into kv values (?, ?)", items).rowcount
        if max(0, fresh) < len(items):
            writer.executemany("update kv set v = ? where k = ?", ((value, key) for key, value in items))
        writer.execute("update kv set v = ? where k = ?", (pack_number(new), SEQ))
        # -1: there was nothing to execute.
        return max(0, fresh) - max(0, gone)

    def _explain(self, error: sqlite3.Error, expect: int) -> NoReturn:
        """Raise what this failed commit means."""
        # Where it is the index of the log that does not fit, the log may have it all.
        is_told = error.sqlite_errorcode != sqlite3.SQLITE_IOERR_SHMSIZE
        if not (is_told and _is_full(error, self._directory.file)):
            raise EngineFailed(f"SQLite could not commit to {self._directory.path}: {error}") from error
        if self.read(ReadPlan()).seq != expect:
            raise Unresolved(f"the disk of {self._directory.path} is full, but the commit is there") from error
        raise NoSpace(
            f"the disk or the limit of {self._directory.path} is full: {error}; make room, or delete jobs"
        ) from error

    # -- administration ---------------------------------------------------------------------------

    def backup(self, dest: str | os.PathLike[str]) -> None:
        """See `Engine.backup`; by SQLite's own interface for it, of one snapshot."""
        directory = StoreDirectory(dest, file=SQLITE_FILE)
        try:
            with directory.build() as new:
                self._copy(new / SQLITE_FILE)
        except sqlite3.Error as error:
            raise StoreDamaged(f"the store {self._directory.path} cannot be copied to {dest}: {error}") from error

    def _copy(self, file: Path) -> None:
        self._directory.check_file()
        file.touch(mode=0o600)
        with (
            contextlib.closing(_connect_to_read(self._directory.file)) as source,
            contextlib.closing(_connect(file)) as target,
            _filling(file),
        ):
            check_format(f"{self._directory.path} is an SQLite database", _get(source, FORMAT))
            source.backup(target)
            problems = _problems(target, "integrity_check", 1)
        if problems:
            raise StoreDamaged(f"the copy of {self._directory.path} is not sound: {problems[0]}; check the store")

    def check(self, level: CheckLevel) -> Report:
        """See `Engine.check`; `full` by SQLite's integrity_check, beside the commits."""
        if self._connections is not None:
            return self._look(level)
        return self._directory.check(level, self._look)

    def _look(self, level: CheckLevel) -> Report:
        file = self._directory.file
        try:
            with contextlib.closing(_connect(file)) as connection:
                (size,) = connection.execute("pragma page_size").fetchone()
                (pages,) = connection.execute("pragma page_count").fetchone()
                check_format(f"{self._directory.path} is an SQLite database", _get(connection, FORMAT))
                problems = _problems(connection, "integrity_check", _PROBLEMS_LIMIT) if level == "full" else ()
                return Report(level, problems, pages * size)
        except sqlite3.DatabaseError as error:
            return Report(level, (f"the file {file} is damaged: {error}",), file.stat().st_size)


def write_copy(dest: str | os.PathLike[str], items: Iterable[tuple[bytes, bytes]]) -> None:
    """Write the records of a store of any engine as a store in SQLite; see `Engine.backup`.

    Raises:
        NotAStore, NoSpace, StoreDamaged: as there.
    """
    directory = StoreDirectory(dest, file=SQLITE_FILE)
    try:
        with directory.build() as new:
            file = new / SQLITE_FILE
            file.touch(mode=0o600)
            with contextlib.closing(_connect(file)) as connection:
                with _filling(file), _transaction(connection):
                    connection.execute(_CREATE)
                    connection.executemany("insert into kv values (?, ?)", items)
                problems = _problems(connection, "integrity_check", 1)
            if problems:
                raise StoreDamaged(f"the copy in {dest} is not sound: {problems[0]}; try another disk")
    except sqlite3.Error as error:
        raise StoreDamaged(f"the store cannot be copied to {dest}: {error}") from error


def _connect(file: Path) -> sqlite3.Connection:
    # Which thread does what is guarded above; rw: a file that is missing is an error, not a new store.
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=_BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        with _filling(file):
            connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.execute("pragma trusted_schema = off")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(file: Path) -> sqlite3.Connection:
    """Connect to a file that may be a backup on a disk which nobody writes to: WAL would need to write there."""
    if os.access(file.parent, os.W_OK) or file.with_name(f"{file.name}-wal").exists():
        return _connect(file)
    return sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "immediate") -> Iterator[None]:
    connection.execute(f"begin {kind}")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        # Some errors have rolled back already.
        if connection.in_transaction:
            connection.execute("rollback")
        raise


def _is_full(error: sqlite3.Error, file: Path) -> bool:
    """Tell whether room was missing: on the disk, of a quota, of a file's limit; of a connection that is still open.

    Only ENOSPC is "full" to SQLite. With the others a write fails as on a broken disk; but nothing of the commit
    counts then, as its last page was not written.
    """
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_FULL:
        return True
    return error.sqlite_errorcode in _UNWRITTEN and not has_room(file.parent)


@contextlib.contextmanager
def _filling(file: Path) -> Iterator[None]:
    """Tell a file that does not fit from one that cannot be written, before closing it makes room."""
    try:
        yield
    except sqlite3.Error as error:
        if _is_full(error, file):
            raise NoSpace(f"{file} does not fit, disk or quota are full: {error}; make room, and try again") from error
        raise


def _opening_error(file: Path, error: sqlite3.Error) -> Exception:
    code = error.sqlite_errorcode & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return NotAStore(f"the file {file} is no SQLite database")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR}:
        return StoreDamaged(f"the file {file} is damaged: {error}; restore it from a backup")
    return EngineFailed(f"SQLite cannot open {file}: {error}")


def _problems(connection: sqlite3.Connection, check: str, limit: int) -> tuple[str, ...]:
    rows = connection.execute(f"pragma {check}({limit})").fetchall()
    return tuple(line for (line,) in rows if line != "ok")


def _get(connection: sqlite3.Connection, key: bytes) -> bytes | None:
    row = connection.execute(_GET, (key,)).fetchone()
    return None if row is None else bytes(row[0])


def _get_all(connection: sqlite3.Connection, wanted: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for at in range(0, len(wanted), _KEYS_AT_ONCE):
        some = wanted[at : at + _KEYS_AT_ONCE]
        marks = ",".join("?" * len(some))
        found.update(connection.execute(f"select k, v from kv where k in ({marks})", some))  # noqa: S608  marks only
    return found


def _scan(connection: sqlite3.Connection, scan: Scan) -> list[tuple[bytes, bytes]]:
    items: list[tuple[bytes, bytes]] = []
    room = sys.maxsize if scan.limit_bytes is None else scan.limit_bytes
    whole = SqliteEngine.caps.value_limit
    most = whole if scan.value_bytes is None else min(scan.value_bytes, whole)
    rows = connection.execute(_SCAN.format("desc" if scan.reverse else "asc"), (most, scan.lo, scan.hi, scan.limit))
    for key, value, size in rows:
        items.append((key, value))
        room -= size
        if room <= 0:
            break
    rows.close()
    return items
