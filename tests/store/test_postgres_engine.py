"""PostgreSQL: who may write, what lost connections mean, copies; against a server of its own."""

from __future__ import annotations

import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actorcloud.actor import System
from actorcloud.base.errors import ConfigError, NoSpace, NotAStore, StoreLocked
from actorcloud.store import (
    Batch,
    EngineFailed,
    EngineScan,
    FencedOut,
    PostgresEngine,
    ReadPlan,
    SqliteEngine,
    Unresolved,
    WriterActor,
    keys,
)
from actorcloud.store.engine import postgres_link
from actorcloud.store.engine.postgres_link import Answer, Link
from tests.store.postgres import PostgresServer

ROOT = Path(__file__).parents[2]

Make = Callable[..., PostgresEngine]


@pytest.fixture
def schema() -> str:
    return f"p{secrets.token_hex(4)}"


@pytest.fixture
def make(postgres: PostgresServer, schema: str) -> Iterator[Make]:
    made: list[PostgresEngine] = []

    def engine(**settings: object) -> PostgresEngine:
        made.append(PostgresEngine(postgres.dsn, schema=schema, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield engine
    for one in made:
        one.close()


@pytest.fixture
def sql(postgres: PostgresServer) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        yield connection


def put(engine: PostgresEngine, epoch: int, seq: int, key: bytes = b"k", value: bytes = b"v") -> None:
    engine.commit(Batch({key: value}, ()), epoch=epoch, expect=seq, new=seq + 1)


def outdate(sql: psycopg.Connection, schema: str) -> None:
    """Let the lease end, as if the database's clock had gone on."""
    sql.execute(f"update {schema}.head set lease_until = now() - interval '1 s'")


# -- who may write ----------------------------------------------------------------------------------


def test_a_second_head_is_refused_and_told_until_when(make: Make) -> None:
    first = make()
    first.open("head on alpha")
    with pytest.raises(StoreLocked, match=r"held by head on alpha until \d\d:\d\d:\d\d .*\d+ s from now"):
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
        assert renewed.wait(10)


def test_the_same_holder_need_not_wait(make: Make) -> None:
    killed, again = make(holder="alpha"), make(holder="alpha")
    killed.open("before")
    put(killed, 1, 0)
    opened = again.open("after")
    assert (opened.epoch, opened.seq) == (2, 1)
    with pytest.raises(FencedOut):
        put(killed, 1, 1)


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


def test_a_store_that_is_just_being_made_is_anothers(make: Make) -> None:
    # Given tables without the head's row
    engine = make()
    engine._writer.run(engine._sql.create)
    # When, then
    with pytest.raises(StoreLocked, match="just being made"):
        engine.open("the second")


def test_tables_of_somebody_else_are_no_store(make: Make, sql: psycopg.Connection, schema: str) -> None:
    make().open("maker")
    sql.execute(f"update {schema}.kv set v = 'dear reader' where k = %b", (keys.meta("fmt"),))
    outdate(sql, schema)
    with pytest.raises(NotAStore, match="none of actorcloud"):
        make().open("late")


# -- lost connections -------------------------------------------------------------------------------


def kill_backends(sql: psycopg.Connection) -> None:
    sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'actorcloud'")


@pytest.mark.slow
@pytest.mark.chaos
def test_every_batch_is_applied_once_while_backends_are_killed(make: Make, sql: psycopg.Connection) -> None:
    # Given
    engine = make()
    engine.open("owner")
    done, kills = threading.Event(), 0

    def commit() -> None:
        for seq in range(400):
            put(engine, 1, seq, b"\x03%04d" % seq)
            if kills >= 25 and seq > 50:
                break
        done.set()

    # When
    thread = threading.Thread(target=commit)
    thread.start()
    while not done.wait(0.02) and kills < 25:
        kill_backends(sql)
        kills += 1
    thread.join()
    # Then
    view = engine.read(ReadPlan((), [EngineScan(b"\x03", b"\x04", 1000)]))
    assert [key for key, _ in view.scans[0]] == [b"\x03%04d" % seq for seq in range(view.seq)]
    assert view.seq > 5


def answers_lost(link: Link, monkeypatch: pytest.MonkeyPatch, times: int, *, is_done: bool) -> None:
    """Lose the connection with the next statements, after they were done or before."""
    connected = link._connected

    class Losing:
        def __init__(self) -> None:
            self._connection = connected()

        def execute(self, *args: object, **kwargs: object) -> object:
            nonlocal times
            if times > 0:
                times -= 1
                if is_done:
                    self._connection.execute(*args, **kwargs)  # type: ignore[call-overload]
                self._connection.close()
                raise psycopg.OperationalError("planted: the server closed the connection")
            return self._connection.execute(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(link, "_connected", Losing)


@pytest.mark.parametrize("is_done", [True, False])
def test_a_commit_whose_answer_was_lost_is_applied_once(
    make: Make, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    engine = make()
    engine.open("owner")
    answers_lost(engine._writer, monkeypatch, 1, is_done=is_done)
    put(engine, 1, 0)
    put(engine, 1, 1, value=b"w")
    assert engine.read(ReadPlan([b"k"])) == (2, {b"k": b"w"}, [])


@pytest.mark.parametrize("is_done", [True, False])
def test_a_commit_that_is_never_answered_is_resolved(
    make: Make, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    # Given
    engine = make(patience=0)
    engine.open("owner")
    answers_lost(engine._writer, monkeypatch, 1, is_done=is_done)
    # When
    with pytest.raises(Unresolved, match="does not answer"):
        put(engine, 1, 0)
    # Then
    assert engine.resolve(epoch=1, expect=0, new=1) is is_done
    put(engine, 1, int(is_done))
    assert engine.read(ReadPlan()).seq == 1 + int(is_done)


def test_what_is_still_on_its_way_is_refused_after_it_was_resolved(
    make: Make, sql: psycopg.Connection, schema: str
) -> None:
    engine = make()
    engine.open("owner")
    late, values = engine._sql.commit, [1, 10.0, 1, 0, [b"k"], [b"late"], []]
    assert not engine.resolve(epoch=1, expect=0, new=1)
    assert sql.execute(late, values).fetchall() == [(0,)]
    assert engine.read(ReadPlan([b"k"])).values == {b"k": None}


def test_a_resolution_whose_answer_was_lost_holds(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make()
    engine.open("owner")
    answers_lost(engine._writer, monkeypatch, 1, is_done=True)
    assert not engine.resolve(epoch=1, expect=0, new=1)
    put(engine, 1, 0)


@pytest.mark.parametrize("code", ["40001", "40P01", "55P03", "57014"])
def test_a_statement_that_was_rolled_back_is_sent_again(make: Make, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    engine = make()
    engine.open("owner")
    planted = [raised(code)]
    connection = engine._writer._connected()

    class Refusing:
        closed = False

        def execute(self, *args: object, **kwargs: object) -> object:
            if planted:
                raise planted.pop()
            return connection.execute(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(engine._writer, "_connected", Refusing)
    put(engine, 1, 0)
    assert engine.read(ReadPlan([b"k"])).values == {b"k": b"v"}


def test_a_server_that_refuses_the_sessions_settings_is_not_used(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_link, "_SESSION", {"no_such_setting": "on"})
    engine = make(patience=0)
    with pytest.raises(EngineFailed, match="no_such_setting"):
        engine.open("owner")
    assert engine._writer._connection is None


def raised(code: str) -> psycopg.Error:
    return psycopg.errors.lookup(code)("planted")


@pytest.mark.parametrize(("code", "expected"), [("53100", NoSpace), ("42501", EngineFailed)])
def test_what_another_try_would_not_mend_is_told(
    make: Make, monkeypatch: pytest.MonkeyPatch, code: str, expected: type[Exception]
) -> None:
    engine = make()
    engine.open("owner")

    class Refusing:
        closed = False

        def execute(self, *_: object, **__: object) -> object:
            raise raised(code)

    with monkeypatch.context() as patch:
        patch.setattr(engine._writer, "_connected", Refusing)
        with pytest.raises(expected, match="planted"):
            put(engine, 1, 0)
    put(engine, 1, 0)


def test_acknowledged_commits_that_a_failover_lost_are_told_and_end_the_history(
    make: Make, sql: psycopg.Connection, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make()
    before = engine.open("owner").incarnation
    put(engine, 1, 0)
    put(engine, 1, 1)
    sql.execute(f"update {schema}.head set seq = 1")
    with pytest.raises(EngineFailed, match=r"expected .* at 2, but it is at 1"):
        put(engine, 1, 2)
    assert "2 was acknowledged" in caplog.text
    engine.close()
    assert make().open("next").incarnation != before


# -- settings and secrets ---------------------------------------------------------------------------


def test_a_session_is_durable_and_holds_nothing_up(make: Make) -> None:
    engine = make()
    engine.open("owner")
    wanted = {"synchronous_commit": "on", "idle_in_transaction_session_timeout": "5s", "lock_timeout": "3s"}
    for name, value in wanted.items():
        assert engine._writer.run(f"show {name}").rows == [(value,)]


def test_a_server_that_cannot_be_reached_is_told_without_its_password() -> None:
    engine = PostgresEngine("postgresql://me:hush@127.0.0.1:1/cloud", patience=0)
    with pytest.raises(EngineFailed, match=r"postgresql://127\.0\.0\.1:1/cloud does not answer") as caught:
        engine.open("owner")
    assert "hush" not in f"{caught.value} {engine!r} {engine._writer!r}"


def test_a_wrong_address_is_told_without_its_password() -> None:
    with pytest.raises(ConfigError, match="no address") as caught:
        PostgresEngine("postgresql://me:hush@[:x/y")
    assert "hush" not in str(caught.value)


def test_a_schema_is_a_plain_name(postgres: PostgresServer) -> None:
    with pytest.raises(ConfigError, match="schema="):
        PostgresEngine(postgres.dsn, schema="x; drop table kv")


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"actorcloud\[postgres\]"):
        postgres_link.load_psycopg()


def test_importing_the_store_loads_no_driver() -> None:
    program = "import sys, actorcloud.store; sys.exit(bool({'psycopg', 'lmdb'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=30).returncode == 0


def test_a_closed_store_and_a_forked_child_are_refused(make: Make) -> None:
    engine = make()
    with pytest.raises(EngineFailed, match="not open"):
        engine.read(ReadPlan())
    engine.open("owner")
    engine._pid -= 1
    with pytest.raises(EngineFailed, match="before a fork"):
        engine.renew()
    engine.close()
    engine._pid += 1


def test_a_lease_that_cannot_be_given_back_ends_by_itself(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make(patience=0)
    engine.open("owner")
    answers_lost(engine._writer, monkeypatch, 1, is_done=False)
    engine.close()
    assert "could not be given back" in caplog.text


def test_a_server_that_syncs_nothing_is_told_of(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make()
    run = engine._writer.run

    def told(statement: str, *args: Any, **kwargs: Any) -> Answer:
        return Answer([("off",)], doubted=False) if statement == "show fsync" else run(statement, *args, **kwargs)

    monkeypatch.setattr(engine._writer, "run", told)
    engine.open("owner")
    assert "fsync=off" in caplog.text


# -- copies -----------------------------------------------------------------------------------------


def test_a_backup_is_a_store_in_sqlite(make: Make, tmp_path: Path) -> None:
    # Given
    engine = make()
    opened = engine.open("owner")
    put(engine, 1, 0)
    # When
    engine.backup(tmp_path / "copy")
    put(engine, 1, 1, value=b"w")
    # Then
    copy = SqliteEngine(tmp_path / "copy")
    assert copy.open("test") == (opened.incarnation, 2, 1)
    assert copy.read(ReadPlan([b"k"])).values == {b"k": b"v"}
    copy.close()


def test_a_record_that_the_index_lacks_is_a_problem(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make()
    engine.open("owner")
    monkeypatch.setattr(engine._sql, "count", "select random()")
    assert "index" in engine.check("full").problems[0]
    monkeypatch.setattr(engine._sql, "stats", "select 1 from nowhere")
    assert "nowhere" in engine.check("quick").problems[0]
