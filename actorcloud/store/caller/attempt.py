"""One run of a transaction's function: what it has read, what it will write.

Pure, but for `recall`. Everything is keyed by engine keys, for Python's `1 == 1.0 == True` are three keys here. A read
sees the run's own writes first, then what it read or scanned before, then what came with the last
conflict or is remembered of the last commit. A scan goes through the parts of its range in order: those
that were scanned before and those of a new job, under the run's own writes; at a part that is not known
it says what to ask for.

Reference: store-design 2.3, 2.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from actorcloud.base.errors import TransactionTooLarge
from actorcloud.protocol.record import Fence, NewJob
from actorcloud.protocol.transaction import (
    RANGE_LIMIT,
    RECORD_LIMIT,
    Atomic,
    AtomicStep,
    Commit,
    Conflict,
    Found,
    RangeEntry,
    RangeFound,
    RangeRead,
    Read,
    ReadEntry,
    Snapshot,
    Values,
    Write,
)
from actorcloud.store import keys
from actorcloud.store.caller.coverage import Coverage, merged
from actorcloud.store.caller.pending import Pending

#: Keys and ranges read, some 3 KiB, up to which every question brings them along: a hundred questions of
#: ten thousand keys would be 30 MiB, and the store would look all of them up each time.
LIGHT_ENTRIES = 100


class Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


#: The conflict of a run that is to be run again, with nothing known.
ANEW: Final = Conflict((b"", 0))

#: The same of one that found a condition unmet.
UNMET: Final = Conflict((b"", 0), unmet=True)

#: What `Attempt.peek` returns for a key that must be asked for.
UNKNOWN = Unknown()


class Known(NamedTuple):
    """What was so at one snapshot; nobody changes it."""

    snapshot: Snapshot
    found: Mapping[bytes, Found]
    ranges: Coverage


#: Used nowhere, so its snapshot never counts.
NOTHING: Final = Known((b"", 0), {}, Coverage())

#: Returns what a run may take for known when this is the first key that it reads.
Recall = Callable[[bytes], Known | None]


class Attempt:
    """See the module.

    Args:
        txn: the transaction's id, the same for all its attempts.
        number: counts them from 1.
        fence: of the job in which it runs.
        seed: the conflict that ended the attempt before; what it brought is not asked for again.
        recall: finds what the caller remembers; asked at the first key, of a first attempt.
    """

    def __init__(
        self,
        txn: bytes,
        number: int,
        fence: Fence | None = None,
        seed: Conflict | None = None,
        recall: Recall | None = None,
    ) -> None:
        self.txn = txn
        self.number = number
        self.fence = fence
        self.snapshot: Snapshot | None = None
        self._seen: dict[bytes, Found] = {}
        self._scanned = Coverage()
        self._pending = Pending()
        self._jobs: dict[bytes, NewJob] = {}
        #: What is known beyond what was seen, until the run moves on to another snapshot.
        self._ahead = NOTHING if seed is None else Known(seed.snapshot, dict(seed.fresh), Coverage(seed.ranges))
        self._recall = recall
        #: Whether it began with what was remembered.
        self.was_recalled = False
        #: Whether that may have been changed before the transaction began, for all that this run knows.
        self.is_recalled = False

    def __repr__(self) -> str:
        return f"<Attempt {self.number} of {self.txn.hex()[:8]}: {len(self._seen)} read, {len(self._pending)} written>"

    @property
    def is_read_only(self) -> bool:
        """Whether there is nothing to commit."""
        return not self._pending and not self._jobs

    @property
    def reads(self) -> tuple[ReadEntry, ...]:
        """All that was read, as the store wants it."""
        return tuple([(key, 0 if found is None else found[0]) for key, found in self._seen.items()])

    @property
    def ranges(self) -> tuple[RangeEntry, ...]:
        """All that was scanned, as the store wants it."""
        return self._scanned.entries

    @property
    def writes(self) -> tuple[Write, ...]:
        """All that is to be set or deleted, one entry a key."""
        return self._pending.writes

    @property
    def atomics(self) -> tuple[Atomic, ...]:
        """All that the store is to do itself, one entry for each other key."""
        return self._pending.atomics

    @property
    def jobs(self) -> tuple[NewJob, ...]:
        """All jobs that are to be added."""
        return tuple(self._jobs.values())

    def peek(self, key: bytes) -> bytes | Unknown | None:
        """Return the payload under an engine key, None if it is absent, `UNKNOWN` if it must be asked for.

        Raises:
            BadValue, ValueTooLarge, ConditionFailed: what the run wants to be done with it cannot be.
        """
        before = None if self._pending.has(key) else self._before(key)
        return before if isinstance(before, Unknown) else self._pending.seen(key, before)

    def _before(self, key: bytes) -> bytes | Unknown | None:
        if key not in self._seen:
            if self._scanned.has(key):
                found = self._scanned.found(key)
                return None if found is None else found[1]
            if self._is_of_new_job(key):
                return None
            if self._recall is not None and self.snapshot is None and (known := self._recall(key)) is not None:
                self._ahead, self.was_recalled, self.is_recalled = known, True, True
            if key in self._ahead.found:
                self._seen[key] = self._ahead.found[key]
            elif self._ahead.ranges.has(key):
                self._seen[key] = self._ahead.ranges.found(key)
            else:
                return UNKNOWN
            self._use_ahead()
        found = self._seen[key]
        return None if found is None else found[1]

    def peek_range(self, wanted: RangeRead) -> list[tuple[bytes, bytes]] | RangeRead:
        """Return the items of a range, as this run sees them; or the part that must be asked for first.

        Raises:
            TransactionTooLarge: the run has scanned as much as a transaction may.
            BadValue, ValueTooLarge, ConditionFailed: what the run wants to be done with an item cannot be.
        """
        while isinstance(found := self._see_range(wanted), RangeRead):
            ahead = self._ahead.ranges.beginning(found)
            if ahead is None:
                break
            self._take_in_range(*ahead)
            self._use_ahead()
        return found

    def _see_range(self, wanted: RangeRead) -> list[tuple[bytes, bytes]] | RangeRead:
        seen: list[tuple[bytes, bytes]] = []
        for lo, hi, items in self._scanned.walk(wanted.lo, wanted.hi, reverse=wanted.reverse):
            known = {} if items is None and self._is_of_new_job(lo) else items
            if known is None:
                return self._part(RangeRead(lo, hi, wanted.limit - len(seen), wanted.reverse))
            seen += merged(known, self._pending.between(lo, hi, known), reverse=wanted.reverse)
            if len(seen) >= wanted.limit:
                break
        return seen[: wanted.limit]

    def _use_ahead(self) -> None:
        """The first use of what is known ahead puts the run at its snapshot."""
        self.snapshot = self._ahead.snapshot

    @property
    def is_heavy(self) -> bool:
        """Whether so much was read that not every question brings it along."""
        return len(self._seen) + len(self._scanned) > LIGHT_ENTRIES

    def ask_for(self, wanted: Sequence[bytes], scans: Sequence[RangeRead] = (), *, whole: bool = True) -> Read:
        """Return the message that asks for these keys and parts of ranges, none of them known.

        Args:
            wanted: the keys.
            scans: the parts.
            whole: whether it brings along all that was read, so that the store can tell whether that still holds.
        """
        reads, ranges = (self.reads, self.ranges) if whole else ((), ())
        return Read(tuple(wanted), self.snapshot, reads, self.fence, tuple(scans), ranges)

    def take_in(self, wanted: Sequence[bytes], values: Values, scans: Sequence[RangeRead] = ()) -> None:
        """Remember the answer to `ask_for`.

        Raises:
            TransactionTooLarge: there are more records than a transaction may scan.
        """
        if values.snapshot != self.snapshot or scans or None in values.values:
            # A new snapshot, and ranges and absent keys at any, are answered where the store stands now.
            self.is_recalled = False
        if values.snapshot != self.snapshot:
            # What was known ahead held at its snapshot; the run has moved on from there.
            self._ahead = NOTHING
        self.snapshot = values.snapshot
        self._seen.update(zip(wanted, values.values, strict=True))
        for scan, found in zip(scans, values.scans, strict=True):
            self._take_in_range(scan, found)

    def write(self, key: bytes, payload: bytes | None) -> None:
        """Set a key, or delete it (None)."""
        self._pending.write(key, payload)

    def do(self, key: bytes, step: AtomicStep) -> None:
        """Have the store do something with a key.

        Raises:
            BadValue, ValueTooLarge, ConditionFailed: it cannot be done to what this run has set.
        """
        if step.op == "push":
            self._pending.push(key, step.value)
        else:
            self._pending.do(key, step)

    def add_job(self, job: NewJob) -> None:
        """Add a job."""
        self._jobs[job.ref] = job

    def to_commit(self, acked: tuple[bytes, ...] = (), ticket: float | None = None) -> Commit:
        """Return the message that commits this run."""
        return Commit(
            self.txn,
            self.number,
            self.snapshot,
            self.reads,
            self.writes,
            self.jobs,
            self.fence,
            acked,
            self.ranges,
            self.atomics,
            ticket=ticket,
        )

    @property
    def weight(self) -> int:
        """How many keys it has read and will change."""
        return len(self._seen) + len(self._pending)

    @property
    def changed(self) -> list[bytes]:
        """The keys that this run will have set, deleted, or had the store do something with."""
        return self._pending.keys

    def after(self, seq: int) -> Known | None:
        """Return how all is that this run read and wrote, once it was commit number `seq`; None: it read nothing."""
        if self.snapshot is None:
            return None
        found = dict(self._seen)
        found.update((key, None if payload is None else (seq, payload)) for key, payload in self.writes)
        for atomic in self.atomics:
            # The store did something with what only it saw; by "push" with keys that begin so.
            found = {key: value for key, value in found.items() if not key.startswith(atomic.key)}
        return Known((self.snapshot[0], seq), found, Coverage())

    def _part(self, gap: RangeRead) -> RangeRead:
        if self._scanned.count_with(gap) > RANGE_LIMIT:
            raise self._too_large()
        # Where there is no room left, one is asked for all the same: there may be none.
        room = max(RECORD_LIMIT - self._scanned.records, 1)
        return RangeRead(gap.lo, gap.hi, min(gap.limit, room), gap.reverse)

    def _take_in_range(self, scan: RangeRead, found: RangeFound) -> None:
        if self._scanned.records + len(found.items) > RECORD_LIMIT:
            raise self._too_large(", and there are more")
        self._scanned.add(scan, found)

    def _too_large(self, more: str = "") -> TransactionTooLarge:
        ranges, records = len(self._scanned), self._scanned.records
        return TransactionTooLarge(
            f"this transaction has scanned {ranges} range{'s' * (ranges != 1)} with {records} "
            f"record{'s' * (records != 1)}{more}; the limits are {RANGE_LIMIT} and {RECORD_LIMIT}: give a limit, or go "
            "through it in several transactions"
        )

    def _is_of_new_job(self, key: bytes) -> bool:
        return bool(self._jobs) and any(key.startswith(keys.job_space(ref)) for ref in self._jobs)
