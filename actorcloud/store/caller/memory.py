"""What is known to have held after this caller's last commits: where its next transaction may begin.

A commit says of all that its run read and wrote how it is at the commit's number. That is a snapshot,
so the next transaction that begins with one of these keys need not ask for it: a counter that one
caller keeps costs one round trip instead of two.

::

    Committed(seq) --keep--> Known(snapshot, found)
    first key that a transaction reads --take--> Known, or None: ask the store

It may be out of date by now. A commit is validated as ever, so nothing is committed on its strength
that is not so. Everything else that such a run ends in - a value with nothing to commit, an abort, an
error, a refusal - is thrown away, and the function is run again on what the store says (`Repetition`).

A wrong guess costs a commit that conflicts. So what is known is trusted only once this caller has found
all that it read as it had left it, at a first attempt; and it is taken, so that what led to a conflict is
not tried again.

Owner: one `Transactions`, gone with it. Thread: any.

Reference: client caches that are checked at the commit, as in Thor (Adya et al., "Efficient optimistic
concurrency control using loosely synchronized clocks", 1995); docs/design/0016-the-next-transaction.md.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from actorcloud.protocol.transaction import Found, ReadEntry
from actorcloud.store.caller.attempt import Attempt, Known

#: Keys that are remembered, the longest unused is forgotten first; with `LIGHT_BYTES` at most 8 MiB.
KEPT_KEYS = 256

#: Keys that one commit read or changed, and bytes of their values, beyond which it is not remembered.
LIGHT_KEYS = 16
LIGHT_BYTES = 32 * 1024


class _Kept(NamedTuple):
    known: Known
    is_trusted: bool


class Memory:
    """See the module."""

    def __init__(self) -> None:
        #: By each of the keys that one commit told of.
        self._kept: dict[bytes, _Kept] = {}
        # Reentrant: what a collection of garbage calls may be a transaction, too.
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, key: bytes) -> Known | None:
        """Return, and forget, what is known together with `key`, if it is to be trusted."""
        # Most transactions of most callers find nothing; they need no lock to see it.
        kept = self._kept.get(key)
        if kept is None or not kept.is_trusted:
            return None
        with self._lock:
            # Another thread may have taken it.
            if self._kept.get(key) is not kept:
                return None
            self._forget((key,))
        return kept.known

    def keep(self, attempt: Attempt, seq: int) -> None:
        """Remember a run that was committed.

        Args:
            attempt: the run.
            seq: the number of its commit.
        """
        changed = attempt.changed
        known = attempt.after(seq) if attempt.number == 1 and attempt.weight <= LIGHT_KEYS else None
        with self._lock:
            is_trusted = attempt.was_recalled or (known is not None and self._left(attempt.reads))
            self._forget(changed)
            if known is None or not known.found or _bytes_of(known) > LIGHT_BYTES:
                return
            self._forget(known.found)
            self._kept.update(dict.fromkeys(known.found, _Kept(known, is_trusted)))
            while len(self._kept) > KEPT_KEYS:
                self._forget((next(iter(self._kept)),))

    def _left(self, reads: Sequence[ReadEntry]) -> bool:
        """Tell whether this caller had left all of it so."""
        return bool(reads) and all(
            key in self._kept and _version(self._kept[key].known.found[key]) == version for key, version in reads
        )

    def _forget(self, keys: Iterable[bytes]) -> None:
        """Forget all that is known together with one of these."""
        for key in keys:
            kept = self._kept.get(key)
            for other in () if kept is None else kept.known.found:
                # An interrupt may have left a part.
                self._kept.pop(other, None)


def _version(found: Found) -> int:
    return 0 if found is None else found[0]


def _bytes_of(known: Known) -> int:
    return sum(len(found[1]) for found in known.found.values() if found is not None)
