"""A whole cloud under seeded chaos: every promise is checked after every step.

A failing seed is printed as the line that repeats it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from actorcloud.testing import Auditor, Simulation
from tests.simulation import chaos

#: Seeds of the default run, and how many run in one test: the global timeout is per test.
SEEDS = 500
IN_ONE = 25

#: Seeds of the long run.
SOAK_SEEDS = 10_000


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What crashes here is meant to; its reports cost more than the crash."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def survive(seeds: range) -> None:
    for seed in seeds:
        try:
            chaos.run(seed)
        except Exception as error:
            error.add_note(f"repeat it: from tests.simulation import chaos; chaos.run({seed})  # test_chaos.py")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SEEDS, IN_ONE))
def test_every_promise_holds_whatever_crashes(first: int) -> None:
    survive(range(first, first + IN_ONE))


@pytest.mark.slow
def test_the_auditor_passes_no_step_over_in_which_anything_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    passed_over = []

    class Thorough(Auditor):
        """Looks at what actors know after every step, and compares."""

        def check(self) -> None:
            turns = self._turns
            super().check()
            if turns != self._turns:
                return
            known = dict(self._done)
            self._check_manager()
            self._check_nodes()
            for name, (agent, *held) in self._done.items():
                # A timer may start a node anew: nothing is known of its agent yet.
                assert known[name][0] is not agent or list(known[name][1:]) == held
            passed_over.append(self._cloud.sim.steps)

    monkeypatch.setattr(chaos, "Auditor", Thorough)
    survive(range(IN_ONE))
    assert len(passed_over) > 1_000


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_promise_holds_for_many_more_seeds() -> None:
    survive(range(SEEDS, SEEDS + SOAK_SEEDS))


def test_the_same_seed_gives_the_same_cloud() -> None:
    hashes = [(run.sim.trace_hash, run.sim.steps, run.log) for run in (chaos.run(3), chaos.run(3), chaos.run(4))]
    assert hashes[0] == hashes[1]
    assert hashes[0] != hashes[2]


@pytest.mark.slow
def test_a_seed_repeats_in_another_process_too() -> None:
    # Hashes of bytes differ from process to process: nothing may follow the order of a set.
    import os
    import subprocess
    import sys

    program = (
        "import logging; logging.disable(logging.CRITICAL)\n"
        "from tests.simulation import chaos\n"
        "print([chaos.run(seed).sim.trace_hash for seed in (5, 6, 7, 8)])"
    )

    def run(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=240, check=True
        )
        return done.stdout

    assert run("1") == run("2") != ""


def test_a_simulation_in_which_nothing_happens_costs_few_steps() -> None:
    from actorcloud.testing import SimCloud

    with Simulation(0) as sim:
        cloud = SimCloud(sim)
        cloud.start_head()
        cloud.start_node("n1")
        sim.run(1.0)
        before = sim.steps
        sim.run(10.0)
        assert sim.steps - before < 600
