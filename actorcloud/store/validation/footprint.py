"""What a user's transaction has read and writes: its limits, its owners, its stored form.

Pure. A caller may send anything that decodes; what gets past the checks here is within the limits,
and touches only keys and ranges that callers may.

Reference: store-design 2.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actorcloud.base.errors import BadKey, TransactionTooLarge, ValueTooLarge
from actorcloud.protocol.record import Fence
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    DIGEST_BYTES,
    ENTRY_LIMIT,
    RANGE_LIMIT,
    RECORD_LIMIT,
    VALUE_LIMIT_BYTES,
    RangeEntry,
    RangeRead,
    ReadEntry,
    Write,
)
from actorcloud.store import keys, stored
from actorcloud.store.value import CODEC_BYTES, codec_of


def check_footprint(
    reads: Sequence[ReadEntry], ranges: Sequence[RangeEntry], writes: Sequence[Write], others_bytes: int = 0
) -> None:
    """Refuse a transaction that is too large.

    Args:
        reads: the keys it has read.
        ranges: what it has scanned.
        writes: what it writes.
        others_bytes: what else it carries.

    Raises:
        TransactionTooLarge, ValueTooLarge: with what there is, and the limit.
        BadKey, BadValue: a range or a value is none.
    """
    check_count(max(len(reads), len(writes)))
    check_ranges(ranges)
    size = others_bytes + sum(len(key) + len(value or b"") for key, value in writes)
    size += sum(len(key) for key, _ in reads) + sum(len(entry.lo) + len(entry.hi) for entry in ranges)
    if size > COMMIT_LIMIT_BYTES:
        raise TransactionTooLarge(f"{size} bytes in one transaction; the limit is {COMMIT_LIMIT_BYTES}: split it")
    values = [value for _, value in writes if value is not None]
    for value in values:
        codec_of(value)
    largest = max(map(len, values), default=0) - CODEC_BYTES
    if largest > VALUE_LIMIT_BYTES:
        raise ValueTooLarge(f"a value has {largest} bytes; the limit is {VALUE_LIMIT_BYTES}: keep it in a file")


def check_count(count: int) -> None:
    """Refuse too many entries of one kind.

    Raises:
        TransactionTooLarge: with what there is, and the limit.
    """
    if count > ENTRY_LIMIT:
        raise TransactionTooLarge(f"{count} entries in one transaction; the limit is {ENTRY_LIMIT}: split it")


def check_ranges(ranges: Sequence[RangeEntry], wanted: Sequence[RangeRead] = ()) -> None:
    """Refuse ranges that would cost too much to go through, or are none.

    Raises:
        TransactionTooLarge: with what there is, and the limit.
        BadKey: a range cannot be one.
    """
    if len(ranges) + len(wanted) > RANGE_LIMIT:
        raise TransactionTooLarge(
            f"{len(ranges) + len(wanted)} ranges in one transaction; the limit is {RANGE_LIMIT}: "
            "scan one larger range, or split it"
        )
    counts = [entry.count for entry in ranges]
    limits = [scan.limit for scan in wanted]
    if any(len(entry.digest) != DIGEST_BYTES for entry in ranges) or min(counts + limits, default=0) < 0:
        raise BadKey(f"a range has a digest of {DIGEST_BYTES} bytes, and not fewer than 0 records")
    if sum(counts) > RECORD_LIMIT or max(limits, default=0) > RECORD_LIMIT:
        raise TransactionTooLarge(
            f"{sum(counts)} records in the ranges of one transaction, and up to {max(limits, default=0)} more; "
            f"the limit is {RECORD_LIMIT}: give a limit, or split it"
        )


def owners(
    reads: Iterable[ReadEntry], ranges: Iterable[RangeEntry], writes: Iterable[Write], stamps: Iterable[bytes]
) -> set[bytes]:
    """Return the jobs whose spaces a transaction touches.

    Args:
        reads: the keys it has read.
        ranges: what it has scanned.
        writes: what it writes.
        stamps: the jobs whose once-names it may touch.

    Raises:
        BadKey: callers may not touch one of these.
    """
    known = frozenset(stamps)
    found = {keys.owner_of(key, known) for key, _ in reads}
    found.update(keys.owner_of(key, known) for key, _ in writes)
    found.update(keys.owner_of_range(entry.lo, entry.hi) for entry in ranges)
    return {owner for owner in found if owner is not None}


def stamps_of(fence: Fence | None) -> tuple[bytes, ...]:
    """Return the jobs whose once-names a caller with this fence may touch."""
    return () if fence is None else (fence[0],)


def add_writes(into: dict[bytes, bytes | None], seq: int, writes: Iterable[Write]) -> None:
    """Add what a transaction writes, as the commit number `seq` stores it."""
    for key, value in writes:
        into[key] = None if value is None else stored.pack_value(seq, value)
