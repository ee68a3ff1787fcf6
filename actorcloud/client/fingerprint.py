"""What a job is about, in a few bytes: so that another job under the same `key` is noticed.

A fingerprint is the same in every process and for every version of a function: that of the name of the
function, and that of the pickled arguments. Pickles that differ although the values are the same, those of
sets and of the user's own classes, are left out: it is better to miss a mistake than to see one where none is.

Pure.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from hashlib import blake2b

#: Bytes of each of the two halves.
_HALF = 8

#: Bytes of arguments beyond which they are not looked at.
_LIMIT_BYTES = 64 * 1024

#: Sets are pickled in the order of the hashes of what they hold, which is another in each process.
_UNORDERED = frozenset({"EMPTY_SET", "FROZENSET"})

#: Classes that travel by value have a random name in each process.
_BY_VALUE = (b"actorcloud.base.byvalue", b"cloudpickle")


def fingerprint(fun: Callable[..., object], arguments: bytes) -> bytes:
    """Return the fingerprint of a call.

    Args:
        fun: the function.
        arguments: as `dump_call` gives them.
    """
    name = getattr(fun, "__qualname__", type(fun).__qualname__)
    return _digest(name.encode()) + _digest(arguments if _is_steady(arguments) else b"")


def differing(one: bytes, other: bytes) -> list[str]:
    """Return in what two fingerprints differ, for people; nothing if one is empty: it is not known."""
    if not one or not other:
        return []
    function = ["another function"] if one[:_HALF] != other[:_HALF] else []
    is_known = _digest(b"") not in {one[_HALF:], other[_HALF:]}
    return function + (["other arguments"] if is_known and one[_HALF:] != other[_HALF:] else [])


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_HALF).digest()


def _is_steady(pickled: bytes) -> bool:
    if len(pickled) > _LIMIT_BYTES or any(name in pickled for name in _BY_VALUE):
        return False
    return _UNORDERED.isdisjoint(opcode.name for opcode, _, _ in pickletools.genops(pickled))
