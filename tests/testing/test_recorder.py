"""The recorder: what is sent, by whom, to whom; filtered and bounded."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef, ExitSignal, Link, Monitor, NoReply, ReplyTo, System, Task, TaskReply
from actorcloud.actor.mailbox.mail import StopOrder
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Probe, Recorder, Simulation


class Echo(Actor):
    inline = True

    def on_receive(self, message: Any) -> Any:
        return message


class Owner(Actor):
    """Answers with what its task returned."""

    asker: ReplyTo | None = None
    value: int | None = None

    def on_receive(self, message: Any) -> Any:
        match message:
            case "start":
                Task.start(int, "42")
                return None
            case "wait":
                self.asker = self.sender
            case TaskReply(_, value):
                self.value = value
        if self.asker is not None and self.value is not None:
            self.reply(self.asker, self.value)
        return NoReply


class Relay(Actor):
    def __init__(self, to: ActorRef[Any]) -> None:
        self.to = to

    def on_receive(self, message: Any) -> Any:
        match message:
            case "link":
                self.link(self.to)
            case "later":
                self.send_after(0.01, "timed", self.to)
            case "ask":
                return self.to.ask("asked")
            case _:
                self.to.tell(message)
        return None


def test_what_is_sent_is_recorded_in_order_with_its_sender(system: System) -> None:
    # Given
    echo = Echo.start()
    relay = Relay.start(echo)
    with Recorder(system) as recorder:
        # When
        relay.tell("hello")
        assert relay.ask("ask") == "asked"
        relay.ask("link")
        relay.monitor()
        relay.exit(ExitReason.NORMAL)
        echo.stop()
    # Then
    told = [(record.kind, record.sender, record.receiver, record.message) for record in recorder.records("tell")]
    assert told == [("tell", None, relay, "hello"), ("tell", relay, echo, "hello")]
    asked = [(record.sender, record.message) for record in recorder.records("ask")]
    assert asked == [(None, "ask"), (relay, "asked"), (None, "link")]
    assert [record.sender for record in recorder.records(message=Link)] == [relay]
    assert recorder.records("signal", message=Monitor)[0].receiver == relay
    assert recorder.records(message=ExitSignal, receiver=relay)[0].message.reason is ExitReason.NORMAL
    assert recorder.records("signal", message=StopOrder)[0].receiver == echo
    assert "-> Echo" in str(recorder.records(receiver=echo)[0])


def test_what_timers_send_is_recorded_with_no_sender() -> None:
    with Simulation(1) as sim, Recorder(sim.system()) as recorder:
        echo = Echo.start()
        Relay.start(echo).tell("later")
        sim.run(1.0)
        (record,) = recorder.records(receiver=echo)
        assert (record.kind, record.sender, record.message) == ("tell", None, "timed")


def test_what_a_test_says_to_its_probe_is_left_out() -> None:
    with Simulation(1) as sim, Recorder(sim.system()) as recorder:
        probe = Probe.start()
        probe.tell("hello")
        probe.expect("hello")
        probe.expect_nothing(0.1)
        assert probe.messages() == []
        assert [record.message for record in recorder.records()] == ["hello"]


def test_what_a_task_answers_is_recorded(system: System) -> None:
    with Recorder(system) as recorder:
        owner = Owner.start()
        owner.tell("start")
        assert owner.ask("wait") == 42
    (record,) = recorder.records("tell", message=TaskReply)
    assert (record.receiver, record.message.value) == (owner, 42)


@pytest.mark.slow
def test_signals_of_an_isolated_actor_are_recorded() -> None:
    with System(name="test") as system, system.activate(), Recorder(system) as recorder:
        isolated = Echo.options(isolation="process").start()
        ended = isolated.monitor()
        isolated.kill()
        ended.get(60)
    assert {type(record.message) for record in recorder.records("signal", receiver=isolated)} >= {Monitor, ExitSignal}


def test_only_its_own_system_is_recorded(system: System) -> None:
    with System(name="other") as other, Recorder(other) as recorder:
        Echo.start().ask("here")
        with other.activate():
            Echo.start().ask("there")
        assert [record.message for record in recorder.records("ask")] == ["there"]


def test_a_recorder_keeps_what_it_is_asked_to_and_the_last_of_it(system: System) -> None:
    echo = Echo.start()
    with Recorder(system, where=lambda record: record.message != "noise", limit=3) as recorder:
        for number in range(5):
            echo.tell(number)
            echo.tell("noise")
    assert [record.message for record in recorder.records()] == [2, 3, 4]
    assert (len(recorder), recorder.count, recorder.dropped) == (3, 5, 2)


def test_two_record_at_a_time_and_afterwards_nothing_is_as_it_was_not(system: System) -> None:
    before = {name: vars(ActorRef)[name] for name in ("tell", "deliver", "signal", "_ask_inline")}
    echo = Echo.start()
    with Recorder(system) as first:
        with Recorder(system) as second:
            echo.tell("both")
        echo.tell("one")
    echo.tell("none")
    assert [record.message for record in first.records()] == ["both", "one"]
    assert [record.message for record in second.records()] == ["both"]
    assert {name: vars(ActorRef)[name] for name in before} == before


def test_a_recorder_without_room_is_refused(system: System) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Recorder(system, limit=0)
