"""Reading at a snapshot that moves on: what a running function sees was all true at one moment.

Pure. A transaction reads at its snapshot S. The store may have moved on to S' since:

1. no S yet, or S = S': serve, S becomes S'.
2. each key asked for is present and older than S: it was the same at S; serve at S.
3. otherwise (a key is newer, or absent, or a range is asked for: a deletion leaves no trace) all
   that was read so far must still hold at S'; then serve, and S becomes S'. If it does not: Conflict.

So a function never sees two states mixed, and a transaction that only reads needs no commit.

Reference: store-design 2.3; timestamp extension of LSA/TinySTM; TL2.
"""

from __future__ import annotations

from operator import itemgetter

import msgspec

from actorcloud.base.errors import BadJobRef, BadKey, NoSuchJob, TransactionError, TransactionTooLarge
from actorcloud.base.ids import JobRef
from actorcloud.protocol.border import check_fence
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    ENTRY_LIMIT,
    VALUE_LIMIT_BYTES,
    Conflict,
    Read,
    Refused,
    Snapshot,
    Values,
)
from actorcloud.store import keys
from actorcloud.store.engine import Scan
from actorcloud.store.validation import Touched, check_ranges, owners_of_ranges, stamps_of
from actorcloud.store.view import Moment, View, rescan_of, scan_of

Answer = Values | Conflict | Refused


def check_read(read: Read) -> Touched | Refused:
    """Return what a message touches; refuse it if it asks for too much or for keys that callers may not touch."""
    try:
        if len(read.keys) + len(read.reads) > ENTRY_LIMIT:
            raise TransactionTooLarge(f"a transaction may read {ENTRY_LIMIT} keys; split it")
        check_fence(read.fence)
        wanted = [*read.keys, *map(itemgetter(0), read.reads)]
        owners = keys.owners_of(wanted, stamps_of(read.fence))
        if read.ranges or read.scans:
            check_ranges(read.ranges, read.scans)
            owners |= owners_of_ranges((*read.ranges, *read.scans))
    except (BadKey, BadJobRef, TransactionTooLarge) as error:
        return Refused(error.code, str(error))
    return Touched(owners, {*wanted, *map(keys.record, owners)})


def scans_of_read(read: Read) -> tuple[Scan, ...]:
    """Return the scans of the engine on which the answer to a checked `read` depends."""
    if not (read.scans or read.ranges):
        return ()
    wanted = [scan_of(scan, _scan_bytes(read)) for scan in read.scans]
    return tuple(dict.fromkeys([*wanted, *map(rescan_of, read.ranges)]))


def answer_read(view: View, moment: Moment, read: Read, touched: Touched) -> Answer:
    """Answer a `read`, of which the check has said what is `touched`, from a view that stands at `moment`."""
    for ref in touched.owners:
        # All that a deleted job's space held is gone with its record, collected or not.
        if not view.has_job(ref):
            return Refused(NoSuchJob.code, f"no job has the reference {JobRef(ref)}")
    snapshot = read.snapshot
    if snapshot is not None and snapshot != moment.snapshot and _is_unchanged_since(snapshot, view, moment, read):
        return _serve(view, read, msgspec.structs.replace(moment, seq=snapshot[1]))
    if not (read.reads or read.ranges) or snapshot == moment.snapshot:
        return _serve(view, read, moment)
    if snapshot is not None and snapshot[0] == moment.incarnation and view.still_holds(read.reads, read.ranges):
        return _serve(view, read, moment)
    return view.conflict(moment, [*(key for key, _ in read.reads), *read.keys], read.ranges)


def _is_unchanged_since(snapshot: Snapshot, view: View, moment: Moment, read: Read) -> bool:
    incarnation, seq = snapshot
    if read.scans or incarnation != moment.incarnation:
        return False
    return all(0 < view.seq(key) <= seq for key in read.keys)


def _serve(view: View, read: Read, moment: Moment) -> Answer:
    values = tuple(map(view.found, read.keys))
    size = sum([len(found[1]) for found in values if found is not None])
    if size > COMMIT_LIMIT_BYTES + VALUE_LIMIT_BYTES:
        return Refused(
            TransactionError.code, f"{size} bytes in one answer; the limit is {COMMIT_LIMIT_BYTES}: ask for fewer keys"
        )
    scans = tuple([view.scanned(scan, _scan_bytes(read)) for scan in read.scans]) if read.scans else ()
    return Values(moment.snapshot, values, scans)


def _scan_bytes(read: Read) -> int:
    # What one answer holds is shared out between its scans; the last item of each may exceed it.
    return COMMIT_LIMIT_BYTES // max(len(read.scans), 1)
