"""What a scan has found, in a few bytes; for callers and the store.

Pure. A `RangeEntry` has the bounds between which everything was found, the number of items, and a
digest over (length of the key, key, number of the commit that wrote it) of each, in the order of the
keys. A scan that its limit stopped has a bound right behind the last item, or at it if it was
`reverse`: so nothing beyond matters, and the direction does not either.

Reference: store-design 2.4; phantoms: Eswaran, Gray, Lorie, Traiger 1976.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterable
from hashlib import blake2b
from typing import Protocol

from actorcloud.protocol.transaction import DIGEST_BYTES, RangeEntry, RangeRead

_ITEM = struct.Struct(">HQ")


class Bounds(Protocol):
    """A range: lo <= key < hi."""

    @property
    def lo(self) -> bytes:
        """The first key of it."""
        ...

    @property
    def hi(self) -> bytes:
        """The first key behind it."""
        ...


def range_entry(lo: bytes, hi: bytes, found: Iterable[tuple[bytes, int]]) -> RangeEntry:
    """Return the entry of a range.

    Args:
        lo: the first key that might have been found.
        hi: the first key behind all that might have been found.
        found: (key, number of the commit that wrote it), in the order of the keys.
    """
    parts: list[bytes] = []
    for key, seq in found:
        parts += (_ITEM.pack(len(key), seq), key)
    digest = blake2b(b"".join(parts), digest_size=DIGEST_BYTES).digest()
    return RangeEntry(lo, hi, len(parts) // 2, digest)


def count_with(ranges: Collection[Bounds], wanted: Iterable[RangeRead]) -> int:
    """Return how many ranges there are, at most, once the answers to `wanted` have come.

    A scan that goes on where a range ended, as one does whose answer comes in parts, is of that range.
    """
    los, his = {entry.lo for entry in ranges}, {entry.hi for entry in ranges}
    return len(ranges) + sum((scan.hi not in los) if scan.reverse else (scan.lo not in his) for scan in wanted)
