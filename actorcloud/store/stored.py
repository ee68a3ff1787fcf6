"""The form of every value in the engine: format and codec, number of the commit that wrote it, payload.

Pure. Nine bytes of overhead; a key that is absent has the number 0. Payloads with a time in front
(commit ids, tombstones) age out.

The first byte has the format in its upper half, the codec of a user's value in its lower one. History::

    0 | 1       format 1: no codec; users' values are pickles
    2 | codec   format 2: see `store.value`; our own records are `RAW`

Reference: store-design 2.2.
"""

from __future__ import annotations

import struct

from actorcloud.store.value import CODEC_BYTES, PICKLE, RAW, with_codec

#: The newest format, in which everything is written.
FORMAT = 2

_HEADER = struct.Struct(">BQ")
#: Bytes in front of the payload.
HEADER_BYTES = _HEADER.size

_TIME = struct.Struct(">Q")
_COMMIT_ID = struct.Struct(">QQI")


def pack(seq: int, payload: bytes, codec: int = RAW) -> bytes:
    """Return the stored value of `payload`, written by the commit number `seq`."""
    return _HEADER.pack(FORMAT << 4 | codec, seq) + payload


def pack_value(seq: int, value: bytes) -> bytes:
    """Return the stored value of a user's value, as it is on the wire."""
    return _HEADER.pack(FORMAT << 4 | value[0], seq) + value[CODEC_BYTES:]


def seq_of(value: bytes | None) -> int:
    """Return the number of the commit that wrote this stored value; 0 for an absent one."""
    if value is None:
        return 0
    seq: int = _HEADER.unpack_from(value)[1]
    return seq


def payload_of(value: bytes) -> bytes:
    """Return the payload of a stored value."""
    return value[HEADER_BYTES:]


def value_of(value: bytes) -> bytes:
    """Return a user's value as it is on the wire."""
    return found_of(value)[1]


def found_of(value: bytes) -> tuple[int, bytes]:
    """Return the number of the commit that wrote a user's value, and the value as it is on the wire."""
    first, seq = _HEADER.unpack_from(value)
    return seq, with_codec(first & 15 if first >> 4 else PICKLE, value[HEADER_BYTES:])


def pack_time(at: float) -> bytes:
    """Return the payload of a tombstone.

    Args:
        at: seconds since 1970.
    """
    return _TIME.pack(int(at * 1000))


def time_of(payload: bytes) -> float:
    """Return the seconds since 1970 with which the payload of a tombstone or a commit id begins."""
    milliseconds: int = _TIME.unpack_from(payload)[0]
    return milliseconds / 1000


def pack_commit_id(at: float, seq: int, attempt: int) -> bytes:
    """Return the payload under a transaction's id: its `attempt` was the commit `seq`."""
    return _COMMIT_ID.pack(int(at * 1000), seq, attempt)


def commit_id_of(payload: bytes) -> tuple[int, int]:
    """Return (seq, attempt) of a payload made by `pack_commit_id`."""
    _, seq, attempt = _COMMIT_ID.unpack(payload)
    return seq, attempt
