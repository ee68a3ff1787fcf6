"""What supervisors write in the log: one record for each thing that happened, with what they did."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from actorcloud.actor import BRUTAL_KILL, Actor, AsyncActor, ChildSpec, ReportFormat, Supervisor, System
from actorcloud.actor.supervision.report import Offender, Report
from actorcloud.base.brief import BRIEF_LIMIT_CHARS
from actorcloud.base.errors import StartError, StoreUnreachable
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, boom, end_of, run
from tests.actor.family import Answering, Starts, crash, end, events, noted, states


@pytest.fixture(autouse=True)
def _errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    events.clear()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the context and the action of each record."""
    return [(record.__dict__["context"], record.__dict__["action"]) for record in caplog.records]


@pytest.mark.case(175)
@pytest.mark.shared_memory
def test_a_crash_is_one_record_that_says_all(system: System, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    family: Any = Supervisor.options(name="family").start(noted("a", restart="transient", shutdown=1))
    old = family.child("a")
    # When
    with pytest.raises(Boom):
        run(old, boom)
    new = family.child("a")
    # Then
    (record,) = caplog.records
    line, _, trace = record.getMessage().partition("\n")
    for part in (str(family), "child_terminated", "'a'", str(old), "Boom: as told", "Run(", f"restarted as {new}"):
        assert part in line
    assert "in boom" in trace
    extra = record.__dict__
    offender = extra["offender"]
    assert (extra["supervisor"], extra["context"], extra["action"]) == (
        str(family),
        "child_terminated",
        f"restarted as {new}",
    )
    assert extra["reason"] == "tests.actor.cast.Boom: as told"
    assert "Run(" in extra["last_message"]
    assert (offender.id, offender.ref, offender.start, offender.type) == ("a", str(old), "Noted", "worker")
    assert (offender.restart, offender.shutdown, offender.significant, offender.restarts) == ("transient", 1, False, 1)


@pytest.mark.parametrize("reason", [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("x"), "boom"], ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_what_is_reported(system: System, caplog: pytest.LogCaptureFixture, restart: str, reason: object) -> None:
    family = Supervisor.start(noted("a", restart=restart))
    end(family.child("a"), reason)
    found = states(family)
    if restart == "permanent" or reason == "boom":
        action = f"restarted as {family.child('a')}" if found else "removed"
        assert told(caplog) == [("child_terminated", action)]
    else:
        assert caplog.records == []


@pytest.mark.shared_memory
def test_a_restart_that_fails_and_giving_up_are_told_in_order(system: System, caplog: pytest.LogCaptureFixture) -> None:
    starts = Starts()
    family = Supervisor.start([starts.spec("a")], max_restarts=1)
    over = family.monitor()
    starts.broken = True
    crash(family.child("a"))
    over.get(PATIENCE)
    assert told(caplog) == [
        ("child_terminated", "being restarted"),
        ("start_error", "tried again"),
        ("shutdown", "the supervisor ends"),
    ]
    assert "start 2" in caplog.records[1].getMessage()
    assert "more than 1 restarts in 5.0 s" in caplog.records[2].getMessage()


def test_a_start_that_fails_at_first_is_told(system: System, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(StartError):
        Supervisor.start([Starts(1).spec("a")])
    assert told(caplog) == [("start_error", "the supervisor does not start")]


@pytest.mark.parametrize(("error", "is_traced"), [(StoreUnreachable("it is gone"), False), (Boom("it is gone"), True)])
def test_an_outage_is_told_without_a_traceback(
    system: System, caplog: pytest.LogCaptureFixture, error: Exception, *, is_traced: bool
) -> None:
    def start() -> Any:
        raise error

    with pytest.raises(StartError):
        Supervisor.start([ChildSpec(id="a", start=start)])
    (record,) = caplog.records
    assert "it is gone" in record.getMessage()
    assert ("Traceback" in record.getMessage()) is is_traced


@pytest.mark.case(375, 377)
@pytest.mark.parametrize("reason", [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("x"), "boom"], ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_an_end_that_was_not_as_ordered_is_told(
    system: System, caplog: pytest.LogCaptureFixture, restart: str, reason: object
) -> None:
    family = Supervisor.start([Answering.child_spec(reason, restart=restart)])
    family.stop(timeout=PATIENCE)
    expected = reason is ExitReason.SHUTDOWN or (restart == "transient" and reason != "boom")
    assert told(caplog) == ([] if expected else [("shutdown_error", "ended all the same")])


def test_a_brutal_kill_is_as_ordered(system: System, caplog: pytest.LogCaptureFixture) -> None:
    Supervisor.start(noted("a", shutdown=BRUTAL_KILL)).stop(timeout=PATIENCE)
    assert caplog.records == []


def test_progress_is_told_to_those_who_debug(system: System, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "actorcloud.actor")
    family = Supervisor.start(noted("a"))
    (record,) = (record for record in caplog.records if record.__dict__.get("context") == "progress")
    assert record.levelno == logging.DEBUG
    assert record.__dict__["offender"].ref == str(family.child("a"))


class Rude:
    def __repr__(self) -> str:
        raise Boom("no repr")


def deep(levels: int) -> list[Any]:
    return [deep(levels - 1)] if levels else []


@pytest.mark.case(175)
@pytest.mark.parametrize(
    "value", [Rude(), "x" * 10_000, deep(100), list(range(10_000))], ids=["rude", "long", "deep", "list"]
)
def test_a_record_is_short_whatever_is_in_it(value: object, caplog: pytest.LogCaptureFixture) -> None:
    offender = Offender(
        id=value, ref=None, start="s", restart="r", shutdown=1, significant=False, type="worker", restarts=0
    )
    Report(supervisor="s", context="c", offender=offender, reason=value, action="a").log()
    (record,) = caplog.records
    assert len(record.getMessage()) < 3 * BRIEF_LIMIT_CHARS


class AsyncBoom(AsyncActor):
    async def on_receive(self, message: object) -> None:
        raise Boom("async")


class PlainBoom(Actor):
    def on_receive(self, message: object) -> None:
        raise Boom("plain")


@pytest.mark.parametrize("kind", [PlainBoom, AsyncBoom])
def test_a_crash_outside_of_any_family_tells_its_last_message_too(
    system: System, caplog: pytest.LogCaptureFixture, kind: type[Actor]
) -> None:
    loner = kind.start()
    loner.tell("hello")
    end_of(loner)
    (record,) = caplog.records
    assert "its last message: 'hello'" in record.getMessage()


@pytest.mark.case(176)
def test_a_system_says_how_long_and_in_how_many_lines(caplog: pytest.LogCaptureFixture) -> None:
    with System(name="test") as short, short.activate():
        short.report_format = ReportFormat(depth=1, chars=40, single_line=True)
        family = Supervisor.start([PlainBoom.child_spec(id="a")])
        family.child("a").tell([["deep"] * 50] * 50)
        family.child("a")
        family.which_children()
    (record,) = caplog.records
    text = record.getMessage()
    assert "\n" not in text
    assert "deep" not in text
    assert f"restarted as {PlainBoom.__name__}" in text
    assert len(record.__dict__["last_message"]) <= 40


@pytest.mark.shared_memory
def test_nobody_is_blamed_for_a_message_of_another(system: System, caplog: pytest.LogCaptureFixture) -> None:
    # Given an actor that fails because one that it asks does
    family = Supervisor.start([PlainBoom.child_spec(id="asked")])
    asked = family.child("asked")
    asker = Probe.start()
    # When
    with pytest.raises(Boom):
        run(asker, lambda _: asked.ask(Call(), timeout=PATIENCE))
    family.child("asked")
    # Then
    texts = {record.__dict__.get("context"): record.getMessage() for record in caplog.records}
    assert "its last message: Call()" in texts["child_terminated"]
    assert "its last message: Run(" in texts[None]


class Call:
    def __repr__(self) -> str:
        return "Call()"
