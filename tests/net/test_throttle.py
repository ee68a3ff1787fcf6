"""Log lines of strangers."""

from __future__ import annotations

import logging

import pytest

from actorcloud.net.throttle import KINDS_LIMIT, Throttle

logger = logging.getLogger("actorcloud.test")


def test_one_line_a_period_and_the_next_tells_how_many_were_left_out(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    throttle = Throttle(logger, period=10.0)
    # When
    logged = [throttle.warning(now, "kind", f"line {now}") for now in (0.0, 1.0, 9.9, 10.0)]
    # Then
    assert logged == [True, False, False, True]
    assert caplog.messages == ["line 0.0", "line 10.0 (2 more of these in the meantime)"]


def test_kinds_are_bounded() -> None:
    throttle = Throttle(logger)
    logged = [throttle.warning(0.0, f"kind {number}", "x") for number in range(KINDS_LIMIT + 10)]
    assert logged.count(True) == KINDS_LIMIT + 1


def test_the_quiet_grows_up_to_the_longest(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    throttle = Throttle(logger, period=10.0, longest=40.0)
    # When
    logged = [second for second in range(200) if throttle.warning(float(second), "kind", "line")]
    # Then
    assert logged == [0, 10, 30, 70, 110, 150, 190]
    assert caplog.messages[1] == "line (9 more of these in the meantime)"
