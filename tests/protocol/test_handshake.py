"""First words and envelopes: frozen bytes, limits, garbage."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import WireError
from actorcloud.protocol.envelope import Envelope, decode_envelope, encode_envelope
from actorcloud.protocol.handshake import (
    Goodbye,
    Handshake,
    Hello,
    Reject,
    Welcome,
    decode_handshake,
    encode_handshake,
    is_handshake,
)

WORDS: list[Handshake] = [
    Hello(proto=(1, 3), name="n1", incarnation=2**62, role="node", rx=7, head_incarnation=9, facts={"cpus": "2"}),
    Welcome(proto=1, name="head", incarnation=1, rx=3, resume=True, node_timeout=15.0),
    Reject(code="auth", text="no", retry_after=1.5),
    Goodbye(reason="bye"),
]


@pytest.mark.parametrize("word", WORDS)
def test_a_word_is_a_map_that_can_be_read_again(word: Handshake) -> None:
    frame = encode_handshake(word)
    assert is_handshake(frame)
    assert decode_handshake(frame) == word


def test_the_first_bytes_are_frozen_for_ever() -> None:
    """What the first release said, every later one must understand."""
    frame = bytes.fromhex(
        "84aa6163746f72636c6f7564a568656c6c6fa570726f746f920101a46e616d65a26e31ab696e6361726e6174696f6e02"
    )
    with pytest.raises(WireError, match="role"):
        decode_handshake(frame)
    frame = b"\x85" + frame[1:] + bytes.fromhex("a4726f6c65a46e6f6465")
    assert decode_handshake(frame) == Hello(proto=(1, 1), name="n1", incarnation=2, role="node")


def test_unknown_keys_are_ignored() -> None:
    frame = msgspec.msgpack.encode({"actorcloud": "goodbye", "reason": "x", "from the future": [1, {"a": None}]})
    assert decode_handshake(frame) == Goodbye(reason="x")


@given(
    st.binary(max_size=100)
    | st.sampled_from(WORDS)
    .map(encode_handshake)
    .flatmap(lambda f: st.binary(max_size=9).map(lambda b: f[: -len(b) or None] + b))
)
def test_any_bytes_are_a_word_or_a_wire_error(frame: bytes) -> None:
    for decode in (decode_handshake, decode_envelope):
        try:
            decode(frame)
        except WireError as error:
            assert frame[:32].hex() in str(error)  # noqa: PT017  both outcomes are right


def test_a_long_hello_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(WireError, match="longer than"):
        decode_handshake(bytes(17 * 1024))


@pytest.mark.parametrize("name", ["", "UPPER", "-x", "a" * 65, "a b", "../x"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        decode_handshake(encode_handshake(Hello(proto=(1, 1), name=name, incarnation=1, role="node")))


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.lists(st.binary(max_size=50)), st.integers(0, 7))
def test_an_envelope_is_an_array_that_can_be_read_again(first: int, ack: int, records: list[bytes], flags: int) -> None:
    envelope = Envelope(first, ack, records, flags)
    frame = encode_envelope(envelope)
    assert not is_handshake(frame)
    assert decode_envelope(frame) == envelope
