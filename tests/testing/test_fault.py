"""Faults at message boundaries: the n-th, or by chance; of an actor, a class, a process."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import Actor, ActorDeadError, Supervisor
from actorcloud.testing import Simulation


class Counter(Actor):
    def __init__(self) -> None:
        self.count = 0

    def on_receive(self, message: Any) -> int:
        self.count += 1
        return self.count


class Other(Counter):
    pass


@pytest.mark.parametrize("at", [1, 2, 5])
def test_an_actor_is_killed_before_its_nth_message(at: int) -> None:
    with Simulation(at) as sim:
        # Given
        counter = Counter.start()
        fault = sim.kill(counter, at=at)
        # When it gets ten messages
        asked = [counter.ask("x", block=False) for _ in range(10)]
        sim.run_idle()
        # Then it has handled those before
        answers = [future.get() for future in asked[: at - 1]]
        assert answers == list(range(1, at))
        for future in asked[at - 1 :]:
            with pytest.raises(ActorDeadError):
                future.get()
        assert fault is not None
        assert (fault.boundaries, fault.strikes, fault.is_over) == (at, 1, True)


def test_a_fault_aims_at_what_it_was_given_only() -> None:
    with Simulation(1) as sim:
        counter, other = Counter.start(), Other.start()
        sim.kill(Other, at=1)
        assert counter.ask("x") == 1
        with pytest.raises(ActorDeadError):
            other.ask("x")


def test_a_chance_strikes_about_as_often_and_the_supervisor_heals_it() -> None:
    with Simulation(3) as sim:
        family = Supervisor.start([Counter.child_spec(id="counter")], max_restarts=1_000)
        fault = sim.kill(Counter, chance=0.25)
        for _ in range(200):
            family.child("counter").tell("x")
            sim.run(0.01)
        assert fault is not None
        assert fault.boundaries == 200
        assert 30 < fault.strikes < 70
        # When it is over
        fault.cancel()
        strikes = fault.strikes
        for _ in range(50):
            family.child("counter").ask("x")
        assert fault.strikes == strikes


def test_a_process_crashes_before_its_nth_message_whichever_actor_would_handle_it() -> None:
    with Simulation(1) as sim:
        doomed = sim.system("doomed")
        with doomed.activate():
            counters = [Counter.start() for _ in range(3)]
        sim.crash(doomed, at=4)
        before = [counter._actor_weakref() for counter in counters]
        for counter in counters:
            for _ in range(5):
                counter.tell("x")
        sim.run_idle()
        assert sum(actor.count for actor in before) == 3
        assert not any(counter.is_alive() for counter in counters)
        assert sim.system("doomed") is not doomed


def test_a_fault_now_is_no_plan() -> None:
    with Simulation(1) as sim:
        counter = Counter.start()
        assert sim.kill(counter) is None
        sim.run_idle()
        assert not counter.is_alive()


def test_the_same_seed_strikes_at_the_same_moments() -> None:
    def run(seed: int) -> list[int]:
        with Simulation(seed) as sim:
            family = Supervisor.start([Counter.child_spec(id="counter")], max_restarts=1_000)
            fault = sim.kill(Counter, chance=0.2)
            assert fault is not None
            seen = []
            for _ in range(50):
                family.child("counter").tell("x")
                sim.run(0.01)
                seen.append(fault.strikes)
            return seen

    assert run(1) == run(1) != run(2)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"at": 1, "chance": 0.5}, "give one of them"),
        ({"at": 0}, "counted from 1"),
        ({"chance": 1.5}, "from 0 to 1"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(arguments: dict[str, Any], error: str) -> None:
    with Simulation(1) as sim, pytest.raises(ValueError, match=error):
        sim.kill(Counter, **arguments)


def test_what_cannot_be_aimed_at_is_refused() -> None:
    with Simulation(1) as sim:
        with pytest.raises(TypeError, match="not at 'Counter'"):
            sim.kill("Counter", at=1)  # type: ignore[arg-type]  # the mistake
        with pytest.raises(TypeError, match="is no actor"):
            sim.kill(Counter)
