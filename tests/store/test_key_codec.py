"""Users' keys as bytes: round trips, order, limits."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import BadKey
from actorcloud.store.key_codec import DEPTH_LIMIT, KEY_LIMIT_BYTES, Key, decode_key, encode_key

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.binary(max_size=12),
)
KEYS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12)

#: Types in the order in which they sort.
ORDER: list[type] = [type(None), bytes, str, tuple, int, float, bool]


def sort_key(key: Key) -> Any:
    """Say in Python's own terms where a key sorts."""
    if isinstance(key, tuple):
        return ORDER.index(tuple), [sort_key(inner) for inner in key]
    return ORDER.index(type(key)), 0 if key is None else key


def flat(key: Key) -> list[Key]:
    return [inner for element in key for inner in flat(element)] if isinstance(key, tuple) else [key]


def test_keys_of_all_types_look_as_documented() -> None:
    examples: dict[str, Key] = {
        "00": None,
        "01 61 00 ff 62 00": b"a\x00b",
        "02 c3 a9 00": "é",
        "05 00 ff 15 01 00": (None, 1),
        "0c 00 00 00 00 00 00 00 00": -(2**64) + 1,
        "0b f6 fe ff ff ff ff ff ff ff ff": -(2**64),
        "13 fe": -1,
        "14": 0,
        "15 01": 1,
        "16 01 00": 256,
        "1d 09 01 00 00 00 00 00 00 00 00": 2**64,
        "21 80 00 00 00 00 00 00 00": 0.0,
        "26": False,
        "27": True,
    }
    assert {encode_key(key).hex(" "): key for key in examples.values()} == examples


@given(KEYS)
def test_what_was_encoded_is_decoded(key: Key) -> None:
    decoded = decode_key(encode_key(key))
    assert sort_key(decoded) == sort_key(key)
    assert type(decoded) is type(key)


@given(st.lists(KEYS, max_size=12))
def test_bytes_sort_as_keys_do(keys: list[Key]) -> None:
    assert [sort_key(key) for key in sorted(keys, key=encode_key)] == sorted(map(sort_key, keys))


@given(KEYS, KEYS)
def test_different_keys_have_different_bytes(one: Key, other: Key) -> None:
    assert (encode_key(one) == encode_key(other)) == (sort_key(one) == sort_key(other))


@given(st.lists(SCALARS, max_size=3).map(tuple), st.lists(SCALARS, max_size=3).map(tuple))
def test_keys_of_one_tuple_prefix_are_neighbours(prefix: tuple[Key, ...], rest: tuple[Key, ...]) -> None:
    assert encode_key(prefix + rest).startswith(encode_key(prefix)[:-1])


def test_one_and_one_point_nought_and_true_are_three_keys() -> None:
    assert len({encode_key(1), encode_key(1.0), encode_key(True)}) == 3


def test_minus_nought_is_the_nought_that_it_equals() -> None:
    assert encode_key(-0.0) == encode_key(0.0)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (math.nan, "NaN"),
        (("a", [1]), "list"),
        ({"a": 1}, "dict"),
        (object(), "object"),
        ("\ud800", "surrogate"),
        (1 << 2048, "limit is 255"),
        ("x" * 479, f"takes 481 bytes; the limit is {KEY_LIMIT_BYTES}"),
        (b"\x00" * 240, "takes 482 bytes"),
    ],
)
def test_what_cannot_be_a_key_is_refused_by_name(key: Key, text: str) -> None:
    with pytest.raises(BadKey, match=text) as caught:
        encode_key(key)
    assert repr(key)[:10] in str(caught.value)


def test_a_key_that_cannot_even_be_shown_is_refused_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(BadKey, match="<Broken>"):
        encode_key(Broken())  # type: ignore[arg-type]  # that is what is tested


def test_a_key_of_exactly_the_limit_is_good() -> None:
    assert len(encode_key("x" * 478)) == KEY_LIMIT_BYTES


def test_tuples_nest_only_so_deep() -> None:
    # Given
    key: Key = ()
    for _ in range(DEPTH_LIMIT - 1):
        key = (key,)
    # Then
    assert decode_key(encode_key(key)) == key
    with pytest.raises(BadKey, match="deep"):
        encode_key((key,))


@given(st.binary(max_size=40))
def test_any_bytes_are_a_key_or_refused(data: bytes) -> None:
    try:
        key = decode_key(data)
    except BadKey:
        return
    # A NaN can be decoded, but never was encoded.
    if not any(isinstance(found, float) and math.isnan(found) for found in flat(key)):
        assert decode_key(encode_key(key)) == key


@pytest.mark.parametrize("key", [256, -256, 2**64, -(2**64), 0.5, "tea", b"tea", ("tea",)], ids=repr)
def test_a_key_that_was_cut_short_is_refused(key: Key) -> None:
    with pytest.raises(BadKey):
        decode_key(encode_key(key)[:-1])


def test_what_comes_behind_a_key_or_is_of_no_type_is_refused() -> None:
    with pytest.raises(BadKey, match="2 bytes after the end"):
        decode_key(encode_key("tea") + b"\x14\x14")
    with pytest.raises(BadKey, match="no type has the code ff"):
        decode_key(b"\xff")


def test_a_deep_key_on_the_wire_does_not_exhaust_the_stack() -> None:
    with pytest.raises(BadKey, match="deep"):
        decode_key(b"\x05" * 100_000)
