"""An opened engine read and written in bulk, by whoever administers a store that no head has.

No transactions: nobody else is there. Each commit is one of the store's, with the next number.

Thread: one, since it writes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from actorcloud.store import keys
from actorcloud.store.engine import Batch, Engine, Opened, ReadPlan, Scan

#: Items of one commit, and of one read.
BULK_ITEMS = 1000

#: Bytes of keys and values with which one read ends: values may have a megabyte and more each.
BULK_BYTES = 8 * 1024 * 1024

#: Behind all keys: no prefix is FF.
_END = b"\xff"


class Bulk:
    """See the module.

    Args:
        engine: opened.
        opened: what its `open` said.
    """

    def __init__(self, engine: Engine, opened: Opened) -> None:
        self.engine = engine
        self.opened = opened
        #: Number of the last commit.
        self.seq = opened.seq

    def get(self, key: bytes) -> bytes | None:
        """Return the stored value of `key`."""
        return self.engine.read(ReadPlan([key])).values[key]

    def chunks(self, prefix: bytes = b"", after: bytes = b"") -> Iterator[list[tuple[bytes, bytes]]]:
        """Yield the items whose keys begin with `prefix` and are greater than `after`, in order.

        Each list has up to `BULK_ITEMS`, and ends with the one that makes it `BULK_BYTES`.

        Args:
            prefix: empty: all but the engine's own.
            after: the last key that is not wanted any more.

        Raises:
            FencedOut, EngineFailed: as `Engine.renew` says.
        """
        lo, hi = (prefix, keys.after_prefix(prefix)) if prefix else (keys.after_prefix(keys.META), _END)
        lo = max(lo, after + b"\0") if after else lo
        while items := self.engine.read(ReadPlan((), (Scan(lo, hi, BULK_ITEMS, limit_bytes=BULK_BYTES),))).scans[0]:
            # To go through a large store takes longer than a lease.
            self.engine.renew()
            yield items
            lo = items[-1][0] + b"\0"

    def is_empty(self) -> bool:
        """Tell whether there is nothing but the engine's own."""
        return next(self.chunks(), None) is None

    def commit(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes] = (), new: int | None = None) -> None:
        """Write all of these, or nothing.

        Args:
            puts: key -> stored value, or a fact of the store's (prefix 00).
            deletes: keys; one that is absent is no error.
            new: the commit's number; None: the next one.

        Raises:
            NoSpace, EngineFailed: as the engine says.

        Blocks: until it is on disk.
        """
        number = self.seq + 1 if new is None else new
        self.engine.commit(Batch(puts, deletes), epoch=self.opened.epoch, expect=self.seq, new=number)
        self.seq = number
