"""A hash that is the same in every process, unlike Python's own of texts. Pure.

Keys are routed by it, so that two processes send what belongs to one key to the same place.

Reference: Python's `PYTHONHASHSEED`; otp-semantics 3.13.
"""

from __future__ import annotations

import hashlib

import msgspec

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def stable_hash(key: object) -> int:
    """Return a hash of `key`, >= 0; of an integer its absolute value.

    >>> stable_hash(-3)
    3
    >>> stable_hash("sea") % 8
    5
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
