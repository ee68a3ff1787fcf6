"""PostgreSQL: what lost connections mean, who is let in, copies; against a server of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actorcloud.base.errors import (
    ConfigError,
    NoSpace,
    StoreForbidden,
    StoreUnreachable,
)
from actorcloud.store import (
    EngineFailed,
    EngineScan,
    PostgresEngine,
    ReadPlan,
    ReadView,
    SqliteEngine,
    Unresolved,
)
from actorcloud.store.engine import postgres_link
from actorcloud.store.engine.postgres_link import Answer
from tests.store.postgres import Make, PostgresServer, answers_lost, put

ROOT = Path(__file__).parents[2]

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
    late, values = engine._sql.commit, [1, 10.0, 1, engine._token, 0, [b"k"], [b"late"], []]
    assert not engine.resolve(epoch=1, expect=0, new=1)
    assert sql.execute(late, values).fetchall() == [(0,)]
    assert engine.read(ReadPlan([b"k"])).values == {b"k": None}


def test_what_is_read_while_a_commit_is_resolved_is_ours(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    engine = make()
    engine.open("owner")
    run, reads = engine._writer.run, ThreadPoolExecutor(1)
    read: list[Future[ReadView]] = []

    def lift_then_read(statement: str, *args: Any, **kwargs: Any) -> Answer:
        answer = run(statement, *args, **kwargs)
        if statement == engine._sql.lift:
            read.append(reads.submit(engine.read, ReadPlan()))
            # As far as it comes before the fence is the new one.
            wait([read[0]], 0.1)
        return answer

    monkeypatch.setattr(engine._writer, "run", lift_then_read)
    # When
    engine.resolve(epoch=1, expect=0, new=1)
    # Then
    assert read[0].result(60).seq == 0
    reads.shutdown()


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
    with pytest.raises(StoreUnreachable, match="no_such_setting"):
        engine.open("owner")
    assert engine._writer._connection is None


def raised(code: str) -> psycopg.Error:
    return psycopg.errors.lookup(code)("planted")


@pytest.mark.parametrize(
    ("code", "expected"),
    [("53100", NoSpace), ("42501", StoreForbidden), ("28000", StoreForbidden), ("42601", EngineFailed)],
)
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


# -- settings and secrets ---------------------------------------------------------------------------


def test_a_session_is_durable_and_holds_nothing_up(make: Make) -> None:
    engine = make()
    engine.open("owner")
    wanted = {"synchronous_commit": "on", "idle_in_transaction_session_timeout": "5s", "lock_timeout": "3s"}
    for name, value in wanted.items():
        assert engine._writer.run(f"show {name}").rows == [(value,)]


def test_a_server_that_has_become_a_standby_is_left(make: Make) -> None:
    # Given: what it says then; another one may be the first of its hosts by now
    engine = make()
    engine.open("owner")
    engine._writer.run("set default_transaction_read_only = on")
    # When
    put(engine, 1, 0)
    # Then
    assert engine.read(ReadPlan([b"k"])).values == {b"k": b"v"}


def test_a_session_is_durable_where_the_server_has_it_otherwise(postgres: PostgresServer) -> None:
    engine = PostgresEngine(postgres.database("&options=-csynchronous_commit%3Doff"))
    engine.open("owner")
    assert engine._writer.run("show synchronous_commit").rows == [("on",)]
    engine.close()


def test_a_server_that_cannot_be_reached_is_told_without_its_password() -> None:
    engine = PostgresEngine("postgresql://me:hush@127.0.0.1:1/cloud", patience=0)
    with pytest.raises(StoreUnreachable, match=r"postgresql://127\.0\.0\.1:1/cloud does not answer") as caught:
        engine.open("owner")
    assert "hush" not in f"{caught.value} {engine!r} {engine._writer!r}"


def test_a_server_that_is_away_is_told_at_once_and_tried_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make()
    engine.open("owner")
    answers_lost(engine._writer, monkeypatch, 2, is_done=False)
    put(engine, 1, 0)
    assert caplog.text.count("is away, trying again for 20 s") == 1


def test_a_start_of_which_the_answer_was_lost_may_be_tried_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make(patience=0)
    answers_lost(engine._writer, monkeypatch, 1, is_done=True)
    with pytest.raises(StoreUnreachable):
        engine.open("owner")
    engine.open("owner")


@pytest.mark.parametrize("code", ["55P03", "57014"])
def test_a_server_that_is_held_up_is_not_called_away(make: Make, code: str) -> None:
    link = make(patience=0)._writer
    with pytest.raises(StoreUnreachable, match="answers, but has not done it within 0 s") as caught:
        link.run(f"do $$ begin raise exception 'planted' using errcode = '{code}'; end $$")
    assert "does not answer" not in str(caught.value)
    link.close()


def test_an_old_server_is_refused(make: Make) -> None:
    engine = make()
    engine._sql.server = "select '9.6', 90600, 'on'"
    with pytest.raises(ConfigError, match=r"PostgreSQL 9\.6; 10 is the oldest"):
        engine.open("owner")


def test_a_server_that_does_not_flush_is_told(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    engine = make()
    engine._sql.server = "select '16', 160000, 'off'"
    engine.open("owner")
    assert "fsync=off" in caplog.text


def test_a_schema_is_a_plain_name(postgres: PostgresServer) -> None:
    with pytest.raises(ConfigError, match="schema="):
        PostgresEngine(postgres.dsn, schema="x; drop table kv")


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError, match=r"actorcloud\[postgres\]"):
        postgres_link.load_psycopg()


def test_importing_the_store_loads_no_driver() -> None:
    program = "import sys, actorcloud.store; sys.exit(bool({'psycopg', 'lmdb'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=120).returncode == 0


def test_a_closed_store_and_a_forked_child_are_refused(make: Make) -> None:
    engine = make()
    with pytest.raises(EngineFailed, match="not open"):
        engine.read(ReadPlan())
    engine.open("owner")
    engine._guard._pid -= 1
    with pytest.raises(EngineFailed, match="before a fork"):
        engine.renew()
    engine.close()
    engine._guard._pid += 1


def test_a_lease_that_cannot_be_given_back_ends_by_itself(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = make(patience=0)
    engine.open("owner")
    answers_lost(engine._writer, monkeypatch, 1, is_done=False)
    engine.close()
    assert "could not be given back" in caplog.text


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


def test_a_store_that_a_head_has_is_backed_up_beside_it(make: Make, tmp_path: Path) -> None:
    # Given
    engine, beside = make(), make()
    engine.open("owner")
    put(engine, 1, 0)
    # When
    beside.backup(tmp_path / "copy")
    beside.close()
    # Then: without its lease, which is another's.
    copy = SqliteEngine(tmp_path / "copy")
    assert copy.open("test").seq == 1
    copy.close()


@pytest.mark.parametrize("patience", [0.0, 30.0])
def test_an_answer_whose_wait_for_a_standby_was_cancelled_is_none(
    make: Make, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    # Given: a warning from there, where there is no standby
    engine = make(patience=patience)
    engine.open("owner")
    monkeypatch.setattr("actorcloud.store.engine.postgres_link._STANDBY_WAIT", "exec_stmt_raise")
    warnings = iter(["raise warning 'cancelled'", "null"])
    link = engine._writer
    connected = link._connected
    monkeypatch.setattr(link, "_connected", lambda: _warned(connected(), next(warnings)))
    # Then
    if patience:
        assert link.run("select 1", (), patience=patience) == ([(1,)], True)
    else:
        with pytest.raises(Unresolved):
            link.run("select 1", (), patience=patience)


def _warned(connection: Any, statement: str) -> Any:
    connection.execute(f"do $$ begin {statement}; end $$")
    return connection


def test_a_record_that_the_index_lacks_is_a_problem(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make()
    engine.open("owner")
    monkeypatch.setattr(engine._sql, "count", "select random()")
    assert "index" in engine.check("full").problems[0]
    monkeypatch.setattr(engine._sql, "stats", "select 1 from nowhere")
    assert "nowhere" in engine.check("quick").problems[0]


def test_a_server_that_is_lost_is_no_damage(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    engine = make(patience=0)
    engine.open("owner")
    kill = "select pg_terminate_backend(pg_backend_pid()), 1"
    monkeypatch.setattr(engine._sql, "everything", kill)
    monkeypatch.setattr(engine._sql, "count", kill)
    # Then
    with pytest.raises(StoreUnreachable, match="was lost"):
        engine.backup(tmp_path / "backup")
    with pytest.raises(StoreUnreachable, match="was lost"):
        engine.check("full")
    assert not list((tmp_path / "backup").iterdir())


def test_tables_that_cannot_be_read_are_told(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = make()
    engine.open("owner")
    monkeypatch.setattr(engine._sql, "everything", "select k, v from nowhere")
    with pytest.raises(EngineFailed, match="cannot be read: relation"):
        engine.backup(tmp_path / "backup")


def test_a_vacuum_leaves_what_is_there(make: Make) -> None:
    engine = make()
    with pytest.raises(EngineFailed, match="not open"):
        engine.vacuum()
    engine.open("owner")
    put(engine, 1, 0)
    engine.vacuum()
    assert engine.read(ReadPlan([b"k"])).values == {b"k": b"v"}


def test_whether_there_is_a_store_is_told_without_making_one(make: Make) -> None:
    engine = make()
    assert [engine.is_made(), engine.is_made()] == [False, False]
    engine.open("owner")
    assert make().is_made()
