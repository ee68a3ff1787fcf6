"""Wardens: whatever happens to the process of an isolated actor, everybody hears of it once."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import (
    ActorDeadError,
    Supervisor,
)
from actorcloud.actor.isolation.window import MESSAGES_LIMIT
from actorcloud.base.exits import ProcessDied
from actorcloud.testing import Simulation, SimulationError
from tests.actor.cast import PATIENCE, Probe, end_of, log, run, tell_run
from tests.actor.isolated import Iso


@pytest.mark.parametrize("seed", range(20))
def test_wherever_its_process_crashes_one_reason_is_heard_and_a_supervisor_heals(seed: int) -> None:
    with Simulation(seed) as sim:
        # Given
        supervisor = Supervisor.start([Iso.child_spec(name="isolated")])
        ref = sim.system().lookup("isolated")
        watched = ref.monitor()
        answers = [ref.ask(number, block=False) for number in range(100)]
        # When
        sim.run(sim.random.random() * 0.005)
        sim.crash(sim.process_of(ref))
        # Then
        assert watched.get(PATIENCE).reason == ProcessDied("signal 9 (SIGKILL)", -9)
        outcomes = [_outcome(answer) for answer in answers]
        known = outcomes.index(None) if None in outcomes else len(outcomes)
        assert outcomes[:known] == list(range(known))
        assert set(outcomes[known:]) <= {None}
        assert supervisor.child("isolated").ask("healed") == "healed"


def _outcome(answer: Any) -> Any:
    try:
        return answer.get(PATIENCE)
    except ActorDeadError:
        return None


def test_a_process_that_dies_while_mail_waits_for_room_leaves_nobody_waiting() -> None:
    with Simulation(1) as sim:
        # Given more asks than may be under way, of an actor that is stuck
        ref = Iso.start()
        tell_run(ref, lambda actor: actor.system.sleep(1_000_000))
        answers = [ref.ask(number, block=False, timeout=None) for number in range(2 * MESSAGES_LIMIT)]
        sim.run(1.0)
        # When
        sim.crash(sim.process_of(ref))
        # Then
        assert [_outcome(answer) for answer in answers] == [None] * len(answers)
        sim.run_idle()
        assert ref._cell.thread is None


def test_monitors_that_fired_leave_nothing_behind() -> None:
    with Simulation(1) as sim:
        # Given
        ref = Iso.start()
        others = [Probe.start() for _ in range(10)]
        for other in others:
            run(ref, lambda actor, peer=other: actor.monitor(peer) and None)  # type: ignore[misc]
        # When
        for other in others:
            other.exit("gone")
        # Then
        assert len(log(ref, 10)) == 10
        assert ref._cell.actor._watches == {}
        sim.crash(sim.process_of(ref))
        end_of(ref)
        with pytest.raises(SimulationError, match="no process"):
            sim.process_of(ref)


def test_the_crash_of_the_parent_takes_its_isolated_actors_along() -> None:
    with Simulation(1) as sim:
        # Given
        other = sim.system("other")
        with other.activate():
            ref = Iso.start()
        child = sim.process_of(ref)
        # When
        sim.crash(other)
        # Then
        assert child.is_closed
