"""What has been durable, batch by batch: the side of the truth that a crash leaves.

Pure: (batch, number) -> what it changed. Owned by an auditor, fed with every batch that a disk has
made durable.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from actorcloud.protocol.record import FINAL, JobRecord
from actorcloud.store import Batch, keys
from actorcloud.store.stored import commit_id_of, payload_of

_record = msgspec.msgpack.Decoder(JobRecord)


class Change(NamedTuple):
    """What one durable batch did."""

    seq: int
    #: (ref, record before, record after) of each job that it changed.
    jobs: tuple[tuple[bytes, JobRecord | None, JobRecord | None], ...]
    #: (transaction, number of its commit, attempt).
    commits: tuple[tuple[bytes, int, int], ...]
    #: (key, stored value before, stored value after) of once-values.
    onces: tuple[tuple[bytes, bytes | None, bytes | None], ...]
    #: All keys that it touched.
    touched: frozenset[bytes]


class History:
    """The durable past of one store."""

    def __init__(self) -> None:
        self.seq = 0
        self.records: dict[bytes, JobRecord] = {}
        #: All that each job has ever durably been.
        self.versions: dict[bytes, list[JobRecord]] = {}
        #: Jobs that were deleted, for good.
        self.deleted: set[bytes] = set()
        #: Transaction -> (number of its commit, attempt).
        self.commits: dict[bytes, tuple[int, int]] = {}
        self.onces: dict[bytes, bytes] = {}
        #: Runs that have been durable: nothing else may be begun.
        self.runs: set[tuple[bytes, bytes]] = set()

    def apply(self, batch: Batch, seq: int) -> Change:
        """Take in a batch; the caller judges the change."""
        jobs = []
        commits = []
        onces = []
        for key, value in (*batch.puts.items(), *((key, None) for key in batch.deletes)):
            match key[:1]:
                case keys.RECORD:
                    record = None if value is None else _record.decode(payload_of(value))
                    jobs.append((key[1:], self.records.get(key[1:]), record))
                case keys.COMMIT_ID if value is not None:
                    commits.append((key[1:], *commit_id_of(payload_of(value))))
                case keys.ONCE:
                    onces.append((key, self.onces.get(key), value))
        self.seq = seq
        return Change(seq, tuple(jobs), tuple(commits), tuple(onces), frozenset((*batch.puts, *batch.deletes)))

    def settle(self, change: Change) -> None:
        """Remember a change, once it is judged."""
        for ref, _, after in change.jobs:
            if after is None:
                self.records.pop(ref, None)
                self.deleted.add(ref)
            else:
                self.records[ref] = after
                self.versions.setdefault(ref, []).append(after)
                if after.state == "running":
                    self.runs.add((ref, after.run))
        for txn, seq, attempt in change.commits:
            self.commits[txn] = (seq, attempt)
        for key, _, value in change.onces:
            if value is None:
                self.onces.pop(key, None)
            else:
                self.onces[key] = value

    def is_over(self, ref: bytes) -> bool:
        """Tell whether a job has ended for good or is gone."""
        record = self.records.get(ref)
        return ref in self.deleted or (record is not None and record.state in FINAL)


class Shadow:
    """What a manager's memory must be: the records at the number of its feed.

    Args:
        records: of the live jobs, when the store began to feed.
    """

    def __init__(self, records: dict[bytes, JobRecord]) -> None:
        self.live = {ref: record for ref, record in records.items() if record.state not in FINAL}
        self.number = 0
        self._ahead: list[Change] = []

    def add(self, change: Change) -> None:
        """A batch that changed jobs is durable: it will be fed."""
        self._ahead.append(change)

    def follow(self, number: int) -> set[bytes]:
        """Move on to a feed; returns the jobs that have changed.

        Raises:
            IndexError: there is no such feed yet.
        """
        changed: set[bytes] = set()
        while self.number < number:
            for ref, _, after in self._ahead.pop(0).jobs:
                changed.add(ref)
                self.live.pop(ref, None)
                if after is not None and after.state not in FINAL:
                    self.live[ref] = after
            self.number += 1
        return changed
