"""The supervision workload finds what is planted in the actor runtime, and soon."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from tests.actor import workload
from tests.simulation import actor_mutants as mutants

Mutant = Callable[[], AbstractContextManager[None]]

#: Seeds within which each must be found; most are within ten.
SEEDS = 1_000

PLANTED: tuple[Mutant, ...] = (
    mutants.loses_wake_ups,
    mutants.releases_names_after_down,
    mutants.restarts_once_too_often,
    mutants.gives_up_once_too_early,
    mutants.restarts_in_reverse,
    mutants.runs_an_actor_twice,
    mutants.forgets_the_ask_at_hand,
    mutants.tells_links_nothing,
    mutants.ends_children_in_start_order,
    mutants.restarts_only_the_one,
    mutants.serves_requests_after_giving_up,
)


def found(mutant: Mutant) -> tuple[int, str]:
    """Return the first seed that notices the mutant, and what it says."""
    for seed in range(SEEDS):
        with mutant():
            try:
                workload.run(seed)
            except AssertionError as error:
                return seed, str(error)
    pytest.fail(f"in {SEEDS} seeds nobody notices a runtime that {mutant.__name__}")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", PLANTED, ids=lambda mutant: mutant.__name__)
def test_a_planted_bug_is_found(mutant: Mutant) -> None:
    seed, problem = found(mutant)
    print(f"{mutant.__name__}: seed {seed}: {problem}")
