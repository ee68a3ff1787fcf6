"""The first and last words of a session: hello, welcome, reject, goodbye. Frozen for ever.

They are msgpack *maps* whose unknown keys are ignored, so that any two versions can at least agree
that they cannot talk: a key may be added, but none is ever removed, renamed or given another type.
Everything after the welcome is an `actorcloud.protocol.envelope`, which is an array: the first byte
of a frame tells the two apart.

::

    peer                              head
     |  Hello(rx, head_incarnation)     |
     |--------------------------------->|   same incarnations on both sides: resume after rx
     |        Welcome(rx, resume)       |   else: reset, both start at 1
     |<---------------------------------|
     |  Reject(code, text)              |   or: no, and why
     |<---------------------------------|

Reference: net-design 3.3; RFC 36 (ZRE) for "nothing counts before hello".
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from actorcloud.base.errors import WireError

#: No honest hello is longer; checked before decoding, since it comes from strangers.
HANDSHAKE_LIMIT_BYTES = 16 * 1024

#: First bytes of msgpack maps: fixmap, map 16, map 32.
_MAP_MARKERS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Text = Annotated[str, msgspec.Meta(max_length=1024)]
Word = Annotated[str, msgspec.Meta(max_length=255)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Facts = Annotated[dict[Word, Word], msgspec.Meta(max_length=64)]
Features = Annotated[list[Word], msgspec.Meta(max_length=64)]
Secret = Annotated[bytes, msgspec.Meta(max_length=64)]


class _Handshake(msgspec.Struct, frozen=True, kw_only=True, tag_field="actorcloud"):
    """The root: the key that names the type is also the magic word."""


class Hello(_Handshake, frozen=True, tag="hello"):
    """A peer asks to be let in, or to go on where its stream stopped."""

    #: Lowest and highest protocol version that it speaks.
    proto: tuple[Count, Count]
    name: Name
    incarnation: Count
    #: "node" or "client".
    role: Word
    #: Number of the last record that it has received on the stream it wants to resume.
    rx: Count = 0
    #: Incarnation of the head at the other end of that stream; 0: it has none, start anew.
    head_incarnation: Count = 0
    features: Features = []
    #: What the cluster should know: versions, cpus; opaque to `net`.
    facts: Facts = {}
    #: Random, part of what `proof` signs.
    nonce: Secret = b""
    #: HMAC that shows knowledge of the join string's secret; empty on ipc and once enrolled.
    proof: Secret = b""


class Welcome(_Handshake, frozen=True, tag="welcome"):
    """The head lets the peer in."""

    #: The version both will use.
    proto: Count
    #: The head's name and incarnation.
    name: Name
    incarnation: Count
    #: Number of the last record that the head has received; 0 if not resumed.
    rx: Count
    #: Whether the stream goes on; else both sides forget it and start at 1.
    resume: bool
    #: Seconds of silence after which a peer is down; the head sets it for all.
    node_timeout: Annotated[float, msgspec.Meta(gt=0, le=86_400)]
    features: Features = []
    facts: Facts = {}


class Reject(_Handshake, frozen=True, tag="reject"):
    """The head does not let the peer in, or no longer knows it."""

    #: auth, name-taken, fenced, proto, busy, no-session.
    code: Word
    #: For people.
    text: Text
    #: Seconds to wait before the next try; None: as the peer likes.
    retry_after: float | None = None


class Goodbye(_Handshake, frozen=True, tag="goodbye"):
    """The sender leaves for good; everything it sent before has been sent."""

    reason: Text = ""


Handshake = Hello | Welcome | Reject | Goodbye

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Handshake] = msgspec.msgpack.Decoder(Handshake)


def encode_handshake(word: Handshake) -> bytes:
    """Return the frame of `word`."""
    return _encoder.encode(word)


def is_handshake(frame: bytes) -> bool:
    """Tell by its first byte whether a frame is a handshake (a map) or an envelope (an array)."""
    return bool(frame) and frame[0] in _MAP_MARKERS


def decode_handshake(frame: bytes) -> Handshake:
    """Return the word in `frame`.

    Raises:
        WireError: whatever is wrong with it; nothing else is ever raised.
    """
    if len(frame) > HANDSHAKE_LIMIT_BYTES:
        raise WireError(f"a handshake of {len(frame)} bytes is longer than {HANDSHAKE_LIMIT_BYTES}")
    try:
        return _decoder.decode(frame)
    except Exception as error:  # msgspec raises UnicodeDecodeError and RecursionError too
        raise WireError(f"not a handshake of actorcloud: {error}; it starts with {frame[:32].hex()}") from error
