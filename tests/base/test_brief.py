"""Values as text: never too long, whatever they are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.brief import BRIEF_LIMIT_CHARS, brief, outline

VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=50,
)


class Order(msgspec.Struct):
    """Something with something inside."""

    item: Any
    count: int = 1


@pytest.mark.case(256)
@given(VALUES, st.integers(1, 8), st.integers(20, 500))
def test_a_value_is_never_longer_than_asked(value: object, depth: int, chars: int) -> None:
    assert len(brief(value, depth=depth, chars=chars)) <= chars


@given(st.integers() | st.text(max_size=50) | st.lists(st.integers(), max_size=5))
def test_a_small_value_is_its_repr(value: object) -> None:
    assert brief(value) == repr(value)


@pytest.mark.case(256)
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([[[1]]], "[[[...]]]"),
        ({"a": {"b": {"c": 1}}}, "{'a': {'b': {...}}}"),
        (Order([[Order(1)]]), "Order(item=[[...]], count=1)"),
        (Order(Order(Order(1))), "Order(item=Order(item=Order(...), count=1), count=1)"),
        ([b"x" * 1_000], "[b'" + "x" * 400 + "...' (1000 bytes)]"),
        (list(range(50)), "[" + ", ".join(map(str, range(30))) + ", ...]"),
    ],
)
def test_what_is_too_deep_or_too_much_is_left_out(value: object, text: str) -> None:
    assert brief(value, depth=2, chars=1_000) == text


def test_a_value_with_a_repr_of_its_own_is_asked_for_it_and_may_fail() -> None:
    class Secret(msgspec.Struct):
        value: str

        def __repr__(self) -> str:
            return "Secret(***)"

    class Broken:
        def __repr__(self) -> str:
            raise ValueError("no repr")

    class Huge:
        def __repr__(self) -> str:
            return "x" * 1_000_000

    assert brief([Secret("s3cret")]) == "[Secret(***)]"
    assert "Broken" in brief(Broken())
    assert "Broken" in brief(Order(Broken()))
    assert len(brief(Huge())) <= BRIEF_LIMIT_CHARS


@given(VALUES)
def test_an_outline_says_nothing_but_kinds_sizes_and_numbers(value: object) -> None:
    hidden = outline({"key": (Order("password"), [b"password", "password", value])})
    assert "password" not in hidden
    assert brief(hidden) == hidden[:BRIEF_LIMIT_CHARS]


def test_an_outline_names_fields_and_adds_up_bytes() -> None:
    assert repr(outline(Order({b"key": b"value", b"k": (1, b"v")}, 3))) == "Order(item=<dict of 2, 10 bytes>, count=3)"
    assert outline(Order("four")) == "Order(item=<4 characters>, count=1)"
    assert outline([Order(1)], depth=1) == "<list of 1>"
    assert outline(Order(Order(1)), depth=1) == "Order(item=Order(...), count=1)"


def test_what_cannot_be_measured_is_said_to_be_so() -> None:
    class Broken:
        def __len__(self) -> int:
            raise ValueError("password")

    assert outline(Broken()) == "<Broken that raised ValueError>"
