"""What the store would hold if everything accepted so far were committed.

Pure. Layers of stored values, newest first: the batch that gathers, the batch in flight, and what
the engine had under the keys and in the ranges that were asked for. A key or range missing everywhere
was forgotten in the plan of the read: a bug, so `KeyError`.

Whether a range is as it was found is seen through the layers::

    gathering      .  .  3' .  .  x       changed, deleted
    in flight      .  2  .  .  .  .       added
    engine         1  .  3  4  .  6       at most one item more than were found
    seen           1  2  3' 4
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    Conflict,
    Found,
    RangeEntry,
    RangeFound,
    RangeNow,
    RangeRead,
    ReadEntry,
    Snapshot,
)
from actorcloud.store import keys, stored
from actorcloud.store.engine import Scan
from actorcloud.store.range import range_entry

#: Records of a range that a conflict brings, and bytes of each stored value, at most: what every check reads in case.
FRESH_RECORDS = 32
FRESH_VALUE_BYTES = 256

#: key -> stored value; None: absent.
Layer = Mapping[bytes, bytes | None]

#: What the engine had in the ranges that were asked for.
Scans = Mapping[Scan, Sequence[tuple[bytes, bytes]]]

_records = msgspec.msgpack.Decoder(JobRecord)


class Moment(msgspec.Struct, frozen=True, gc=False):
    """Where in history a view stands."""

    #: Of the store.
    incarnation: bytes
    #: Number of the last transaction that the view contains.
    seq: int
    #: Seconds since 1970.
    now: float

    @property
    def snapshot(self) -> Snapshot:
        """The same, as callers name it."""
        return self.incarnation, self.seq


class Overlay(dict[bytes, bytes | None]):
    """A layer that knows which of its keys are in a range; it only ever grows, by `accept`."""

    __slots__ = ("_order",)

    def __init__(self) -> None:
        super().__init__()
        #: The keys in order; None until the first range: most transactions have none.
        self._order: list[bytes] | None = None

    def accept(self, writes: Layer) -> None:
        """Lay these writes over what is there."""
        if self._order is not None:
            for key in writes:
                if key not in self:
                    bisect.insort(self._order, key)
        self.update(writes)

    def between(self, lo: bytes, hi: bytes) -> list[bytes]:
        """Return the keys with lo <= key < hi, in order."""
        if self._order is None:
            self._order = sorted(self)
        return self._order[bisect.bisect_left(self._order, lo) : bisect.bisect_left(self._order, hi)]


class View:
    """Layers, newest first.

    >>> View({b"k": b"old"}, over=[Overlay()]).value(b"k")
    b'old'

    Args:
        values: what the engine had under the keys.
        scans: what it had in the ranges.
        over: what is not in the engine yet, newest first.
    """

    __slots__ = ("_layers", "_over", "_scans")

    def __init__(self, values: Layer, scans: Scans | None = None, over: Sequence[Overlay] = ()) -> None:
        self._layers: tuple[Layer, ...] = (*over, values)
        self._scans: Scans = {} if scans is None else scans
        self._over = over

    def value(self, key: bytes) -> bytes | None:
        """Return the stored value of `key`."""
        for layer in self._layers:
            if key in layer:
                return layer[key]
        raise KeyError(key)

    def known(self, key: bytes) -> bytes | None:
        """Return the stored value of `key`, None also where it was not asked for: a key that is new."""
        for layer in self._layers:
            if key in layer:
                return layer[key]
        return None

    def seq(self, key: bytes) -> int:
        """Return the number of the commit that wrote `key`; 0: it is absent."""
        return stored.seq_of(self.value(key))

    def found(self, key: bytes) -> Found:
        """Return the state of `key` as answers have it."""
        value = self.value(key)
        return None if value is None else stored.found_of(value)

    def record(self, ref: bytes) -> JobRecord | None:
        """Return the record of a job."""
        value = self.value(keys.record(ref))
        return None if value is None else _records.decode(stored.payload_of(value))

    def has_job(self, ref: bytes) -> bool:
        """Tell whether a job has a record."""
        return self.value(keys.record(ref)) is not None

    def still_holds(self, reads: Iterable[ReadEntry], ranges: Iterable[RangeEntry] = ()) -> bool:
        """Tell whether each key is as it was read, and each range as it was found.

        A range may be called changed that is not: when a batch that is not durable yet deletes what
        another one has added after the range was read. It is read again then, and found to be the same.
        """
        for key, seq in reads:
            if stored.seq_of(self.value(key)) != seq:
                return False
        return all(map(self._has_range, ranges))

    def items(self, scan: Scan) -> Sequence[tuple[bytes, bytes]]:
        """Return what the engine had in a range that was asked for: keys and stored values."""
        return self._scans[scan]

    def scanned(self, wanted: RangeRead, limit_bytes: int) -> RangeFound:
        """Return what a caller asked for, from durable state alone."""
        items = self.items(scan_of(wanted, limit_bytes))
        room = limit_bytes - sum(len(key) + len(value) for key, value in items)
        found = tuple((key, *stored.found_of(value)) for key, value in items)
        return RangeFound(found, more=room <= 0 and len(items) < wanted.limit)

    def _has_range(self, entry: RangeEntry) -> bool:
        items = self._scans[rescan_of(entry)]
        if len(items) > entry.count:
            return False
        found = ((key, stored.seq_of(value)) for key, value in self._laid_over(items, entry.lo, entry.hi))
        return range_entry(entry.lo, entry.hi, found) == entry

    def _laid_over(self, items: Iterable[tuple[bytes, bytes]], lo: bytes, hi: bytes) -> list[tuple[bytes, bytes]]:
        """Return what is at lo <= key < hi, where the engine has these items."""
        found = dict(items)
        for layer in reversed(self._over):
            for key in layer.between(lo, hi):
                value = layer[key]
                if value is None:
                    found.pop(key, None)
                else:
                    found[key] = value
        return sorted(found.items())

    def _range_now(self, entry: RangeEntry) -> RangeNow | None:
        """Return the present state of a range that was checked, or of its beginning; None: not enough was read."""
        scan = rescan_of(entry)
        items = self._scans[scan]
        if entry.count > FRESH_RECORDS or any(len(value) >= FRESH_VALUE_BYTES for _, value in items):
            return None
        # Behind the last of so many there may be more.
        hi = entry.hi if len(items) < scan.limit else items[-1][0] + b"\0"
        found = self._laid_over(items, entry.lo, hi)
        return RangeNow(entry.lo, hi, tuple([(key, *stored.found_of(value)) for key, value in found]))

    def conflict(self, moment: Moment, wanted: Iterable[bytes], ranges: Iterable[RangeEntry] = ()) -> Conflict:
        """Return a `Conflict` with the present state of these keys and ranges, as far as one answer holds it."""
        fresh: list[tuple[bytes, Found]] = []
        room = COMMIT_LIMIT_BYTES
        for key in dict.fromkeys(wanted):
            found = self.found(key)
            room -= len(key) + (len(found[1]) if found else 0)
            if room < 0:
                return Conflict(moment.snapshot)
            fresh.append((key, found))
        known: list[RangeNow] = []
        for now in map(self._range_now, ranges):
            if now is not None:
                room -= sum([len(key) + len(value) for key, _, value in now.items])
                if room < 0:
                    break
                known.append(now)
        return Conflict(moment.snapshot, tuple(fresh), ranges=tuple(known))


def rescan_of(entry: RangeEntry) -> Scan:
    """Return what the engine is to be asked for, to see whether `entry` still holds: an item more than it has.

    Of a short range one more again, and all of each small value: so a conflict can bring it, also with one added.
    """
    if entry.count > FRESH_RECORDS:
        return Scan(entry.lo, entry.hi, entry.count + 1, value_bytes=stored.HEADER_BYTES)
    return Scan(entry.lo, entry.hi, entry.count + 2, value_bytes=FRESH_VALUE_BYTES)


def scan_of(wanted: RangeRead, limit_bytes: int) -> Scan:
    """Return what the engine is to be asked for, to answer `wanted` in about so many bytes."""
    return Scan(wanted.lo, wanted.hi, wanted.limit, wanted.reverse, limit_bytes)
