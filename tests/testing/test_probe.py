"""Probes: they keep, answer, watch; and say what was expected and what came instead."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import Actor, ActorDeadError, ActorRef, Down, Exit, System
from actorcloud.testing import Probe
from actorcloud.testing import probe as module

#: Of the time that a test waits for what does not come.
MOMENT = 0.02


class Sender(Actor):
    """Sends what it is told to the probe."""

    def __init__(self, to: ActorRef[Any]) -> None:
        self.to = to

    def on_receive(self, message: Any) -> Any:
        self.to.tell(message)


def test_messages_are_expected_in_order_by_value_type_and_predicate(system: System) -> None:
    probe = Probe.start()
    sender = Sender.start(probe)
    for message in (1, "two", [3], None):
        sender.tell(message)
    assert probe.expect(1) == 1
    assert probe.expect(str) == "two"
    assert probe.expect(lambda message: len(message) == 1) == [3]
    assert probe.expect() is None
    probe.expect_nothing(MOMENT)


def test_what_is_not_expected_is_shown(system: System) -> None:
    probe = Probe.start()
    probe.tell("other")
    with pytest.raises(AssertionError, match=r"expected int and got 'other'"):
        probe.expect(int)


def test_what_does_not_come_is_missed_and_not_taken_from_the_next(system: System) -> None:
    # Given an expectation that nothing met
    probe = Probe.start()
    with pytest.raises(AssertionError, match=r"expected 'hello' within 0.02 s; it has nothing"):
        probe.expect("hello", timeout=MOMENT)
    # When the message comes after all, then it is there for the next
    probe.tell("hello")
    assert probe.expect("hello") == "hello"


def test_the_first_that_fits_is_found_and_those_before_are_dropped(system: System) -> None:
    probe = Probe.start()
    for number in range(5):
        probe.tell(number)
    assert probe.find(lambda number: number > 2) == 3
    assert probe.messages() == [4]
    with pytest.raises(AssertionError, match="expected str within"):
        probe.find(str, timeout=MOMENT)


def test_nothing_is_expected_and_something_comes(system: System) -> None:
    probe = Probe.start()
    probe.tell("something")
    with pytest.raises(AssertionError, match="expected nothing and got 'something'"):
        probe.expect_nothing(MOMENT)


def test_who_asks_a_probe_gets_its_answer_and_the_message_is_kept(system: System) -> None:
    probe = Probe.start(lambda number: number + 1)
    assert probe.ask(41) == 42
    assert probe.expect() == 41
    assert Probe.start().ask("anything") is None


def test_a_probe_sees_ends(system: System) -> None:
    probe, mortal = Probe.start(), Probe.start()
    probe.watch(mortal)
    mortal.kill()
    assert probe.expect(Down).target == mortal
    probe.exit("as told")
    assert probe.expect(Exit).reason == "as told"


def test_a_probe_that_is_flooded_ends(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_LIMIT", 5)
    probe = Probe.start()
    for _ in range(6):
        probe.tell("again")
    with pytest.raises(ActorDeadError):
        probe.expect()
