"""Values as text that is bounded, for log records and for people. Pure; never raises.

Reference: the standard library's `reprlib`.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

#: How deep values are shown: a message's fields, and theirs, and theirs.
DEPTH_DEFAULT = 4

#: A value in a log record is for people to read: a longer one keeps its head and its tail.
BRIEF_LIMIT_CHARS = 400

#: Entries shown of a list, a dict or the like.
_ENTRIES = 30

#: Characters of a string or of bytes inside of a value.
_STRING = 400

#: Characters of a value with a `repr` of its own.
_OTHER = 2_000


class _Brief(reprlib.Repr):
    """A `repr` that goes no deeper and no longer than asked, also into Structs."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.maxlevel = depth
        self.maxtuple = self.maxlist = self.maxarray = self.maxdict = _ENTRIES
        self.maxset = self.maxfrozenset = self.maxdeque = _ENTRIES
        self.maxstring = self.maxlong = _STRING
        self.maxother = _OTHER

    def repr1(self, x: object, level: int) -> str:
        if isinstance(x, bytes | bytearray):
            head = repr(bytes(x[:_STRING]))
            return head if len(x) <= _STRING else f"{head[:-1]}...' ({len(x)} bytes)"
        # One that has its own `__repr__` may have it to hide something.
        if isinstance(x, msgspec.Struct) and type(x).__repr__ is msgspec.Struct.__repr__:
            return self._repr_struct(x, level)
        return super().repr1(x, level)

    def _repr_struct(self, x: msgspec.Struct, level: int) -> str:
        name = type(x).__name__
        if level <= 0:
            return f"{name}(...)"
        names = x.__struct_fields__
        fields = [f"{field}={self.repr1(getattr(x, field, '?'), level - 1)}" for field in names[:_ENTRIES]]
        return f"{name}({', '.join(fields)}{', ...' if len(names) > _ENTRIES else ''})"


def brief(value: object, *, depth: int = DEPTH_DEFAULT, chars: int = BRIEF_LIMIT_CHARS) -> str:
    """Return `repr(value)`, cut where it is too deep or too long; never raises.

    Args:
        value: anything.
        depth: levels of nesting that are shown, >= 1.
        chars: the length of the text at most, >= 20.
    """
    try:
        text = _Brief(depth).repr(value)
    except Exception as error:  # noqa: BLE001  a broken __repr__ must not hide the failure that is reported
        text = f"<{type(value).__name__} whose repr() raised {type(error).__name__}>"
    return cut(text, chars)


def cut(text: str, chars: int = BRIEF_LIMIT_CHARS) -> str:
    """Return `text`, in the middle of which something is left out if it is longer than `chars`, >= 20."""
    if len(text) <= chars:
        return text
    half = (chars - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


class Outline(str):
    """A text that stands for a value, and is its own `repr`."""

    __slots__ = ()
    __repr__ = str.__str__


def outline(value: object, *, depth: int = DEPTH_DEFAULT) -> Outline:
    """Return what kind of value it is and how large, its numbers, and nothing else of it; never raises.

    >>> outline({b"key": b"value"}), outline("secret"), outline(7)
    (<dict of 1, 8 bytes>, <6 characters>, 7)
    """
    try:
        return Outline(_outline(value, depth))
    except Exception as error:  # noqa: BLE001  as above; and it may be changed meanwhile
        return Outline(f"<{type(value).__name__} that raised {type(error).__name__}>")


def _outline(value: Any, depth: int) -> str:  # noqa: ANN401  it is looked into, whatever it is
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        # What stands for a value is told as it is.
        return str(value) if isinstance(value, Outline) else f"<{len(value)} characters>"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    name = type(value).__name__
    fields = getattr(value, "__struct_fields__", None) or getattr(value, "_fields", None)
    if isinstance(value, msgspec.Struct | tuple) and fields:
        inside = [f"{field}={_outline(getattr(value, field), depth - 1)}" for field in fields if depth > 0]
        return f"{name}({', '.join(inside) or '...'})"
    if isinstance(value, _CONTAINERS):
        size = _bytes_in(value, depth)
        return f"<{name} of {len(value)}, {size} bytes>" if size else f"<{name} of {len(value)}>"
    return f"<{name} of {len(value)}>" if hasattr(value, "__len__") else f"<{name}>"


#: What is gone through.
_CONTAINERS = (dict, list, tuple, set, frozenset)


def _bytes_in(value: object, depth: int) -> int:
    if isinstance(value, bytes):
        return len(value)
    if depth <= 0 or not isinstance(value, _CONTAINERS):
        return 0
    inside: Iterable[object] = (*value, *value.values()) if isinstance(value, Mapping) else value
    return sum(_bytes_in(each, depth - 1) for each in inside)


def counted(number: int, noun: str) -> str:
    """Return how many there are of something whose plural has an s.

    >>> counted(1, "job"), counted(2, "job")
    ('1 job', '2 jobs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
