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
