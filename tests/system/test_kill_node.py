"""Nodes are killed at random moments; their jobs run elsewhere, and none is counted twice."""

from __future__ import annotations

import pytest

from actorcloud import Cloud, NodeRef
from tests.system.cluster import Site, wait_for
from tests.system.counting import Adder, Chance, steadily, verify

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


def kill_nodes(times: int, chance: Chance) -> None:
    # Given
    with Site() as site:
        head = site.head()
        site.wait_head(head)
        nodes = {name: site.node(name) for name in ("n1", "n2")}
        with Cloud(site.endpoint) as cloud:
            adder = Adder(cloud)
            with steadily(adder):
                for number in range(times):
                    name = chance.random.choice(sorted(nodes))
                    if number % 3:
                        wait_for(lambda: NodeRef(name) in cloud.nodes(), f"node {name}")  # noqa: B023  called at once
                        known = len(adder.refs)
                        wait_for(lambda: len(adder.refs) > known, "an acknowledged job")  # noqa: B023
                    chance.wait(0.4)
                    # When
                    nodes[name].kill()
                    nodes[name] = site.node(name)
            # Then
            print(f"{len(adder.refs)} jobs")
            assert adder.refs
            verify(cloud, adder.refs)


@pytest.mark.timeout(400)
def test_nodes_are_killed_fifty_times_and_every_job_counts_once() -> None:
    kill_nodes(50, Chance())


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_nodes_are_killed_a_thousand_times_and_every_job_counts_once() -> None:
    kill_nodes(1000, Chance())


def test_a_node_that_never_comes_back_loses_its_jobs_to_another() -> None:
    # Given
    with Site() as site:
        site.wait_head(site.head())
        lost = site.node("n1")
        with Cloud(site.endpoint) as cloud:
            wait_for(lambda: NodeRef("n1") in cloud.nodes(), "node n1")
            adder = Adder(cloud)
            with steadily(adder):
                wait_for(lambda: len(adder.refs) > 20, "acknowledged jobs")
                # When
                lost.kill()
                site.node("n2")
                wait_for(lambda: cloud.nodes() == [NodeRef("n2")], "the end of n1")
            # Then
            verify(cloud, adder.refs)


def test_the_end_of_a_node_ends_its_workers() -> None:
    with Site() as site:
        # Given
        site.wait_head(site.head())
        node = site.node("n1", workers=2)
        with Cloud(site.endpoint) as cloud:
            cloud.results(cloud.add_jobs(abs, range(10)), timeout=60)
        # When
        node.kill()
        # Then
        wait_for(lambda: len(site.processes()) == 1, "the end of the workers")
