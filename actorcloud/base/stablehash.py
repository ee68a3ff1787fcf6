"""A hash that is the same in every process, unlike Python's own of texts. Pure.

Keys are routed by it, so that two processes send what belongs to one key to the same place. `spread`
takes any key that can be hashed, at the price that some hashes hold in one process only.

Reference: Python's `PYTHONHASHSEED`; otp-semantics 3.13.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Hashable

import msgspec

_encoder = msgspec.msgpack.Encoder(order="deterministic")

#: Equal ones of one of these types are encoded in the same way; so not floats, with 0.0 and -0.0.
_PLAIN = frozenset({str, bytes, int, bool, type(None)})


def stable_hash(key: object) -> int:
    """Return a hash of `key`, >= 0; of an integer its absolute value.

    >>> stable_hash(-3)
    3
    >>> stable_hash("sea") % 8
    4
    >>> stable_hash(("sea", 1)) == stable_hash("sea")
    False

    Args:
        key: an integer, a float, a text, bytes, None, an enum, a date, a UUID, a Struct or a dataclass; or
            tuples, lists, sets and dicts of them.

    Raises:
        TypeError: it is of another type.
    """
    if isinstance(key, int):
        return abs(key)
    # A text and the same in bytes are two keys, as their encodings differ.
    return int.from_bytes(hashlib.blake2b(_encoder.encode(key), digest_size=8).digest(), "big")


def spread(key: Hashable, parts: int) -> int:
    """Return which of `parts` places a key belongs to, 0 <= n < parts; the same for equal keys of one type.

    It is the stable hash of texts, bytes, integers, None and tuples of them. All else may be equal without
    being encoded alike, so it is Python's own hash: of a float it is stable too, of what contains a text it
    is so only within one process.

    >>> spread("sea", 8) == stable_hash("sea") % 8
    True
    >>> spread(-0.0, 8) == spread(0.0, 8)
    True

    Raises:
        TypeError: the key cannot be hashed.
    """
    if parts == 1:
        return 0
    if _is_plain(key):
        # Neither half of a surrogate pair nor a number of more than 64 bits inside of a tuple can be encoded.
        with contextlib.suppress(UnicodeEncodeError, OverflowError):
            return stable_hash(key) % parts
    return hash(key) % parts


def _is_plain(key: object) -> bool:
    return all(map(_is_plain, key)) if type(key) is tuple else type(key) in _PLAIN
