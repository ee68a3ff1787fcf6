"""Restart intensity: the window, its limit and its edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor.supervision.intensity import Intensity
from actorcloud.base.errors import ConfigError


def after(times: list[float], max_restarts: int, max_seconds: float) -> Intensity:
    intensity = Intensity(max_restarts=max_restarts, max_seconds=max_seconds)
    for now in times:
        intensity = intensity.add(now)
    return intensity


@given(st.lists(st.floats(0, 100), max_size=30).map(sorted), st.integers(0, 5), st.floats(0.1, 50))
def test_it_is_exceeded_if_and_only_if_too_many_restarts_are_in_the_window(
    times: list[float], max_restarts: int, max_seconds: float
) -> None:
    intensity = after(times, max_restarts, max_seconds)
    within = [at for at in times if at >= times[-1] - max_seconds] if times else []
    assert intensity.is_exceeded == (len(within) > max_restarts)
    assert len(intensity.restarts) <= max_restarts + 1


def test_zero_allows_no_restart_at_all() -> None:
    assert after([0.0], 0, 5.0).is_exceeded


def test_the_edge_of_the_window_counts() -> None:
    assert after([0.0, 5.0], 1, 5.0).is_exceeded
    assert not after([0.0, 5.1], 1, 5.0).is_exceeded


@pytest.mark.parametrize(
    "flags",
    [
        {"max_restarts": -1},
        {"max_restarts": 1.5},
        {"max_restarts": True},
        {"max_seconds": 0},
        {"max_seconds": -1.0},
        {"max_seconds": float("inf")},
        {"max_seconds": True},
    ],
    ids=str,
)
def test_wrong_flags_are_refused_by_name(flags: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(flags))):
        Intensity(**flags)  # type: ignore[arg-type]
