"""Pickling of what users send: arguments, results, functions.

Plain values, and objects of installed libraries, go through the C pickler (protocol 5). The first
object of the user's own code stops it, and the value is pickled again by `base.byvalue`, which
needs cloudpickle: a program that sends only plain values never loads it.

::

    exact builtin values ------------------> pickle.dumps          0.3 us
    objects of libraries -- _NamePickler --> by name               + 0.3 us an object
    the user's functions and classes ------> base.byvalue          tens of us

Errors name what could not be pickled and what to do (`base.blame` finds it, only then).

Thread: any. No file, no socket; unpickling runs the code that the bytes name, so it belongs into
clients and workers: the head and the agents never call it.
"""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any

from actorcloud.base.blame import Call, describe
from actorcloud.base.errors import PayloadTooLarge, ResultUnreadable, Unpicklable
from actorcloud.base.origin import travels_by_name

#: Bytes of one job's arguments, of a function or of a result; `protocol.job` has the same number.
PAYLOAD_LIMIT_BYTES = 16 * 1024 * 1024

#: The first with fast paths for everything that we send.
PROTOCOL = 5

#: Exact types that the C pickler needs no help with, whatever they hold.
_PLAIN = frozenset({int, float, complex, bool, str, bytes, bytearray, type(None)})


def dump_call(args: tuple[object, ...], kwargs: Mapping[str, object]) -> bytes:
    """Return the pickled arguments of a job.

    Raises:
        Unpicklable: naming the argument and, where it can be found, the part of it.
        PayloadTooLarge: with the size and the limit.
    """
    for value in args:
        if type(value) not in _PLAIN:
            break
    else:
        if not kwargs:
            return limited(pickle.dumps((args, {}), PROTOCOL), "the arguments")
    call = (args, dict(kwargs))
    return limited(dump(call, "the arguments", Call(*call)), "the arguments")


def load_call(data: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return (args, kwargs) of a job; raises whatever their unpickling raises."""
    args, kwargs = load(data)
    return args, kwargs


def dump_value(value: object, what: str = "the result") -> bytes:
    """Return a pickled value.

    Args:
        value: anything.
        what: how messages name it, "the result" or "the value of 'total'".

    Raises:
        Unpicklable: naming the part that cannot be pickled.
        PayloadTooLarge: with the size and the limit.
    """
    if type(value) in _PLAIN:
        return limited(pickle.dumps(value, PROTOCOL), what)
    return limited(dump(value, what), what)


def load_value(data: bytes, what: str = "its result") -> Any:
    """Return the value in `data`; classes that this program has itself are its own.

    Raises:
        ResultUnreadable: saying what is missing here.
    """
    try:
        return load_here(data)
    except Exception as error:
        hint = f"install {error.name!r} here" if isinstance(error, ModuleNotFoundError) else "see the cause above"
        text = f"the job is done, but this program cannot unpickle {what} ({type(error).__name__}: {error}); {hint}"
        raise ResultUnreadable(text) from error


def load(data: bytes) -> Any:
    """Unpickle what a user of this cloud sent; raises whatever that raises."""
    return pickle.loads(data)  # noqa: S301  users run code here, that is the purpose; the head never calls this


def load_here(data: bytes) -> Any:
    """Unpickle; a class of the user's that this process has under its own name is that class."""
    # Only pickles of base.byvalue name it, and only they can hold classes of the user's.
    if b"actorcloud.base.byvalue" not in data:
        return load(data)
    from actorcloud.base import byvalue  # noqa: PLC0415  loads cloudpickle

    with byvalue.preferring_local_classes():
        return load(data)


def dump(value: object, what: str, named: object = None) -> bytes:
    """Return the pickle of `value`, by value where it holds code of the user's; any size.

    Args:
        value: anything.
        what: how messages name it.
        named: the same, where a message has better names for its parts.

    Raises:
        Unpicklable: naming `what` and the part that cannot be pickled.
    """
    try:
        return _dump_by_name(value)
    except Exception:  # noqa: BLE001  whatever stopped the C pickler, the other one may manage
        return _dump_by_value(value, what, named)


def limited(data: bytes, what: str) -> bytes:
    """Return `data`, or say that it is too large.

    Raises:
        PayloadTooLarge: with the size and the limit.
    """
    if len(data) > PAYLOAD_LIMIT_BYTES:
        raise PayloadTooLarge(
            f"{what} of {len(data):,} bytes: a job can carry {PAYLOAD_LIMIT_BYTES:,} bytes pickled; "
            "send a path or a key, or split it into several jobs"
        )
    return data


class _ByValueNeeded(Exception):
    """Something of the user's own is in the value: the C pickler would send only its name."""


class _NamePickler(pickle.Pickler):
    """The C pickler, stopped by the first function, class or module that has to travel by value."""

    def reducer_override(self, obj: Any) -> Any:
        # Called for everything but the builtin values and containers.
        if isinstance(obj, ModuleType) or (isinstance(obj, (type, FunctionType)) and not travels_by_name(obj)):
            raise _ByValueNeeded
        return NotImplemented


def _dump_by_name(value: object) -> bytes:
    buffer = io.BytesIO()
    _NamePickler(buffer, PROTOCOL).dump(value)
    return buffer.getvalue()


def _dump_by_value(value: object, what: str, named: object) -> bytes:
    from actorcloud.base import byvalue  # noqa: PLC0415  loads cloudpickle

    dump_part = functools.partial(byvalue.dump, protocol=PROTOCOL)
    try:
        return dump_part(value)
    except Exception as error:
        raise Unpicklable(describe(value if named is None else named, what, error, dump_part)) from error
