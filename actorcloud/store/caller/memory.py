"""What is known to have held after this caller's last commits: where its next transaction may begin.

A commit says of all that its run read and wrote how it is at the commit's number. That is a snapshot,
so the next transaction that begins with one of these keys need not ask for it: a counter that one
caller keeps costs one round trip instead of two.

::

    Committed(seq) --keep--> Known(snapshot, found)
    first key that a transaction reads --take--> Known, or None: ask the store

It may be out of date by now. A commit is validated as ever, so nothing is committed on its strength
that is not so. Everything else that such a run ends in - a value with nothing to commit, an abort, an
error - is thrown away, and the function is run again on what the store says (`Repetition`).

Known things are taken, not looked at: what led to a conflict is not tried again. And only a commit at
the first attempt is kept, for what others keep changing is not worth a guess.

Owner: one `Transactions`, gone with it. Thread: any.

Reference: client caches that are checked at the commit, as in Thor (Adya et al., "Efficient optimistic
concurrency control using loosely synchronized clocks", 1995); docs/design/0016-the-next-transaction.md.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from actorcloud.store.caller.attempt import Attempt, Known

#: Keys that are remembered, the longest unused is forgotten first; with `LIGHT_BYTES` at most 8 MiB.
KEPT_KEYS = 256

#: Keys of one commit, and bytes of their values, beyond which it is not remembered.
LIGHT_KEYS = 16
LIGHT_BYTES = 32 * 1024


class Memory:
    """See the module."""

    def __init__(self) -> None:
        self._known: dict[bytes, Known] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def take(self, key: bytes) -> Known | None:
        """Return what was known when this key was, and forget it."""
        # Most transactions of most callers find nothing; they need no lock to see it.
        if key not in self._known:
            return None
        with self._lock:
            known = self._known.get(key)
            self._forget((key,))
        return known

    def keep(self, attempt: Attempt, seq: int) -> None:
        """Remember a run that was committed.

        Args:
            attempt: the run.
            seq: the number of its commit.
        """
        known = attempt.after(seq) if attempt.number == 1 else None
        with self._lock:
            self._forget(attempt.changed)
            if known is None or not known.found or not _is_light(known):
                return
            self._forget(known.found)
            self._known.update(dict.fromkeys(known.found, known))
            while len(self._known) > KEPT_KEYS:
                self._forget((next(iter(self._known)),))

    def _forget(self, keys: Iterable[bytes]) -> None:
        """Forget all that was known together with one of these."""
        for key in keys:
            known = self._known.get(key)
            for other in () if known is None else known.found:
                del self._known[other]


def _is_light(known: Known) -> bool:
    sizes = [len(found[1]) for found in known.found.values() if found is not None]
    return len(known.found) <= LIGHT_KEYS and sum(sizes) <= LIGHT_BYTES
