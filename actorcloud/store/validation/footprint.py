"""What a user's transaction has read and writes: its limits, its owners, its stored form.

Pure. A caller may send anything that decodes; what gets past the checks here is within the limits,
and touches only keys and ranges that callers may.

Reference: store-design 2.11.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from operator import attrgetter, itemgetter
from typing import Protocol

import msgspec

from actorcloud.base.errors import BadKey, TransactionTooLarge, ValueTooLarge
from actorcloud.protocol.record import Fence
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    DIGEST_BYTES,
    ENTRY_LIMIT,
    RANGE_LIMIT,
    RECORD_LIMIT,
    VALUE_LIMIT_BYTES,
    Atomic,
    RangeEntry,
    RangeRead,
    ReadEntry,
    Write,
)
from actorcloud.store import keys
from actorcloud.store.atomic import check_step
from actorcloud.store.quota import usage_keys
from actorcloud.store.range import count_with
from actorcloud.store.value import CODEC_BYTES, codec_of

_first = itemgetter(0)
_key = attrgetter("key")


class Touched(msgspec.Struct, frozen=True, gc=False):
    """What a request depends on; found out once, when it is checked."""

    #: Jobs that must exist, as their spaces are touched.
    owners: set[bytes]
    #: The engine keys on which its verdict or its answer depends.
    keys: set[bytes]
    #: Bytes of all that a commit brings; of others 0.
    size: int = 0


class Footprint(Protocol):
    """What a message says of a user's transaction."""

    @property
    def reads(self) -> Sequence[ReadEntry]:
        """The keys it has read."""
        ...

    @property
    def ranges(self) -> Sequence[RangeEntry]:
        """What it has scanned."""
        ...

    @property
    def writes(self) -> Sequence[Write]:
        """What it writes."""
        ...

    @property
    def atomics(self) -> Sequence[Atomic]:
        """What the store does for it."""
        ...


def check_footprint(body: Footprint, others_bytes: int = 0) -> int:
    """Refuse a transaction that is too large; return the bytes that it brings.

    Args:
        body: the message that has it.
        others_bytes: what else it carries.

    Raises:
        TransactionTooLarge, ValueTooLarge: with what there is, and the limit.
        BadKey, BadValue: a range, a value or an atomic operation is none.
    """
    steps = sum([len(atomic.steps) for atomic in body.atomics]) if body.atomics else 0
    check_count(max(len(body.reads), len(body.writes) + steps))
    if body.ranges:
        check_ranges(body.ranges)
    size = others_bytes + _size_of(body)
    if size > COMMIT_LIMIT_BYTES:
        raise TransactionTooLarge(f"{size} bytes in one transaction; the limit is {COMMIT_LIMIT_BYTES}: split it")
    _check_values(body.writes)
    if body.atomics:
        _check_atomics(body)
    return size


def _size_of(body: Footprint) -> int:
    """Return the bytes of keys, ranges and values that a transaction brings."""
    size = sum(map(len, map(_first, body.reads)))
    for key, value in body.writes:
        size += len(key) + len(value or b"")
    for atomic in body.atomics:
        size += len(atomic.key) + sum(len(step.value) + len(step.expected) for step in atomic.steps)
    if body.ranges:
        size += sum([len(entry.lo) + len(entry.hi) for entry in body.ranges])
    return size


def _check_values(writes: Iterable[Write]) -> None:
    largest = 0
    for _, value in writes:
        if value is not None:
            codec_of(value)
            largest = max(largest, len(value) - CODEC_BYTES)
    if largest > VALUE_LIMIT_BYTES:
        raise ValueTooLarge(f"a value has {largest} bytes; the limit is {VALUE_LIMIT_BYTES}: keep it in a file")


def _check_atomics(body: Footprint) -> None:
    touched = set(map(_first, body.writes))
    for atomic in body.atomics:
        pushes = [step.op == "push" for step in atomic.steps]
        if atomic.key in touched or not pushes or any(pushes) != all(pushes):
            raise BadKey(f"the key {atomic.key[:32].hex()} has atomic operations that do not go together")
        touched.add(atomic.key)
        for step in atomic.steps:
            check_step(step)


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
    # However many of them go on where one range ended, each is gone through.
    count = max(count_with(ranges, wanted), len(wanted))
    if count > RANGE_LIMIT:
        raise TransactionTooLarge(
            f"{count} ranges in one transaction; the limit is {RANGE_LIMIT}: scan one larger range, or split it"
        )
    counts = [entry.count for entry in ranges]
    limits = [scan.limit for scan in wanted]
    if any(len(entry.digest) != DIGEST_BYTES for entry in ranges) or min(counts + limits) < 0:
        raise BadKey(f"a range has a digest of {DIGEST_BYTES} bytes, and not fewer than 0 records")
    if sum(counts) > RECORD_LIMIT or max(limits, default=0) > RECORD_LIMIT:
        raise TransactionTooLarge(
            f"{sum(counts)} records in the ranges of one transaction, and up to {max(limits, default=0)} more; "
            f"the limit is {RECORD_LIMIT}: give a limit, or split it"
        )


def touched_by(body: Footprint, stamps: Collection[bytes], size: int = 0) -> Touched:
    """Return what a transaction depends on.

    Args:
        body: the message that has it.
        stamps: the jobs whose once-names it may touch.
        size: bytes that it brings.

    Raises:
        BadKey: callers may not touch one of these.
    """
    read = [*map(_first, body.reads)]
    written = [*map(_first, body.writes), *map(_key, body.atomics)]
    owners = keys.owners_of(read + written, stamps)
    if body.ranges:
        owners |= owners_of_ranges(body.ranges)
    # What is there tells how much more there will be.
    return Touched(owners, {*read, *written, *usage_keys(written), *map(keys.record, owners)}, size)


def owners_of_ranges(ranges: Iterable[RangeEntry | RangeRead]) -> set[bytes]:
    """Return the jobs whose spaces these ranges are in.

    Raises:
        BadKey: callers may not read one of these.
    """
    found: set[bytes] = set()
    for entry in ranges:
        owner = keys.owner_of_range(entry.lo, entry.hi)
        if owner is not None:
            found.add(owner)
    return found


def stamps_of(fence: Fence | None) -> tuple[bytes, ...]:
    """Return the jobs whose once-names a caller with this fence may touch."""
    return () if fence is None else (fence[0],)
