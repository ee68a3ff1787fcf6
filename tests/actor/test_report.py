"""Crash reports: one record for each crash, bounded, whatever goes wrong while it is made."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from actorcloud.actor import Actor, AsyncActor, ReportFormat, Status, Supervisor, System, debug
from actorcloud.actor.cell.report import CrashReport
from actorcloud.base.errors import ConfigError
from actorcloud.base.exits import Crash, ExitReason
from tests.actor.cast import PATIENCE, Boom, end_of


class Order(msgspec.Struct):
    """A message with something inside."""

    item: Any
    count: int = 1


class Clerk(Actor):
    """Crashes at orders; has a secret."""

    def __init__(self) -> None:
        self.stock = 3
        self.password = "s3cret"

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Order):
            raise Boom("out of stock")
        return message

    def on_continue(self, term: Any) -> None:
        raise Boom("cannot go on")

    def format_status(self, status: Status) -> Status:
        return msgspec.structs.replace(status, state={**status.state, "password": "***"})


def errors(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.case(204, 248)
@pytest.mark.parametrize("asked", [False, True])
def test_a_crash_is_one_record_that_tells_all(system: System, caplog: pytest.LogCaptureFixture, *, asked: bool) -> None:
    # Given
    p = Clerk.options(name="clerk").start()
    debug.log(p)
    # When
    end = p.monitor()
    if asked:
        with pytest.raises(Boom):
            p.ask(Order("tea"))
    else:
        p.tell(Order("tea"))
    assert isinstance(end.get(PATIENCE).reason, Crash)
    # Then
    (record,) = errors(caplog)
    text = record.getMessage()
    for part in ("Clerk<", "'clerk'", "Boom: out of stock", "Order(item='tea', count=1)", "'stock': 3", "event: got"):
        assert part in text
    assert "s3cret" not in caplog.text
    assert record.exc_info is not None
    facts: Any = record
    assert facts.last_message == "Order(item='tea', count=1)"
    assert facts.is_ask is asked
    assert facts.actor_class.endswith(".Clerk")
    assert "on_receive" in facts.traceback


@pytest.mark.case(204)
def test_the_crash_of_a_child_is_one_record_of_its_supervisor(system: System, caplog: pytest.LogCaptureFixture) -> None:
    family = Supervisor.start([Clerk.child_spec(id="clerk")])
    clerk = family.child("clerk")
    end = clerk.monitor()
    clerk.tell(Order("tea"))
    end.get(PATIENCE)
    family.child("clerk")
    (record,) = errors(caplog)
    text = record.getMessage()
    for part in ("Supervisor<", "'clerk'", "Order(item='tea', count=1)", "'stock': 3", "on_receive"):
        assert part in text
    facts: Any = record
    assert facts.supervisor == str(family)
    assert facts.parent == str(family)


def test_an_actor_of_coroutines_is_reported_alike(system: System, caplog: pytest.LogCaptureFixture) -> None:
    class Async(AsyncActor):
        async def on_receive(self, message: Any) -> Any:
            raise Boom("as told")

    p = Async.start()
    end = p.monitor()
    p.tell(Order("tea"))
    end.get(PATIENCE)
    assert "last message: Order(item='tea', count=1)" in errors(caplog)[0].getMessage()


def test_a_crash_between_messages_is_blamed_on_none(system: System, caplog: pytest.LogCaptureFixture) -> None:
    p = Clerk.start()
    end = p.monitor()
    p.tell("harmless")
    p.proxy().continue_with.defer("x")
    end.get(PATIENCE)
    assert "last message" not in errors(caplog)[0].getMessage()


def test_an_ask_whose_error_is_its_answer_is_no_crash(system: System, caplog: pytest.LogCaptureFixture) -> None:
    class Forgiving(Clerk):
        ask_errors = "reply"

    p = Forgiving.start()
    with pytest.raises(Boom):
        p.ask(Order("tea"))
    assert errors(caplog) == []


@pytest.mark.case(250, 251)
@pytest.mark.parametrize("error", [Boom("cannot hide s3cret"), SystemExit("s3cret")])
def test_a_format_status_that_fails_shows_nothing(
    system: System, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    class Careless(Clerk):
        def format_status(self, status: Status) -> Status:
            raise error

    p = Careless.start()
    end = p.monitor()
    p.tell(Order("s3cret"))
    assert isinstance(end.get(PATIENCE).reason, Crash)
    (record,) = errors(caplog)
    assert "state: <format_status of Careless raised" in record.getMessage()
    assert "s3cret" not in record.getMessage()


@pytest.mark.case(252)
def test_format_status_may_rewrite_all_of_a_report(system: System, caplog: pytest.LogCaptureFixture) -> None:
    class Rewriting(Clerk):
        def format_status(self, status: Status) -> Status:
            assert isinstance(status.reason, Crash)
            return Status(state="STATE", message="MESSAGE", reason="REASON", log=["LOG"])

    p = Rewriting.start()
    end = p.monitor()
    p.tell(Order("tea"))
    end.get(PATIENCE)
    (record,) = errors(caplog)
    for part in ("state: 'STATE'", "last message: 'MESSAGE'", "crashed: 'REASON'", "event: LOG"):
        assert part in record.getMessage()
    assert "stock" not in caplog.text


@pytest.mark.parametrize("error", [Boom("no state"), SystemExit(1)])
def test_a_state_that_cannot_be_had_is_no_second_crash(
    system: System, caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    class Stateless(Actor):
        def on_receive(self, message: Any) -> Any:
            raise Boom("as told")

        def system_get_state(self) -> Any:
            raise error

    p = Stateless.start()
    end = p.monitor()
    p.tell("x")
    assert "as told" in str(end.get(PATIENCE).reason)
    assert f"<system_get_state raised {type(error).__name__}>" in errors(caplog)[0].getMessage()


@pytest.mark.case(257)
def test_a_system_may_want_short_reports_in_one_line(system: System, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    system.report_format = ReportFormat(depth=1, chars=40, single_line=True)
    p = Clerk.start()
    end = p.monitor()
    # When
    p.tell(Order(item=[[["deep"]]]))
    end.get(PATIENCE)
    # Then
    (record,) = errors(caplog)
    text = record.getMessage()
    assert "\n" not in text
    assert record.exc_info is None
    assert "deep" not in text
    facts: Any = record
    assert len(facts.state) <= 40
    assert "Traceback" in facts.traceback


@pytest.mark.parametrize("field", [{"depth": 0}, {"chars": 19}, {"depth": "all"}, {"chars": True}])
def test_a_format_that_is_none_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="ReportFormat"):
        ReportFormat(**field)


@pytest.mark.case(257)
def test_a_report_tells_what_there_is(system: System) -> None:
    report = CrashReport(
        actor="Clerk<1>",
        actor_class="shop.Clerk",
        last_message="'x'",
        is_ask=True,
        state="{}",
        reason="Boom: no",
        traceback="Traceback ...\n",
        events=["got 'x'"],
        mailbox=2,
        parent="Supervisor<0>",
        links=["Till<2>"],
        trap_exit=False,
    )
    lines = ["Clerk<1> crashed: Boom: no; its last message: 'x'", "state: {}", "event: got 'x'"]
    lines += ["linked to: Till<2>", "messages left: 2"]
    assert report.text() == "\n  ".join(lines)
    assert report.text(single_line=True) == "; ".join(lines)


def test_the_dead_are_not_kept_alive_by_their_report(system: System) -> None:
    p = Clerk.start()
    p.tell(Order("tea"))
    reason = end_of(p)
    assert reason is ExitReason.NOPROC or isinstance(reason, Crash)
    report: CrashReport = p._cell.reason.report  # type: ignore[attr-defined]
    assert all(isinstance(value, str | int | bool | list) or value is None for value in report.extra.values())
