"""An LMDB file, looked at without LMDB.

Opening a damaged file through LMDB can end the process by SIGBUS or SIGABRT, and an emptied one
looks like a fresh store; so the meta pages are read first, by hand. That must happen before LMDB has
the file: closing any descriptor of it would drop LMDB's own locks.

Reference: store-design 1.2, 1.5 and 1.8; mdb.c of LMDB 0.9.
"""

from __future__ import annotations

import logging
import struct
import subprocess
import sys
from pathlib import Path

from lmdb import verify

from actorcloud.base.errors import NotAStore, StoreDamaged

logger = logging.getLogger("actorcloud.store")

_MAGIC = 0xBEEFC0DE
_PAGE_HEADER_BYTES = 16
#: magic, version, address, map size, free-list's md_pad (the page size), skip to last_pg, txnid.
_META = struct.Struct("=IIQQI92xQQ")
#: Pages are 512 bytes to 64 KiB; the second meta page is the second page.
_PAGE_SIZES = frozenset(1 << shift for shift in range(9, 17))

#: A larger file is not walked through at the start; on demand it is.
WALK_LIMIT_BYTES = 1 << 30

#: Up to this size a walk takes less time than starting a process for it.
_HERE_LIMIT_BYTES = 8 << 20

#: Prints a line for each problem; it walks a hundred megabytes a second, beside our GIL.
_WALK = "import sys; from lmdb import verify; print(*verify.verify(sys.argv[1]), sep='\\n')"


def check_size(file: Path) -> None:
    """Refuse a file that LMDB would not survive.

    Raises:
        NotAStore: it is no LMDB file.
        StoreDamaged: it is cut short or its pages are broken.
    """
    needed = _needed_bytes(file)
    if file.stat().st_size >= needed:
        return
    # Free pages at the end may never have been written: only a walk over the pages can tell.
    problems = _walk_here(file)
    if problems:
        raise StoreDamaged(
            f"the file {file} has {file.stat().st_size} bytes where {needed} are needed, and is damaged "
            f"({problems[0]}); restore it from a backup"
        )


def check_pages(file: Path) -> None:
    """Refuse a file with damaged pages, unless it is too large to be looked at before each start.

    For a file that was not closed in order, or was changed since: LMDB ends a process that comes upon a damaged page.

    Raises:
        StoreDamaged: it has some.

    Blocks: eight seconds for a gibibyte.
    """
    size = file.stat().st_size
    if size > WALK_LIMIT_BYTES:
        logger.warning("%s has %d bytes and is not looked through: `actorcloud store check` does it", file, size)
        return
    problems = _walk_here(file) if size <= _HERE_LIMIT_BYTES else walk(file)
    if problems:
        raise StoreDamaged(
            f"the file {file} is damaged ({problems[0]}; {len(problems)} in all); restore it from a backup"
        )


def _walk_here(file: Path) -> tuple[str, ...]:
    """Walk in this process.

    The walk is in Python and reads, it does not map: nothing in the file can end the process. But it opens
    and closes the file: only before LMDB has it, and with the store's lock, so that no other engine of this
    process has it either.
    """
    try:
        return tuple(verify.verify(str(file)))  # type: ignore[no-untyped-call]  # py-lmdb's stubs stop there
    except Exception as error:  # noqa: BLE001  whatever a page makes the walk raise, it is the page's fault
        return (str(error) or type(error).__name__,)


def walk(file: Path) -> tuple[str, ...]:
    """Return a line for each problem in the pages of a file that nobody has open.

    Blocks: while another process reads it, a second for each hundred megabytes.
    """
    run = subprocess.run([sys.executable, "-P", "-c", _WALK, str(file)], capture_output=True, text=True, check=False)
    said = run.stdout if run.returncode == 0 else f"{run.stdout}{run.stderr.strip()[-1000:]}"
    return tuple(line for line in said.splitlines() if line)


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
