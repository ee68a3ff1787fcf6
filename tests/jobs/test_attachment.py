"""What the head's log says of nodes; in a simulated cloud."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator

import pytest

from actorcloud import Cloud
from actorcloud.testing import SimCloud, Simulation
from tests.simulation.jobs import rest, sleep

Said = Callable[[], list[tuple[int, str]]]


@pytest.fixture
def cloud() -> Iterator[SimCloud]:
    with Simulation(1) as sim:
        cloud = SimCloud(sim)
        cloud.start_head()
        yield cloud


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Said:
    """Return what has been said of nodes since the last call, seconds left out."""
    caplog.set_level(logging.INFO, "actorcloud.jobs")

    def said() -> list[tuple[int, str]]:
        found = [(record.levelno, re.sub(r"\d+\.\d+", "N", record.getMessage())) for record in caplog.records]
        caplog.clear()
        return [(level, text) for level, text in found if text.startswith("node ")]

    return said


def run(cloud: SimCloud, say: Callable[[Cloud], object]) -> None:
    program = cloud.program("c1", say)
    cloud.sim.run_until(program.is_done)
    program.get()


def begin_three_jobs(cloud: Cloud) -> None:
    cloud.add_jobs(sleep, [1000.0] * 3)
    rest(cloud, 5.0)


def sees_that_the_head_waits_for_n1(cloud: Cloud) -> None:
    (node,) = cloud.info().nodes
    assert (str(node.ref), node.state, node.workers, node.held) == ("n1", "away", 0, 2)
    assert "node   n1  away  2 held" in str(cloud.info())
    assert cloud.info().summary().startswith("1 node (1 away), 0 workers; 1 queued, 2 running")


def test_a_node_joins_and_is_lost_with_what_it_has(cloud: SimCloud, said: Said) -> None:
    # Given
    cloud.start_node("n1")
    run(cloud, begin_three_jobs)
    # Then
    assert said() == [(logging.INFO, "node n1 has joined: 2 workers")]
    # When
    cloud.crash_node("n1", silent=True)
    cloud.sim.run(60.0)
    # Then
    lost, *others = said()
    assert lost == (logging.WARNING, "node n1 is gone (silent for N s): 2 jobs queued again")
    assert others == []


def test_a_node_that_is_back_in_time_has_kept_its_jobs(cloud: SimCloud, said: Said) -> None:
    # Given
    cloud.start_node("n1")
    run(cloud, begin_three_jobs)
    said()
    # When
    cloud.network.cut("n1", "head")
    cloud.sim.run(5.0)
    # Then
    assert said() == [(logging.INFO, "node n1 is back after N s of silence: 2 jobs kept")]


def test_a_node_that_meets_a_new_head_has_kept_its_jobs(cloud: SimCloud, said: Said) -> None:
    # Given
    cloud.start_node("n1")
    run(cloud, begin_three_jobs)
    said()
    # When
    cloud.crash_head()
    cloud.start_head()
    cloud.sim.run(5.0)
    # Then
    assert said() == [(logging.INFO, "node n1 has joined: 2 workers, 2 jobs kept")]


def test_a_node_that_does_not_come_back_to_a_new_head_is_told_of(cloud: SimCloud, said: Said) -> None:
    # Given
    cloud.start_node("n1")
    run(cloud, begin_three_jobs)
    said()
    # When
    cloud.crash_node("n1", silent=True)
    cloud.crash_head()
    cloud.start_head()
    cloud.sim.run(1.0)
    # Then
    run(cloud, sees_that_the_head_waits_for_n1)
    cloud.sim.run(cloud.grace + 5.0)
    assert said() == [(logging.WARNING, "node n1 has not come back since the head's start: 2 jobs queued again")]


def test_a_node_that_is_removed_is_no_warning(cloud: SimCloud, said: Said) -> None:
    # Given
    cloud.start_node("n1")
    run(cloud, begin_three_jobs)
    said()
    # When
    run(cloud, lambda cloud: cloud.remove_node("n1"))
    cloud.sim.run(1.0)
    # Then
    assert said()[0] == (logging.INFO, "node n1 is gone (it was removed from this cloud): 2 jobs queued again")
