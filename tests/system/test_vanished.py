"""Stores that vanish under a head: whoever starts the next one makes no empty one in their place."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator

import psycopg
import pytest

from actorcloud import Cloud
from actorcloud.base.location import Location, locate
from actorcloud.client import find_head, runtime_directory
from tests.cli.processes import Commands
from tests.port import free_port
from tests.system.cluster import Site, has_stopped, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.chaos]


@pytest.fixture(params=["lmdb", "postgres"])
def store(request: pytest.FixtureRequest) -> Iterator[Location]:
    with Site() as site:
        addresses: dict[str, Callable[[], str]] = {
            "lmdb": lambda: str(site.store),
            "postgres": lambda: request.getfixturevalue("postgres").database(),
        }
        yield locate(addresses[request.param]())


def remove(store: Location) -> None:
    if store.is_database:
        with psycopg.connect(store.address, autocommit=True) as connection:
            connection.execute("drop schema actorcloud cascade")
    else:
        shutil.rmtree(store.home)


def is_there(store: Location) -> bool:
    if not store.is_database:
        return store.home.exists()
    with psycopg.connect(store.address, autocommit=True) as connection:
        return connection.execute("select to_regclass('actorcloud.head')").fetchall() != [(None,)]


def remove_under_head(store: Location) -> None:
    """Remove a store whose head has no time to see that, and kill the head."""
    found = find_head(runtime_directory(store.home))
    assert found is not None
    os.kill(found.pid, signal.SIGSTOP)
    wait_for(lambda: has_stopped(found.pid), "the head sleeps")
    remove(store)
    os.kill(found.pid, signal.SIGKILL)


def test_a_program_that_starts_its_head_again_is_told_that_the_store_is_gone(
    store: Location, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    cloud = Cloud(path=store.address, workers=1)
    cloud.mutate_store(lambda: cloud.store("s", "k", 1))
    assert is_there(store)
    # When
    remove_under_head(store)
    # Then
    wait_for(lambda: "could not be started again" in caplog.text, "the word of the second head")
    cloud.close()
    assert "has lost its" in caplog.text
    assert not is_there(store)


def test_actorcloud_head_is_not_started_again_without_its_store(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Given one that others may join, whose keys would be made anew
    commands = Commands(tmp_path_factory.mktemp("v"))
    try:
        head = commands.start("head", "--listen", f"127.0.0.1:{free_port()}")
        head.wait_line("export ACTORCLOUD_HEAD=")
        store = locate(commands.directory / "store")
        # When
        remove_under_head(store)
        # Then
        head.wait_line("has lost its directory since a head opened it")
        assert head.process.wait(60) == 73
        assert not is_there(store)
    finally:
        commands.close()
