"""What every message on the wire is: a tagged, frozen, versioned array.

A message is a `Message` subclass with an integer `tag` of its own; on the wire it is the msgpack
array `[tag, field, ...]`. The ranges, so that no tag is ever given twice:

======  ==============================================  ========================
tags    between                                         module
======  ==============================================  ========================
1-29    peers: tell, ask, monitor, exit                 `protocol.signal`
30-59   callers and the store                           `protocol.transaction`
60-99   clients and the job manager                     `protocol.job`
100-129 a node's proxy and its agent                    `protocol.node`
130-159 an agent and its worker processes               `protocol.worker`
160-189 a process and its isolated actors               `protocol.isolation`
======  ==============================================  ========================

Evolution: new fields last and with a default; types never change; tags and names are never used
again. An unknown tag is a `WireError` of that message alone: an envelope holds its messages raw.

Reference: msgspec's schema evolution; net-design 3.1-3.2.
"""

from __future__ import annotations

import functools
import operator
from typing import Any, cast

import msgspec

from actorcloud.base.errors import WireError

#: Goes up when a message changes in a way that older peers cannot read. 1: the first.
VERSION = 1


class Message(msgspec.Struct, frozen=True, array_like=True, kw_only=False, gc=False):
    """The root of all that crosses a process; concrete classes give `tag=`."""


_encoder = msgspec.msgpack.Encoder()


def encode(message: Message) -> bytes:
    """Return the bytes of `message`."""
    return _encoder.encode(message)


def decode(data: bytes | msgspec.Raw) -> Message:
    """Return the message in `data`, checked against its type.

    Raises:
        WireError: whatever is wrong with the bytes; nothing else is ever raised.
    """
    try:
        return cast("Message", _decoder().decode(data))
    except Exception as error:
        raise WireError(f"not a message of actorcloud: {error}; it starts with {bytes(data)[:32].hex()}") from error


def message_types() -> tuple[type[Message], ...]:
    """Return every concrete message, by tag; a duplicate tag fails here."""
    found: dict[int, type[Message]] = {}
    waiting = list(Message.__subclasses__())
    while waiting:
        cls = waiting.pop()
        waiting.extend(cls.__subclasses__())
        tag = cls.__struct_config__.tag
        if not isinstance(tag, int):
            continue
        if found.setdefault(tag, cls) is not cls:
            raise TypeError(f"tag {tag} is given to {cls.__name__} and to {found[tag].__name__}")
    return tuple(found[tag] for tag in sorted(found))


@functools.cache
def _decoder() -> msgspec.msgpack.Decoder[Any]:
    # Built at the first use, when the package's __init__ has loaded every module of messages.
    return msgspec.msgpack.Decoder(functools.reduce(operator.or_, message_types()))
