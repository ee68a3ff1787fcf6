"""The stable hash: the same in every process, and spread."""

from __future__ import annotations

import enum
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.stablehash import spread, stable_hash

KEYS = st.recursive(
    st.none() | st.text() | st.binary() | st.floats(allow_nan=False) | st.integers(0, 2**60),
    lambda inner: st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=3,
)


class Sea(enum.Enum):
    NORTH = "north"


@given(KEYS)
def test_it_is_a_number_that_depends_on_nothing_but_the_key(key: object) -> None:
    assert stable_hash(key) == stable_hash(key) >= 0


@given(st.integers())
def test_numbers_are_routed_by_themselves(number: int) -> None:
    assert stable_hash(number) == stable_hash(-number) == abs(number)


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2))
def test_the_order_of_a_dict_is_of_no_account(key: dict[str, int]) -> None:
    assert stable_hash(key) == stable_hash(dict(reversed(key.items())))


def test_keys_are_spread() -> None:
    counts = [0] * 8
    for number in range(800):
        counts[stable_hash(f"user-{number}") % 8] += 1
    assert min(counts) > 60


def test_like_keys_of_different_types_are_different() -> None:
    keys = ["1", b"1", 1, 1.0, ("1",), None, ""]
    assert len({stable_hash(key) for key in keys}) == len(keys)
    assert stable_hash(Sea.NORTH) == stable_hash("north")


def test_what_has_no_stable_hash_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        stable_hash(object())


def test_whatever_can_be_hashed_is_spread() -> None:
    for key in (object(), Sea.NORTH, frozenset({"a"}), ("a", 1.5), ("a", 2**70), "\ud800"):
        assert 0 <= spread(key, 7) == spread(key, 7) < 7
    with pytest.raises(TypeError, match="unhashable"):
        spread([], 7)  # type: ignore[arg-type]  # as said


@pytest.mark.slow
def test_another_process_has_the_same() -> None:
    code = (
        "from actorcloud.base.stablehash import spread, stable_hash;"
        "print(stable_hash(('joe', 1.5, b'x')), spread(('joe', 1, None), 1_000), spread(1.5, 1_000))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    expected = [stable_hash(("joe", 1.5, b"x")), spread(("joe", 1, None), 1_000), spread(1.5, 1_000)]
    assert list(map(int, found.stdout.split())) == expected
