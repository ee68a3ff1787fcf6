"""Telemetry: every handler hears every event, and a broken one harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import pytest

from actorcloud.base.telemetry import Telemetry

Event = tuple[str, dict[str, float], dict[str, object]]


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
        self.events.append((name, dict(measurements), dict(metadata)))


def _broken(name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
    raise RuntimeError("a metrics bug")


def test_every_handler_hears_an_event() -> None:
    # Given
    telemetry, first, second = Telemetry(), Recorder(), Recorder()
    telemetry.attach(first)
    telemetry.attach(second)
    # When
    telemetry.emit("actorcloud.jobs.job.stop", {"duration": 0.5}, {"state": "done"})
    # Then
    expected = [("actorcloud.jobs.job.stop", {"duration": 0.5}, {"state": "done"})]
    assert first.events == expected
    assert second.events == expected


def test_a_detached_handler_hears_nothing_more() -> None:
    # Given
    telemetry, handler = Telemetry(), Recorder()
    telemetry.attach(handler)
    # When
    telemetry.detach(handler)
    telemetry.detach(handler)
    telemetry.emit("actorcloud.jobs.job.start", {}, {})
    # Then
    assert handler.events == []


def test_a_handler_that_raises_is_removed_and_logged_and_the_others_still_hear(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given
    telemetry, handler = Telemetry(), Recorder()
    telemetry.attach(_broken)
    telemetry.attach(handler)
    # When
    with caplog.at_level(logging.ERROR, logger="actorcloud.telemetry"):
        telemetry.emit("actorcloud.store.commit", {"writes": 1}, {})
        telemetry.emit("actorcloud.store.commit", {"writes": 2}, {})
    # Then
    assert len(handler.events) == 2
    assert len(caplog.records) == 1
    assert "actorcloud.store.commit" in caplog.text


def test_a_handler_may_detach_itself_while_it_is_called() -> None:
    # Given
    telemetry, handler = Telemetry(), Recorder()

    def once(name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
        telemetry.detach(once)
        handler(name, measurements, metadata)

    telemetry.attach(once)
    # When
    telemetry.emit("first", {}, {})
    telemetry.emit("second", {}, {})
    # Then
    assert [name for name, _, _ in handler.events] == ["first"]
