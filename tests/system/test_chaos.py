"""Heads and nodes are killed at random while clients use everything at once; nothing is lost or counted twice."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import actorcloud
from actorcloud import Cloud
from tests.system.cluster import Process, Site, thread, wait_for
from tests.system.counting import SPACE, Chance

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

#: Seconds: the machine is shared, and heads are killed meanwhile.
LONG = 240

#: Jobs of one bulk call.
BULK = 60


def add_once(name: str) -> str:
    """Count under `name`, by a transaction of the job's."""
    cloud = actorcloud.current().cloud
    cloud.mutate_store(lambda: cloud.store(SPACE, name, cloud.fetch(SPACE, name, 0) + 1), once="add")
    return name


def add_when_done(name: str) -> str:
    """Count under `name`, with the end of the job."""
    job = actorcloud.current()
    job.on_done(lambda: job.cloud.store(SPACE, name, job.cloud.fetch(SPACE, name, 0) + 1))
    return name


def add_by_child(name: str) -> str:
    """Let another job count, which exists if and only if this transaction commits."""
    cloud = actorcloud.current().cloud

    def add() -> actorcloud.JobRef[str]:
        return cloud.add_job(add_once, name)

    return cloud.result(cloud.mutate_store(add, once="child").value)


class Client:
    """Uses a cloud in one way, round by round, and remembers how often what must have been counted.

    Args:
        name: of the counter.
        way: (cloud, name) -> how many times it was counted; returns when all of that is done.
    """

    def __init__(self, name: str, way: Callable[[Cloud, str], int]) -> None:
        self.name = name
        self.total = 0
        self._way = way

    def run(self, endpoint: str, stop: threading.Event) -> None:
        with Cloud(endpoint) as cloud:
            # Once at least, where all was killed before it had begun.
            self.total += self._way(cloud, self.name)
            while not stop.is_set():
                self.total += self._way(cloud, self.name)


def by_map(cloud: Cloud, name: str) -> int:
    return len(list(cloud.map(add_once, [name] * BULK)))


def by_futures(cloud: Cloud, name: str) -> int:
    futures = [cloud.submit(add_once, name) for _ in range(BULK)]
    return len([future.result(LONG) for future in futures])


def by_end(cloud: Cloud, name: str) -> int:
    return len(cloud.results(cloud.add_jobs(add_when_done, [name] * BULK), LONG))


def by_child(cloud: Cloud, name: str) -> int:
    return len(cloud.results([cloud.add_job(add_by_child, name) for _ in range(5)], LONG))


def by_key(cloud: Cloud, name: str) -> int:
    number = cloud.fetch(SPACE, name, 0)
    refs = {cloud.options(key=f"{name}-{number}").add_job(add_once, name) for _ in range(3)}
    assert len(refs) == 1
    return len(cloud.results(refs, LONG))


def by_transaction(cloud: Cloud, name: str) -> int:
    cloud.mutate_store(lambda: cloud.store(SPACE, name, cloud.fetch(SPACE, name, 0) + 1))
    return 1


CLIENTS = (by_map, by_futures, by_end, by_child, by_key, by_transaction)


def kill_all_sorts(times: int, pause: float, chance: Chance) -> None:
    # Given
    with Site() as site:
        head = site.head()
        site.wait_head(head)
        nodes: dict[str, Process] = {name: site.node(name, workers=2) for name in ("n1", "n2")}
        clients = [Client(way.__name__, way) for way in CLIENTS]
        stop = threading.Event()
        threads = [thread(lambda client=client: client.run(site.endpoint, stop)) for client in clients]  # type: ignore[misc]
        for beside in threads:
            beside.__enter__()
        try:
            # When
            for _ in range(times):
                chance.wait(pause)
                if chance.random.random() < 0.5:
                    head.kill()
                    head = site.head()
                else:
                    name = chance.random.choice(sorted(nodes))
                    nodes[name].kill()
                    nodes[name] = site.node(name, workers=2)
        finally:
            stop.set()
            for beside in threads:
                beside.__exit__(None, None, None)
        # Then
        with Cloud(site.endpoint) as cloud:
            told = {client.name: client.total for client in clients}
            assert told == {client.name: cloud.fetch(SPACE, client.name, 0) for client in clients}
            assert all(told.values())
            info = cloud.info()
            assert (info.queued, info.running, info.suspended) == (0, 0, 0)
            wait_for(lambda: len(cloud.nodes()) == 2, "both nodes")
        print(told)


@pytest.mark.timeout(400)
def test_all_that_is_counted_is_counted_once_whatever_is_killed() -> None:
    kill_all_sorts(8, 3.0, Chance())


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
def test_all_that_is_counted_is_counted_once_whatever_is_killed_a_thousand_times() -> None:
    # Not faster: a job that has lost six nodes is suspended, and rightly so.
    kill_all_sorts(1000, 10.0, Chance())
