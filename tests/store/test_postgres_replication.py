"""PostgreSQL: standbys that have not got all, failovers, dumps; against a server of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from actorcloud.store import EngineFailed, ReadPlan, Unresolved
from tests.store.postgres import Make, PostgresServer, put
from tests.system.cluster import wait_for

# -- waiting for a standby --------------------------------------------------------------------------


@contextlib.contextmanager
def without_standby(postgres: PostgresServer) -> Iterator[None]:
    """Let commits wait for a standby that is not there, until the end."""

    def set_standby(change: str, names: str) -> None:
        with psycopg.connect(postgres.dsn, autocommit=True) as admin:
            admin.execute(f"alter system {change}")
            admin.execute("select pg_reload_conf()")
        wait_for(lambda: has_names(names), "the server's settings")
        with psycopg.connect(postgres.dsn, autocommit=True) as admin:
            # It is the checkpointer that lets commits wait: the second one begins after it has heard of them.
            admin.execute("checkpoint")
            admin.execute("checkpoint")

    def has_names(names: str) -> bool:
        with psycopg.connect(postgres.dsn, autocommit=True) as admin:
            query = "select current_setting('synchronous_standby_names') = %s"
            return admin.execute(query, (names,)).fetchall() == [(True,)]

    try:
        set_standby("set synchronous_standby_names = 'nobody'", "nobody")
        yield
    finally:
        set_standby("reset synchronous_standby_names", "")


def waiting_for_standby(postgres: PostgresServer) -> set[int]:
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        query = "select pid from pg_stat_activity where wait_event = 'SyncRep'"
        return {pid for (pid,) in admin.execute(query).fetchall()}


def cancel(pids: set[int], postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as admin:
        admin.execute("select pg_cancel_backend(pid) from unnest(%s::int[]) pid", (list(pids),))


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("is_cancelled", [True, False])
def test_a_commit_that_no_standby_has_is_not_acknowledged(
    make: Make, postgres: PostgresServer, *, is_cancelled: bool
) -> None:
    # Given a commit that waits for a standby
    engine = make()
    engine.open("owner")
    with without_standby(postgres):
        thread = threading.Thread(target=put, args=(engine, 1, 0))
        thread.start()
        (pid,) = wait_for(lambda: waiting_for_standby(postgres), "the commit")
        # When it is in the server for all to see, but the wait is over
        if is_cancelled:
            cancel({pid}, postgres)
        else:
            postgres.restart()
        # Then we wait on
        wait_for(lambda: waiting_for_standby(postgres) - {pid}, "another write")
        assert thread.is_alive()
    # When the standby is not wanted any more
    thread.join()
    # Then it was applied once
    put(engine, 1, 1, b"l")
    assert engine.read(ReadPlan([b"k"])) == (2, {b"k": b"v"}, [])


@pytest.mark.slow
@pytest.mark.chaos
def test_a_commit_that_no_standby_has_is_not_resolved(make: Make, postgres: PostgresServer) -> None:
    # Given
    engine = make(patience=0)
    engine.open("owner")

    def resolve() -> bool:
        return engine.resolve(epoch=1, expect=0, new=1)

    with ThreadPoolExecutor(1) as pool, without_standby(postgres):
        # Given a commit and the lifting of the fence, both in the server for all to see, but in no standby
        for act in (lambda: put(engine, 1, 0), resolve):
            answer = pool.submit(act)
            cancel(wait_for(lambda: waiting_for_standby(postgres), "a write"), postgres)
            with pytest.raises(Unresolved, match="standby was cancelled"):
                answer.result(60)
        # When
        again = pool.submit(resolve)
        # Then we wait on
        wait_for(lambda: waiting_for_standby(postgres), "another write")
        assert not again.done()
    assert again.result(60)


# -- another history ---------------------------------------------------------------------------------


def test_acknowledged_commits_that_a_failover_lost_are_told_and_end_the_history(
    make: Make, sql: psycopg.Connection, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make()
    before = engine.open("owner").incarnation
    put(engine, 1, 0)
    put(engine, 1, 1)
    sql.execute(f"update {schema}.head set seq = 1")
    for act in (engine.renew, lambda: put(engine, 1, 2), lambda: engine.resolve(epoch=1, expect=2, new=3)):
        with pytest.raises(EngineFailed, match=r"has lost commits: 2 was acknowledged, but it is at 1"):
            act()
    assert "2 was acknowledged" in caplog.text
    engine.close()
    assert make().open("next").incarnation != before


@pytest.mark.slow
@pytest.mark.chaos
def test_a_failover_while_no_head_ran_is_told_and_ends_the_history(
    make: Make, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    engine = make()
    before = engine.open("before").incarnation
    engine.close()
    postgres.restart()
    assert engine.open("after a crash of the same server").incarnation == before
    put(engine, 2, 0)
    engine.close()
    assert "another server" not in caplog.text
    # When
    postgres.promote()
    # Then
    opened = engine.open("after a failover")
    assert opened.seq == 1
    assert opened.incarnation != before
    assert caplog.text.count("another server, timeline or table") == 1
    # Then once
    engine.close()
    assert engine.open("next").incarnation == opened.incarnation
    assert caplog.text.count("another server, timeline or table") == 1


def test_a_store_that_was_restored_from_a_dump_has_another_history(
    make: Make, sql: psycopg.Connection, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    engine = make()
    before = engine.open("before").incarnation
    engine.close()
    # When its tables are made again from what they were
    sql.execute(f"create table {schema}.copy (like {schema}.head including all)")
    sql.execute(f"insert into {schema}.copy select * from {schema}.head")
    sql.execute(f"drop table {schema}.head; alter table {schema}.copy rename to head")
    # Then
    assert engine.open("after").incarnation != before
    assert "another server, timeline or table" in caplog.text


def test_a_server_that_does_not_say_which_it_is_can_have_a_store(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    engine = make()
    engine._sql.identity = "select no_such_function()"
    engine.open("owner")
    put(engine, 1, 0)
    assert "a failover while no head runs would not be noticed" in caplog.text
