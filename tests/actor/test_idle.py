"""Idle timeouts: what cancels them, what begins them anew, and how little they cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef, AsyncActor, debug
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Simulation


class Sleepy(Actor):
    """Notes when it was idle; answers with how often."""

    def __init__(self, timeout: float | None = 1.0) -> None:
        self.idle_timeout = timeout
        self.times = 0

    def on_receive(self, message: Any) -> Any:
        if message == "times":
            return self.times
        if message == "goodnight":
            self.stop("asleep")
        elif isinstance(message, float | None):
            self.idle_timeout = message
        return None

    def on_idle(self) -> None:
        self.times += 1


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with Simulation(seed=1) as sim:
        yield sim


def times(ref: ActorRef[Any]) -> int:
    """Look without being a message."""
    found: int = debug.get_state(ref)["times"]
    return found


@pytest.mark.case(205, 206, 224, 226)
def test_a_message_in_time_begins_the_wait_anew(sim: Simulation) -> None:
    p = Sleepy.start()
    for _ in range(3):
        sim.run(0.5)
        assert p.ask("times") == 0
    sim.run(1.5)
    assert p.ask("times") == 1


def test_it_runs_once_until_the_next_message(sim: Simulation) -> None:
    p = Sleepy.start()
    sim.run(10.0)
    assert times(p) == 1
    p.tell("x")
    sim.run(10.0)
    assert times(p) == 2


def test_it_begins_at_the_start_and_can_be_turned_off_and_on(sim: Simulation) -> None:
    p = Sleepy.start(None)
    sim.run(10.0)
    assert times(p) == 0
    p.ask(2.0)
    sim.run(1.0)
    assert times(p) == 0
    # A shorter one counts from now, too.
    p.ask(0.5)
    sim.run(0.75)
    assert times(p) == 1
    p.ask(None)
    sim.run(10.0)
    assert times(p) == 1


def test_a_debug_call_begins_a_wait_anew_that_is_on(sim: Simulation) -> None:
    p = Sleepy.start()
    sim.run(0.75)
    debug.get_state(p)
    sim.run(0.75)
    assert times(p) == 0
    sim.run(10.0)
    assert times(p) == 1
    debug.get_state(p)
    sim.run(10.0)
    assert times(p) == 1


def test_a_suspended_actor_is_not_idle(sim: Simulation) -> None:
    p = Sleepy.start()
    debug.suspend(p)
    sim.run(10.0)
    assert times(p) == 0
    debug.resume(p)
    sim.run(2.0)
    assert times(p) == 1


def test_zero_waits_only_for_an_empty_mailbox(sim: Simulation) -> None:
    # Given
    seen: list[Any] = []

    class Eager(Actor):
        idle_timeout = 0.0

        def on_receive(self, message: object) -> None:
            seen.append(message)

        def on_idle(self) -> None:
            seen.append("idle")

    p = Eager.start()
    sim.run(0.1)
    # When
    for number in range(20):
        p.tell(number)
    sim.run(0.1)
    # Then
    assert seen == ["idle", *range(20), "idle"]


def test_an_actor_may_stop_when_it_is_idle_and_takes_its_timer_with_it(sim: Simulation) -> None:
    class Leaving(Sleepy):
        def on_idle(self) -> None:
            self.stop("idle")

    p, q = Leaving.start(), Leaving.start()
    end = p.monitor()
    q.stop()
    assert end.get(10.0).reason == "idle"
    steps = sim.steps
    sim.run(10.0)
    assert sim.steps == steps


def test_a_busy_actor_sets_few_timers(sim: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    p = Sleepy.start()
    timers = p._cell.system.timers  # type: ignore[attr-defined]
    count: list[float] = []
    real = timers.call_at

    def call_at(deadline: float, function: Any) -> Any:
        count.append(deadline)
        return real(deadline, function)

    monkeypatch.setattr(timers, "call_at", call_at)
    # When
    for _ in range(100):
        p.tell("x")
        sim.run(0.1)
    # Then it is one for each second, not one for each message
    assert 8 <= len(count) <= 12
    assert times(p) == 0


def test_an_actor_of_coroutines_can_be_idle(sim: Simulation) -> None:
    class Async(AsyncActor):
        idle_timeout = 1.0

        async def on_receive(self, message: Any) -> None:
            self.continue_with(message)

        async def on_continue(self, term: Any) -> None:  # type: ignore[override]  # a coroutine here
            self.heard = term

        async def on_idle(self) -> None:  # type: ignore[override]  # a coroutine here
            self.stop(ExitReason.NORMAL if self.heard == "x" else "not heard")

    p = Async.start()
    debug.log(p)
    p.tell("x")
    end = p.monitor()
    sim.run(0.5)
    assert [event.kind for event in debug.get_log(p)] == ["in", "continue"]
    assert end.get(10.0).reason is ExitReason.NORMAL
