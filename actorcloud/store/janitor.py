"""What is thrown away in the background, a thousand keys a commit.

Pure: says what to scan next, and makes of what was found a change for the store.

* The user keys and once-names of deleted jobs. Deleting a job removes its record and leaves a
  garbage key (prefix 05); nothing of the job can be reached from then on. The garbage key goes last,
  so that a restart goes on where this one stopped.
* Commit ids and tombstones that are a day old.

Reference: store-design 1.8, 2.10; design 6.1, rule 11.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from actorcloud.store import keys, stored
from actorcloud.store.change import Change
from actorcloud.store.engine import Scan

#: Keys of one commit: users' commits go between them.
SWEEP_KEYS = 1000

#: Seconds that a commit id and a tombstone are kept: longer than any client waits.
KEPT = 86_400.0

#: Seconds between two looks for what has aged.
SWEEP_EVERY = 3600.0

_AGING = (keys.COMMIT_ID, keys.TOMBSTONE)


class _Task:
    """One prefix to look through, up to its end."""

    def __init__(self, prefix: bytes, ref: bytes | None = None) -> None:
        self.prefix = prefix
        #: The deleted job whose keys these are; None: keys that age.
        self.ref = ref
        self.after = prefix

    def scan(self) -> Scan:
        return Scan(self.after, keys.after_prefix(self.prefix), SWEEP_KEYS)


class Janitor:
    """See the module. Owned by the store actor."""

    def __init__(self) -> None:
        self._tasks: deque[_Task] = deque()
        self._last: _Task | None = None

    def __repr__(self) -> str:
        return f"<Janitor with {len(self._tasks)} tasks>"

    def start(self, garbage: Iterable[bytes]) -> None:
        """Take up what an earlier start left.

        Args:
            garbage: keys with the prefix 05.
        """
        for key in garbage:
            self.collect(keys.ref_of(key))

    def collect(self, ref: bytes) -> None:
        """Throw away the keys of a deleted job."""
        self._tasks.append(_Task(keys.job_space(ref), ref))
        self._tasks.append(_Task(keys.once_names(ref), ref))

    def sweep(self) -> None:
        """Look for what has aged, unless that is going on."""
        if not any(task.ref is None for task in self._tasks):
            self._tasks.extend(_Task(prefix) for prefix in _AGING)

    def next(self) -> Scan | None:
        """Return what to scan; None: there is nothing to do."""
        return self._tasks[0].scan() if self._tasks else None

    def put_off(self) -> None:
        """What `found` returned last was not written: begin that part of the work again, after all other."""
        if self._last is not None:
            self._tasks.append(_Task(self._last.prefix, self._last.ref))

    def found(self, items: list[tuple[bytes, bytes]], now: float) -> Change | None:
        """Take the result of the scan.

        Args:
            items: (key, stored value) of at most `SWEEP_KEYS`.
            now: seconds since 1970.

        Returns:
            What to delete; None: nothing of these.
        """
        task = self._last = self._tasks[0]
        is_last = len(items) < SWEEP_KEYS
        if is_last:
            self._tasks.popleft()
        else:
            task.after = items[-1][0] + b"\0"
        if task.ref is None:
            gone = [key for key, value in items if stored.time_of(stored.payload_of(value)) <= now - KEPT]
            return Change(tag=None, deletes=tuple(gone)) if gone else None
        gone = [key for key, _ in items]
        if is_last and task.prefix == keys.once_names(task.ref):
            gone.append(keys.garbage(task.ref))
        return Change(tag=None, absent=(keys.record(task.ref),), deletes=tuple(gone)) if gone else None
