"""The directory of an LMDB store: who has it, whether it is one, whether its file is whole.

::

    PATH/head.lock       flock for the life of the owner; its text says who that is
    PATH/data/data.mdb   the environment; data/lock.mdb is LMDB's own
    PATH/data.new/       while a store is being created; renamed when it is complete

Opening a damaged file through LMDB can end the process by SIGBUS or SIGABRT, and an emptied one
looks like a fresh store; so the meta pages are read first, by hand. That must happen before LMDB has
the file: closing any descriptor of it would drop LMDB's own locks.

Owns: the descriptor of the lock file.

Reference: store-design 1.2, 1.5 and 1.8.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Collection
from pathlib import Path

from lmdb import verify

from actorcloud.base.errors import NotAStore, StoreDamaged, StoreLocked

_LOCK = "head.lock"
_DATA = "data"
_NEW = "data.new"
_FILE = "data.mdb"
_OURS = frozenset({_LOCK, _DATA, _NEW})

#: Bytes of the lock file's text that an error shows.
_OWNER_LIMIT = 200

_MAGIC = 0xBEEFC0DE
_PAGE_HEADER_BYTES = 16
#: magic, version, address, map size, free-list's md_pad (the page size), skip to last_pg, txnid.
_META = struct.Struct("=IIQQI92xQQ")
#: Pages are 512 bytes to 64 KiB; the second meta page is the second page.
_PAGE_SIZES = frozenset(1 << shift for shift in range(9, 17))


class StoreDirectory:
    """A store's directory, locked while this object is open.

    Args:
        path: the directory; it is created if it does not exist.
        companions: names that others may have put beside the store (sockets, keys).
    """

    def __init__(self, path: str | os.PathLike[str], companions: Collection[str] = ()) -> None:
        self.path = Path(path)
        self._companions = frozenset(companions) | _OURS
        self._lock: int | None = None

    @property
    def data(self) -> Path:
        """Where LMDB's environment is."""
        return self.path / _DATA

    @property
    def new(self) -> Path:
        """Where it is made."""
        return self.path / _NEW

    def lock(self, owner: str) -> None:
        """Become the only one.

        Raises:
            StoreLocked: another process is; the text says which.
            NotAStore: the path is not a directory, or holds something else.
        """
        self._check_contents()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            other = os.pread(lock, _OWNER_LIMIT, 0).decode(errors="replace").strip() or "an unknown process"
            os.close(lock)
            raise StoreLocked(f"the store {self.path} is open in {other}; use that head, or stop it first") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()} ({owner})\n".encode()[:_OWNER_LIMIT], 0)
        self._lock = lock

    def unlock(self) -> None:
        """Let the next one in; safe to call twice."""
        if self._lock is not None:
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = None

    def is_new(self) -> bool:
        """Tell whether there is no store here yet; what an interrupted creation left is removed."""
        shutil.rmtree(self.new, ignore_errors=True)
        return not self.data.exists()

    def publish(self) -> None:
        """Make the environment in `new` the store, so that it survives a power cut."""
        _sync(self.new)
        self.new.rename(self.data)
        _sync(self.path)
        _sync(self.path.parent)

    def check(self) -> None:
        """Look at the file before LMDB does.

        Raises:
            NotAStore: it is no LMDB file.
            StoreDamaged: it is cut short or its pages are broken.
        """
        file = self.data / _FILE
        if not file.is_file():
            raise StoreDamaged(f"the store {self.path} has lost its file {_DATA}/{_FILE}; restore it from a backup")
        needed = _needed_bytes(file)
        if file.stat().st_size >= needed:
            return
        # Free pages at the end may never have been written: only a walk over the pages can tell.
        problems = verify.verify(str(file))  # type: ignore[no-untyped-call]  # py-lmdb's stubs stop there
        if problems:
            raise StoreDamaged(
                f"the file {file} has {file.stat().st_size} bytes where {needed} are needed, and is damaged "
                f"({problems[0]}); restore it from a backup"
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
        if _DATA in names and not (self.data / _FILE).exists() and _LOCK not in names:
            raise NotAStore(
                f"{self.path} has a directory {_DATA!r} that is none of ours; give an empty or new directory"
            )


def _needed_bytes(file: Path) -> int:
    """Return the size of which the newest meta page speaks."""
    with file.open("rb") as stream:
        head = stream.read(_PAGE_HEADER_BYTES + _META.size)
        page_size, first = _read_meta(file, head)
        stream.seek(page_size)
        _, second = _read_meta(file, stream.read(_PAGE_HEADER_BYTES + _META.size))
    _, last_page = max(first, second)
    return (last_page + 1) * page_size


def _read_meta(file: Path, page: bytes) -> tuple[int, tuple[int, int]]:
    """Return (page size, (transaction, last page)) of a meta page."""
    if len(page) < _PAGE_HEADER_BYTES + _META.size:
        raise StoreDamaged(f"the file {file} has been emptied or cut short; restore it from a backup")
    magic, _, _, _, page_size, last_page, transaction = _META.unpack_from(page, _PAGE_HEADER_BYTES)
    if magic != _MAGIC or page_size not in _PAGE_SIZES:
        raise NotAStore(f"the file {file} is no LMDB file")
    return page_size, (transaction, last_page)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
