"""What travels in a session: an envelope of numbered records, a cumulative ack and flags.

::

    [first, ack, [record, record, ...], flags]

`first` is the sequence number of the first record, counted from 1 over the life of the stream; an
envelope without records (a tick, a lone ack) has 0. A record is one message, as opaque bytes: what
is unknown inside one spoils only that one. A message over 256 KiB is cut into several records;
`MORE` says that the last record here is continued by the first of the next envelope.

A frame is at most `FRAME_LIMIT_BYTES`: ZMTP's heartbeat kills a connection on which one frame takes
longer than its timeout, so frames must be small (net-design 1.5).

Reference: net-design 3.2.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from actorcloud.base.errors import WireError

#: No frame of ours is larger; sockets refuse what is (plus a little for CURVE's box).
FRAME_LIMIT_BYTES = 1024 * 1024

#: Records in one envelope, at most.
RECORDS_LIMIT = 4096

#: The last record is continued by the first one of the next envelope with records.
MORE = 1
#: Answer at once with `PONG`.
PING = 2
#: The answer to a `PING`.
PONG = 4


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One frame of a session."""

    first: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    #: The sender has received all records up to this number.
    ack: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    records: Annotated[list[bytes], msgspec.Meta(max_length=RECORDS_LIMIT)] = []
    flags: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def encode_envelope(envelope: Envelope) -> bytes:
    """Return the frame of `envelope`."""
    return _encoder.encode(envelope)


def decode_envelope(frame: bytes) -> Envelope:
    """Return the envelope in `frame`.

    Raises:
        WireError: whatever is wrong with it; nothing else is ever raised.
    """
    try:
        return _decoder.decode(frame)
    except Exception as error:  # msgspec raises UnicodeDecodeError and RecursionError too
        raise WireError(f"not an envelope of actorcloud: {error}; it starts with {frame[:32].hex()}") from error
