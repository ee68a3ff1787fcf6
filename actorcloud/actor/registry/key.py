"""Keys, compared exactly. Pure.

In Python `1 == 1.0 == True`, so the three would be one key of a dict; in Erlang they are three.

Reference: otp-semantics 3.15, PORT-9.
"""

from __future__ import annotations

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
