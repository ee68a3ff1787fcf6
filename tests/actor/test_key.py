"""Keys compare exactly, and equal ones are in one partition."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor.registry.key import exact
from actorcloud.base.stablehash import spread

SCALARS = st.sampled_from([None, False, True, 0, 1, 0.0, -0.0, 1.0, 0.5, 2**70, "", "a", "\ud800", b"", b"a"])
FLAT = SCALARS | st.tuples(SCALARS, SCALARS) | st.frozensets(SCALARS, max_size=2)
KEYS = FLAT | st.tuples(FLAT, FLAT)


def same(a: Any, b: Any) -> bool:
    """Say whether two keys are the same, in the plainest way."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, frozenset):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    return bool(a == b)


@given(KEYS, KEYS, st.integers(1, 9))
def test_exact_keys_are_equal_as_erlang_says_and_then_in_one_partition(a: Any, b: Any, parts: int) -> None:
    assert (exact(a) == exact(b)) is same(a, b)
    assert 0 <= spread(a, parts) < parts
    if same(a, b):
        assert hash(exact(a)) == hash(exact(b))
        assert spread(a, parts) == spread(b, parts)
