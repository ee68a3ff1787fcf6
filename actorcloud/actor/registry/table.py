"""One partition's entries: who is registered under what.

Thread: written under `GUARD`, read without it; each read is one step of a dict, so a reader sees the
entries of a key as they were at one moment. Nobody reads what is half written.

A table belongs to its partition: it is closed, and empty, when that ends.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from typing import Any

import msgspec

from actorcloud.actor.registry.key import exact


class Entry(msgspec.Struct, frozen=True):
    """One registration."""

    key: Any
    #: The `ActorRef` of who registered.
    ref: Any
    value: Any = None


class Table:
    """The entries of one partition; a `Directory`.

    Args:
        partition: the ref of the actor that it lives and dies with.
    """

    __slots__ = ("_by_actor", "_by_key", "_serials", "is_open", "partition")

    def __init__(self, partition: Any) -> None:
        self.partition = partition
        self.is_open = True
        self._serials = itertools.count()
        #: Exact key -> number -> entry, oldest first.
        self._by_key: dict[Hashable, dict[int, Entry]] = {}
        #: Serial of an actor -> exact key -> number -> its entry: so its own are found among thousands.
        self._by_actor: dict[int, dict[Hashable, dict[int, Entry]]] = {}

    # -- writing: under GUARD ---------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """Add an entry."""
        number, key = next(self._serials), exact(entry.key)
        self._by_key.setdefault(key, {})[number] = entry
        self._by_actor.setdefault(entry.ref.id.serial, {}).setdefault(key, {})[number] = entry

    def replace(self, old: Entry, new: Entry) -> bool:
        """Put an entry in the place of another of the same actor and key; False if that is gone."""
        key = exact(old.key)
        mine = self._by_actor.get(old.ref.id.serial, {}).get(key, {})
        for number, entry in mine.items():
            if entry is old:
                mine[number] = self._by_key[key][number] = new
                return True
        return False

    def remove(self, entry: Entry) -> bool:
        """Remove an entry if it is there; True if that was the last one of its actor."""
        serial, key = entry.ref.id.serial, exact(entry.key)
        keys = self._by_actor.get(serial, {})
        mine = keys.get(key, {})
        for number in [number for number, found in mine.items() if found is entry]:
            self._drop(key, number)
            del mine[number]
            if not mine:
                del keys[key]
            if not keys:
                del self._by_actor[serial]
                return True
        return False

    def release(self, serial: int) -> None:
        """Forget a dying actor; all that is here if it is the partition itself."""
        if serial == self.partition.id.serial:
            self.is_open = False
            self._by_key.clear()
            self._by_actor.clear()
            return
        for key, mine in self._by_actor.pop(serial, {}).items():
            for number in mine:
                self._drop(key, number)

    def _drop(self, key: Hashable, number: int) -> None:
        entries = self._by_key[key]
        del entries[number]
        if not entries:
            del self._by_key[key]

    # -- reading: any thread ----------------------------------------------------------------------

    def lookup(self, key: Any) -> list[Entry]:
        """Return the entries of a key, oldest first."""
        entries = self._by_key.get(exact(key))
        return [] if entries is None else list(entries.values())

    def of(self, serial: int) -> list[Entry]:
        """Return the entries of an actor, by key."""
        return [entry for mine in list(self._by_actor.get(serial, {}).values()) for entry in list(mine.values())]

    def mine(self, serial: int, key: Any) -> list[Entry]:
        """Return the entries of an actor under a key, oldest first."""
        return list(self._by_actor.get(serial, {}).get(exact(key), {}).values())

    def count(self) -> int:
        """Return how many entries there are."""
        return sum(map(len, list(self._by_key.values())))

    def __iter__(self) -> Iterator[Entry]:
        for entries in list(self._by_key.values()):
            yield from list(entries.values())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of anybody."""
        return not self._by_key and not self._by_actor
