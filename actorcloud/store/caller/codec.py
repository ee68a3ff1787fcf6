"""Users' values as bytes, and back.

A value of exactly the type int has the codec `int`, one of exactly the type bytes is kept as it is
(`raw`); everything else is pickled, unless another codec is asked for. `msgpack` is for values that
programs in other languages read: of it comes back what msgpack knows, a list where a tuple was.

Only here is anything unpickled, and only in clients and workers. What cannot be is `ValueUnreadable`,
with the bytes.

Reference: store-design 2.2, 2.12.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec

from actorcloud.base.errors import BadValue, ValueUnreadable
from actorcloud.store import value as wire
from actorcloud.store.caller.space import Space, place_of
from actorcloud.store.key_codec import Key

#: Classes that an error names, of those in a pickle.
_NAMED_CLASSES = 3

#: What the codec `msgpack` takes, exactly: msgspec would make a list of a set, and a dict of a class.
_MSGPACK = (type(None), bool, int, float, str, bytes)


class Codec:
    r"""See the module.

    Args:
        dumps: pickles a value.
        loads: unpickles it.

    >>> import pickle
    >>> codec = Codec(pickle.dumps, pickle.loads)
    >>> codec.dumps(7), codec.dumps(b"x"), codec.loads(codec.dumps({"a": 1}, "msgpack"))
    (b'\x03\x07', b'\x00x', {'a': 1})
    """

    def __init__(self, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]) -> None:
        self._dumps = dumps
        self._loads = loads

    def dumps(self, value: object, name: str | None = None) -> bytes:
        """Return a value as it is on the wire: its codec, then its bytes.

        Args:
            value: of the user's.
            name: "raw", "msgpack", "pickle" or "int"; None: as its type has it.

        Raises:
            BadValue: the codec does not take this value, or there is no such codec.
        """
        codec = _codec_for(value) if name is None else _codec_named(name)
        return wire.with_codec(codec, self._payload(codec, value))

    def loads(self, data: bytes, where: tuple[Space, Key] | None = None) -> Any:  # noqa: ANN401  users' values
        """Return the value that `dumps` made these bytes of.

        Args:
            data: from the wire.
            where: the space and the key under which it was, for the error.

        Raises:
            ValueUnreadable: it cannot be had here; its `raw` has the bytes.
        """
        codec, payload = wire.codec_of(data), data[1:]
        try:
            match codec:
                case wire.RAW:
                    return payload
                case wire.INT:
                    return wire.unpack_int(payload)
                case wire.MSGPACK:
                    return msgspec.msgpack.decode(payload)
                case _:
                    return self._loads(payload)
        except Exception as error:
            place = "a value of the store" if where is None else place_of(*where)
            raise _unreadable(place, codec, payload, error) from error

    def _payload(self, codec: int, value: object) -> bytes:
        match codec:
            case wire.RAW if isinstance(value, bytes) and type(value) is bytes:
                return value
            case wire.INT if isinstance(value, int) and type(value) is int:
                return wire.pack_int(value)
            case wire.MSGPACK:
                return _msgpack(value)
            case wire.PICKLE:
                return self._dumps(value)
        name = wire.CODEC_NAMES[codec]
        wanted = "bytes" if codec == wire.RAW else "int"
        raise BadValue(f"the codec {name!r} takes values of the type {wanted}, not {type(value).__name__}")


class Inspected(NamedTuple):
    """A value, as far as it can be shown without unpickling anything."""

    #: "raw", "msgpack", "pickle" or "int".
    codec: str
    payload: bytes
    #: None for a pickle.
    value: Any


class Inspector(Codec):
    """Gives `Inspected`, and stores bytes as they are on the wire: for tools that run nobody's code."""

    def __init__(self) -> None:
        super().__init__(bytes, lambda _: None)

    def loads(self, data: bytes, where: tuple[Space, Key] | None = None) -> Inspected:
        """See `Codec.loads`."""
        codec = wire.codec_of(data)
        return Inspected(wire.CODEC_NAMES[codec], data[1:], super().loads(data, where))


def _codec_for(value: object) -> int:
    if type(value) is bytes:
        return wire.RAW
    if isinstance(value, int) and type(value) is int:
        return wire.INT if value.bit_length() < 8 * wire.INT_LIMIT_BYTES else wire.PICKLE
    return wire.PICKLE


def _codec_named(name: str) -> int:
    if name not in wire.CODEC_NAMES:
        raise BadValue(f"there is no codec {name!r}; one of {', '.join(wire.CODEC_NAMES)} is needed")
    return wire.CODEC_NAMES.index(name)


def _msgpack(value: object) -> bytes:
    try:
        encoded = msgspec.msgpack.encode(value)
    except Exception as error:
        raise BadValue(f"the codec 'msgpack' does not take this {type(value).__name__}: {error}") from error
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list | tuple) and type(part) in {list, tuple}:
            waiting.extend(part)
        elif isinstance(part, dict) and type(part) is dict:
            waiting.extend((*part.keys(), *part.values()))
        elif type(part) not in _MSGPACK:
            raise BadValue(f"the codec 'msgpack' does not take a {type(part).__name__}; use 'pickle', or convert it")
    return encoded


def _unreadable(place: str, codec: int, payload: bytes, error: Exception) -> ValueUnreadable:
    name = wire.CODEC_NAMES[codec]
    classes = list(dict.fromkeys(_classes_in(payload)))[:_NAMED_CLASSES] if codec == wire.PICKLE else []
    what = f"a {name} of {', '.join(classes)}" if classes else f"a {name}"
    hint = f"install {error.name!r} here" if isinstance(error, ModuleNotFoundError) else "see the cause above"
    why = f"{type(error).__name__}: {error}"
    text = f"{place} is {what} and cannot be read here ({why}); {hint}, or take its bytes from `raw`"
    return ValueUnreadable(text, raw=payload, codec=name)


def _classes_in(data: bytes) -> Iterator[str]:
    """Yield the names that a pickle imports, as far as it can be read."""
    texts: list[str] = []
    try:
        for opcode, arg, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL":
                yield str(arg).replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL":
                yield ".".join(texts[-2:])
            elif isinstance(arg, str):
                texts.append(arg)
    except Exception:  # noqa: BLE001  what is broken names no more
        return
