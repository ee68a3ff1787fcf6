"""Clocks: the manual one moves only when told."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actorcloud.base.clock import Clock, ManualClock, SystemClock


@given(st.lists(st.floats(0, 1e6), max_size=20))
def test_a_manual_clock_is_as_far_on_as_it_was_told(steps: list[float]) -> None:
    # Given
    clock = ManualClock(start=5.0, epoch=100.0)
    # When
    for step in steps:
        clock.advance(step)
    # Then
    assert clock.monotonic() == pytest.approx(5.0 + sum(steps))
    assert clock.time() - clock.monotonic() == pytest.approx(95.0)


@given(st.floats(max_value=-1e-9, allow_nan=False))
def test_a_manual_clock_does_not_go_back(step: float) -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(step)


def test_the_system_clock_never_goes_back_and_knows_the_year() -> None:
    clock: Clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.time() > 1_700_000_000
