"""Waiting for several futures, as OTP's collections of request ids do."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import (
    ActorDeadError,
    ActorRef,
    AskTimeout,
    CallingSelf,
    Future,
    System,
    as_completed,
    wait_any,
)
from tests.actor.cast import PATIENCE, Boom, Probe, Run, boom, log, run


def _busy() -> tuple[ActorRef[Any], ActorRef[Any]]:
    """Return an actor that comes to no message, and one that is to be told to let it."""
    p, gate = Probe.start(), Probe.start()
    p.tell(Run(lambda _: log(gate, 1)))
    return p, gate


@pytest.mark.case(212)
def test_a_future_can_be_waited_for_again(system: System) -> None:
    # Given an actor that does not come to the question yet
    p, gate = _busy()
    asked = p.ask("x", block=False, timeout=PATIENCE)
    # When, then
    assert wait_any([asked], timeout=0.0) is None
    with pytest.raises(AskTimeout):
        asked.get(0.0)
    gate.tell("go")
    assert wait_any([asked], timeout=PATIENCE) is asked
    assert asked.get() == "x"


@pytest.mark.case(212)
def test_a_failure_is_an_answer_too(system: System) -> None:
    dead, p = Probe.start(), Probe.start()
    dead.stop()
    to_the_dead = dead.ask("x", block=False)
    crashed = p.ask(Run(boom), block=False)
    assert {wait_any([to_the_dead]), wait_any([crashed], timeout=PATIENCE)} == {to_the_dead, crashed}
    with pytest.raises(ActorDeadError):
        to_the_dead.get()
    with pytest.raises(Boom):
        crashed.get()


@pytest.mark.case(213)
def test_answers_come_in_the_order_in_which_they_are_there(system: System) -> None:
    # Given three questions with labels
    labels: dict[Future[Any], str] = {Future(): label for label in "abc"}
    a, b, c = labels
    c.set("third")
    a.set_exception(Boom("first"))
    # When
    arrived = as_completed(labels, timeout=0.01)
    # Then
    assert [labels[next(arrived)], labels[next(arrived)]] == ["a", "c"]
    b.set("second")
    assert labels[next(arrived)] == "b"
    assert list(arrived) == []


@pytest.mark.case(213)
def test_they_come_from_actors_by_their_speed(system: System) -> None:
    first, dead = Probe.start(), Probe.start()
    second, gate = _busy()
    dead.stop()
    labels = {second.ask("slow", block=False): "slow", dead.ask("x", block=False): "dead"}
    labels |= {first.ask("fast", block=False): "fast"}
    order = []
    for future in as_completed(labels, timeout=PATIENCE):
        order.append(labels[future])
        if order[-1] == "fast":
            gate.tell("go")
    assert order == ["dead", "fast", "slow"]


@pytest.mark.case(213, 214)
def test_what_is_not_there_in_time_can_still_be_collected(system: System) -> None:
    p, gate = _busy()
    asked = p.ask("x", block=False)
    with pytest.raises(AskTimeout, match="1 of 1"):
        list(as_completed([asked], timeout=0.0))
    assert asked._waiters == ()
    gate.tell("go")
    assert [future.get() for future in as_completed([asked], timeout=PATIENCE)] == ["x"]


@pytest.mark.case(213)
def test_nothing_to_wait_for_and_what_is_no_time_are_errors(system: System) -> None:
    with pytest.raises(ValueError, match="no futures"):
        wait_any([])
    for wait in (wait_any, as_completed):
        with pytest.raises(ValueError, match="timeout is"):
            wait([Future()], timeout=-1.0)
    assert list(as_completed([])) == []
    future: Future[int] = Future()
    future.set(1)
    assert len(list(as_completed([future, future]))) == 1


def test_an_actor_that_waits_for_several_can_be_told_to_exit(system: System) -> None:
    p = Probe.start()
    waiting = p.ask(Run(lambda _: wait_any([Future()])), block=False)
    p.exit("r")
    with pytest.raises(ActorDeadError):
        waiting.get(PATIENCE)
    assert run(Probe.start(), lambda _: "alive") == "alive"


def test_waiting_for_ones_own_answers_fails_at_once(system: System) -> None:
    def all_of_them(me: Probe) -> object:
        mine = [me.actor_ref.ask(number, block=False, timeout=None) for number in range(2)]
        with pytest.raises(CallingSelf):
            next(as_completed(mine))
        with pytest.raises(CallingSelf):
            wait_any(mine)
        return "done"

    p = Probe.start()
    assert p.ask(Run(all_of_them), timeout=PATIENCE) == "done"


def test_the_answers_of_others_come_before_ones_own_are_refused(system: System) -> None:
    p, q = Probe.start(), Probe.start()

    def others_first(me: Probe) -> object:
        mine = me.actor_ref.ask("mine", block=False, timeout=None)
        theirs = q.ask("theirs", block=False)
        arriving = as_completed([mine, theirs])
        first = next(arriving).get()
        with pytest.raises(CallingSelf):
            next(arriving)
        return first

    assert p.ask(Run(others_first), timeout=PATIENCE) == "theirs"
