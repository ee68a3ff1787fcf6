"""Users' spaces and keys as engine keys. Pure."""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any

from actorcloud.base.errors import BadJobRef, BadKey
from actorcloud.base.ids import JobRef
from actorcloud.store import keys
from actorcloud.store.key_codec import KEY_LIMIT_BYTES, STAMP_LIMIT_BYTES, Key, encode_key, prefix_range

#: What keys a part of the store: a job, also by its text, or a space's name.
Space = JobRef[Any] | str


def user_key(space: Space, key: Key) -> bytes:
    """Return the engine key of a user's key.

    Raises:
        BadKey: there is none.
    """
    return keys.user(_name(space), encode_key(key))


def prefix_key(space: Space, prefix: tuple[Key, ...]) -> bytes:
    """Return what the engine keys of all tuples begin with that begin with `prefix`.

    Raises:
        BadKey: it is no tuple of keys.
    """
    if not isinstance(prefix, tuple):
        raise BadKey(f"{prefix!r} is no tuple, and what is pushed gets a key with two more elements: ('queue',)")
    encoded = prefix_range(prefix)[0]
    if len(encoded) + STAMP_LIMIT_BYTES > KEY_LIMIT_BYTES:
        limit = KEY_LIMIT_BYTES - STAMP_LIMIT_BYTES
        raise BadKey(f"a prefix takes {len(encoded)} bytes; the limit is {limit}, for the key goes on: shorten it")
    return keys.user(_name(space), encoded)


def range_of(space: Space, prefix: Key, start: Key, stop: Key) -> tuple[bytes, bytes, bytes]:
    """Return (what all keys of the space begin with, the first engine key of a scan, the first behind it).

    Raises:
        BadKey: there is none.
    """
    whole = space_key(space)
    first, end = (b"", b"\xff") if prefix is None else prefix_range(prefix)
    if start is not None:
        first = max(first, encode_key(start))
    if stop is not None:
        end = min(end, encode_key(stop))
    return whole, whole + first, whole + end


def space_key(space: Space) -> bytes:
    """Return what the engine keys of all that a space has begin with.

    Raises:
        BadKey: no space can have that name.
    """
    return keys.space(_name(space))


def limit_of(limit: int | None) -> int:
    """Return how many items a scan may find at most.

    Raises:
        TypeError, ValueError: it is no number, or less than 0.
    """
    if limit is None:
        return sys.maxsize
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"the limit of a scan is an int or None, not {limit!r}")
    if limit < 0:
        raise ValueError(f"the limit of a scan is 0 or more, not {limit}: `reverse=True` gives the last ones")
    return limit


def place_of(space: Space, key: Key) -> str:
    """Return how errors name a value."""
    return f"the value under the key {key!r} of {space!r}"


def _name(space: Space) -> bytes | str:
    if isinstance(space, str):
        return _named(space)
    if isinstance(space, JobRef):
        return space.raw
    raise BadKey(f"what keys the store is a JobRef or the name of a space, not {space!r}")


@lru_cache(keys.REMEMBERED)
def _named(text: str) -> bytes | str:
    # As at every call: what is the text of a job's reference is that job, and names no space.
    try:
        return JobRef[Any].parse(text).raw
    except BadJobRef:
        return text
