"""The bank in the whole simulated cloud: programs and jobs transfer while everything crashes, by seeds."""

from __future__ import annotations

import pytest

from actorcloud.testing import Chances
from tests.proof import mutants
from tests.simulation import acts
from tests.simulation.chaos import Chaos
from tests.simulation.conftest import quiet
from tests.simulation.stories import chaos, is_noticed

__all__ = ["quiet"]

#: Seeds that run with all others.
SEEDS = 4

FAULTS = (Chaos.crash_head, Chaos.crash_node, Chaos.kill_worker, Chaos.cut, Chaos.partition)

story = chaos(acts.keep_a_bank, faults=FAULTS, chances=Chances(latency=0.02, no_space=0.02))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_run_sees_a_wrong_sum(seed: int) -> None:
    story(seed)


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_no_run_sees_a_wrong_sum_for_many_more_seeds() -> None:
    for seed in range(SEEDS, 2_000):
        story(seed)


@pytest.mark.parametrize("mutant", [mutants.validates_nothing, mutants.extends_without_looking])
def test_a_store_without_its_rules_is_found_out(mutant: mutants.Mutant) -> None:
    assert is_noticed(story, mutant, 20)
