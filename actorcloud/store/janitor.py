"""What is thrown away in the background, a thousand keys a commit.

Pure: says what to scan next, and makes of what was found a change for the store.

* The user keys and once-names of deleted jobs. Deleting a job removes its record and leaves a
  garbage key (prefix 05); nothing of the job can be reached from then on. The garbage key goes last,
  so that a restart goes on where this one stopped.
* Commit ids and tombstones that are a day old, and were there already at the look before: a wall clock
  that jumps ahead by a day must not make the store forget a commit whose answer was lost just now, which
  would then be made once more.
* Functions that no job has any more: first all records are read, and what they name is marked, then
  all functions. Transactions go on meanwhile, and mark what they bring or use the moment they are
  accepted; so the change that deletes must be judged at the very moment at which it is made. Who adds a
  job with such a function later is told that it is needed (design 6.1, rule 10).

Reference: store-design 1.8, 2.10; design 6.1, rules 10 and 11; Dijkstra's on-the-fly collector.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from actorcloud.store import keys, stored
from actorcloud.store.change import Change
from actorcloud.store.engine import Scan

#: Keys of one commit: users' commits go between them.
SWEEP_KEYS = 1000

#: Seconds that a commit id and a tombstone are kept: longer than any client waits.
KEPT = 86_400.0

#: Seconds between two looks for what has aged.
SWEEP_EVERY = 3600.0

#: Seconds from the start until the first look: by then nobody sends again what an earlier head was sent.
SWEEP_AFTER = 900.0

#: Seconds from a deletion, and from the start, until functions are looked through: many deletions
#: share one look, which reads every record.
FUNCTIONS_AFTER = 60.0

_AGING = (keys.COMMIT_ID, keys.TOMBSTONE)

Items = Sequence[tuple[bytes, bytes]]


class _Named(msgspec.Struct, array_like=True, gc=False):
    """The front of a `JobRecord`, as far as the function: a million of them are read."""

    state: str
    function: bytes


_named = msgspec.msgpack.Decoder(_Named)


class Marks(Protocol):
    """Where the functions gather that transactions use; the `Sequencer` has them."""

    def mark(self) -> set[bytes]:
        """Return a set that holds the functions of all jobs that are on their way, and gathers those of new ones."""
        ...

    def unmark(self) -> None:
        """Gather no more."""
        ...


class _Task:
    """One prefix to look through, up to its end."""

    def __init__(self, prefix: bytes, choose: Callable[[Items, float, bool], Change | None]) -> None:
        self.prefix = prefix
        #: (items, now, whether they are the last) -> what to delete.
        self.choose = choose
        self.after = prefix

    def scan(self) -> Scan:
        return Scan(self.after, keys.after_prefix(self.prefix), SWEEP_KEYS)


class Janitor:
    """See the module. Owned by the store actor.

    Args:
        marks: gathers functions while they are looked through.
        seq: number of the last commit at the start.
    """

    def __init__(self, marks: Marks, seq: int = 0) -> None:
        self._marks = marks
        #: Number of the last commit at the last look for what has aged, and at the one before.
        self._looked_at = self._old = seq
        self._tasks: deque[_Task] = deque()
        #: Prefixes that are being looked through for what has aged, or nobody uses.
        self._sweeping: set[bytes] = set()
        self._wanted: set[bytes] = set()
        self._last: _Task | None = None

    def __repr__(self) -> str:
        return f"<Janitor with {len(self)} tasks>"

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, garbage: Iterable[bytes]) -> None:
        """Take up what an earlier start left.

        Args:
            garbage: keys with the prefix 05.
        """
        for key in garbage:
            self.collect(keys.ref_of(key))

    def collect(self, ref: bytes) -> None:
        """Throw away the keys of a deleted job."""
        garbage = keys.garbage(ref)
        self._tasks.append(_Task(keys.job_space(ref), lambda items, _now, _last: _deletion(ref, items)))
        self._tasks.append(
            _Task(keys.once_names(ref), lambda items, _now, last: _deletion(ref, items, (garbage,) if last else ()))
        )

    def sweep(self, seq: int) -> None:
        """Look for what has aged, unless that is going on.

        Args:
            seq: number of the last commit.
        """
        self._old, self._looked_at = self._looked_at, seq
        for prefix in _AGING:
            if prefix not in self._sweeping:
                self._sweeping.add(prefix)
                self._tasks.append(_Task(prefix, self._aged))

    def collect_functions(self) -> None:
        """Look for functions that no job has, unless that is going on."""
        if self._sweeping.isdisjoint({keys.RECORD, keys.FUNCTION}):
            self._sweeping.add(keys.RECORD)
            self._wanted = self._marks.mark()
            self._tasks.append(_Task(keys.RECORD, self._mark))

    def next(self) -> Scan | None:
        """Return what to scan; None: there is nothing to do."""
        return self._tasks[0].scan() if self._tasks else None

    def put_off(self) -> None:
        """What `found` returned last was not written: begin that part of the work again, after all other."""
        task = self._last
        if task is None:
            return
        if self._tasks and self._tasks[0] is task:
            self._tasks.popleft()
        self._sweeping.discard(task.prefix)
        if task.prefix == keys.FUNCTION:
            # What was accepted after the last mark is not marked: from the records on.
            self.collect_functions()
        else:
            task.after = task.prefix
            self._tasks.append(task)

    def found(self, items: Items, now: float) -> Change | None:
        """Take the result of the scan.

        Args:
            items: (key, stored value) of at most `SWEEP_KEYS`.
            now: seconds since 1970.

        Returns:
            What to delete, to be judged before any other request; None: nothing of these.
        """
        task = self._last = self._tasks[0]
        is_last = len(items) < SWEEP_KEYS
        if is_last:
            self._tasks.popleft()
            self._sweeping.discard(task.prefix)
        else:
            task.after = items[-1][0] + b"\0"
        return task.choose(items, now, is_last)

    def _aged(self, items: Items, now: float, _last: bool) -> Change | None:  # noqa: FBT001  a task's
        gone = tuple(
            key
            for key, value in items
            if stored.seq_of(value) <= self._old and stored.time_of(stored.payload_of(value)) <= now - KEPT
        )
        return Change(tag=None, deletes=gone) if gone else None

    def _mark(self, items: Items, _now: float, is_last: bool) -> None:  # noqa: FBT001  a task's
        self._wanted.update(_named.decode(stored.payload_of(value)).function for _, value in items)
        if is_last:
            self._sweeping.add(keys.FUNCTION)
            self._tasks.append(_Task(keys.FUNCTION, self._unused))

    def _unused(self, items: Items, _now: float, is_last: bool) -> Change | None:  # noqa: FBT001  a task's
        gone = tuple(key for key, _ in items if keys.digest_of(key) not in self._wanted)
        if is_last:
            self._marks.unmark()
            self._wanted = set()
        return Change(tag=None, deletes=gone) if gone else None


def _deletion(ref: bytes, items: Items, last: tuple[bytes, ...] = ()) -> Change | None:
    gone = (*(key for key, _ in items), *last)
    return Change(tag=None, absent=(keys.record(ref),), deletes=gone) if gone else None
