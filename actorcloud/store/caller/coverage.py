"""What one run of a transaction's function has scanned.

Pure. Disjoint intervals of engine keys, each with all the items that are in it; all of them hold at the
run's snapshot, so neighbours may be joined. A scan takes from them what it can, and asks for the gaps.

Thread: the one that runs the function.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

from actorcloud.protocol.transaction import Found, RangeEntry, RangeFound, RangeNow, RangeRead
from actorcloud.store.range import count_with, range_entry

#: Behind a key, it is the next one.
_NEXT = b"\0"

_lo_of = itemgetter(0)


class _Interval(NamedTuple):
    lo: bytes
    hi: bytes
    #: key -> (number of the commit that wrote it, value), in the order of the keys.
    items: Mapping[bytes, tuple[int, bytes]]


class Coverage:
    """See the module.

    Args:
        known: to begin with; disjoint.
    """

    def __init__(self, known: Iterable[RangeNow] = ()) -> None:
        #: In order.
        self._intervals: list[_Interval] = []
        #: What `entries` returns; None: it is to be made again, of all items.
        self._entries: tuple[RangeEntry, ...] | None = ()
        for lo, hi, items in ((now.lo, now.hi, now.items) for now in known):
            self._insert(_Interval(lo, hi, {key: (seq, value) for key, seq, value in items}))

    def __repr__(self) -> str:
        return f"<Coverage of {len(self._intervals)} ranges with {self.records} records>"

    def __len__(self) -> int:
        return len(self._intervals)

    @property
    def records(self) -> int:
        """How many items there are in all."""
        return sum(len(interval.items) for interval in self._intervals)

    @property
    def entries(self) -> tuple[RangeEntry, ...]:
        """The same, as the store wants it."""
        if self._entries is None:
            self._entries = tuple(
                range_entry(lo, hi, ((key, seq) for key, (seq, _) in items.items()))
                for lo, hi, items in self._intervals
            )
        return self._entries

    def count_with(self, wanted: RangeRead) -> int:
        """Return how many intervals there are, at most, once a gap was scanned."""
        return count_with(self._intervals, (wanted,))

    def has(self, key: bytes) -> bool:
        """Tell whether it is known what is under `key`."""
        at = self._at(key)
        return at >= 0 and key < self._intervals[at].hi

    def found(self, key: bytes) -> Found:
        """Return what is under a key that is known."""
        return self._intervals[self._at(key)].items.get(key)

    def walk(
        self, lo: bytes, hi: bytes, *, reverse: bool
    ) -> Iterator[tuple[bytes, bytes, Mapping[bytes, Found] | None]]:
        """Yield the parts of lo <= key < hi, from the end on if `reverse`: (lo, hi, items), None for a gap."""
        at = max(self._at(lo), 0)
        parts: list[tuple[bytes, bytes, Mapping[bytes, Found] | None]] = []
        for interval in self._intervals[at:]:
            start, end = max(lo, interval.lo), min(hi, interval.hi)
            if start >= end:
                continue
            if lo < start:
                parts.append((lo, start, None))
            inside = {key: item for key, item in interval.items.items() if start <= key < end}
            parts.append((start, end, inside))
            lo = end
        if lo < hi:
            parts.append((lo, hi, None))
        return iter(parts[::-1] if reverse else parts)

    def beginning(self, wanted: RangeRead) -> tuple[RangeRead, RangeFound] | None:
        """Return what is known of a range from where a scan of it begins on, as a question and its answer."""
        # The end of a range is no part of it: an interval ends there, or lies around it.
        at = bisect.bisect_left(self._intervals, wanted.hi, key=_lo_of) - 1 if wanted.reverse else self._at(wanted.lo)
        if at < 0:
            return None
        lo, hi, items = self._intervals[at]
        lo, hi = (max(lo, wanted.lo), wanted.hi) if wanted.reverse else (wanted.lo, min(hi, wanted.hi))
        if lo >= hi or hi > self._intervals[at].hi:
            return None
        inside = [(key, seq, value) for key, (seq, value) in items.items() if lo <= key < hi]
        found = tuple((inside[::-1] if wanted.reverse else inside)[: wanted.limit])
        return RangeRead(lo, hi, wanted.limit, wanted.reverse), RangeFound(found, more=False)

    def add(self, wanted: RangeRead, found: RangeFound) -> None:
        """Remember the answer to a scan of a gap."""
        lo, hi = wanted.lo, wanted.hi
        if found.more or len(found.items) >= wanted.limit:
            last = found.items[-1][0]
            lo, hi = (last, hi) if wanted.reverse else (lo, last + _NEXT)
        items = found.items[::-1] if wanted.reverse else found.items
        self._insert(_Interval(lo, hi, {key: (seq, value) for key, seq, value in items}))

    def _insert(self, new: _Interval) -> None:
        self._entries = None
        at = self._at(new.lo) + 1
        if at > 0 and self._intervals[at - 1].hi == new.lo:
            at -= 1
            new = _joined(self._intervals.pop(at), new)
        if at < len(self._intervals) and self._intervals[at].lo == new.hi:
            new = _joined(new, self._intervals.pop(at))
        self._intervals.insert(at, new)

    def _at(self, key: bytes) -> int:
        """Return the index of the last interval that begins at `key` or before; -1: there is none."""
        return bisect.bisect_right(self._intervals, key, key=_lo_of) - 1


def _joined(first: _Interval, second: _Interval) -> _Interval:
    return _Interval(first.lo, second.hi, {**first.items, **second.items})


def merged(
    items: Mapping[bytes, Found], mine: Mapping[bytes, bytes | None], *, reverse: bool
) -> list[tuple[bytes, bytes]]:
    """Return the payloads that a run sees in a part: what was there, under its own writes.

    Args:
        items: what was there.
        mine: what the run sees under keys that it changes; None: deleted.
        reverse: the largest key first.
    """
    seen = {key: found[1] for key, found in items.items() if found is not None}
    for key, payload in mine.items():
        if payload is None:
            seen.pop(key, None)
        else:
            seen[key] = payload
    return sorted(seen.items(), reverse=reverse)
