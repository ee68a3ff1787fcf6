"""As many workers as there are slots, and more while jobs wait for other jobs."""

from __future__ import annotations

from typing import Any

from actorcloud.node import crew as module
from actorcloud.node.crew import Crew


class Starts:
    """Remembers what was started."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, float]] = []

    def __call__(self, number: int, pause: float) -> None:
        self.calls.append((number, pause))


def crew_of(slots: int) -> tuple[Any, Starts]:
    starts = Starts()
    crew: Any = Crew(slots, starts)
    crew.begin()
    for number in range(slots):
        crew.ready(f"port{number}")
    return crew, starts


def test_a_dead_worker_is_replaced_at_once() -> None:
    crew, starts = crew_of(2)
    crew.gone("port0", "signal 9")
    assert starts.calls == [(1, 0.0), (2, 0.0), (3, 0.0)]


def test_workers_that_cannot_start_are_tried_with_growing_pauses_up_to_a_limit() -> None:
    starts = Starts()
    crew: Any = Crew(1, starts)
    crew.begin()
    for _ in range(20):
        crew.gone("never ready", "exit code 1")
    pauses = [pause for _, pause in starts.calls[1:]]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert pauses[-1] == module.PAUSE_LIMIT


def test_a_lent_slot_gets_another_worker_which_goes_when_the_slot_is_reclaimed() -> None:
    # Given a worker whose job waits for another job
    crew, starts = crew_of(1)
    crew.handed("port0", 1)
    crew.lend("port0")
    # Then another is started, and the first gets no more work
    assert len(starts.calls) == 2
    crew.ready("extra")
    assert [port for port, _ in crew.free(1)] == ["extra"]
    # When the slot is reclaimed, then the idle one is dismissed, once, and not replaced
    crew.reclaim("port0")
    assert crew.dismiss() == ["extra"]
    assert crew.dismiss() == []
    assert crew.free(1) == []
    crew.gone("extra", "signal 9")
    assert len(starts.calls) == 2


def test_lending_is_bounded() -> None:
    crew, starts = crew_of(1)
    for number in range(100):
        crew.lend(f"port{number}")
        crew.ready(f"port{number + 1}")
    assert len(starts.calls) == 1 + module.LENT_LIMIT


def test_the_idlest_worker_is_served_first() -> None:
    crew, _ = crew_of(2)
    crew.handed("port0", 3)
    assert crew.free(8) == [("port1", 8), ("port0", 5)]


def test_a_dismissed_worker_that_has_not_ended_yet_counts_for_nothing() -> None:
    # Given a worker that was dismissed, and is on its way out
    crew, starts = crew_of(1)
    crew.handed("port0", 1)
    crew.lend("port0")
    crew.ready("extra")
    crew.reclaim("port0")
    crew.dismiss()
    # When the slot is lent again before it has ended, then another one is started
    crew.lend("port0")
    assert len(starts.calls) == 3


def test_its_load_is_what_its_living_workers_have() -> None:
    crew, _ = crew_of(2)
    crew.handed("port0", 3)
    crew.finished("port0")
    assert crew.load == 2
    # What comes late of a worker that is gone counts for nothing.
    crew.gone("port0", "signal 9")
    crew.finished("port0")
    assert crew.load == 0


def test_a_spent_worker_gets_no_more_work_and_is_replaced() -> None:
    # Given
    crew, starts = crew_of(2)
    # When
    crew.spend("port0")
    # Then
    assert [port for port, _ in crew.free(1)] == ["port1"]
    crew.gone("port0", "signal 9")
    assert len(starts.calls) == 3
