"""The head is killed at random moments; nothing acknowledged is lost, nothing is counted twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from actorcloud import Cloud, JobRef
from actorcloud.base.codec import dump_call
from actorcloud.client import Connection, JobOptions, find_head, runtime_directory
from actorcloud.client.adding import AddRequest
from tests.store.postgres import PostgresServer
from tests.system.cluster import Site, wait_for
from tests.system.counting import Adder, Chance, steadily, verify

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

#: Addresses of a site's store.
LMDB, SQLITE = "{store}", "sqlite://{store}"


def kill_heads(times: int, chance: Chance, address: str = LMDB) -> None:
    # Given
    with Site(address=address) as site:
        head = site.head(workers=2)
        site.wait_head(head)
        with Cloud(site.endpoint) as cloud:
            adder = Adder(cloud)
            with steadily(adder):
                for number in range(times):
                    # When: at every third time while it starts, so that half a recovery is tried too.
                    if number % 3:
                        site.wait_head(head)
                        if number % 5 == 0:
                            known = len(adder.refs)
                            wait_for(lambda: len(adder.refs) > known, "an acknowledged job")  # noqa: B023  called at once
                    chance.wait(0.4)
                    head.kill()
                    head = site.head(workers=2)
            # Then
            print(f"{len(adder.refs)} jobs")
            assert adder.refs
            verify(cloud, adder.refs)


@pytest.mark.timeout(400)
def test_the_head_is_killed_fifty_times_and_every_job_counts_once() -> None:
    kill_heads(50, Chance())


def test_a_head_on_sqlite_is_killed_and_every_job_counts_once() -> None:
    kill_heads(7, Chance(), SQLITE)


def test_a_head_on_postgresql_is_killed_and_every_job_counts_once(postgres: PostgresServer) -> None:
    kill_heads(7, Chance(), postgres.database())


@pytest.mark.soak
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize(("engine", "times"), [("lmdb", 1000), ("sqlite", 300), ("postgres", 300)])
def test_the_head_is_killed_a_thousand_times_and_every_job_counts_once(
    request: pytest.FixtureRequest, engine: str, times: int
) -> None:
    addresses = {"lmdb": lambda: LMDB, "sqlite": lambda: SQLITE, "postgres": lambda: _database(request)}
    kill_heads(times, Chance(), addresses[engine]())


def _database(request: pytest.FixtureRequest) -> str:
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


def test_a_private_head_that_is_killed_is_started_again_by_its_client(tmp_path: Path) -> None:
    # Given
    runtime = runtime_directory((tmp_path / "store").resolve())
    killed: set[int] = set()

    def another_head() -> Connection | None:
        found = find_head(runtime)
        return found if found is not None and found.pid not in killed else None

    with Cloud(path=tmp_path / "store", workers=2) as cloud:
        adder = Adder(cloud)
        known = 0

        def has_gone_on() -> bool:
            return len(adder.refs) > known + 20

        with steadily(adder):
            for _ in range(3):
                found = wait_for(another_head, "a head")
                known = len(adder.refs)
                wait_for(has_gone_on, "20 acknowledged jobs")
                # When
                os.kill(found.pid, signal.SIGKILL)
                killed.add(found.pid)
            known = len(adder.refs)
            wait_for(has_gone_on, "jobs after the last kill")
        # Then
        verify(cloud, adder.refs)


def test_jobs_whose_addition_is_sent_again_keep_their_place_in_the_queue() -> None:
    # Given a queue that nobody works on
    with Site() as site:
        head = site.head()
        with Cloud(site.endpoint) as cloud:
            session, function = cloud.room.session, cloud.room.function(len)
            items = [(session.refs.make(), dump_call(("x" * number,), {})) for number in range(10)]

            def add() -> None:
                request = AddRequest(session, function, items, JobOptions())
                session.open(request)
                session.wait_finished(request)

            # When: as clients do that have lost the answer, by this head and by the next
            add()
            add()
            head.kill()
            site.head()
            add()
            site.node("n1")
            # Then
            assert cloud.results([JobRef[int](ref) for ref, _ in items], timeout=60) == list(range(10))
