"""The engine that ships: LMDB, one file, fsync at each commit.

Owns: the LMDB environment and, through `StoreDirectory`, the store's lock. All settings that weaken
durability are off and stay off: with `sync=False`, `metasync=False` or `writemap=True` a power cut or
a full disk loses acknowledged commits, damages the file or ends the process.

Thread: `commit` only ever from one thread: LMDB lets a second one through once and then deadlocks
for ever, so the second is refused here. `read` from any. A forked child is refused too.

What a failed commit means: a full map grows and the batch is applied again; a full disk is
`NoSpace` and life goes on; anything else (EIO where there is room, a panic) is `EngineFailed`: LMDB
may have written part of it, and only opening the file again can tell.

Reference: store-design section 1; lmdb.h and mdb.c of LMDB 0.9.
"""

from __future__ import annotations

import errno
import itertools
import logging
import mmap
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NoReturn

import lmdb

from actorcloud.base.errors import NoSpace, StoreDamaged
from actorcloud.store import keys
from actorcloud.store.engine import lmdb_file
from actorcloud.store.engine.directory import FULL, LMDB_FILE, StoreDirectory, has_room
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

#: Address space, not disk: files are sparse on Linux. Elsewhere they may not be, and the map grows on demand.
MAP_BYTES_DEFAULT = (1 << 40) if sys.platform == "linux" and sys.maxsize > 1 << 40 else (1 << 30)

#: Tried in turn where a limit on memory (`ulimit -v`) or a small address space forbids more; then they are the limit.
_MAP_BYTES_SMALLER = (64 << 30, 8 << 30, 1 << 30, 128 << 20)

#: A full map doubles up to this.
MAP_BYTES_LIMIT = 1 << 40

#: Each file begins with two.
_META_PAGES = 2

#: Reads are one-shot, so a handful at a time; the rest is room for tools.
_MAX_READERS = 512


class LmdbEngine:
    """See `engine.Engine`.

    Args:
        path: the store's directory; created if it does not exist.
        create: as said; False where there has been a store, which must not come back empty.
        map_bytes: how large the store may grow before its map must.
        map_limit_bytes: how large it may grow at all.
        companions: names of files that others keep in that directory.
        random: n -> n random bytes, for a new store's incarnation.
    """

    caps = EngineCaps(keys.ENGINE_KEY_LIMIT_BYTES, 1 << 30, shared=False)

    def __init__(  # noqa: PLR0913  settings, by name
        self,
        path: str | os.PathLike[str],
        *,
        create: bool = True,
        map_bytes: int = MAP_BYTES_DEFAULT,
        map_limit_bytes: int = MAP_BYTES_LIMIT,
        companions: Collection[str] = (),
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._directory = StoreDirectory(path, companions, create=create)
        self._map_bytes = map_bytes
        self._map_limit_bytes = self._limit_bytes = max(map_bytes, map_limit_bytes)
        self._random = random
        self._env: lmdb.Environment | None = None
        self._epoch = 0
        self._guard = Guard(self._directory.path)
        # Held during a commit and a close: an environment must not go while it is written to.
        self._closing = threading.Lock()

    def __repr__(self) -> str:
        return f"<LmdbEngine {self._directory.path} {'open' if self._env else 'closed'}>"

    # -- opening and closing ----------------------------------------------------------------------

    def open(self, owner: str) -> Opened:
        """See `Engine.open`; an owner that was killed may have left this object open."""
        with self._closing:
            self._release()
        self._guard.begin()
        self._directory.lock(owner)
        try:
            if self._directory.is_new():
                self._create()
            self._directory.check_file()
            lmdb_file.check_size(self._directory.file)
            if not self._directory.is_as_left():
                lmdb_file.check_pages(self._directory.file)
            self._env = self._open_env(str(self._directory.data), create=False)
            opened = self._take_over(self._env)
            self._directory.found()
            return opened
        except lmdb.Error as error:
            self._release()
            if _is_full(error):
                raise NoSpace(
                    f"the disk of {self._directory.path} is full: {error}; make room, and open it again"
                ) from error
            raise EngineFailed(f"LMDB cannot open {self._directory.path}: {error}") from error
        except BaseException:
            self._release()
            raise

    def close(self) -> None:
        """See `Engine.close`."""
        with self._closing:
            env = self._env
            if env is None or not self._guard.is_ours():
                return
            try:
                with env.begin(write=True) as txn:
                    if number_of(txn.get(EPOCH)) == self._epoch:
                        txn.put(CLEAN, b"1")
                in_order = True
            except lmdb.Error as error:
                logger.warning("the store %s could not note that it was closed: %s", self._directory.path, error)
                in_order = False
            self._release(in_order=in_order)

    def _create(self) -> None:
        self._directory.new.mkdir(mode=0o700)
        with self._open_env(str(self._directory.new), create=True) as env, env.begin(write=True) as txn:
            for key, value in new_header(self._random(INCARNATION_BYTES)).items():
                txn.put(key, value)
        self._directory.publish()

    def _open_env(self, path: str, *, create: bool, readonly: bool = False) -> lmdb.Environment:
        sizes = (self._map_bytes, *(size for size in _MAP_BYTES_SMALLER if size < self._map_bytes))
        # Of a file that memory does not hold, what is read ahead drives out what is needed.
        file = Path(path) / LMDB_FILE
        readahead = not file.exists() or file.stat().st_size < _memory_bytes()
        for size in sizes:
            try:
                env = _open_lmdb(path, size, create=create, readonly=readonly, readahead=readahead)
                # What did not fit now would not later: what is held free must be of what there is.
                self._limit_bytes = self._map_limit_bytes if size == self._map_bytes else size
                return env
            except (lmdb.MemoryError, MemoryError):
                logger.info("a map of %d bytes does not fit the limits of this process; trying a smaller one", size)
            except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError) as error:
                raise StoreDamaged(f"the store in {path} cannot be opened: {error}") from error
        raise NoSpace(f"not even a map of {sizes[-1]} bytes fits this process; raise its limit of memory (ulimit -v)")

    def _take_over(self, env: lmdb.Environment) -> Opened:
        env.reader_check()
        with env.begin(write=True) as txn:
            check_format(f"{self._directory.path} is an LMDB environment", txn.get(FORMAT))
            if not txn.delete(CLEAN):
                logger.info("the store %s was not closed in order; its last commit counts", self._directory.path)
            epoch = number_of(txn.get(EPOCH)) + 1
            txn.put(EPOCH, pack_number(epoch))
            opened = Opened(txn.get(INCARNATION) or b"", epoch, number_of(txn.get(SEQ)))
        self._epoch = epoch
        return opened

    def _release(self, *, in_order: bool = False) -> None:
        env, self._env = self._env, None
        if env is not None:
            env.close()
        self._directory.unlock(in_order=in_order)

    # -- reading ----------------------------------------------------------------------------------

    def read(self, plan: ReadPlan) -> ReadView:
        """See `Engine.read`."""
        env = self._guard.checked(self._env)
        try:
            return _read(env, plan)
        except lmdb.ReadersFullError:
            # Of programs that were killed while they read; our own reads are few and short.
            env.reader_check()
        except lmdb.Error:
            # A map that grew meanwhile has invalidated this one-shot transaction: once more.
            pass
        try:
            return _read(env, plan)
        except lmdb.Error as error:
            raise EngineFailed(f"LMDB cannot read {self._directory.path}: {error}") from error

    # -- writing ----------------------------------------------------------------------------------

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        """See `Engine.commit`."""
        with self._closing:
            env = self._guard.checked(self._env)
            self._guard.check_writer("LMDB would deadlock")
            while True:
                try:
                    self._write(env, batch, epoch, (expect, new))
                    return
                except lmdb.MapFullError:
                    self._grow(env)
                except lmdb.Error as error:
                    self._explain(env, error, expect)

    def resolve(self, *, epoch: int, expect: int, new: int) -> bool:  # noqa: ARG002  the port's
        """See `Engine.resolve`; here it only confirms, all that cannot be told is `EngineFailed`."""
        return _read(self._guard.checked(self._env), ReadPlan()).seq == new

    def renew(self) -> None:
        """See `Engine.renew`; here the lock lasts as long as the process."""

    def stats(self) -> EngineStats:
        """See `Engine.stats`."""
        env = self._guard.checked(self._env)
        if not self._directory.is_there():
            # Commits would go on, into a file that nobody finds again.
            raise EngineFailed(f"the store {self._directory.path} was removed or replaced while it was open")
        # A reader that was killed would keep all pages from being used again.
        env.reader_check()
        stat, info = env.stat(), env.info()
        # What was deleted leaves free pages, which are used again before the file grows.
        pages = _META_PAGES + stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"]
        freed = info["last_pgno"] + 1 - pages
        disk = os.statvfs(self._directory.data)
        return EngineStats(
            entries=stat["entries"],
            used_bytes=pages * stat["psize"],
            limit_bytes=self._limit_bytes,
            readers=info["num_readers"],
            free_bytes=disk.f_bavail * disk.f_frsize + freed * stat["psize"],
            disk_bytes=disk.f_blocks * disk.f_frsize,
        )

    def _write(self, env: lmdb.Environment, batch: Batch, epoch: int, step: tuple[int, int]) -> None:
        expect, new = step
        with env.begin(write=True) as txn:
            if number_of(txn.get(EPOCH)) != epoch:
                raise FencedOut(f"epoch {epoch} of the store {self._directory.path} is over: it was opened again")
            seq = number_of(txn.get(SEQ))
            if seq != expect:
                raise EngineFailed(f"a commit expected {self._directory.path} at {expect}, but it is at {seq}")
            for key in batch.deletes:
                txn.delete(key)
            # One call for all: each call into LMDB gives up the GIL, and beside a busy thread
            # waits 5 ms to get it back.
            with txn.cursor() as cursor:
                cursor.putmulti([(SEQ, pack_number(new)), *sorted(batch.puts.items())])

    def _grow(self, env: lmdb.Environment) -> None:
        size = env.info()["map_size"]
        if size * 2 > self._limit_bytes or not _fits(size):
            raise NoSpace(
                f"the store {self._directory.path} has reached its limit of {size} bytes; delete jobs or data"
            )
        logger.warning("the map of %s is full at %d bytes; doubling it", self._directory.path, size)
        env.set_mapsize(size * 2)

    def _explain(self, env: lmdb.Environment, error: lmdb.Error, expect: int) -> NoReturn:
        """Raise what this failed commit means."""
        if not _is_full(error) and not self._is_cut_short(error):
            raise EngineFailed(f"LMDB could not commit to {self._directory.path}: {error}") from error
        try:
            applied = _read(env, ReadPlan()).seq != expect
        except lmdb.Error as panic:
            raise EngineFailed(f"LMDB has given up on {self._directory.path}: {panic}") from error
        if applied:
            raise Unresolved(f"the disk of {self._directory.path} is full, but the commit is there") from error
        raise NoSpace(f"the disk of {self._directory.path} is full: {error}; make room, or delete jobs") from error

    def _is_cut_short(self, error: lmdb.Error) -> bool:
        """Tell whether a disk that became full cut a write short: LMDB says EIO then, as of a broken one.

        Nothing of the commit counts: its last page, which names the others, was not written.
        """
        return getattr(error, "code", 0) == errno.EIO and not has_room(self._directory.data)

    # -- administration ---------------------------------------------------------------------------

    def backup(self, dest: str | os.PathLike[str]) -> None:
        """See `Engine.backup`; free pages stay behind."""
        directory = StoreDirectory(dest)
        with directory.build() as new:
            self._copy(new, compact=True)
            problems = lmdb_file.walk(new / directory.file.name)
            if problems:
                raise StoreDamaged(f"the copy of {self._directory.path} is not sound: {problems[0]}; check the store")

    def check(self, level: CheckLevel) -> Report:
        """See `Engine.check`; of a store that is open a copy of the pages is walked, which needs room."""
        if self._env is None:
            return self._directory.check(level, self._walk_closed)
        if level == "quick":
            return Report(level, (), self.stats().used_bytes)
        # Never the live file: closing it would drop LMDB's locks.
        with tempfile.TemporaryDirectory(prefix="check-", dir=self._directory.path) as copy:
            self._copy(Path(copy), compact=False)
            file = Path(copy) / self._directory.file.name
            return Report(level, lmdb_file.walk(file), file.stat().st_size)

    def _walk_closed(self, level: CheckLevel) -> Report:
        file = self._directory.file
        lmdb_file.check_size(file)
        return Report(level, lmdb_file.walk(file) if level == "full" else (), file.stat().st_size)

    def _copy(self, place: Path, *, compact: bool) -> None:
        try:
            if self._env is None:
                self._copy_closed(place, compact=compact)
            else:
                self._guard.checked(self._env).copy(str(place), compact=compact)
        except lmdb.Error as error:
            if _is_full(error):
                raise NoSpace(f"the copy of {self._directory.path} does not fit into {place}: {error}") from error
            raise StoreDamaged(f"the store {self._directory.path} cannot be copied: {error}") from error

    def _copy_closed(self, place: Path, *, compact: bool) -> None:
        """Copy as a reader among others: another process may have the store, and goes on writing."""
        self._directory.check_file()
        lmdb_file.check_size(self._directory.file)
        with self._open_env(str(self._directory.data), create=False, readonly=True) as env:
            with env.begin() as txn:
                check_format(f"{self._directory.path} is an LMDB environment", txn.get(FORMAT))
            env.copy(str(place), compact=compact)


def _memory_bytes() -> int:
    """Return how much memory this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _open_lmdb(path: str, map_bytes: int, *, create: bool, readonly: bool, readahead: bool) -> lmdb.Environment:
    return lmdb.open(
        path,
        map_size=map_bytes,
        max_readers=_MAX_READERS,
        max_dbs=0,
        subdir=True,
        sync=True,
        metasync=True,
        writemap=False,
        readahead=readahead,
        meminit=True,
        lock=True,
        max_spare_txns=0,
        mode=0o600,
        create=create,
        readonly=readonly,
        lib_version=0,
    )


def _is_full(error: lmdb.Error) -> bool:
    return isinstance(error, lmdb.DiskError) or getattr(error, "code", 0) in FULL


def _fits(size: int) -> bool:
    """Tell whether a map may grow by so much: LMDB lets go of the old one first, and does not survive a refusal."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ).close()
    except OSError:
        return False
    return True


def _read(env: lmdb.Environment, plan: ReadPlan) -> ReadView:
    with env.begin() as txn, txn.cursor() as cursor:
        found = dict(cursor.getmulti([SEQ, *sorted(plan.keys)]))
        values = {key: found.get(key) for key in plan.keys}
        return ReadView(number_of(found.get(SEQ)), values, [_scan(cursor, scan) for scan in plan.scans])


def _scan(cursor: lmdb.Cursor[bytes], scan: Scan) -> list[tuple[bytes, bytes]]:
    items: list[tuple[bytes, bytes]] = []
    room = sys.maxsize if scan.limit_bytes is None else scan.limit_bytes
    for key, value in _items(cursor, scan) if scan.limit > 0 else ():
        items.append((key, value if scan.value_bytes is None else value[: scan.value_bytes]))
        room -= len(key) + len(value)
        if len(items) == scan.limit or room <= 0:
            break
    return items


def _items(cursor: lmdb.Cursor[bytes], scan: Scan) -> Iterator[tuple[bytes, bytes]]:
    if scan.reverse:
        # At the first key that is too large, or nowhere; what comes before it is the last that is not.
        placed = cursor.prev() if cursor.set_range(scan.hi) else cursor.last()
        steps = cursor.iterprev() if placed else iter(())
        return itertools.takewhile(lambda item: item[0] >= scan.lo, steps)
    steps = cursor.iternext() if cursor.set_range(scan.lo) else iter(())
    return itertools.takewhile(lambda item: item[0] < scan.hi, steps)
