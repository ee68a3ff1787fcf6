"""The whole protocol over many seeds, and that it finds each of the mutants.

pytest tests/proof/test_world.py             a hundred thousand transactions, some 40 seconds of one processor
pytest -m soak tests/proof/test_world.py     ten million, an hour or two of one processor
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.proof import mutants
from tests.proof.world import Conditions, World, judge
from tests.slips import sound

#: Seeds within which each mutant must be found; nearly all are found by the first.
NOTICED = 60

#: A head that is not left alone.
FIERCE = Conditions(calm=0.004, transactions=40, bold=True)

#: In which the real store must hold.
WORLDS = {"calm": Conditions(), "fierce": FIERCE, "crowded": Conditions(clients=12, transactions=40)}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    # Full disks are told, a hundred times.
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


#: Of the default run, in parts that processes share out.
TRANSACTIONS, PARTS = 100_000, 6


def judge_many(seed: int, goal: int, *conditions: Conditions) -> None:
    """Run worlds of these conditions in turns, from a seed on, until there were so many transactions."""
    total = 0
    while total < goal:
        total += judge(seed, conditions[seed % len(conditions)])
        seed += 1


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", WORLDS)
def test_the_store_is_strictly_serializable(name: str, part: int) -> None:
    judge_many(part * 10_000, TRANSACTIONS // (len(WORLDS) * PARTS) + 1, WORLDS[name])


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("million", range(1, 11))
def test_the_store_is_strictly_serializable_a_million_times(million: int) -> None:
    judge_many(million * 1_000_000, 1_000_000, *WORLDS.values())


#: Conditions under which a clock that jumps meets an answer that is lost.
RESTLESS = FIERCE._replace(calm=0.002)

ALL = [
    mutants.validates_nothing,
    mutants.validates_what_is_written_only,
    mutants.validates_no_absent_keys,
    mutants.validates_no_ranges,
    mutants.sends_no_reads,
    mutants.applies_operations_to_what_is_on_disk,
    mutants.forgets_commit_ids,
    mutants.trusts_the_wall_clock,
    mutants.checks_no_fence,
    mutants.extends_without_looking,
    mutants.takes_absent_keys_for_unchanged,
    mutants.takes_ranges_for_unchanged,
    mutants.reads_what_is_stale,
    mutants.numbers_snapshots_by_a_variable,
    mutants.mixes_what_a_conflict_brought_with_what_is_newer,
    mutants.brings_ranges_as_they_are_on_disk,
    mutants.believes_what_it_remembers,
    mutants.remembers_what_it_never_saw,
    mutants.answers_before_durable,
    mutants.commits_what_swallowed_its_restart,
    mutants.takes_a_lost_answer_for_a_failure,
]


def first_found(mutant: Callable[[], Any], conditions: Conditions, seeds: int = NOTICED) -> tuple[int, set[str]] | None:
    """Return the first seed that notices, and what it has found."""
    for seed in range(seeds):
        with sound(mutant):
            try:
                found = {anomaly.kind for anomaly in World(seed, conditions).run()}
            except AssertionError as error:
                found = {type(error).__name__}
        if found:
            return seed, found
    return None


@pytest.mark.slow
@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.__name__)
def test_a_store_without_one_of_its_rules_is_found_out(mutant: Callable[[], Any]) -> None:
    conditions = RESTLESS if mutant is mutants.trusts_the_wall_clock else FIERCE
    assert first_found(mutant, conditions), f"nobody notices a store that {mutant.__name__}"


def test_a_disk_that_acknowledges_before_it_has_written_is_found_out() -> None:
    assert any(World(seed, FIERCE._replace(acknowledges_early=True)).run() for seed in range(NOTICED))
