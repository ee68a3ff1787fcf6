"""How much each job and each named space keeps in the store, and how much it may.

Pure. One usage record a space (prefix 0c): its keys, and the bytes of keys and stored values. It is
counted when a transaction is accepted, from the old and the new size of each key that it writes, and
written with it; so a batch writes it once. Callers never read it, so nobody conflicts over it.

What grows a space beyond its quota is refused; what makes it smaller always goes. With a job its usage
record is deleted. `census` counts a whole store anew.

Reference: store-design 2.10; quotas of file systems.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from actorcloud.base.errors import QuotaExceeded
from actorcloud.base.ids import JobRef
from actorcloud.store import keys, stored
from actorcloud.store.view import View

_USAGE = struct.Struct(">QQ")


class Usage(NamedTuple):
    """What a space has."""

    keys: int = 0
    #: Of keys and stored values.
    size_bytes: int = 0


class Quota(NamedTuple):
    """What a job or a named space may have."""

    #: A store of one space with more can hardly be listed, backed up or deleted in reasonable time.
    keys: int = 10_000_000
    #: More than a quarter of the map that a store begins with.
    size_bytes: int = 16 * 1024**3


QUOTA_DEFAULT = Quota()


def pack_usage(usage: Usage) -> bytes:
    """Return the payload of a usage record."""
    return _USAGE.pack(*usage)


def unpack_usage(payload: bytes) -> Usage:
    """Return what `pack_usage` was given."""
    return Usage(*_USAGE.unpack(payload))


def usage_of(view: View, space: bytes) -> Usage:
    """Return what a space has, as far as it was counted."""
    value = view.value(keys.usage(space))
    return Usage() if value is None else unpack_usage(stored.payload_of(value))


def charged(
    view: View, seq: int, users: Mapping[bytes, bytes | None], quota: Quota
) -> dict[bytes, bytes | None] | QuotaExceeded:
    """Return the usage records that the commit number `seq` writes; or which quota it would exceed.

    Args:
        view: the state before it.
        seq: its number.
        users: what it writes of users' keys.
        quota: of each space.
    """
    writes: dict[bytes, bytes | None] = {}
    for space, (more_keys, more_bytes) in _growth(view, users).items():
        if not (more_keys or more_bytes):
            continue  # as it was: most transactions change values
        before = usage_of(view, space)
        after = Usage(max(0, before.keys + more_keys), max(0, before.size_bytes + more_bytes))
        if after.keys > quota.keys or after.size_bytes > quota.size_bytes:
            exceeded = _exceeded(space, before, after, quota)
            if exceeded is not None:
                return exceeded
        writes[keys.usage(space)] = stored.pack(seq, pack_usage(after)) if after.keys else None
    return writes


def usage_keys(users: Iterable[bytes]) -> set[bytes]:
    """Return the usage records of the spaces that these keys are in."""
    return {keys.usage(keys.space_of(key)) for key in users if key[:1] == keys.USER}


def _exceeded(space: bytes, before: Usage, after: Usage, quota: Quota) -> QuotaExceeded | None:
    for what, had, has, limit in zip(("keys", "bytes"), before, after, quota, strict=True):
        if has > max(limit, had):
            return QuotaExceeded(f"{named_space(space)} would have {has} {what}; its quota is {limit}: delete some")
    return None


def _growth(view: View, users: Mapping[bytes, bytes | None]) -> dict[bytes, tuple[int, int]]:
    """Return by how many keys and bytes each space grows."""
    grown: dict[bytes, tuple[int, int]] = {}
    for key, new in users.items():
        if key[:1] == keys.USER:
            space = keys.space_of(key)
            count, size = grown.get(space, (0, 0))
            old = view.known(key)
            if old is not None:
                count, size = count - 1, size - len(key) - len(old)
            if new is not None:
                count, size = count + 1, size + len(key) + len(new)
            grown[space] = count, size
    return grown


def named_space(space: bytes) -> str:
    """Return a space in the words of people."""
    name = keys.name_of_space(space)
    return f"the job {JobRef(name)}" if isinstance(name, bytes) else f"the space {name!r}"
