"""State machines written as methods, and what they share with every actor."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from actorcloud.actor import (
    ActorRef,
    StateTimeout,
    System,
    debug,
)
from actorcloud.base.errors import ActorError
from tests.actor.cast import PATIENCE, Boom, Run, log
from tests.actor.machines import Door, Machine, answer_with

pytestmark = pytest.mark.usefixtures("quiet")


# -- two styles ------------------------------------------------------------------------------------


@pytest.mark.shared_memory
def test_a_state_is_a_method(system: System) -> None:
    door = Door.start("1234")
    waiting = door.ask("wait", block=False)
    assert door.ask("0000") == "no"
    assert door.ask("1234") == "welcome"
    assert waiting.get(PATIENCE) == "open"
    assert run_state(door) == "unlocked"


def run_state(ref: ActorRef[Any]) -> Any:
    return ref.proxy().state.get(timeout=PATIENCE)


def test_the_first_state_may_be_chosen_with_what_belongs_to_it(system: System) -> None:
    door = Door.start("1234", is_open=True)
    while run_state(door) == "unlocked":
        pass
    assert door.ask("anything") == "no"


@pytest.mark.parametrize("event", ["break", "stop"])
def test_a_state_without_a_method_is_an_error_that_names_it(event: str, system: System) -> None:
    door = Door.start("1234")
    door.ask("1234")
    with pytest.raises(ActorError, match=r"Door has no method for the state '(broken|stop)'"):
        door.ask(event)


def test_what_is_for_handlers_is_refused_elsewhere(probe: ActorRef[Any]) -> None:
    machine = Machine.start(probe)
    with pytest.raises(ActorError, match="goto is for handlers of events"):
        machine.proxy().goto("b").get(timeout=PATIENCE)
    with pytest.raises(ActorError, match="no event"):
        Machine.start(probe, {"init": lambda me: me.postpone()})


def test_an_on_start_that_forgets_the_machine_s_own_is_found_out(probe: ActorRef[Any]) -> None:
    class Forgetful(Machine):
        def on_start(self) -> None:
            pass

    class Mindful(Machine):
        def on_start(self) -> None:
            super().on_start()
            self.probe.tell("begun")

    with pytest.raises(ActorError, match="on_start"):
        Forgetful.start(probe).ask("event")
    Mindful.start(probe, {"init": lambda me: me.next_event("first")}).tell("second")
    assert log(probe, 3) == [("a", "first"), "begun", ("a", "second")]


# -- as any actor ----------------------------------------------------------------------------------


def test_a_trace_tells_of_an_answer_and_of_no_debt(probe: ActorRef[Any], capsys: pytest.CaptureFixture[str]) -> None:
    machine = Machine.start(probe, {"q": partial(answer_with, 1)})
    debug.trace(machine)
    assert machine.ask("q") == 1
    assert capsys.readouterr().out.splitlines() == [f"{machine} got ask 'q'", f"{machine} sent 1"]
    assert not machine._cell.deferred


def test_an_error_that_is_returned_is_a_value(probe: ActorRef[Any]) -> None:
    machine = Machine.start(probe, {"q": partial(answer_with, Boom("a value"))})
    assert isinstance(machine.ask("q"), Boom)


def test_its_status_shows_what_waits(probe: ActorRef[Any]) -> None:
    # Given one that postponed an event and has two timeouts
    def wait(me: Machine) -> None:
        me.postpone()
        me.state_timeout(1000.0, "late")
        me.timeout("named", 2000.0)

    machine = Machine.start(probe, {"x": wait})
    machine.tell("x")
    machine.ask(Run(lambda _: None))
    # When
    status = debug.get_status(machine).status
    # Then
    assert (status.queue, status.postponed) == ([], ["x"])
    assert status.timeouts == {StateTimeout: "late", "named": None}
