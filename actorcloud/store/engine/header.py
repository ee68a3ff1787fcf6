"""The records that an engine in files keeps of itself, under `00`: whose store it is, and how far it has come.

Pure. The format record among them is `store.format`'s.
"""

from __future__ import annotations

from actorcloud.store import keys
from actorcloud.store.format import FORMAT, FormatRecord, pack_format

#: Renewed whenever the past may be another one: at the start, after a restore or an import.
INCARNATION = keys.meta("incarnation")
INCARNATION_BYTES = 16

#: Counts the owners.
EPOCH = keys.meta("epoch")

#: Number of the last commit.
SEQ = keys.meta("seq")

#: There while the store is closed, if it was closed in order.
CLEAN = keys.meta("clean")


def new_header(incarnation: bytes) -> dict[bytes, bytes]:
    """Return the records of a store that nobody has opened yet."""
    return {
        FORMAT: pack_format(FormatRecord()),
        INCARNATION: incarnation,
        EPOCH: pack_number(0),
        SEQ: pack_number(0),
        CLEAN: b"1",
    }


def pack_number(number: int) -> bytes:
    """Return the record of an epoch or a commit's number."""
    return number.to_bytes(8, "big")


def number_of(raw: bytes | None) -> int:
    """Return the number in such a record; 0 where there is none.

    >>> number_of(pack_number(7)), number_of(None)
    (7, 0)
    """
    return int.from_bytes(raw or b"", "big")
