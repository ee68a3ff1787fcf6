"""A store that comes from a copy of another: from an export, or from a backup.

A copy goes back in time. Clients may have seen commits, and nodes may run jobs, of which it does not
know; so none of their stamps may fit it:

* its incarnation is a new one: a snapshot of the other store is none of this one's,
* the next commit's number is far beyond all that the other has given since,
* each job's run is another: what the other has running is fenced, and its node is told to end it.

Reference: store-design 2.2.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from actorcloud.base.errors import StoreNotEmpty, StoreTooNew
from actorcloud.base.version import VERSION
from actorcloud.protocol.record import JobRecord
from actorcloud.store import keys, stored
from actorcloud.store.engine.header import INCARNATION, INCARNATION_BYTES
from actorcloud.store.format import FORMAT, FORMAT_MAJOR, pack_format
from actorcloud.store.maintenance.bulk import Bulk
from actorcloud.store.maintenance.export import ExportHeader, ExportReader, Item
from actorcloud.store.maintenance.migration import UNFINISHED, format_of

#: Commits that the original may have made since the copy: more than a century of them, one each second.
SEQ_JUMP = 1 << 32

_RUN_BYTES = 16

_records = msgspec.msgpack.Decoder(JobRecord)
_encode = msgspec.msgpack.Encoder().encode

#: n -> n random bytes.
Random = Callable[[int], bytes]


def renew(bulk: Bulk, random: Random) -> None:
    """Make a copy of a store a store of its own; not to be used before this returns.

    Raises:
        NoSpace, EngineFailed: as the engine says.
    """
    target = bulk.seq + SEQ_JUMP
    for items in bulk.chunks(keys.RECORD):
        bulk.commit(dict(_renewed(item, target, random) for item in items))
    bulk.commit({INCARNATION: random(INCARNATION_BYTES)}, new=target)


def header_of(bulk: Bulk) -> ExportHeader:
    """Return what an export of this store says of it."""
    return ExportHeader(bulk.seq, format_of(bulk).major, VERSION)


def import_items(bulk: Bulk, reader: ExportReader, random: Random) -> int:
    """Fill an empty store from an export; a killed import leaves a store that no head opens.

    Into such a store it can be imported again.

    Args:
        bulk: an empty store; its incarnation will be a new one, in case that it has been used.
        reader: of an export that was read to its end before.
        random: for the runs of jobs.

    Returns:
        How many items there are.

    Raises:
        StoreNotEmpty: the store has something in it.
        BadExport: the export is not what it was a moment ago.
        StoreTooNew: a newer actorcloud wrote it.
        NoSpace, EngineFailed: as the engine says.
    """
    if reader.header.major > FORMAT_MAJOR:
        raise StoreTooNew(
            f"the export has format {reader.header.major}, written by actorcloud {reader.header.created_by}; this "
            f"actorcloud ({VERSION}) goes up to {FORMAT_MAJOR}: upgrade it"
        )
    if bulk.get(UNFINISHED) is not None:
        for chunk in bulk.chunks():
            bulk.commit({}, [key for key, _ in chunk])
    if not bulk.is_empty():
        raise StoreNotEmpty("an export can only be imported into a new store, and this one holds something")
    target = reader.header.seq + SEQ_JUMP
    bulk.commit({UNFINISHED: b"import"})
    for items in reader:
        bulk.commit(dict(_renewed(item, target, random) if item[0][:1] == keys.RECORD else item for item in items))
    # Of an older format: migrated when it is opened next.
    record = msgspec.structs.replace(format_of(bulk), major=reader.header.major)
    older = {} if record.major == FORMAT_MAJOR else {FORMAT: pack_format(record)}
    incarnation = {INCARNATION: random(INCARNATION_BYTES)}
    bulk.commit({**older, **incarnation}, [UNFINISHED], new=max(target, bulk.seq + 1))
    return reader.count


def _renewed(item: Item, seq: int, random: Random) -> Item:
    key, value = item
    record = _records.decode(stored.payload_of(value))
    if not record.run:
        return item
    return key, stored.pack(seq, _encode(msgspec.structs.replace(record, run=random(_RUN_BYTES))))
