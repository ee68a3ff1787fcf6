"""Keys: compared exactly, and spread over partitions. Pure.

In Python `1 == 1.0 == True`, so the three would be one key of a dict; in Erlang they are three.

Reference: otp-semantics 3.15, PORT-9.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable
from typing import Any


def exact(key: Any) -> Hashable:
    """Return what stands for `key` in a dict, so that only a key of the same type is equal.

    Tuples and frozensets are taken apart; other containers compare by their own `==`.

    >>> exact(1) == exact(1.0)
    False
    >>> exact(("a", 1)) == exact(("a", True))
    False
    >>> exact(("a", 1)) == exact(("a", 1))
    True

    Raises:
        TypeError: the key cannot be hashed.
    """
    kind = type(key)
    if kind is str:
        return key  # type: ignore[no-any-return]  # tested just above
    if isinstance(key, tuple):
        return kind, tuple(map(exact, key))
    if isinstance(key, frozenset):
        return kind, frozenset(map(exact, key))
    hash(key)
    return kind, key


def spread(key: Any, parts: int) -> int:
    """Return which of `parts` partitions a key belongs to, 0 <= n < parts.

    The same in every run of a program for numbers, texts, bytes and tuples of them, although
    Python's own hashes of texts are not; so a simulation can be repeated.
    """
    return 0 if parts == 1 else _digest(key) % parts


def _digest(key: Any) -> int:
    if isinstance(key, str):
        return zlib.crc32(key.encode("utf-8", "surrogatepass"))
    if isinstance(key, bytes):
        return zlib.crc32(key)
    if isinstance(key, tuple):
        return zlib.crc32(b"".join(_digest(part).to_bytes(8, "big") for part in key))
    return 0 if key is None else hash(key) & 0xFFFF_FFFF
