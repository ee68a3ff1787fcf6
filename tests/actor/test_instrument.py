"""Instruments: debug calls at an actor that is busy, and what it owes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actorcloud.actor import AskTimeout, Future, NoReply, System, SystemRequest, debug
from actorcloud.actor.cell import instrument
from actorcloud.base.errors import ActorError
from tests.actor.cast import PATIENCE, Probe, Run, run


def hold(entered: threading.Event, leave: threading.Event) -> None:
    entered.set()
    leave.wait(PATIENCE)


def test_calls_that_timed_out_are_forgotten(pool: System, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an actor that is busy, and more calls than may wait, given up but for one
    monkeypatch.setattr(instrument, "REQUESTS_LIMIT", 3)
    p, entered, leave = Probe.start(), threading.Event(), threading.Event()
    p.tell(Run(lambda _: hold(entered, leave)))
    assert entered.wait(PATIENCE)
    future: Future[Any] = Future()
    p.signal(SystemRequest("get_state", (), future))
    for _ in range(5):
        with pytest.raises(AskTimeout, match="is busy"):
            debug.suspend(p, timeout=0.001)
    assert p._cell.debug is not None
    assert len(p._cell.debug.requests) <= 3
    # When it comes to them, only that one is served
    leave.set()
    assert "log" in future.get(PATIENCE)
    assert run(p, lambda _: "not suspended") == "not suspended"


def test_no_more_calls_wait_than_may(pool: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instrument, "REQUESTS_LIMIT", 3)
    p, entered, leave = Probe.start(), threading.Event(), threading.Event()
    p.tell(Run(lambda _: hold(entered, leave)))
    assert entered.wait(PATIENCE)
    futures: list[Future[Any]] = [Future() for _ in range(4)]
    for future in futures:
        p.signal(SystemRequest("get_state", (), future))
    with pytest.raises(ActorError, match="wait for it already"):
        futures[3].get(PATIENCE)
    leave.set()
    assert all("log" in future.get(PATIENCE) for future in futures[:3])


def test_a_trace_of_an_answer_given_in_the_handler_tells_of_no_debt(system: System) -> None:
    p = Probe.start()
    debug.log(p)
    run(p, lambda me: (me.reply(me.sender, 1), NoReply)[1])
    assert [event.kind for event in debug.get_log(p)] == ["in", "out"]
    assert not p._cell.deferred
