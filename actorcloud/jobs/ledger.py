"""What the manager remembers of jobs: exactly what the store fed it, nothing else.

The store feeds each durable batch's changed records, numbered without gaps, before it answers
anybody (design 6.1, rule 9). The ledger keeps the records of jobs that have not ended; the ended
ones are in the store alone, so that memory follows the work in hand and not the work done.

Pure. Owned by the manager, whose death loses it; the next one reads it anew from the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from actorcloud.protocol.record import FINAL, JobRecord


class Step(NamedTuple):
    """One durable transition."""

    ref: bytes
    before: JobRecord | None
    after: JobRecord | None


class Ledger:
    """The live jobs."""

    def __init__(self) -> None:
        self.live: dict[bytes, JobRecord] = {}
        #: The last batch that was fed.
        self.number = 0
        #: Live jobs by state.
        self.counts: Counter[str] = Counter()
        #: Jobs that ended since this ledger began, by state.
        self.ended: Counter[str] = Counter()
        #: Node -> its running jobs, in the order in which they came: a set's would differ from run to run.
        self._on_node: dict[str, dict[bytes, None]] = {}

    def __repr__(self) -> str:
        return f"<Ledger at {self.number}: {dict(self.counts)}>"

    def load(self, records: Iterable[tuple[bytes, JobRecord]]) -> None:
        """Take in a page of what the store holds; feeds may come between the pages."""
        for ref, record in records:
            self._drop(ref)
            if record.state not in FINAL:
                self._put(ref, record)

    def feed(self, number: int, changes: Iterable[tuple[bytes, JobRecord | None]]) -> list[Step]:
        """Take in one durable batch.

        Raises:
            RuntimeError: if a batch is missing; this memory is then worth nothing.
        """
        if number != self.number + 1:
            raise RuntimeError(f"fed batch {number} after {self.number}: the manager must read the store anew")
        self.number = number
        return [self._step(ref, record) for ref, record in changes]

    def on_node(self, node: str) -> dict[bytes, JobRecord]:
        """Return the running jobs whose run is at `node`."""
        return {ref: self.live[ref] for ref in self._on_node.get(node, ())}

    def running(self) -> dict[bytes, JobRecord]:
        """Return the running jobs, however many others there are."""
        return {ref: self.live[ref] for refs in self._on_node.values() for ref in refs}

    def nodes(self) -> list[str]:
        """Return the names of the nodes that have running jobs, sorted."""
        return sorted(self._on_node)

    def _step(self, ref: bytes, after: JobRecord | None) -> Step:
        before = self._drop(ref)
        if after is not None and after.state not in FINAL:
            self._put(ref, after)
        elif after is not None:
            self.ended[after.state] += 1
        return Step(ref, before, after)

    def _put(self, ref: bytes, record: JobRecord) -> None:
        self.live[ref] = record
        self.counts[record.state] += 1
        if record.state == "running":
            self._on_node.setdefault(record.node, {})[ref] = None

    def _drop(self, ref: bytes) -> JobRecord | None:
        record = self.live.pop(ref, None)
        if record is not None:
            self.counts[record.state] -= 1
            if record.state == "running":
                del self._on_node[record.node][ref]
                if not self._on_node[record.node]:
                    del self._on_node[record.node]
        return record
