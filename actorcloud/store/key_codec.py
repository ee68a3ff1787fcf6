"""Users' keys as bytes whose order is the keys' order.

Pure. A key is one element; a tuple is an element that holds elements, so `"x"` and `("x",)` are
two keys, and the keys of one tuple prefix are neighbours.

======  =======  ==================================================================
code    type     then
======  =======  ==================================================================
00      None     nothing; inside a tuple FF, so that it differs from the tuple's end
01      bytes    the bytes, each 00 as 00 FF; 00
02      str      UTF-8, each 00 as 00 FF; 00
05      tuple    its elements; 00
0b      int      below -(2**64): complement of the length; complement of the bytes
0c-13   int      negative, 8 to 1 bytes, one's complement
14      int      zero
15-1c   int      positive, 1 to 8 bytes
1d      int      2**64 and above: the length; the bytes
21      float    IEEE double, the sign bit flipped, all bits if negative
26, 27  bool     False, True
======  =======  ==================================================================

The order between types is that of the codes: all ints sort before all floats, and 1, 1.0 and True
are three keys. -0.0 is stored as 0.0. Strings are not normalised.

Reference: FoundationDB's tuple layer (design/tuple.md).
"""

from __future__ import annotations

import math
import struct
from typing import Union

from actorcloud.base.errors import BadKey

#: What a key may be.
Key = Union[None, bool, int, float, str, bytes, "tuple[Key, ...]"]

#: Bytes of an encoded key: LMDB's limit of 511 less prefix, space and a reserve.
KEY_LIMIT_BYTES = 480

#: Bytes that `stamped_key` adds at most: two ints of 8 bytes, and the end.
STAMP_LIMIT_BYTES = 19

#: Tuples inside tuples; deeper ones would make the decoder recurse without bound.
DEPTH_LIMIT = 32

_NONE, _BYTES, _STR, _TUPLE, _FLOAT, _FALSE, _TRUE = 0x00, 0x01, 0x02, 0x05, 0x21, 0x26, 0x27
_BIG_NEGATIVE, _ZERO, _BIG_POSITIVE = 0x0B, 0x14, 0x1D
_WORD = 8
_BIG_LIMIT = 0xFF
_END = b"\x00"
_ESCAPED = b"\x00\xff"
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def encode_key(key: Key) -> bytes:
    """Return the bytes under which `key` is stored.

    Args:
        key: None, bool, int, float, str, bytes or a tuple of them; of exactly these types.

    Raises:
        BadKey: it is something else, a NaN, a broken string, or longer than `KEY_LIMIT_BYTES` encoded.

    >>> encode_key(("user", 7)).hex(" ")
    '05 02 75 73 65 72 00 15 07 00'
    """
    encoded = _encode(key, key, 0)
    if len(encoded) > KEY_LIMIT_BYTES:
        raise BadKey(f"the key {_short(key)} takes {len(encoded)} bytes; the limit is {KEY_LIMIT_BYTES}: shorten it")
    return encoded


def prefix_range(prefix: Key) -> tuple[bytes, bytes]:
    """Return (the first, the first behind) the encoded keys that begin with `prefix`.

    Args:
        prefix: a tuple: the tuples that begin with its elements; str or bytes: those that begin with it.

    Raises:
        BadKey: it is something else, or no key could begin with it.

    >>> lo, hi = prefix_range(("user", 7))
    >>> lo < encode_key(("user", 7)) < encode_key(("user", 7, "mail")) < hi < encode_key(("user", 8))
    True
    """
    encoded = encode_key(prefix)
    match prefix:
        case tuple():
            # Elements begin with bytes below FF; FF would go on with an element of the prefix (an escaped 00).
            return encoded[:-1], encoded[:-1] + b"\xff"
        case str() | bytes():
            head = encoded[:-1].rstrip(b"\xff")
            return encoded[:-1], head[:-1] + bytes((head[-1] + 1,))
    raise BadKey(f"{_short(prefix)} is no prefix of keys: a tuple, a str or bytes is needed; or give start and stop")


def stamped_key(prefix: bytes, seq: int, count: int) -> bytes:
    """Return an encoded tuple with two more elements.

    Args:
        prefix: the tuple, as `prefix_range` begins it; whatever is in front of it.
        seq: number of a commit.
        count: counts the keys of that commit from 0.

    >>> decode_key(stamped_key(prefix_range(("queue",))[0], 7, 0))
    ('queue', 7, 0)
    """
    return prefix + _encode_int(seq, seq) + _encode_int(count, count) + _END


def decode_key(data: bytes) -> Key:
    """Return the key that `encode_key` made these bytes of.

    Raises:
        BadKey: no key has these bytes.
    """
    try:
        key, end = _decode(data, 0, 0)
    except (IndexError, UnicodeDecodeError, struct.error):
        raise BadKey(f"{data.hex()} is no encoded key") from None
    if end != len(data):
        raise BadKey(f"{data.hex()} has {len(data) - end} bytes after the end of a key")
    return key


def escape(data: bytes) -> bytes:
    """Return `data` with each 00 as 00 FF, and 00 as its end: order-preserving, and self-delimiting."""
    return data.replace(_END, _ESCAPED) + _END


def find_end(data: bytes, start: int) -> int:
    """Return where the 00 is that ends the escaped bytes beginning at `start`.

    Raises:
        IndexError: nowhere.
    """
    end = start
    while True:
        end = data.find(_END, end)
        if end < 0:
            raise IndexError
        if data[end : end + 2] != _ESCAPED:
            return end
        end += 2


# -- encoding -------------------------------------------------------------------------------------


def _encode(element: Key, key: Key, depth: int) -> bytes:
    cls = type(element)
    if element is None:
        return b"\x00\xff" if depth else b"\x00"
    if cls is bool:
        return bytes((_TRUE if element else _FALSE,))
    if isinstance(element, int) and cls is int:
        return _encode_int(element, key)
    if isinstance(element, str) and cls is str:
        return bytes((_STR,)) + escape(_utf8(element, key))
    if isinstance(element, bytes) and cls is bytes:
        return bytes((_BYTES,)) + escape(element)
    if isinstance(element, tuple) and cls is tuple:
        if depth == DEPTH_LIMIT:
            raise BadKey(f"the key {_short(key)} nests tuples more than {DEPTH_LIMIT} deep")
        return bytes((_TUPLE,)) + b"".join(_encode(inner, key, depth + 1) for inner in element) + _END
    if isinstance(element, float) and cls is float:
        return bytes((_FLOAT,)) + _encode_float(element, key)
    raise BadKey(
        f"the key {_short(key)} holds a {cls.__name__}; keys are None, bool, int, float, str, bytes "
        "and tuples of them (convert it first)"
    )


def _encode_int(number: int, key: Key) -> bytes:
    if number == 0:
        return bytes((_ZERO,))
    length = (abs(number).bit_length() + 7) // 8
    if length > _BIG_LIMIT:
        raise BadKey(f"the key {_short(key)} holds an integer of {length} bytes; the limit is {_BIG_LIMIT}")
    if number > 0:
        head = bytes((_ZERO + length,)) if length <= _WORD else bytes((_BIG_POSITIVE, length))
        return head + number.to_bytes(length, "big")
    head = bytes((_ZERO - length,)) if length <= _WORD else bytes((_BIG_NEGATIVE, length ^ 0xFF))
    return head + (number + (1 << 8 * length) - 1).to_bytes(length, "big")


def _encode_float(number: float, key: Key) -> bytes:
    if math.isnan(number):
        raise BadKey(f"the key {_short(key)} holds a NaN, which equals nothing, not even itself")
    # + 0.0 makes -0.0 the 0.0 that it equals.
    bits: int = struct.unpack(">Q", struct.pack(">d", number + 0.0))[0]
    return struct.pack(">Q", bits ^ (_ALL if bits & _SIGN else _SIGN))


def _utf8(text: str, key: Key) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadKey(f"the key {_short(key)} holds half a surrogate pair, which has no UTF-8") from None


def _short(key: object) -> str:
    try:
        text = repr(key)
    except Exception:  # noqa: BLE001  a broken __repr__ must not hide what is wrong with the key
        text = f"<{type(key).__name__}>"
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"  # noqa: PLR2004  fits a line


# -- decoding -------------------------------------------------------------------------------------


def _decode(data: bytes, at: int, depth: int) -> tuple[Key, int]:
    code = data[at]
    at += 1
    match code:
        case 0x00:
            return None, at + 1 if depth else at
        case 0x01 | 0x02:
            end = find_end(data, at)
            raw = data[at:end].replace(_ESCAPED, _END)
            return (raw if code == _BYTES else raw.decode()), end + 1
        case 0x05:
            return _decode_tuple(data, at, depth)
        case 0x21:
            bits: int = struct.unpack_from(">Q", data, at)[0]
            number: float = struct.unpack(">d", struct.pack(">Q", bits ^ (_SIGN if bits & _SIGN else _ALL)))[0]
            return number, at + 8
        case 0x26 | 0x27:
            return code == _TRUE, at
        case _ if _BIG_NEGATIVE <= code <= _BIG_POSITIVE:
            return _decode_int(data, at, code)
    raise BadKey(f"{data.hex()} is no encoded key: no type has the code {code:02x}")


def _decode_tuple(data: bytes, at: int, depth: int) -> tuple[Key, int]:
    if depth == DEPTH_LIMIT:
        raise BadKey(f"{data.hex()} nests tuples more than {DEPTH_LIMIT} deep")
    elements: list[Key] = []
    while data[at] != 0 or data[at : at + 2] == _ESCAPED:
        element, at = _decode(data, at, depth + 1)
        elements.append(element)
    return tuple(elements), at + 1


def _decode_int(data: bytes, at: int, code: int) -> tuple[Key, int]:
    if code == _ZERO:
        return 0, at
    negative = code < _ZERO
    if code in {_BIG_NEGATIVE, _BIG_POSITIVE}:
        length = data[at] ^ 0xFF if negative else data[at]
        at += 1
    else:
        length = abs(code - _ZERO)
    raw = data[at : at + length]
    if len(raw) < length:
        raise IndexError
    number = int.from_bytes(raw, "big")
    return (number - (1 << 8 * length) + 1 if negative else number), at + length
