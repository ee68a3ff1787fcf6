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


@given(st.lists(st.floats(0, 100), max_size=20), st.lists(st.floats(0, 50), max_size=10))
def test_timers_are_called_in_order_each_at_its_moment(deadlines: list[float], steps: list[float]) -> None:
    # Given
    clock = ManualClock(start=0.0)
    called: list[tuple[float, float]] = []
    for deadline in deadlines:
        clock.call_at(deadline, lambda deadline=deadline: called.append((deadline, clock.monotonic())))  # type: ignore[misc]  # mypy wants no default
    # When
    for step in steps:
        clock.advance(step)
    # Then
    now = clock.monotonic()
    assert called == [(deadline, deadline) for deadline in sorted(deadlines) if deadline <= now and steps]


def test_a_timer_that_is_set_by_a_timer_is_called_on_the_same_way() -> None:
    clock = ManualClock(start=0.0)
    called: list[float] = []

    def tick() -> None:
        called.append(clock.monotonic())
        clock.call_at(clock.monotonic() + 1.0, tick)

    tick()
    clock.advance(3.5)
    assert called == [0.0, 1.0, 2.0, 3.0]


def test_a_timer_that_was_cancelled_is_not_called() -> None:
    clock = ManualClock(start=0.0)
    called: list[str] = []
    alarm = clock.call_at(1.0, lambda: called.append("cancelled"))
    assert alarm.cancel() is True
    assert alarm.cancel() is False
    late = clock.call_at(1.0, lambda: called.append("called"))
    clock.advance(1.0)
    assert called == ["called"]
    assert late.cancel() is False
