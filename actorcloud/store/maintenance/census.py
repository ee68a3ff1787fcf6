"""Whether what each space is said to have is what it has: usage records and users' keys, counted anew.

Over a store's items in the order of their keys, in which those of one space stand together and before all
usage records; so only one space is counted at a time. A job that was deleted has no usage record: what it
leaves behind is being collected.

Reference: quotacheck(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from actorcloud.store import keys, stored
from actorcloud.store.engine import ReadPlan, Scan
from actorcloud.store.maintenance.bulk import BULK_ITEMS, Bulk
from actorcloud.store.quota import Usage, named_space, pack_usage

#: (key, stored value).
Item = tuple[bytes, bytes]


class Miscount(NamedTuple):
    """A space whose usage record says something else than its keys do."""

    space: bytes
    #: What it has.
    usage: Usage

    def __str__(self) -> str:
        has = f"{self.usage.keys} keys and {self.usage.size_bytes} bytes"
        return f"{named_space(self.space)} has {has}, but was counted otherwise: `actorcloud store compact` counts anew"


class Census:
    """See the module.

    Args:
        bulk: the store.
    """

    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk
        self._space = b""
        self._usage = Usage()

    def look(self, items: Iterable[Item]) -> Iterator[Miscount]:
        """Take the next of the store's items; yield the miscounts that these show."""
        counted: dict[bytes, Usage] = {}
        kept: list[bytes] = []
        for key, value in items:
            if key[:1] == keys.USAGE:
                kept.append(keys.space_of_usage(key))
            space = keys.space_of(key)
            if space != self._space:
                counted.update(self._close(space))
            self._usage = Usage(self._usage.keys + 1, self._usage.size_bytes + len(key) + len(value))
        yield from self._compare(counted)
        yield from self._compare(dict.fromkeys(self._empty(kept), Usage()))

    def end(self) -> Iterator[Miscount]:
        """Yield the miscounts that only the end of the items shows."""
        yield from self._compare(self._close(b""))

    def _close(self, following: bytes) -> dict[bytes, Usage]:
        """Begin to count the space that follows; return what the one before has."""
        done = {self._space: self._usage} if self._space else {}
        self._space, self._usage = following, Usage()
        return done

    def _compare(self, counted: dict[bytes, Usage]) -> Iterator[Miscount]:
        records = {space: _record_of(space) for space in counted}
        wanted = {*map(keys.usage, counted), *filter(None, records.values())}
        there = self._bulk.engine.read(ReadPlan(wanted)).values if wanted else {}
        for space, usage in counted.items():
            record, kept = records[space], there[keys.usage(space)]
            expected = Usage() if record is not None and there[record] is None else usage
            if (None if kept is None else stored.payload_of(kept)) != (pack_usage(expected) if expected.keys else None):
                yield Miscount(space, expected)

    def _empty(self, spaces: list[bytes]) -> list[bytes]:
        """Return those of these spaces that have no keys; nobody else has looked at them."""
        scans = tuple(Scan(space, keys.after_prefix(space), 1, value_bytes=0) for space in spaces)
        found = self._bulk.engine.read(ReadPlan((), scans)).scans if scans else []
        return [space for space, items in zip(spaces, found, strict=True) if not items]


def recount(bulk: Bulk) -> int:
    """Count anew what each space of a store has, and write down what was counted otherwise.

    Returns:
        How many spaces that were.

    Raises:
        NoSpace, EngineFailed: as the engine says.

    Blocks: until it is done; each user's value is read.
    """
    found, count = Census(bulk), 0

    def wrong() -> Iterator[Miscount]:
        for prefix in (keys.USER, keys.USAGE):
            for items in bulk.chunks(prefix):
                yield from found.look(items)
        yield from found.end()

    mended: dict[bytes, Usage] = {}
    for miscount in wrong():
        mended[miscount.space] = miscount.usage
        count += 1
        if len(mended) == BULK_ITEMS:
            _write(bulk, mended)
            mended = {}
    _write(bulk, mended)
    return count


def _record_of(space: bytes) -> bytes | None:
    owner = keys.name_of_space(space)
    return keys.record(owner) if isinstance(owner, bytes) else None


def _write(bulk: Bulk, mended: dict[bytes, Usage]) -> None:
    puts = {
        keys.usage(space): stored.pack(bulk.seq + 1, pack_usage(usage)) for space, usage in mended.items() if usage.keys
    }
    gone = [keys.usage(space) for space, usage in mended.items() if not usage.keys]
    if puts or gone:
        bulk.commit(puts, gone)
