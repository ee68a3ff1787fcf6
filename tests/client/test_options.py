"""The options of a job say what is wrong with them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import ConfigError
from actorcloud.client import JobOptions


@given(
    retries=st.integers(0, 1_000_000),
    timeout=st.none() | st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    key=st.none() | st.text(min_size=1, max_size=64),
)
def test_what_is_allowed_is_taken(retries: int, timeout: float | None, key: str | None) -> None:
    options = JobOptions(retries=retries, timeout=timeout, key=key)
    assert (options.retries, options.timeout, options.key) == (retries, timeout, key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retries", -1),
        ("retries", 1.0),
        ("retries", True),
        ("timeout", 0),
        ("timeout", -1.0),
        ("timeout", math.nan),
        ("timeout", math.inf),
        ("timeout", True),
        ("timeout", "1"),
        ("key", ""),
        ("key", b"k"),
        ("key", "ä" * 129),
    ],
)
def test_a_wrong_value_is_named(name: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        JobOptions(**{name: value})  # type: ignore[arg-type]  # the point
    assert str(caught.value).startswith(f"{name}={value!r}")
