"""What a job is about, in a few bytes: so that another job under the same `key` is noticed.

A fingerprint is the same in every process and for every version of a function: that of the name of the
function, and that of the arguments as Python writes them, with the items of dicts in order.

Only plain values are written, of exactly the types below. Calls with anything else among their arguments are
not compared: it is better to miss a mistake than to see one where none is. Pickles would not do: those of
equal values differ, as a string that is there twice is the same object in one and two in the other.

Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

from actorcloud.base.ids import JobRef

#: Bytes of each of the two halves.
_HALF = 8

#: Letters of written arguments beyond which they are not compared.
_LIMIT = 64 * 1024

#: Exact types whose `ascii` is the same everywhere, and another for each value (`repr` is not: which letters can
#: be printed is another in each version of Python).
_SINGLE = frozenset({type(None), bool, int, float, str, bytes, JobRef})

#: Those that take a letter at least for each letter or item of theirs.
_SIZED = frozenset({str, bytes, list, tuple, dict})


def fingerprint(fun: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
    """Return the fingerprint of the call `fun(*args, **kwargs)`."""
    name = getattr(fun, "__qualname__", type(fun).__qualname__)
    return _digest(name.encode()) + _fingerprint_of_arguments((args, kwargs))


def differing(one: bytes, other: bytes) -> list[str]:
    """Return in what two fingerprints differ, for people; nothing if one is empty: it is not known."""
    if not one or not other:
        return []
    function = ["another function"] if one[:_HALF] != other[:_HALF] else []
    is_known = _UNKNOWN not in {one[_HALF:], other[_HALF:]}
    return function + (["other arguments"] if is_known and one[_HALF:] != other[_HALF:] else [])


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=_HALF).digest()


#: The half of arguments that are not compared.
_UNKNOWN = _digest(b"")


def _fingerprint_of_arguments(call: tuple[tuple[object, ...], dict[str, object]]) -> bytes:
    try:
        return _digest(_written(call, _LIMIT).encode())
    except (ValueError, RuntimeError):
        # Not plain, too long, nested too deep, or changed by another thread meanwhile.
        return _UNKNOWN


def _written(value: Any, room: int) -> str:
    """Return a value as it is written, in at most `room` letters.

    Raises:
        ValueError: it takes more, or is not plain.
    """
    kind = type(value)
    # What is long already is not written first.
    if kind in _SIZED and len(value) > room:
        raise ValueError(f"{len(value)} letters or items, in room for {room}")
    if kind in _SINGLE:
        text = ascii(value)
    elif kind is dict:
        text = "{" + ",".join(sorted(_all_written(value.items(), room))) + "}"
    elif kind is list:
        text = "[" + ",".join(_all_written(value, room)) + "]"
    elif kind is tuple:
        text = "(" + ",".join(_all_written(value, room)) + ")"
    else:
        raise ValueError(f"{kind} is not plain")
    if len(text) > room:
        raise ValueError(f"{len(text)} letters, in room for {room}")
    return text


def _all_written(values: Iterable[Any], room: int) -> list[str]:
    found = []
    for value in values:
        text = _written(value, room)
        found.append(text)
        # Each takes some, so that the walk ends early where the same list is in it again and again.
        room -= len(text)
    return found
