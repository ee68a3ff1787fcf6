"""Mailboxes that are bounded, and those of a system that copies messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorDeadError, ActorRef, MailboxLimit, NoReply, System
from actorcloud.base.errors import Unpicklable
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Probe, Run, end_of, log


@pytest.fixture
def copying() -> Iterator[System]:
    """A system whose actors get copies."""
    with System(name="test", copy_messages=True) as system, system.activate():
        yield system


class Deferring(Actor):
    """Answers the first ask when the second comes, and hands out what it keeps."""

    def __init__(self) -> None:
        self.first: Any = None
        self.kept = [1]

    def on_receive(self, message: Any) -> Any:
        if self.first is None:
            self.first = self.sender
            return NoReply
        self.reply(self.first, self.kept)
        self.kept.append(2)
        return self.kept


def test_what_the_sender_changes_afterwards_the_receiver_does_not_see(copying: System) -> None:
    # Given
    entries = [1]
    p = Probe.start()
    # When
    p.tell(entries)
    answer = p.ask(entries)
    entries.append(2)
    # Then
    assert log(p, 2) == [[1], [1]]
    assert answer == [1]
    assert answer is not entries


def test_answers_are_copied_too_also_those_that_come_later(copying: System) -> None:
    p = Deferring.start()
    first = p.ask("first", block=False)
    second = p.ask("second")
    assert first.get(PATIENCE) == [1]
    assert second == [1, 2]
    assert first.get() is not second


def test_refs_classes_and_functions_arrive_as_what_they_are(copying: System) -> None:
    class Local:
        """Known by no name."""

    p, q = Probe.start(), Probe.start()
    back: tuple[ActorRef[Any], object, Any] = p.ask((q, Local(), lambda: 42))
    assert back[0] is q
    assert isinstance(back[1], Local)
    assert back[2]() == 42


def test_a_message_that_cannot_travel_is_the_senders_error(copying: System) -> None:
    p = Probe.start()
    for send in (p.tell, p.ask):
        with pytest.raises(Unpicklable, match=r"the message to Probe<test\.\d+>.*lock"):
            send({"lock": threading.Lock()})
    p.tell("last")
    assert log(p, 1) == ["last"]


def test_an_answer_that_cannot_travel_is_the_askers_error(copying: System) -> None:
    p = Probe.start()
    with pytest.raises(Unpicklable, match="the answer of Probe"):
        p.ask(Run(lambda _: threading.Lock()))
    assert p.ask("still there") == "still there"


def test_a_deferred_answer_fails_when_its_actor_dies_also_in_copies(copying: System) -> None:
    p = Deferring.start()
    asked = p.ask("first", block=False)
    assert not asked.wait(0.0)
    p.stop(reason="gone")
    with pytest.raises(ActorDeadError) as caught:
        asked.get(PATIENCE)
    assert caught.value.reason == "gone"


def test_an_answer_given_elsewhere_is_no_longer_owed(copying: System) -> None:
    p = Deferring.start()
    asked = p.ask("first", block=False)
    p._cell.actor.first.set("by another")
    assert asked.get(PATIENCE) == "by another"
    assert not p._cell.deferred


class Stuck(Actor):
    """Handles nothing until its gate opens."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate
        self.seen: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        self.gate.get(PATIENCE)
        self.seen.append(message)
        return list(self.seen)


@pytest.mark.case(72)
@pytest.mark.shared_memory
@pytest.mark.parametrize("limit", [3, MailboxLimit(3)])
def test_one_message_too_many_kills_and_is_logged(
    system: System, caplog: pytest.LogCaptureFixture, limit: int | MailboxLimit
) -> None:
    # Given a mailbox that is full
    p = Stuck.options(mailbox=limit).start(system.future())
    end = p.monitor()
    asked = p.ask("first", block=False)
    system.wait(asked, 0.05)
    for number in range(3):
        p.tell(number)
    assert p.is_alive()
    # When
    p.tell("too many")
    # Then
    assert end.get(PATIENCE).reason is ExitReason.KILLED
    assert "max_mailbox=3, and is killed" in caplog.text
    with pytest.raises(ActorDeadError) as caught:
        asked.get(PATIENCE)
    assert caught.value.reason is ExitReason.KILLED


@pytest.mark.shared_memory
def test_a_limit_that_does_not_kill_is_logged_whenever_the_number_has_doubled(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    gate = system.future()
    p = Stuck.options(mailbox=MailboxLimit(2, kill=False)).start(gate)
    p.tell("first")
    for number in range(40):
        p.tell(number)
    gate.set()
    assert len(p.ask("last")) == 42
    assert 2 <= len(caplog.records) <= 5
    assert "and goes on" in caplog.text


@pytest.mark.shared_memory
def test_a_limit_can_be_silent(system: System, caplog: pytest.LogCaptureFixture) -> None:
    p = Stuck.options(mailbox=MailboxLimit(1, log=False)).start(system.future())
    for number in range(3):
        p.tell(number)
    assert not p.is_alive()
    assert not [record for record in caplog.records if "max_mailbox" in record.message]


def test_a_mailbox_without_room_is_refused_with_its_class() -> None:
    with pytest.raises(ValueError, match=r"Closed.max_mailbox is 0; it must be an integer >= 1"):

        class Closed(Actor):
            max_mailbox = 0

    with pytest.raises(ValueError, match="size=-1"):
        Probe.options(mailbox=-1)


def test_a_bounded_mailbox_takes_copies_too(copying: System) -> None:
    gate = copying.future()

    class Slow(Actor):
        max_mailbox = 2

        def on_start(self) -> None:
            gate.get(PATIENCE)

    p = Slow.start()
    for _ in range(5):
        p.tell("x")
    assert end_of(p) in {ExitReason.KILLED, ExitReason.NOPROC}
    gate.set()


def test_what_comes_after_one_too_many_is_not_logged_again(system: System, caplog: pytest.LogCaptureFixture) -> None:
    # Given an actor that fills its own mailbox, and so goes on until its handler returns
    p = Probe.options(mailbox=2).start()
    end = p.monitor()
    # When
    p.tell(Run(lambda me: [me._cell.put(number) for number in range(40)]))
    # Then
    assert end.get(PATIENCE).reason is ExitReason.KILLED
    assert len([record for record in caplog.records if "max_mailbox" in record.message]) == 1
