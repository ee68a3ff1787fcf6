"""The engine in memory: for tests, the simulation and stores that nobody needs again.

A `MemoryDisk` outlives its engines, as a file does: opening it again gives what was committed.

Thread: any; one leaf lock makes each read and each commit one moment.
"""

from __future__ import annotations

import bisect
import itertools
import os
import threading
from collections.abc import Callable, Mapping

from actorcloud.base.errors import NotAStore
from actorcloud.store.engine.header import INCARNATION
from actorcloud.store.engine.port import (
    Batch,
    CheckLevel,
    EngineCaps,
    EngineFailed,
    EngineStats,
    FencedOut,
    Opened,
    ReadPlan,
    ReadView,
    Report,
    Scan,
)
from actorcloud.store.keys import ENGINE_KEY_LIMIT_BYTES

_GIB = 1 << 30


class MemoryDisk:
    """What stays when the engine is gone.

    Args:
        random: n -> n random bytes, for the store's incarnation.
    """

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self.incarnation = random(16)
        self.epoch = 0
        self.seq = 0
        self._items: dict[bytes, bytes] = {}
        self._order: list[bytes] = []

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: bytes) -> bytes | None:
        """Return the stored value of `key`, None if it is absent."""
        return self._items.get(key)

    def scan(self, scan: Scan) -> list[tuple[bytes, bytes]]:
        """Return what the scan asks for."""
        start = bisect.bisect_left(self._order, scan.lo)
        end = bisect.bisect_left(self._order, scan.hi)
        if scan.reverse:
            found = self._order[max(start, end - scan.limit) : end][::-1]
        else:
            found = self._order[start : min(end, start + scan.limit)]
        return [(key, self._items[key][: scan.value_bytes]) for key in _within(found, self._items, scan.limit_bytes)]

    def is_sound(self) -> bool:
        """Tell whether the keys are in order."""
        return self._order == sorted(self._items)

    def apply(self, batch: Batch, seq: int) -> None:
        """Change the items; the store is then at commit `seq`."""
        fresh = [key for key in batch.puts if key not in self._items]
        gone = {key for key in batch.deletes if self._items.pop(key, None) is not None}
        self._items.update(batch.puts)
        self.incarnation = batch.puts.get(INCARNATION, self.incarnation)
        if gone:
            self._order = [key for key in self._order if key not in gone]
        if fresh:
            # Timsort merges the two sorted runs; insort for each would move the tail again and again.
            self._order.extend(sorted(fresh))
            self._order.sort()
        self.seq = seq


def _within(found: list[bytes], items: Mapping[bytes, bytes], limit_bytes: int | None) -> list[bytes]:
    if limit_bytes is None:
        return found
    sizes = itertools.accumulate(len(key) + len(items[key]) for key in found)
    return found[: sum(1 for _ in itertools.takewhile(lambda size: size < limit_bytes, sizes)) + 1]


class MemoryEngine:
    """See `engine.Engine`.

    Args:
        disk: what an earlier engine left behind; None: a new, empty one.
    """

    caps = EngineCaps(ENGINE_KEY_LIMIT_BYTES, _GIB, shared=False)

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = MemoryDisk() if disk is None else disk
        self._epoch = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<MemoryEngine of {len(self.disk)} keys at commit {self.disk.seq}>"

    def open(self, owner: str) -> Opened:  # noqa: ARG002  the port's
        """See `Engine.open`; an engine that had the disk before is fenced out."""
        with self._lock:
            self.disk.epoch += 1
            self._epoch = self.disk.epoch
            return Opened(self.disk.incarnation, self._epoch, self.disk.seq)

    def read(self, plan: ReadPlan) -> ReadView:
        """See `Engine.read`."""
        with self._lock:
            values = {key: self.disk.get(key) for key in plan.keys}
            return ReadView(self.disk.seq, values, [self.disk.scan(scan) for scan in plan.scans])

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        """See `Engine.commit`."""
        with self._lock:
            self._check(epoch, expect)
            self.disk.apply(batch, new)

    def resolve(self, *, epoch: int, expect: int, new: int) -> bool:  # noqa: ARG002  the port's
        """See `Engine.resolve`."""
        with self._lock:
            self._check(epoch, self.disk.seq)
            return self.disk.seq == new

    def renew(self) -> None:
        """See `Engine.renew`; a memory is nobody else's."""

    def backup(self, dest: str | os.PathLike[str]) -> None:
        """See `Engine.backup`; there is none of a memory."""
        raise NotAStore(f"a store in memory cannot be backed up to {dest}")

    def check(self, level: CheckLevel) -> Report:
        """See `Engine.check`: whether the order and the items agree."""
        with self._lock:
            problems = () if self.disk.is_sound() else ("the order of the keys is not that of the items",)
        return Report(level, problems, self.stats().used_bytes)

    def close(self) -> None:
        """See `Engine.close`; the disk stays."""
        self._epoch = 0

    def stats(self) -> EngineStats:
        """See `Engine.stats`."""
        with self._lock:
            used = sum(len(key) + len(value) for key, value in self.disk.scan(Scan(b"", b"\xff", len(self.disk))))
            return EngineStats(len(self.disk), used, _GIB)

    def _check(self, epoch: int, expect: int) -> None:
        if not epoch == self._epoch == self.disk.epoch:
            raise FencedOut(f"epoch {epoch} of this store is over: it was opened again as {self.disk.epoch}")
        if self.disk.seq != expect:
            raise EngineFailed(f"a commit expected the store at {expect}, but it is at {self.disk.seq}")
