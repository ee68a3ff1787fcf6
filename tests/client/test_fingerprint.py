"""Fingerprints of jobs: the same for the same call in every process, another for another."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.ids import JobRef
from actorcloud.client.fingerprint import differing, fingerprint

CALL = """
from actorcloud.client.fingerprint import fingerprint

class Mine:
    pass

def average(*args):
    return args in {"seattle", "tacoma", "everett"}

print(fingerprint(average, (%s,), {}).hex())
"""


def plain(*, nan: bool) -> st.SearchStrategy[Any]:
    keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=nan)
    refs = st.binary(min_size=16, max_size=16).map(JobRef[object])
    return st.recursive(
        keys | refs,
        lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.tuples(inner, inner),
        max_leaves=20,
    )


CALLS = st.tuples(st.lists(plain(nan=True)).map(tuple), st.dictionaries(st.text(), plain(nan=True)))


def mark(*args: object, **kwargs: object) -> bytes:
    return fingerprint(max, args, kwargs)


def rebuilt(value: Any) -> Any:
    """Return an equal value that shares nothing, its dicts in another order."""
    match value:
        case dict():
            return {rebuilt(key): rebuilt(item) for key, item in reversed(value.items())}
        case list() | tuple():
            return type(value)(map(rebuilt, value))
    return pickle.loads(pickle.dumps(value))


def exact(value: Any) -> Any:
    """Return what is equal for equal values of the same types."""
    match value:
        case dict():
            return dict, frozenset((exact(key), exact(item)) for key, item in value.items())
        case list() | tuple():
            return type(value), tuple(map(exact, value))
        case float():
            return float, repr(value)
    return type(value), value


@given(CALLS)
def test_equal_plain_arguments_have_the_same_one_however_they_were_made(
    call: tuple[tuple[object, ...], dict[str, object]],
) -> None:
    args, kwargs = call
    assert mark(*args, **kwargs) == mark(*rebuilt(args), **rebuilt(kwargs))


@given(plain(nan=False), plain(nan=False))
def test_different_plain_arguments_have_different_ones(one: object, other: object) -> None:
    assert (mark(one) == mark(other)) == (exact(one) == exact(other))
    assert mark(one, other) != mark((one, other)) != mark([one, other])
    assert mark(a=one) != mark(b=one) != mark({"b": one})


def test_a_string_that_is_there_twice_is_no_other_argument_than_two_equal_ones() -> None:
    text = "seattle, 2014"
    assert differing(mark(text, text), mark(text, bytes(text, "ascii").decode())) == []


class State(IntEnum):
    DRY = 0
    WET = 1


def doubled(times: int) -> list[object]:
    """Return a list that is small here and would be 2 ** `times` values if each were written down."""
    value: list[object] = []
    for _ in range(times):
        value = [value, value]
    return value


def deep(times: int) -> list[object]:
    value: list[object] = []
    for _ in range(times):
        value = [value]
    return value


@pytest.mark.parametrize("argument", ["2014", "'seattle'", "{'a': [1.5]}", "{'seattle', 'tacoma'}", "Mine()", "Mine"])
def test_a_call_has_the_same_one_in_each_process(argument: str) -> None:
    # When
    command = [sys.executable, "-c", CALL % argument]
    one, two = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    # Then
    assert one == two != b""


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        (mark(1), mark(1), []),
        (mark(1), mark(2), ["other arguments"]),
        (mark(1), fingerprint(min, (1,), {}), ["another function"]),
        (mark(1), fingerprint(min, (2,), {}), ["another function", "other arguments"]),
        (mark({"a": 1, "b": 2}), mark({"b": 2, "a": 1}), []),
        (mark(a=1, b=2), mark(b=2, a=1), []),
        (mark(["1"]), mark([1]), ["other arguments"]),
        # Nobody knows.
        (mark(1), b"", []),
        (mark({"a"}), mark({"b"}), []),
        (mark(1), mark({"b"}), []),
        (mark(Decimal(1)), mark(Decimal(2)), []),
        (mark(State.DRY), mark(State.WET), []),
        (mark(bytes(100_000)), mark(bytes(100_001)), []),
        (mark(doubled(40)), mark(doubled(41)), []),
        (mark(deep(100_000)), mark(deep(100_001)), []),
    ],
)
def test_what_differs_is_said_where_it_is_known(one: bytes, other: bytes, found: list[str]) -> None:
    assert differing(one, other) == found


def test_what_has_no_name_is_known_by_its_type() -> None:
    assert differing(fingerprint(functools.partial(max, 1), (), {}), mark()) == ["another function"]
