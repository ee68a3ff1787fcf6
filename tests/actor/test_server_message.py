"""Servers: how they handle messages, answer and go on: block C of the conformance list."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    AskTimeout,
    Exit,
    NoReply,
    ReplyTo,
    System,
)
from actorcloud.base.exits import Crash
from tests.actor.cast import PATIENCE, Boom, Probe, Run, boom, log, run, tell_run


class Server(Probe):
    """Notes what it does besides handling messages."""

    def on_start(self) -> None:
        self._note("on_start")

    def on_continue(self, term: Any) -> None:
        self._note(("continue", term))
        if isinstance(term, int) and term > 0:
            self.continue_with(term - 1)
        if term == "stop":
            self.stop("from continue")

    def on_stop(self) -> None:
        self._note(("stop", self.exit_reason))


@pytest.mark.case(205, 263, 258)
@pytest.mark.shared_memory
def test_answers_may_come_later_twice_and_through_what_wraps_them(system: System) -> None:
    # Given a server that answers by what it is told
    class Tagged:
        """A `ReplyTo` with something to remember."""

        def __init__(self, to: ReplyTo, tag: str) -> None:
            self.to, self.tag = to, tag

        def set(self, value: Any = None, /) -> object:
            return self.to.set((self.tag, value))

        def set_exception(self, error: BaseException, /) -> object:
            return self.to.set_exception(error)

        def push(self, value: Any, /) -> None:
            self.to.push(value)

    class Later(Actor):
        def __init__(self) -> None:
            self.owed: deque[ReplyTo] = deque()

        def on_receive(self, message: Any) -> Any:
            if message == "answer":
                to = self.owed.popleft()
                self.reply(Tagged(to, "tag"), 1)
                self.reply(to, 2)
                return "done"
            assert self.sender is not None
            self.owed.append(self.sender)
            return NoReply

    p = Later.start()
    asked = p.ask("x", block=False)
    # When
    assert p.ask("answer") == "done"
    # Then the first answer counts
    assert asked.get(PATIENCE) == ("tag", 1)


@pytest.mark.case(263)
def test_an_answer_to_an_asker_that_is_dead_is_ignored(system: System) -> None:
    # Given
    class Later(Probe):
        owed: ReplyTo | None = None

        def on_receive(self, message: Any) -> Any:
            if message != "question":
                return super().on_receive(message)
            self._note(message)
            self.owed = self.sender
            return NoReply

    p, asker = Later.start(), Probe.start()
    tell_run(asker, lambda _: p.ask("question", timeout=PATIENCE))
    log(p, 1)
    asker.kill()
    # When
    for _ in range(2):
        run(p, lambda me: me.reply(me.owed, "too late"))
    # Then
    assert not asker.is_alive()
    assert run(p, lambda _: "alive") == "alive"


@pytest.mark.case(207, 209)
def test_an_answer_after_the_timeout_never_reaches_the_asker(system: System) -> None:
    # Given an actor that asks, and goes on when no answer comes
    class Slow(Actor):
        owed: ReplyTo | None = None

        def on_receive(self, message: object) -> object:
            if message == "answer":
                assert self.owed is not None
                self.reply(self.owed, "late")
                return "answered"
            self.owed = self.sender
            return NoReply

    slow, p = Slow.start(), Probe.start()

    def ask(_: Probe) -> str:
        with pytest.raises(AskTimeout):
            slow.ask("x", timeout=0.01)
        return "alive"

    # When
    assert run(p, ask) == "alive"
    assert slow.ask("answer") == "answered"
    # Then
    p.tell("last")
    assert log(p, 1) == ["last"]


@pytest.mark.case(224, 226)
def test_messages_are_handled_in_order_and_may_stop(system: System) -> None:
    parent = Probe.start(trap=True)
    p = run(parent, lambda _: Probe.start_link())
    end = p.monitor()
    for number in range(3):
        p.tell(number)
    assert log(p, 3) == [0, 1, 2]
    p.tell(Run(lambda me: me.stop("enough")))
    assert end.get(PATIENCE).reason == "enough"
    p.tell("to the dead")
    assert log(parent, 1)[0].sender == p


@pytest.mark.case(239)
def test_a_message_without_a_handler_is_warned_about_once(system: System, caplog: pytest.LogCaptureFixture) -> None:
    class Deaf(Actor):
        pass

    p = Deaf.start()
    for number in range(3):
        p.tell(number)
    assert p.ask(4) is None
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "int" in warnings[0]


@pytest.mark.case(241, 264)
def test_something_missing_inside_a_handler_is_a_crash(system: System) -> None:
    def miss(me: Any) -> None:
        me.nothing.at_all()

    p, q = Probe.start(), Probe.start()
    end = p.monitor()
    tell_run(p, miss)
    reason = end.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert reason.type == "AttributeError"
    with pytest.raises(AttributeError):
        run(q, miss)
    assert not q.is_alive()


@pytest.mark.case(255)
@pytest.mark.slow
def test_a_full_mailbox_makes_asking_no_slower(pool: System) -> None:
    # Given two who ask, one with much mail
    server, light, heavy = Probe.start(), Probe.start(), Probe.start()

    def ask_often(_: Probe) -> float:
        # Of the processor, since the machine is shared; the quickest of some rounds, for the mailbox is long in each.
        rounds = []
        for _round in range(5):
            begun = time.process_time()
            for _number in range(40):
                server.ask("x", timeout=PATIENCE)
            rounds.append(time.process_time() - begun)
        return min(rounds)

    gate = pool.future()

    def ask_with_all_there(me: Probe) -> tuple[float, int]:
        gate.get(PATIENCE)
        return ask_often(me), me.actor_ref.info("message_queue_len")

    run(light, ask_often)
    few = run(light, ask_often)
    # When
    asked = heavy.ask(Run(ask_with_all_there), block=False, timeout=3 * PATIENCE)
    for number in range(50_000):
        heavy.tell(number)
    gate.set()
    # Then
    much, waiting = asked.get()
    assert waiting == 50_000
    assert much < 10 * few


# -- going on -------------------------------------------------------------------------------------


@pytest.mark.case(216)
def test_what_a_server_goes_on_with_comes_before_its_mail(system: System) -> None:
    # Given
    class Eager(Server):
        def __init__(self) -> None:
            super().__init__()
            self.continue_with("init")
            self.actor_ref.tell("queued")

    # When
    p = Eager.start()
    # Then
    assert log(p, 3) == ["on_start", ("continue", "init"), "queued"]

    # When it goes on three times, with a message to itself queued before
    def go_on(me: Server) -> str:
        me.log.clear()
        me.actor_ref.tell("queued")
        me.continue_with(2)
        return "answered"

    assert run(p, go_on) == "answered"
    # Then
    assert log(p, 4) == [("continue", 2), ("continue", 1), ("continue", 0), "queued"]


@pytest.mark.case(216)
def test_a_server_may_go_on_from_an_exit_it_has_trapped(system: System) -> None:
    # Given
    class Going(Server):
        trap_exit = True

        def on_exit(self, message: Exit) -> None:
            self.continue_with(message.reason)

    p = Going.start(trap=True)
    # When
    run(p, lambda me: (me.log.clear(), me.actor_ref.exit("boom"), me.actor_ref.tell("queued")))
    # Then
    assert log(p, 2) == [("continue", "boom"), "queued"]


@pytest.mark.case(216)
def test_a_server_may_stop_while_it_goes_on(system: System) -> None:
    p = Server.start()
    end = p.monitor()
    p.tell(Run(lambda me: [me.continue_with(term) for term in ("stop", "never")]))
    assert end.get(PATIENCE).reason == "from continue"


@pytest.mark.case(216)
def test_the_answer_comes_before_the_server_goes_on(pool: System) -> None:
    # Given a server that goes on when it is let
    gate = pool.future()

    class Waits(Actor):
        def on_receive(self, message: object) -> object:
            self.continue_with("wait")
            return "answer"

        def on_continue(self, term: object) -> None:
            gate.get(PATIENCE)

    # When, then
    assert Waits.start().ask("x", timeout=PATIENCE) == "answer"
    gate.set()


@pytest.mark.case(238)
def test_going_on_without_a_handler_is_a_crash(system: System) -> None:
    p = Probe.start()
    end = p.monitor()
    tell_run(p, lambda me: me.continue_with("x"))
    reason = end.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert "on_continue" in reason.message


@pytest.mark.case(204, 264)
def test_an_exception_ends_the_server_and_is_the_askers(system: System) -> None:
    p = Probe.start()
    with pytest.raises(Boom):
        run(p, boom)
    assert not p.is_alive()
