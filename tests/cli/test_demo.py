"""The demo ends well only if it counted well, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import statistics
from pathlib import Path

import pytest

from actorcloud.cli.demo import DAYS_OF_A_JOB, Count, read_temperatures, split
from tests.cli.processes import Commands

RIGHT = Count(jobs=3, lost=0, twice=0, average=16.439, expected=16.439)


def test_all_observations_are_in_the_parts() -> None:
    # When
    temperatures = read_temperatures()
    parts = split(temperatures)
    # Then
    assert len(temperatures) == 1461
    assert max(map(len, parts)) == DAYS_OF_A_JOB
    total = sum(map(sum, parts))
    assert total / 10 / len(temperatures) == pytest.approx(statistics.fmean(temperatures), rel=1e-12)


@pytest.mark.parametrize(
    ("count", "is_right"),
    [
        (RIGHT, True),
        (Count(jobs=3, lost=1, twice=0, average=16.439, expected=16.439), False),
        (Count(jobs=3, lost=0, twice=1, average=16.439, expected=16.439), False),
        (Count(jobs=3, lost=0, twice=0, average=16.5, expected=16.439), False),
        (Count(jobs=3, lost=0, twice=0, average=float("nan"), expected=16.439), False),
    ],
)
def test_it_is_right_only_if_nothing_was_lost_or_counted_twice_and_the_average_is(
    count: Count, *, is_right: bool
) -> None:
    assert count.is_right is is_right


@pytest.mark.slow
@pytest.mark.chaos
def test_the_demo_kills_a_node_and_the_head_and_loses_nothing(tmp_path: Path) -> None:
    # Given
    before = _runtime_directories()
    # When
    run = Commands(tmp_path).run("demo", TMPDIR=str(tmp_path), ACTORCLOUD_HEAD="nowhere:1")
    # Then
    assert run.returncode == 0, run.stderr
    assert "16.4391 degrees (statistics.fmean: 16.4391)" in run.stdout
    assert run.stdout.splitlines()[-1] == "293 jobs: jobs lost 0, counted twice 0"
    assert run.stderr.count("kill -9") == 2
    assert "the head is back" in run.stderr
    assert list(tmp_path.iterdir()) == []
    assert _runtime_directories() == before


@pytest.mark.slow
def test_a_demo_that_is_interrupted_promises_nothing_of_its_jobs(tmp_path: Path) -> None:
    # Given
    commands = Commands(tmp_path)
    demo = commands.start("demo")
    demo.wait_line("jobs are on disk")
    # When
    code = demo.end(signal.SIGINT)
    # Then
    assert code == 130
    assert "unfinished" not in demo.rest()


def _runtime_directories() -> set[str]:
    parent = Path(os.environ["XDG_RUNTIME_DIR"]) / "actorcloud"
    return {entry.name for entry in parent.iterdir()} if parent.exists() else set()
