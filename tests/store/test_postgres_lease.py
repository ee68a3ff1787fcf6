"""PostgreSQL: who may write, and until when; against a server of its own."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import psycopg
import pytest

from actorcloud.actor import System
from actorcloud.base.errors import NoSpace, NotAStore, StoreDamaged, StoreLeased, StoreLocked
from actorcloud.store import Bulk, EngineFailed, FencedOut, PostgresEngine, ReadPlan, WriterActor, keys
from tests.store.postgres import Make, answers_lost, put
from tests.system.cluster import wait_for


def outdate(sql: psycopg.Connection, schema: str) -> None:
    """Let the lease end, as if the database's clock had gone on."""
    sql.execute(f"update {schema}.head set lease_until = now() - interval '1 s'")


def lease_end(sql: psycopg.Connection, schema: str) -> datetime:
    ((end,),) = sql.execute(f"select lease_until from {schema}.head").fetchall()
    assert isinstance(end, datetime)
    return end


def is_renewed(sql: psycopg.Connection, schema: str, before: datetime) -> bool:
    return lease_end(sql, schema) > before


def test_a_second_head_is_refused_and_told_until_when(make: Make) -> None:
    first = make()
    first.open("head on alpha")
    with pytest.raises(
        StoreLocked, match=r"held by process \d+ on .* \(head on alpha\) until \d\d:\d\d:\d\d .*\d+ s from now"
    ):
        make().open("head on beta")
    put(first, 1, 0)


def test_a_lease_that_is_over_lets_the_next_one_in_and_fences_the_last_out(
    make: Make, sql: psycopg.Connection, schema: str
) -> None:
    # Given
    zombie, heir = make(), make()
    zombie.open("zombie")
    put(zombie, 1, 0)
    outdate(sql, schema)
    # When
    opened = heir.open("heir")
    # Then
    assert (opened.epoch, opened.seq) == (2, 1)
    for act in (
        lambda: put(zombie, 1, 1),
        lambda: put(zombie, 9, 1),
        lambda: zombie.resolve(epoch=9, expect=0, new=1),
        lambda: zombie.read(ReadPlan([b"k"])),
        zombie.renew,
        lambda: zombie.resolve(epoch=1, expect=0, new=1),
    ):
        with pytest.raises(FencedOut, match="opened"):
            act()
    zombie.close()
    put(heir, 2, 1)


def test_a_lease_is_renewed_by_each_commit_and_by_itself(make: Make, sql: psycopg.Connection, schema: str) -> None:
    engine = make()
    engine.open("owner")
    for act in (engine.renew, lambda: put(engine, 1, 0)):
        outdate(sql, schema)
        act()
        with pytest.raises(StoreLocked):
            make().open("other")


def test_the_writer_renews_the_lease(make: Make) -> None:
    renewed, engine = threading.Event(), make(lease=0.3)
    engine.open("owner")
    whole = engine.renew

    def renew() -> None:
        whole()
        renewed.set()

    engine.renew = renew  # type: ignore[method-assign]
    with System() as system:
        WriterActor.options(system=system).start(engine)
        assert renewed.wait(60)


@pytest.mark.parametrize("mode", ["share", "exclusive"])
def test_a_lease_is_renewed_while_administration_takes_long(
    make: Make, sql: psycopg.Connection, schema: str, tmp_path: Path, mode: str
) -> None:
    # Given a table that somebody holds, so that it takes long
    engine = make(lease=0.3)
    engine.open("owner")
    work = engine.vacuum if mode == "share" else lambda: engine.backup(tmp_path / "copy")
    thread = threading.Thread(target=work)
    with sql.transaction():
        sql.execute(f"lock table {schema}.kv in access {mode} mode")
        thread.start()
        # Then
        for _ in range(2):
            wait_for(partial(is_renewed, sql, schema, lease_end(sql, schema)), "a renewal")
    thread.join()
    engine.renew()


def test_a_lease_is_renewed_while_all_is_read(make: Make, sql: psycopg.Connection, schema: str) -> None:
    # Given
    engine = make()
    bulk = Bulk(engine, engine.open("owner"))
    bulk.commit({keys.user("s", b"k"): b"v"})
    outdate(sql, schema)
    # When
    next(bulk.chunks())
    # Then
    with pytest.raises(StoreLeased):
        make().open("other")


def test_a_renewal_that_fails_does_not_end_what_takes_long(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    engine, failed = make(lease=0.03), threading.Event()
    engine.open("owner")
    monkeypatch.setattr(engine._sql, "renew", "select 1 from nowhere where %s + %s > 0 and %b > ''")
    monkeypatch.setattr(logging.getLogger("actorcloud.store"), "warning", lambda *_: failed.set())
    # When
    with engine._kept():
        assert failed.wait(60)
    # Then
    put(engine, 1, 0)


def test_the_next_one_in_the_home_of_one_that_was_killed_need_not_wait(make: Make, tmp_path: Path) -> None:
    # Given
    killed, again = make(home=tmp_path / "home"), make(home=tmp_path / "home")
    killed.open("before")
    put(killed, 1, 0)
    with pytest.raises(StoreLocked, match=r"open in process \d+ \(before\)"):
        again.open("too early")
    # When
    assert killed._home is not None
    killed._home.leave()
    opened = again.open("after")
    # Then
    assert (opened.epoch, opened.seq) == (2, 1)
    late: list[object] = [2, 10.0, 1, killed._token, 1, [b"k"], [b"late"], []]
    assert killed._writer.run(killed._sql.commit, late).rows == [(0,)]
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "home" / "holder").stat().st_mode & 0o777 == 0o600


def test_a_home_that_was_copied_is_another_holder(make: Make, tmp_path: Path) -> None:
    # Given a machine of the same name that has all of the home
    engine = make(home=tmp_path / "home")
    engine.open("the original")
    shutil.copytree(tmp_path / "home", tmp_path / "copy")
    # Then
    with pytest.raises(StoreLeased, match="the original"):
        make(home=tmp_path / "copy").open("the copy")
    put(engine, 1, 0)


def test_of_two_owners_with_one_holder_only_the_last_one_writes(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given machines that nothing tells apart
    first, last = make(), make()
    last._holder = first._holder
    first.open("first")
    put(first, 1, 0)
    last.open("last")
    # When the first does not know whether a commit was applied, nor whether it has lifted the fence
    answers_lost(first._writer, monkeypatch, 1, is_done=False)
    # Then
    with pytest.raises(FencedOut):
        first.resolve(epoch=1, expect=1, new=2)
    for act in (lambda: put(first, 1, 1), lambda: first.read(ReadPlan()), first.renew):
        with pytest.raises(FencedOut):
            act()
    put(last, 2, 1)


def test_an_owner_whose_epoch_comes_again_after_a_failover_is_still_none(
    make: Make, sql: psycopg.Connection, schema: str
) -> None:
    # Given one that was overtaken, and a standby that had not got the next one's first change
    zombie, heir = make(), make()
    zombie.open("zombie")
    outdate(sql, schema)
    heir.open("heir")
    sql.execute(f"update {schema}.head set epoch = 1")
    # Then
    for act in (
        lambda: put(zombie, 1, 0),
        lambda: zombie.read(ReadPlan()),
        zombie.renew,
        lambda: zombie.resolve(epoch=1, expect=0, new=1),
    ):
        with pytest.raises(FencedOut):
            act()


def test_a_head_whose_home_was_removed_ends(make: Make, tmp_path: Path) -> None:
    # Given
    engine = make(home=tmp_path / "home")
    engine.open("owner")
    put(engine, 1, 0)
    # When
    (tmp_path / "home" / "head.lock").unlink()
    # Then
    for act in (lambda: put(engine, 1, 1), engine.renew, lambda: engine.resolve(epoch=1, expect=1, new=2)):
        with pytest.raises(EngineFailed, match=r"home .* was removed or replaced"):
            act()


def test_a_home_without_room_is_told_as_such(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", refuse)
    with pytest.raises(NoSpace, match="home cannot be the home of the head of postgresql:"):
        make(home=tmp_path / "home").open("owner")


def test_a_home_that_cannot_be_one_is_told(make: Make, tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(NotAStore, match="home cannot be the home of the head of postgresql:"):
        make(home=tmp_path / "home").open("owner")


class Sleeper:
    """Waits for nobody, and notes for how long; `act` happens meanwhile."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.slept: list[float] = []
        self._act = act

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._act()


def test_one_that_waits_takes_over_when_the_lease_of_a_dead_owner_is_over(
    make: Make, sql: psycopg.Connection, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    make().open("dead")
    sleep = Sleeper(lambda: outdate(sql, schema) if len(sleep.slept) == 2 else None)
    # When
    opened = make(waits=True, sleep=sleep).open("heir")
    # Then
    assert opened.epoch == 2
    assert len(sleep.slept) == 2
    assert caplog.text.count("waiting") == 1
    assert re.search(r"was held by process \d+ on .* \(dead\); waiting \d+ s", caplog.text)


def test_one_that_waits_is_refused_as_soon_as_the_owner_shows_that_it_lives(make: Make) -> None:
    # Given
    alive = make()
    alive.open("alive")
    sleep = Sleeper(alive.renew)
    # Then
    with pytest.raises(StoreLeased, match=r"held by process \d+ on .*alive"):
        make(waits=True, sleep=sleep).open("other")
    assert len(sleep.slept) == 1


def test_a_store_that_vanishes_while_its_lease_is_waited_for_is_told(
    make: Make, sql: psycopg.Connection, schema: str
) -> None:
    make().open("dead")
    with pytest.raises(StoreDamaged, match="has lost its tables, or what was in them"):
        make(waits=True, sleep=Sleeper(lambda: sql.execute(f"delete from {schema}.head"))).open("heir")


def test_a_long_lease_is_not_waited_for(make: Make) -> None:
    make(lease=3600.0).open("for long")
    sleep = Sleeper()
    with pytest.raises(StoreLeased, match=r"3600 s from now|3599 s from now"):
        make(waits=True, sleep=sleep).open("other")
    assert not sleep.slept


def test_a_lease_that_was_just_given_back_has_a_date(make: Make) -> None:
    engine, late = make(), make()
    engine.open("owner")
    engine.close()
    ((owner, _, left),) = late._writer.run(late._sql.holder).rows
    late._writer.close()
    assert "owner" in owner
    assert left < 0


def test_tables_that_have_been_there_are_not_made_again(make: Make, sql: psycopg.Connection, schema: str) -> None:
    # Given
    with pytest.raises(StoreDamaged, match="has lost its tables, or what was in them, since a head opened it"):
        make(create=False).open("later")
    assert sql.execute("select to_regclass(%s)", (f"{schema}.head",)).fetchall() == [(None,)]
    # When
    engine = make()
    engine.open("first")
    engine.close()
    sql.execute(f"drop schema {schema} cascade")
    # Then
    with pytest.raises(StoreDamaged, match="has lost its tables"):
        engine.open("again")


def test_a_store_that_was_closed_lets_the_next_one_in_at_once(make: Make) -> None:
    first = make()
    first.open("first")
    first.close()
    assert make().open("second").epoch == 2


def test_two_that_create_it_at_once_make_one_store(make: Make) -> None:
    errors: list[BaseException] = []
    opened: list[int] = []

    def start(engine: PostgresEngine) -> None:
        try:
            opened.append(engine.open("one of two").epoch)
        except StoreLocked as error:
            errors.append(error)

    threads = [threading.Thread(target=start, args=(make(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (opened, len(errors)) == ([1], 1)


def test_a_store_whose_maker_was_killed_is_made_by_the_next_one(
    make: Make, sql: psycopg.Connection, schema: str
) -> None:
    # Given tables with nothing in them
    sql.execute(make()._sql.create({b"k": b"v"}))
    sql.execute(f"truncate {schema}.head, {schema}.kv")
    with pytest.raises(StoreDamaged):
        make(create=False).open("one that must find it")
    # When
    opened = make().open("the next one")
    # Then
    assert (opened.epoch, opened.seq, len(opened.incarnation)) == (1, 0, 16)


def test_a_maker_that_is_killed_leaves_all_or_nothing(make: Make, schema: str, sql: psycopg.Connection) -> None:
    # When the last step of a creation fails
    with pytest.raises(psycopg.Error, match="division by zero"):
        sql.execute(make()._sql.create({b"k": b"v"}) + "; select 1 / 0")
    # Then
    assert sql.execute("select to_regclass(%s)", (f"{schema}.kv",)).fetchall() == [(None,)]


@pytest.mark.parametrize("what", ["drop table {0}.kv", "drop table {0}.head", "truncate {0}.head"])
@pytest.mark.parametrize("create", [True, False])
def test_half_a_store_is_a_damaged_one(
    make: Make, sql: psycopg.Connection, schema: str, what: str, *, create: bool
) -> None:
    engine = make()
    engine.open("owner")
    engine.close()
    sql.execute(what.format(schema))
    with pytest.raises(StoreDamaged, match="has lost its tables, or what was in them"):
        make(create=create).open("later")


def test_a_start_that_fails_gives_the_lease_back(make: Make, sql: psycopg.Connection, schema: str) -> None:
    # Given
    engine = make()
    engine.open("owner")
    engine.close()
    sql.execute(f"update {schema}.kv set v = 'dear reader' where k = %b", (keys.meta("fmt"),))
    # When
    with pytest.raises(NotAStore, match="none of actorcloud"):
        make().open("next")
    # Then
    assert sql.execute(f"select lease_until < now() from {schema}.head").fetchall() == [(True,)]


def test_tables_of_the_first_versions_are_completed(make: Make, sql: psycopg.Connection, schema: str) -> None:
    engine = make()
    opened = engine.open("owner")
    engine.close()
    sql.execute(f"alter table {schema}.head drop column token, drop column server")
    again = make().open("next")
    assert (again.epoch, again.seq) == (2, opened.seq)


def test_tables_of_somebody_else_are_no_store(make: Make, sql: psycopg.Connection, schema: str) -> None:
    make().open("maker")
    sql.execute(f"update {schema}.kv set v = 'dear reader' where k = %b", (keys.meta("fmt"),))
    outdate(sql, schema)
    with pytest.raises(NotAStore, match="none of actorcloud"):
        make().open("late")
