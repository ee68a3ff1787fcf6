"""`@simulated`: many seeds in one test, and one line for the one that fails."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.testing import Simulation, simulated
from actorcloud.testing.repetition import SEED_VARIABLE


@pytest.fixture(autouse=True)
def no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SEED_VARIABLE, raising=False)


def test_a_test_runs_once_for_each_seed_in_a_new_simulation() -> None:
    sims: list[Simulation] = []

    @simulated(seeds=5, step_time=0.5)
    def run(sim: Simulation) -> None:
        sims.append(sim)
        before = sim.clock.monotonic()
        sim.timers.call_at(before, lambda: None)
        sim.run_idle()
        assert sim.clock.monotonic() == before + 0.5

    run()
    assert [sim.seed for sim in sims] == [0, 1, 2, 3, 4]


def test_seeds_can_be_listed() -> None:
    seeds: list[int] = []

    @simulated(seeds=[7, 4711])
    def run(sim: Simulation) -> None:
        seeds.append(sim.seed)

    run()
    assert seeds == [7, 4711]


def test_seeds_of_an_iterator_are_the_same_at_each_call() -> None:
    seeds: list[int] = []

    @simulated(seeds=iter([7, 4711]))
    def run(sim: Simulation) -> None:
        seeds.append(sim.seed)

    run()
    run()
    assert seeds == [7, 4711, 7, 4711]


@pytest.mark.parametrize("seeds", [0, -1, [], iter(())])
def test_a_test_without_seeds_is_refused(seeds: Any) -> None:
    with pytest.raises(ValueError, match="would never run"):
        simulated(seeds=seeds)


def test_a_decorator_without_parentheses_is_refused() -> None:
    with pytest.raises(TypeError, match="parentheses"):
        simulated(lambda sim: None)  # type: ignore[arg-type]  # the mistake


def test_the_first_seed_that_fails_is_printed_as_the_line_that_repeats_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds: list[int] = []

    @simulated(seeds=10)
    def run(sim: Simulation) -> None:
        seeds.append(sim.seed)
        if sim.seed >= 3:
            pytest.fail("as planned")

    # When it fails
    with pytest.raises(pytest.fail.Exception, match="as planned"):
        run()
    # Then no other seed is tried
    assert seeds == [0, 1, 2, 3]
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "Simulation(seed=3" in line
    assert "SIMULATION_SEED=3 python -m pytest" in line
    assert "test_the_first_seed_that_fails" in line
    # And what it says runs that seed alone
    seeds.clear()
    monkeypatch.setenv(SEED_VARIABLE, "3")
    with pytest.raises(pytest.fail.Exception):
        run()
    assert seeds == [3]


def test_a_seed_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    @simulated()
    def run(sim: Simulation) -> None:
        raise AssertionError

    monkeypatch.setenv(SEED_VARIABLE, "all")
    with pytest.raises(ValueError, match="must be one seed"):
        run()


def test_outside_of_pytest_the_line_names_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PYTEST_CURRENT_TEST")
    monkeypatch.setattr("sys.argv", ["check.py", "--fast", "a b"])
    with pytest.raises(ZeroDivisionError), Simulation(5):
        _ = 1 / 0
    assert "repeat it: SIMULATION_SEED=5 python check.py --fast 'a b'" in capsys.readouterr().err


@simulated(seeds=2)
@pytest.mark.parametrize("number", [1, 2])
def test_fixtures_and_parameters_come_as_usual(
    sim: Simulation, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    print(number + sim.seed)
    assert capsys.readouterr().out == f"{number + sim.seed}\n"
