"""How users' values are told apart: a codec in front of each, one byte on the wire, four bits in the store.

Pure. The store reads integers only, for the operations that it carries out itself; everything else is
opaque to it, and nothing is ever unpickled there.

====== ======== ==================================================================
codec  name     the bytes behind it
====== ======== ==================================================================
0      raw      the value, which is bytes
1      msgpack  msgpack: None, bool, int, float, str, bytes, list, dict
2      pickle   a pickle of protocol 5, with the user's own classes by value
3      int      two's complement, big-endian, as few bytes as it takes, at most 255
====== ======== ==================================================================

Reference: store-design 2.2, 2.12.
"""

from __future__ import annotations

from actorcloud.base.errors import BadValue

RAW, MSGPACK, PICKLE, INT = range(4)

#: By number.
CODEC_NAMES = ("raw", "msgpack", "pickle", "int")

#: Bytes in front of the payload of a value on the wire.
CODEC_BYTES = 1

#: Bytes of an integer: those of a key, too. Adding to larger ones would cost the store too much.
INT_LIMIT_BYTES = 255


def with_codec(codec: int, payload: bytes) -> bytes:
    """Return a value as it is on the wire."""
    return codec.to_bytes() + payload


def codec_of(value: bytes) -> int:
    """Return the codec of a value from the wire.

    Raises:
        BadValue: it has none, or one that is not known here.
    """
    if not value or value[0] >= len(CODEC_NAMES):
        raise BadValue(f"a value begins with its codec, 0 to {len(CODEC_NAMES) - 1}, not with {value[:1].hex()!r}")
    return value[0]


def pack_int(number: int) -> bytes:
    """Return the payload of an integer.

    Raises:
        BadValue: it takes more than `INT_LIMIT_BYTES`.

    >>> [pack_int(number).hex() for number in (0, 127, 128, -128, -129)]
    ['00', '7f', '0080', '80', 'ff7f']
    """
    # The bits of a negative number's complement, and one for the sign.
    length = ((number if number >= 0 else ~number).bit_length() + 8) // 8
    if length > INT_LIMIT_BYTES:
        raise BadValue(f"an integer of {length} bytes does not fit the codec 'int', which holds {INT_LIMIT_BYTES}")
    return number.to_bytes(length, "big", signed=True)


def unpack_int(payload: bytes) -> int:
    """Return the integer in a payload; any bytes are one.

    >>> unpack_int(pack_int(-129))
    -129
    """
    return int.from_bytes(payload, "big", signed=True)
