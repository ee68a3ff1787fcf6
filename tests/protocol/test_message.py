"""Messages on the wire: round trips, hostile bytes, and the bytes of yesterday."""

from __future__ import annotations

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import given

import actorcloud.protocol  # noqa: F401  loads every module of messages
from actorcloud.base.errors import WireError
from actorcloud.protocol.message import Message, decode, encode, message_types
from tests.protocol import golden
from tests.protocol.shapes import shape, values

TYPES = message_types()

any_message = st.sampled_from(TYPES).flatmap(lambda cls: values(shape(cls)))

each_type = pytest.mark.parametrize("cls", TYPES, ids=golden.name)


@given(any_message)
def test_what_was_encoded_is_decoded_to_the_same(message: Message) -> None:
    again = decode(encode(message))
    assert type(again) is type(message)
    assert again == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_wire_error(data: bytes) -> None:
    try:
        message = decode(data)
    except WireError:
        return
    assert isinstance(message, Message)


@given(any_message, st.data())
def test_a_message_with_flipped_bytes_is_a_message_or_a_wire_error(message: Message, data: st.DataObject) -> None:
    # Given
    damaged = bytearray(encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    # When
    try:
        again = decode(bytes(damaged))
    except WireError:
        return
    # Then
    assert isinstance(again, Message)


@given(any_message, st.data())
def test_a_message_cut_short_is_a_wire_error(message: Message, data: st.DataObject) -> None:
    encoded = encode(message)
    with pytest.raises(WireError):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x91" * 100_000, id="deeply nested"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="claims four billion items"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="claims four gigabytes"),
        pytest.param(msgspec.msgpack.encode([99_999]), id="unknown tag"),
        pytest.param(msgspec.msgpack.encode(["60"]), id="a tag of another type"),
        pytest.param(msgspec.msgpack.encode({"tag": 60}), id="no array"),
        pytest.param(b"\x92\x3c\xa1\xff", id="bad unicode"),
    ],
)
def test_hostile_bytes_are_a_wire_error_that_shows_how_they_start(data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        decode(data)
    assert caught.value.code == "wire"
    assert data[:8].hex() in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_every_tag_is_a_small_number_of_one_type() -> None:
    tags = [cls.__struct_config__.tag for cls in TYPES]
    assert all(isinstance(tag, int) and 1 <= tag <= 189 for tag in tags)
    assert len(tags) == len(set(tags))


@each_type
def test_a_message_is_frozen_and_has_words(cls: type[Message]) -> None:
    assert cls.__struct_config__.frozen
    assert cls.__struct_config__.array_like
    assert cls.__doc__
    assert not cls.__doc__.startswith(f"{cls.__name__}("), "no docstring of its own"


@each_type
def test_a_message_looks_on_the_wire_as_it_always_did(cls: type[Message]) -> None:
    kept = golden.kept().get(golden.name(cls))
    assert kept is not None, "a new message: run python -m tests.protocol.golden"
    for kind, message in golden.examples(cls).items():
        assert golden.extends(encode(message), bytes.fromhex(kept[kind])), f"{kind}: peers of yesterday differ"


@each_type
def test_the_bytes_of_yesterday_are_still_understood(cls: type[Message]) -> None:
    for data in map(bytes.fromhex, golden.kept()[golden.name(cls)].values()):
        again = decode(data)
        assert type(again) is cls
        assert golden.extends(encode(again), data)


def test_no_message_of_yesterday_is_gone() -> None:
    assert set(golden.kept()) - {golden.name(cls) for cls in TYPES} == set()


def test_a_new_field_at_the_end_is_an_extension_and_a_changed_one_is_not() -> None:
    then = msgspec.msgpack.encode([60, [1, 2], "a"])
    assert golden.extends(msgspec.msgpack.encode([60, [1, 2, 3], "a", None]), then)
    assert not golden.extends(msgspec.msgpack.encode([60, [1], "a"]), then)
    assert not golden.extends(msgspec.msgpack.encode([60, [1, 2], "b"]), then)
    assert not golden.extends(msgspec.msgpack.encode([61, [1, 2], "a"]), then)
