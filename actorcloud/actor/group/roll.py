"""Rolls: which members groups have, and how often. Pure.

Thread: written by one, read by any; each read is one step of a dict.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from actorcloud.actor.registry.key import exact

#: As it is used here: `keyed`, so that only a group of the same type is equal.
Group = Hashable

#: Group -> its members, each as often as it is one.
Members = Mapping[Group, tuple[Any, ...]]


class _Keyed(msgspec.Struct, frozen=True):
    """A group that is no text, and what it is compared by."""

    exact: Hashable
    group: Hashable


def keyed(group: Hashable) -> Group:
    """Return what stands for a group in a dict: 1, 1.0 and True are three.

    >>> keyed(1) == keyed(True), keyed(1) == keyed(1), unkeyed(keyed(1))
    (False, True, 1)

    Raises:
        TypeError: it cannot be hashed.
    """
    return group if type(group) is str else _Keyed(exact(group), group)


def unkeyed(group: Group) -> Hashable:
    """Return what the user calls the group."""
    return group.group if isinstance(group, _Keyed) else group


class Roll:
    """Multisets of refs by group; a group without members is none."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[Group, dict[Any, int]] = {}

    def __iter__(self) -> Iterator[Group]:
        return iter(list(self._counts))

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, group: Group, refs: Iterable[Any]) -> None:
        """Count each once more."""
        counts = self._counts.get(group)
        if counts is None:
            # Filled before it is seen: readers find no group that is empty.
            counts = {}
            for ref in refs:
                counts[ref] = counts.get(ref, 0) + 1
            if counts:
                self._counts[group] = counts
            return
        for ref in refs:
            counts[ref] = counts.get(ref, 0) + 1

    def remove(self, group: Group, refs: Iterable[Any]) -> tuple[Any, ...]:
        """Count each once less; return those that there were."""
        counts = self._counts.get(group)
        if counts is None:
            return ()
        gone = []
        for ref in refs:
            count = counts.get(ref, 0)
            if count == 0:
                continue
            gone.append(ref)
            if count > 1:
                counts[ref] = count - 1
            else:
                del counts[ref]
        if not counts:
            del self._counts[group]
        return tuple(gone)

    def members(self, group: Group) -> tuple[Any, ...]:
        """Return the members of a group."""
        counts = list(self._counts.get(group, {}).items())
        return tuple(ref for ref, count in counts for _ in range(count))

    def count(self, group: Group, ref: Any) -> int:
        """Return how often a ref is a member."""
        return self._counts.get(group, {}).get(ref, 0)

    def all(self) -> dict[Group, tuple[Any, ...]]:
        """Return the members of all groups."""
        return {group: members for group in self if (members := self.members(group))}

    def lacks(self, other: Roll) -> dict[Group, tuple[Any, ...]]:
        """Return what `other` has and this has not, group by group."""
        missing = {}
        for group, counts in other._counts.items():
            mine = self._counts.get(group, {})
            refs = tuple(ref for ref, count in counts.items() for _ in range(count - mine.get(ref, 0)))
            if refs:
                missing[group] = refs
        return missing
