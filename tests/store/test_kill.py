"""A head that is killed with SIGKILL at any moment, on LMDB; see `transfers`.

After each kill, everything that was acknowledged is there under its number, everything else is
settled by sending it again, no money is lost, and LMDB's file is whole.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.transfers import Ledger, Writers

#: Kills of one store; the next begins with its creation.
KILLS_OF_A_STORE = 10

#: Seconds: within the first ten milliseconds a store is made, or opened.
LATEST = 0.06


@pytest.fixture
def writers() -> Iterator[Writers]:
    writers = Writers()
    yield writers
    writers.close()


def kill(writers: Writers, directory: Path, seed: int) -> Iterator[list[Ledger]]:
    """Kill writers, one after the other, and yield the ledgers so far."""
    chance, ledgers = random.Random(seed), list[Ledger]()
    for number in itertools.count():
        if number % KILLS_OF_A_STORE == 0:
            ledgers.append(Ledger(directory / f"store-{number}"))
        # Ever later: on a busy machine the first hardly get to run.
        ledger, latest = ledgers[-1], LATEST * 2 ** (number // 50)
        ledger.note(writers.run_and_kill(ledger.path, number * 100_000, chance.uniform(0, latest)))
        ledger.check()
        yield ledgers


def has_reached(ledgers: list[Ledger]) -> bool:
    """Tell whether the kills came while transfers were committed, acknowledged and under way."""
    is_acknowledged = sum(len(ledger.committed) for ledger in ledgers) > KILLS_OF_A_STORE
    return is_acknowledged and sum(ledger.settled_late + ledger.refused for ledger in ledgers) > 0


@pytest.mark.slow
@pytest.mark.chaos
def test_what_was_acknowledged_survives_fifty_kills(writers: Writers, tmp_path: Path) -> None:
    for number, ledgers in enumerate(kill(writers, tmp_path, seed=1), 1):
        if number >= 50 and has_reached(ledgers):
            break
        assert number < 300


@pytest.mark.slow
@pytest.mark.chaos
def test_a_store_that_acknowledges_early_is_caught(tmp_path: Path) -> None:
    writers = Writers(acknowledges_early=True)
    try:
        # One of the first kills finds it, or a later one where writers hardly get to run.
        with pytest.raises(AssertionError):
            deque(itertools.islice(kill(writers, tmp_path, seed=1), 300), 0)
    finally:
        writers.close()


@pytest.mark.slow
@pytest.mark.chaos
def test_a_writer_that_a_test_has_left_ends_with_the_template(tmp_path: Path) -> None:
    writers = Writers()
    writers.start(tmp_path / "store", 0)
    # Until the writer has closed its output.
    writers.close()


@pytest.mark.soak
@pytest.mark.chaos
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(10))
def test_what_was_acknowledged_survives_a_thousand_kills(writers: Writers, tmp_path: Path, seed: int) -> None:
    *_, ledgers = itertools.islice(kill(writers, tmp_path, seed), 100)
    assert has_reached(ledgers)
