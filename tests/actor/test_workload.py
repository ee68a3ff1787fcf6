"""Trees of supervisors under everything that can happen to them: what OTP promises holds after every step.

A failing seed is printed as the line that repeats it.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from actorcloud.actor import Actor, ActorDeadError, ActorRef, Supervisor
from actorcloud.actor.supervision.supervisor_ref import RestartChild
from actorcloud.testing import Simulation
from tests.actor import workload

#: Seeds of the default run, and how many run in one test.
SEEDS = 500
IN_ONE = 100

#: Seeds of the long run, and seconds that it may take.
SOAK_SEEDS = 10_000
SOAK_TIME = 300


def survive(seeds: range) -> None:
    for seed in seeds:
        try:
            workload.run(seed)
        except BaseException as error:
            error.add_note(f"repeat it: from tests.actor import workload; workload.run({seed})")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, IN_ONE))
def test_every_promise_of_supervision_holds(first: int) -> None:
    survive(range(first, first + IN_ONE))


@pytest.mark.soak
@pytest.mark.timeout(SOAK_TIME)
def test_every_promise_of_supervision_holds_for_many_more_seeds() -> None:
    survive(range(SEEDS, SEEDS + SOAK_SEEDS))


@pytest.mark.slow
def test_the_workload_does_what_it_is_for() -> None:
    stages = [workload.run(seed) for seed in range(60)]
    assert sum(stage.book.restarts for stage in stages) > 60
    assert sum(len(stage.book.asks) for stage in stages) > 60
    assert sum(stage.book.received[pair] for stage in stages for pair in stage.book.received) > 200
    assert any(family.must_give_up for stage in stages for family in stage.book.families.values())


@pytest.mark.slow
def test_a_seed_repeats_to_the_step_also_in_another_process() -> None:
    # Hashes of text differ from process to process: nothing may follow the order of a set.
    program = (
        "from tests.actor import workload\n"
        "print([(stage.sim.trace_hash, stage.sim.steps) for stage in map(workload.run, range(12))])"
    )

    def run(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-c", program]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True).stdout

    here = [(stage.sim.trace_hash, stage.sim.steps) for stage in map(workload.run, range(12))]
    assert run("1") == run("2") == f"{here}\n"


# -- what its seeds have found, told once more in few words ------------------------------------------


class Stubborn(Actor):
    """Takes its time to end."""

    trap_exit = True

    def on_stop(self) -> None:
        self.system.sleep(1.0)


class Mortal(Actor):
    def on_receive(self, message: object) -> object:
        raise RuntimeError(message)


def test_a_supervisor_that_gives_up_serves_no_request_that_waits() -> None:
    with Simulation(1) as sim:
        # Given a supervisor that gives up, and waits for a child that takes its time
        specs = [Mortal.child_spec(id="mortal"), Stubborn.child_spec(id="stubborn")]
        family = Supervisor.start(specs, max_restarts=0)
        family.child("mortal").tell("die")
        sim.run(0.1)
        # When somebody asks it to start the other one again
        asked = family.ask(RestartChild("mortal"), block=False)
        sim.run(2.0)
        # Then it does not
        with pytest.raises(ActorDeadError):
            asked.get()
        assert sim.system().actors() == []


@pytest.mark.parametrize("seed", range(0, 300, 3))
def test_an_ask_of_an_actor_that_is_killed_is_answered_at_whatever_moment(seed: int) -> None:
    class Echo(Actor):
        def on_receive(self, message: object) -> object:
            return message

    class Killer(Actor):
        def on_receive(self, message: ActorRef[Echo]) -> None:
            message.kill()

    with Simulation(seed, preempt=0.3) as sim:
        echo, killer = Echo.start(), Killer.start()
        asked = echo.ask("hm?", block=False, timeout=None)
        killer.tell(echo)
        sim.run_idle()
        assert asked.is_done()


@pytest.mark.parametrize("seed", range(0, 300, 3))
def test_an_actor_that_is_killed_while_it_starts_a_child_leaves_none_behind(seed: int) -> None:
    class Child(Actor):
        pass

    class Parent(Actor):
        def on_receive(self, message: object) -> None:
            if isinstance(message, ActorRef):
                message.kill()
            else:
                Child.start_link()

    with Simulation(seed, preempt=0.3) as sim:
        parent, killer = Parent.start(), Parent.start()
        parent.tell("start a child")
        killer.tell(parent)
        sim.run_idle()
        # Then the child has ended too, and nobody counts as one whose handler runs
        assert sim.system().actors() == [killer]
        assert sim.system().zombies() == []
