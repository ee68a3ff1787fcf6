"""The supervision workload finds what is planted in the actor runtime, and soon."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef
from actorcloud.testing import Simulation
from tests.actor import workload
from tests.simulation import actor_mutants as mutants
from tests.slips import sound

Mutant = Callable[[], AbstractContextManager[None]]


class Killer(Actor):
    """Kills whom it is told."""

    def on_receive(self, message: ActorRef[Any]) -> None:
        message.kill()


class Echo(Actor):
    """Answers."""

    def on_receive(self, message: object) -> object:
        return message


def ask_the_doomed(seed: int) -> None:
    """Run an ask beside a kill: the moment that counts is too short for the large workload to meet it often."""
    with Simulation(seed, preempt=0.05) as sim:
        sim.system()
        victim, killer = Echo.start(), Killer.start()
        # One: who comes after it finds the victim dead, and sees to what was forgotten.
        answer = victim.ask("hm?", block=False)
        killer.tell(victim)
        sim.run_idle()
        assert answer.is_done(), "an ask is neither answered nor refused"


#: Seeds within which each must be found; most are within ten.
SEEDS = 1_000

PLANTED: tuple[Mutant, ...] = (
    mutants.loses_wake_ups,
    mutants.releases_names_after_down,
    mutants.restarts_once_too_often,
    mutants.gives_up_once_too_early,
    mutants.restarts_in_reverse,
    mutants.runs_an_actor_twice,
    mutants.tells_links_nothing,
    mutants.ends_children_in_start_order,
    mutants.restarts_only_the_one,
    mutants.serves_requests_after_giving_up,
)


def found(mutant: Mutant, run: Callable[[int], object] = workload.run) -> tuple[int, str]:
    """Return the first seed of `run` that notices the mutant, and what it says."""
    for seed in range(SEEDS):
        with sound(mutant):
            try:
                run(seed)
            except AssertionError as error:
                return seed, str(error)
    pytest.fail(f"in {SEEDS} seeds nobody notices a runtime that {mutant.__name__}")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", PLANTED, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    seed, problem = found(mutant)
    print(f"{mutant.__name__}: seed {seed}: {problem}")


def test_an_ask_that_is_forgotten_at_a_kill_is_found() -> None:
    found(mutants.forgets_the_ask_at_hand, ask_the_doomed)


@pytest.mark.parametrize("seed", range(100))
def test_an_ask_beside_a_kill_is_answered_or_refused(seed: int) -> None:
    ask_the_doomed(seed)
