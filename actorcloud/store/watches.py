"""Who wants to know when a key changes.

Pure. A watch says what its watcher has seen, and fires once, when the key is not so: at once if it has
changed meanwhile, else with the batch that changes it, when that is durable. It is in memory only: a
watcher whose head is gone asks the next one and says again what it has seen, so that no change is
missed. Changes that come together are one: told is that it changed, not how often, nor to what.

Reference: store-design 2.12; FoundationDB's watches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple

from actorcloud.base.errors import BadKey, NoSuchJob, TooManyWatches, TransactionError
from actorcloud.base.ids import JobRef
from actorcloud.protocol.transaction import KeyChanged, Refused, WatchKey
from actorcloud.store import keys, stored
from actorcloud.store.view import Layer, View

#: Watches of one client, or of one node with all its jobs.
WATCH_LIMIT = 10_000


class Watcher(NamedTuple):
    """One who waits."""

    #: Where the answer goes.
    to: object
    #: Whose watch it is, for the limit.
    client: Hashable
    seen: int


#: What is to be told, and to whom.
Told = tuple[object, KeyChanged | Refused]


def check_watch(watch: WatchKey) -> Refused | None:
    """Refuse a message about a key that callers may not touch."""
    try:
        keys.owner_of(watch.key, ())
    except BadKey as error:
        return Refused(error.code, str(error))
    return Refused(TransactionError.code, f"no commit has the number {watch.seen}") if watch.seen < 0 else None


def keys_of_watch(watch: WatchKey) -> set[bytes]:
    """Return the engine keys on which the answer to a checked `watch` depends."""
    owner = keys.owner_of(watch.key, ())
    return {watch.key} if owner is None else {watch.key, keys.record(owner)}


class Watches:
    """See the module. Owned by the store actor.

    Args:
        limit: of one client.
    """

    def __init__(self, limit: int = WATCH_LIMIT) -> None:
        self._limit = limit
        self._by_key: dict[bytes, dict[int, Watcher]] = {}
        #: The key of each watcher.
        self._key_of: dict[int, bytes] = {}
        #: Watched keys of each job.
        self._of_job: dict[bytes, set[bytes]] = {}
        self._counts: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        return len(self._key_of)

    def add(self, view: View, watch: WatchKey, to: object, client: Hashable) -> KeyChanged | Refused | None:
        """Register a checked watch; or return its answer, if there is one already.

        Args:
            view: of the last durable state, and of no other.
            watch: what was asked.
            to: where the answer goes.
            client: whose watch it is.
        """
        owner = keys.owner_of(watch.key, ())
        if owner is not None and not view.has_job(owner):
            return _no_such_job(owner)
        seq = view.seq(watch.key)
        if seq != watch.seen:
            return KeyChanged(seq)
        if self._counts[client] >= self._limit:
            return Refused(
                TooManyWatches.code,
                f"{self._limit} keys are watched by this client, or node with its jobs: close a watch first",
            )
        self._by_key.setdefault(watch.key, {})[id(to)] = Watcher(to, client, watch.seen)
        self._key_of[id(to)] = watch.key
        self._counts[client] += 1
        if owner is not None:
            self._of_job.setdefault(owner, set()).add(watch.key)
        return None

    def drop(self, to: object) -> None:
        """Forget a watcher that gave up or is gone."""
        key = self._key_of.get(id(to))
        if key is not None:
            self._pop(key, id(to))

    def landed(self, layer: Layer) -> Iterator[Told]:
        """Fire for a batch that is durable now."""
        if not self._by_key:
            return
        small, large = sorted((self._by_key.keys(), layer.keys()), key=len)
        for key in [key for key in small if key in large]:
            seq = stored.seq_of(layer[key])
            for number, watcher in list(self._by_key[key].items()):
                if watcher.seen != seq:
                    self._pop(key, number)
                    yield watcher.to, KeyChanged(seq)

    def deleted(self, refs: Iterable[bytes]) -> Iterator[Told]:
        """End the watches on keys of deleted jobs."""
        for ref in refs:
            for key in self._of_job.pop(ref, ()):
                for number, watcher in list(self._by_key[key].items()):
                    self._pop(key, number)
                    yield watcher.to, _no_such_job(ref)

    def _pop(self, key: bytes, number: int) -> None:
        watchers = self._by_key[key]
        client = watchers.pop(number).client
        del self._key_of[number]
        self._counts[client] -= 1
        if not self._counts[client]:
            del self._counts[client]
        if not watchers:
            del self._by_key[key]
            owner = keys.owner_of(key, ())
            if owner in self._of_job:
                self._of_job[owner].discard(key)
                if not self._of_job[owner]:
                    del self._of_job[owner]


def _no_such_job(ref: bytes) -> Refused:
    return Refused(NoSuchJob.code, f"no job has the reference {JobRef(ref)}")
