"""Heads whose store is in PostgreSQL: secrets, two of them, one that has lost its lease, a server that was away."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from actorcloud import Cloud
from actorcloud.base.errors import ActorCloudError, StoreLeased
from actorcloud.base.location import Location, locate
from actorcloud.client import find_head, runtime_directory
from actorcloud.store.engine.postgres import WAIT_LIMIT
from tests.store.postgres import PostgresServer
from tests.system.cluster import Process, Site, has_stopped, processes_with, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.chaos]

#: In the address of each database here.
PASSWORD = "hush"

LONG = 60


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    return postgres.database()


@pytest.fixture
def site(database: str) -> Iterator[Site]:
    with Site(address=database) as site:
        yield site


def pid_of(store: Location) -> int:
    found = find_head(runtime_directory(store.home))
    assert found is not None
    return found.pid


def set_lease(database: str, seconds: float) -> None:
    """Let the lease of whoever has the database end in so many seconds."""
    with psycopg.connect(database, autocommit=True) as clock:
        clock.execute("update actorcloud.head set lease_until = now() + make_interval(secs => %s)", (seconds,))


def elsewhere(site: Site, name: str) -> Process:
    """Start a head as if on another machine: with a home of its own."""
    environment = {"XDG_DATA_HOME": f"{site.directory}/{name}"}
    return site.head("--runtime", f"{site.directory}/r-{name}", environment=environment)


def test_a_private_cloud_on_a_database_outlives_its_head_and_keeps_the_password(
    database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # Given a user who has the address in the environment
    store = locate(database)
    monkeypatch.setenv("ACTORCLOUD_STORE", database)
    assert PASSWORD in database
    with Cloud(path=database, workers=1) as cloud:
        before = cloud.add_job(pow, 2, 10)
        seen = cloud.add_job(lambda: (os.environ["ACTORCLOUD_STORE"], Path("/proc/self/environ").read_text()))
        # Then a job sees the name
        name, raw = cloud.result(seen, LONG)
        assert name == store.name
        assert PASSWORD not in raw
        assert store.name in repr(cloud)
        # Then so does who looks at processes, those of this test but for the server's
        session = os.environ["ACTORCLOUD_TEST_SESSION"]
        started = [each for each in processes_with("ACTORCLOUD_TEST_SESSION", session) if "postgres" not in each.name()]
        assert {pid_of(store)} < {each.pid for each in started}
        assert not [each for each in started if PASSWORD in f"{each.cmdline()} {each.environ()}"]
        # When
        os.kill(pid_of(store), signal.SIGKILL)
        # Then
        assert cloud.result(before, LONG) == 1024
        assert cloud.result(cloud.add_job(pow, 2, 11), LONG) == 2048
        written = [file.read_text() for file in runtime_directory(store.home).glob("*.json")]
        written += [file.read_text(errors="replace") for file in store.home.iterdir()]
        assert len(written) > 1
        assert not [text for text in written if PASSWORD in text]
        cloud.close()
    # Then a second program finds it as it was left, with whichever address
    with Cloud(path=f"{database}&connect_timeout=9", workers=1) as cloud:
        assert cloud.result(before, LONG) == 1024
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err


def test_of_two_heads_the_second_is_refused_and_succeeds_the_first_when_that_was_killed(
    site: Site, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    first = site.head()
    site.wait_head(first)
    with Cloud(site.endpoint) as cloud:
        cloud.mutate_store(lambda: cloud.store("s", "k", 1))
    # Then one of another machine is told by whom, and until when
    with monkeypatch.context() as other:
        other.setenv("XDG_DATA_HOME", f"{site.directory}/other")
        held = rf"held by process {first.pid} on .* until \d\d:\d\d:\d\d .* and longer if it renews its lease"
        with pytest.raises(StoreLeased, match=held):
            Cloud(path=site.address, workers=1)
    # Then one of the same machine is told the process
    begun = time.monotonic()
    second = site.head("--runtime", f"{site.directory}/r-second")
    assert second.wait() == 75
    took = time.monotonic() - begun
    second.wait_said(f"is open in process {first.pid} ")
    # When
    first.kill()
    # As long as a start takes on a machine that is busy, and then some.
    set_lease(database, min(3.0 + 3.0 * took, WAIT_LIMIT - 1.0))
    heir = elsewhere(site, "heir")
    # Then it waits for the end of the lease
    heir.wait_said(rf"was held by process {first.pid} on .*; waiting \d+ s for the end of its lease")
    endpoint = wait_for(lambda: find_head(site.directory / "r-heir"), "the heir").endpoint
    with Cloud(endpoint) as cloud:
        assert cloud.fetch("s", "k") == 1
    assert all(PASSWORD not in head.everything for head in (first, second, heir))


def test_a_head_that_slept_while_another_took_over_serves_nobody(site: Site, database: str) -> None:
    # Given a client of a head that sleeps, as a machine that was suspended does
    zombie = site.head()
    site.wait_head(zombie)
    fetched: list[object] = []
    with Cloud(site.endpoint) as cloud:
        cloud.mutate_store(lambda: cloud.store("s", "k", "old"))
        zombie.signal(signal.SIGSTOP)
        # Until the last of its threads has heard of it, it may still answer, and rightly.
        wait_for(lambda: has_stopped(zombie.pid), "the head sleeps")
        asking = threading.Thread(target=lambda: fetched.append(outcome(lambda: cloud.fetch("s", "k"))))
        asking.start()
        # When its lease is over, and another one has gone on
        set_lease(database, -1)
        heir = elsewhere(site, "heir")
        endpoint = wait_for(lambda: find_head(site.directory / "r-heir"), "the heir").endpoint
        with Cloud(endpoint) as other:
            assert other.fetch("s", "k") == "old"
            other.mutate_store(lambda: other.store("s", "k", "new"))
            zombie.signal(signal.SIGCONT)
            # Then it ends, says why, and has answered nobody
            assert zombie.wait() == 75
            zombie.wait_said(rf"this process ends: the store .* is held by process {heir.pid} on ")
            assert fetched == []
            assert other.fetch("s", "k") == "new"
        cloud.room.session.close()
        asking.join(LONG)
    assert isinstance(fetched[0], ActorCloudError)


def outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except ActorCloudError as error:
        return error


def test_a_server_that_crashed_is_waited_for(site: Site, postgres: PostgresServer) -> None:
    # Given
    head = site.head(workers=1)
    site.wait_head(head)
    with Cloud(site.endpoint) as cloud:
        refs = [cloud.add_job(pow, 2, number) for number in range(20)]
        # When
        postgres.restart()
        refs += [cloud.add_job(pow, 2, number) for number in range(20, 40)]
        # Then
        assert cloud.results(refs, LONG) == [2**number for number in range(40)]
    assert "is away, trying again" in head.everything
    assert head.is_running
