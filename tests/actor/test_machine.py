"""State machines: block E of the conformance list."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, ClassVar

import msgspec
import pytest

from actorcloud.actor import (
    ActorDeadError,
    ActorRef,
    AlreadyStarted,
    AskTimeout,
    CallbackFailed,
    Down,
    Enter,
    EventTimeout,
    Internal,
    NamedTimeout,
    NoReply,
    ReplyTo,
    StateMachine,
    StateTimeout,
    Status,
    Stop,
    System,
    as_completed,
    debug,
)
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import Crash, ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, Run, boom, end_of, log, run, tell_run
from tests.actor.machines import Door, Entering, Machine, Script, answer_with, both, goto, keep_waiting

pytestmark = pytest.mark.usefixtures("quiet")


# -- life ------------------------------------------------------------------------------------------


@pytest.mark.case(273)
def test_it_starts_and_stops_as_any_actor(probe: ActorRef[Any]) -> None:
    # Given one with a name, one with a parent, one that is monitored
    named_one = Machine.options(name="machine").start(probe)
    with pytest.raises(AlreadyStarted) as caught:
        Machine.options(name="machine").start(probe)
    assert caught.value.ref == named_one
    parent = Probe.start()
    linked = run(parent, lambda _: Machine.start_link(probe))
    watched, monitor = run(parent, lambda _: Machine.start_monitor(probe))
    # When the first is stopped for a reason, the monitored one fails, and with it the others
    named_one.stop(reason="enough")
    tell_run(watched, boom)
    # Then
    assert not named_one.is_alive()
    assert Machine.options(name="machine").start(probe).is_alive()
    (down,) = log(parent, 1)
    assert (down.ref, type(down.reason)) == (monitor, Crash)
    parent.stop(reason="over")
    assert end_of(linked) is not None


@pytest.mark.case(273)
@pytest.mark.parametrize("error", [Boom("no"), Stop("no")])
def test_a_start_that_fails_leaves_nothing(error: BaseException, probe: ActorRef[Any], system: System) -> None:
    def fail(_: Any) -> None:
        raise error

    before = system.actors()
    with pytest.raises((Boom, ActorError)):
        Machine.options(name="machine").start(probe, {"init": fail})
    assert system.actors() == before
    assert system.whereis("machine") is None


@pytest.mark.shared_memory
@pytest.mark.case(274)
def test_an_ask_that_was_given_up_or_whose_machine_fails(probe: ActorRef[Any]) -> None:
    # Given one that keeps an asker waiting
    kept: list[ReplyTo] = []
    machine = Machine.start(probe, {"wait": keep_waiting(kept)})
    # When
    with pytest.raises(AskTimeout):
        machine.ask("wait", timeout=0.001)
    # Then the late answer goes nowhere, and it lives
    run(machine, lambda me: me.reply(kept[0], "late"))
    assert log(probe, 1) == [("a", "wait")]
    # When it fails, who asked gets the error, and who waits hears of the death
    waiting = machine.ask("wait", block=False)
    with pytest.raises(Boom):
        machine.ask(Run(boom))
    with pytest.raises(ActorDeadError):
        waiting.get(PATIENCE)


@pytest.mark.case(275)
@pytest.mark.parametrize(
    ("reason", "is_reported"), [(Shutdown("update"), False), (ExitReason.NORMAL, False), ("broken", True)]
)
def test_an_orderly_end_is_no_error(
    reason: object, *, is_reported: bool, probe: ActorRef[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    machine = Machine.start(probe)
    end = machine.monitor()
    tell_run(machine, lambda me: me.stop(reason))
    assert end.get(PATIENCE).reason == reason
    assert bool(caplog.records) is is_reported


@pytest.mark.case(276)
def test_all_who_wait_are_answered_before_the_end(probe: ActorRef[Any]) -> None:
    # Given one that waits for an answer, and one whose event is postponed
    kept: list[ReplyTo] = []

    def stop(me: Any) -> str:
        me.reply(kept[0], "first")
        me.stop("done")
        return "second"

    script: Script = {"wait": keep_waiting(kept), "postpone": lambda me: me.postpone(), "stop": stop}
    machine = Machine.start(probe, script)
    first = machine.ask("wait", block=False)
    postponed = machine.ask("postpone", block=False)
    first.add_done_callback(lambda future: probe.tell(future.get()))
    # When
    last = machine.ask("stop", block=False)
    last.add_done_callback(lambda future: probe.tell(future.get()))
    # Then the answers come before `on_stop`, unlike a plain actor's
    assert end_of(machine) is not None
    answers = [entry for entry in log(probe, 6) if not isinstance(entry, tuple)]
    assert answers == ["first", "second", "stopped"]
    with pytest.raises(ActorDeadError):
        postponed.get(PATIENCE)


def test_it_handles_nothing_more_once_it_was_stopped(probe: ActorRef[Any]) -> None:
    stop = both(lambda me: me.next_event("never"), goto("b"), lambda me: me.stop())
    machine = Machine.start(probe, {"stop": stop})
    machine.tell("stop")
    assert end_of(machine) is not None
    probe.tell("end")
    assert log(probe, 3) == [("a", "stop"), "stopped", "end"]


def test_an_error_may_be_an_answer(probe: ActorRef[Any]) -> None:
    class Lenient(Machine):
        ask_errors = "reply"

    machine = Lenient.start(probe, {"again": goto("b"), "fail": both(goto("b"), boom)})
    with pytest.raises(Boom):
        machine.ask("fail")
    machine.tell("again")
    machine.tell("end")
    assert log(probe, 3) == [("a", "fail"), ("a", "again"), ("b", "end")]


def test_it_holds_no_more_events_than_its_mailbox_may(probe: ActorRef[Any]) -> None:
    machine = Machine.options(mailbox=3).start(probe, {"x": lambda me: me.postpone()})
    for number in range(4):
        assert log(probe, number)[:number] == [("a", "x")] * number
        machine.tell("x")
    assert end_of(machine) is ExitReason.KILLED


# -- events ----------------------------------------------------------------------------------------


@pytest.mark.case(281)
def test_an_inserted_event_is_handled_as_what_it_is(probe: ActorRef[Any]) -> None:
    # Given
    events = [Internal("i"), "message", StateTimeout("s"), EventTimeout("e"), NamedTimeout("n", 1), Down(None, None, 1)]  # type: ignore[arg-type]

    def insert(me: Any) -> Any:
        for event in events:
            me.next_event(event)
        me.next_event(Run(lambda inner: "answered"), reply_to=me.sender)
        return NoReply

    machine = Machine.start(probe)
    # When one is an ask, it is answered
    assert run(machine, insert) == "answered"
    # Then
    found = [event for _, event in log(probe, len(events))]
    assert list(map(type, found)) == list(map(type, events))
    assert found[:-1] == events[:-1]


@pytest.mark.case(281)
def test_ends_of_others_are_events(probe: ActorRef[Any]) -> None:
    machine, other = Machine.start(probe), Probe.start()
    run(machine, lambda me: setattr(me, "trap_exit", True))
    run(machine, lambda me: (me.link(other), me.monitor(other)))
    other.kill()
    assert {type(event).__name__ for _, event in log(probe, 2)} == {"Exit", "Down"}


@pytest.mark.case(283)
def test_inserted_events_come_first_and_in_order(probe: ActorRef[Any]) -> None:
    # Given one that has mail
    script: Script = {
        "go": both(lambda me: me.actor_ref.tell("mail"), lambda me: me.next_event("1"), lambda me: me.next_event("2")),
        "1": lambda me: me.next_event("1.1"),
    }
    machine = Machine.start(probe, script)
    # When
    machine.tell("go")
    # Then
    assert [event for _, event in log(probe, 5)] == ["go", "1", "1.1", "2", "mail"]


@pytest.mark.case(284)
def test_a_postponed_event_comes_back_at_a_change_of_state_only(probe: ActorRef[Any]) -> None:
    # Given
    def later(me: Machine) -> str | None:
        if me.state != "c":
            me.postpone()
        return "answer"

    script: Script = {
        "later": later,
        "same": goto("a"),
        "again": lambda me: me.repeat(),
        "b": goto("b"),
        "c": goto("c"),
    }
    machine = Machine.start(probe, script)
    answer = machine.ask("later", block=False)
    # When
    for event in ("same", "again", "b", "c"):
        machine.tell(event)
    # Then it was tried once in each state, and its asker answered by the last
    assert answer.get(PATIENCE) == "answer"
    events = log(probe, 7)
    assert events == [
        ("a", "later"),
        ("a", "same"),
        ("a", "again"),
        ("a", "b"),
        ("b", "later"),
        ("b", "c"),
        ("c", "later"),
    ]


# -- entering --------------------------------------------------------------------------------------


@pytest.mark.case(277)
def test_states_are_entered_before_their_events(probe: ActorRef[Any]) -> None:
    # Given one that has a postponed event, and timeouts of no time from entering
    def enter(me: Machine) -> None:
        me.state_timeout(0, "entered")
        me.timeout("second", 0, "entered")

    def postpone(me: Machine) -> None:
        if me.state == "a":
            me.postpone()

    script: Script = {Enter("a"): enter, "postponed": postpone, "b": goto("b"), "repeat": lambda me: me.repeat()}
    machine = Entering.start(probe, script)
    machine.tell("postponed")
    # When
    machine.tell("repeat")
    machine.tell("b")
    # Then
    assert log(probe, 13) == [
        ("a", Enter("a")),
        ("a", StateTimeout("entered")),
        ("a", NamedTimeout("second", "entered")),
        ("a", "postponed"),
        ("a", "repeat"),
        ("a", Enter("a")),
        ("a", StateTimeout("entered")),
        ("a", NamedTimeout("second", "entered")),
        ("a", "b"),
        ("b", Enter("a")),
        ("b", "postponed"),
        ("b", StateTimeout("entered")),
        ("b", NamedTimeout("second", "entered")),
    ]


@pytest.mark.case(277)
def test_who_waits_is_answered_when_a_state_is_entered(probe: ActorRef[Any]) -> None:
    kept: list[ReplyTo] = []

    def answer(me: Any) -> None:
        assert me.sender is None
        if me.state == "b":
            me.reply(kept[0], "entered")

    def ask(me: Any) -> Any:
        me.goto("b")
        return keep_waiting(kept)(me)

    machine = Entering.start(probe, {"ask": ask, Enter("a"): answer})
    assert machine.ask("ask") == "entered"


@pytest.mark.case(277)
@pytest.mark.parametrize("verb", ["goto", "postpone", "next_event", "repeat"])
def test_entering_a_state_may_not_leave_it(verb: str, probe: ActorRef[Any]) -> None:
    arguments = ["b"] if verb in {"goto", "next_event"} else []
    leave: Script = {Enter("b"): lambda me: getattr(me, verb)(*arguments)}
    machine = Entering.start(probe, leave | {"b": goto("b"), "a": goto("a")})
    end = machine.monitor()
    machine.tell("b")
    machine.tell("a")
    assert f"{verb} is not for Enter" in str(end.get(PATIENCE).reason)


# -- debug calls -----------------------------------------------------------------------------------


@pytest.mark.shared_memory
@pytest.mark.case(285, 286)
def test_the_state_and_its_data_are_seen_and_replaced(probe: ActorRef[Any]) -> None:
    # Given
    machine = Machine.start(probe, {"b": goto("b")})
    assert debug.get_state(machine) == ("a", {"probe": probe, "script": machine._cell.actor.script})
    machine.ask("b")
    assert debug.get_state(machine)[0] == "b"
    assert debug.get_status(machine).status.state[0] == "b"
    # When
    new = debug.replace_state(machine, lambda old: ("c", {**old[1], "extra": 1}))
    # Then
    assert new == debug.get_state(machine)
    machine.ask("x")
    assert log(probe, 2)[1] == ("c", "x")
    # When what is given is no state, it lives on with the old one
    for wrong in ("c", ("c", 1)):
        with pytest.raises(CallbackFailed):
            debug.replace_state(machine, partial(answer_with, wrong))
    assert debug.get_state(machine) == new


@pytest.mark.shared_memory
def test_the_state_is_replaced_by_one_that_there_is(system: System) -> None:
    door = Door.start("1234")
    with pytest.raises(CallbackFailed, match="no method for the state"):
        debug.replace_state(door, lambda old: ("broken", old[1]))
    debug.replace_state(door, lambda old: ("unlocked", {"code": "0000"}))
    assert door.ask("knock") == "open"


@pytest.mark.case(288)
def test_a_machine_shows_its_state_as_its_class_wants(probe: ActorRef[Any], caplog: pytest.LogCaptureFixture) -> None:
    class Formatted(Machine):
        def format_status(self, status: Status) -> Status:
            return msgspec.structs.replace(status, state="FORMATTED")

    machine = Formatted.start(probe, {"x": boom})
    assert debug.get_status(machine).status.state == "FORMATTED"
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    with pytest.raises(Boom):
        machine.ask("x")
    (record,) = caplog.records
    assert "state: 'FORMATTED'" in record.getMessage()
    assert repr(probe) not in record.getMessage()


@pytest.mark.case(288)
def test_the_answers_of_machines_are_collected_as_they_come(probe: ActorRef[Any]) -> None:
    def late(me: Any) -> str:
        if me.state == "a":
            me.postpone()
        return "late"

    machine = Machine.start(probe, {"x": late, "y": lambda _: "early", "b": goto("b")})
    labels = {machine.ask(event, block=False, timeout=PATIENCE): event for event in "xy"}
    arrived = as_completed(labels, timeout=PATIENCE)
    first = next(arrived)
    machine.tell("b")
    (second,) = arrived
    assert [(labels[future], future.get()) for future in (first, second)] == [("y", "early"), ("x", "late")]


@pytest.mark.case(288)
def test_something_missing_in_a_state_is_a_crash(probe: ActorRef[Any]) -> None:
    class Halfway(StateMachine):
        initial: ClassVar[str] = "there"

        def there(self, event: Any) -> None:
            self.nothing.at_all()  # type: ignore[attr-defined]

    machine = Halfway.start()
    end = machine.monitor()
    machine.tell("x")
    reason = end.get(PATIENCE).reason
    assert isinstance(reason, Crash)
    assert reason.type == "AttributeError"
