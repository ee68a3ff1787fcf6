"""Which form the records of a store have, and who may open it.

Pure. Every engine keeps a `FormatRecord` under `00 fmt`::

    major       goes up when records change so that older releases cannot read them; an older store is
                migrated when it is opened (`migration`)
    minor       goes up when something is added. A release that is older than `min_reader` may not read
                the store, one older than `min_writer` may not write to it

History::

    1.1   the first
    2.1   users' values have a codec (`store.stored`); those of format 1 were all pickles

Reference: store-design 2.13; ext4's compatible, read-only compatible and incompatible features.
"""

from __future__ import annotations

import msgspec

from actorcloud.base.errors import NotAStore, StoreTooNew
from actorcloud.base.version import VERSION
from actorcloud.store import keys

#: What this release writes.
FORMAT_MAJOR, FORMAT_MINOR = 2, 1

FORMAT = keys.meta("fmt")


class FormatRecord(msgspec.Struct, frozen=True):
    """What a store says about its own format."""

    magic: str = "actorcloud"
    major: int = FORMAT_MAJOR
    #: The least minor of a release that may read it.
    min_reader: int = 1
    tuple_codec: int = 1
    minor: int = FORMAT_MINOR
    #: The least minor of a release that may write to it.
    min_writer: int = 1
    #: The release that made it, or migrated it last.
    created_by: str = VERSION


def pack_format(record: FormatRecord) -> bytes:
    """Return the value of a format record."""
    return msgspec.msgpack.encode(record)


def check_format(where: str, raw: bytes | None, major: int = FORMAT_MAJOR) -> FormatRecord:
    """Refuse what is none of ours, and what is too new; return the record of the rest.

    Args:
        where: names the store, and what kind of thing it is, for the error: "PATH is an LMDB environment".
        raw: its format record; None: it has none.
        major: the newest that is understood.

    Raises:
        NotAStore, StoreTooNew: accordingly.
    """
    try:
        record = msgspec.msgpack.decode(raw or b"", type=FormatRecord)
    except msgspec.DecodeError:
        record = None
    if record is None or record.magic != "actorcloud":
        raise NotAStore(f"{where}, but none of actorcloud's")
    needed = max(record.min_reader, record.min_writer)
    if record.major > major or (record.major == major and needed > FORMAT_MINOR):
        least = f"{record.major}.{needed if record.major == major else record.minor}"
        raise StoreTooNew(
            f"{where} of format {record.major}.{record.minor}, written by actorcloud {record.created_by}; this "
            f"actorcloud ({VERSION}) goes up to {major}.{FORMAT_MINOR}, and {least} is needed: upgrade it"
        )
    return record
