"""What a worker asks the head: over outages, fulls and wrong stamps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actorcloud.actor import ActorDeadError
from actorcloud.node.relay import Answered, Relay, Stuck
from actorcloud.protocol.job import AddNode, Answer, CancelJob, GetInfo, GetJob, RemoveNode
from actorcloud.protocol.message import Message, encode
from actorcloud.protocol.signal import Ask, Failed, Reply

REF, RUN = b"r" * 16, b"u" * 16
FENCE = (REF, RUN)


class Head:
    """The head's actor, played by the test."""

    def __init__(self) -> None:
        self.asked: list[tuple[Message, Callable[[object, bool], None]]] = []
        self.forgotten = 0
        self.is_full = False

    def ask_stream(self, message: Message, on_reply: Callable[[object, bool], None]) -> Any:
        if self.is_full:
            on_reply(ActorDeadError("full"), False)
            return self
        self.asked.append((message, on_reply))
        return self

    def forget(self) -> None:
        self.forgotten += 1

    def answer(self, index: int, value: object) -> None:
        self.asked[index][1](value, False)


class Port:
    """The port of the relay: hands its answers back."""

    def __init__(self) -> None:
        me: Any = self
        self.said: list[Message] = []
        self.head = Head()
        self.later: list[object] = []
        self.relay = Relay(self.said.append, me, lambda seconds, message: self.later.append(message))
        self.head_back(again=False)

    def tell(self, message: Answered) -> None:
        self.relay.answered(message)

    def head_back(self, *, again: bool) -> None:
        refs: Any = {"jobs": self.head}
        self.relay.head_back(refs, again=again)

    def ask(self, number: int, message: Message) -> None:
        self.relay.ask(Ask(number, "jobs", msgspec.Raw(encode(message))), [FENCE])


def test_a_call_that_found_no_room_is_made_again_after_another_answer() -> None:
    # Given two calls, of which the connection did not take one
    port = Port()
    port.ask(1, GetInfo())
    port.ask(2, GetJob(REF))
    port.head.answer(1, ActorDeadError("full"))
    assert not port.said
    # When the other one is answered
    port.head.answer(0, Answer(changed=True))
    # Then it is made again, and its answer comes
    assert [message for message, _ in port.head.asked] == [GetInfo(), GetJob(REF), GetJob(REF)]
    port.head.answer(2, Answer(changed=False))
    assert [reply.id for reply in port.said if isinstance(reply, Reply)] == [1, 2]


def test_a_call_that_found_no_room_is_made_again_after_a_while() -> None:
    # Given the only call
    port = Port()
    port.ask(1, GetInfo())
    port.head.answer(0, ActorDeadError("full"))
    # When some time has passed
    assert port.later == [Stuck()]
    port.relay.again()
    # Then
    assert [message for message, _ in port.head.asked] == [GetInfo(), GetInfo()]


def test_open_calls_are_made_again_of_a_head_that_does_not_know_them() -> None:
    port = Port()
    port.ask(1, GetInfo())
    port.head_back(again=True)
    assert len(port.head.asked) == 2
    # An answer to the first is of an earlier stream.
    port.head.answer(0, Answer(changed=True))
    assert not port.said


def test_a_change_without_the_stamp_of_a_run_at_this_worker_is_refused() -> None:
    port = Port()
    port.ask(1, CancelJob(REF))
    port.ask(2, CancelJob(REF, (REF, b"x" * 16)))
    assert [type(message) for message in port.said] == [Failed, Failed]
    assert not port.head.asked


@pytest.mark.parametrize("message", [AddNode("host", 1, FENCE), RemoveNode("n1", FENCE)])
def test_a_job_that_adds_or_removes_nodes_is_told_who_may(message: Message) -> None:
    port = Port()
    port.relay.ask(Ask(1, "nodes", msgspec.Raw(encode(message))), [FENCE])
    (failed,) = port.said
    assert isinstance(failed, Failed)
    assert (failed.code, "in the program that owns the cloud" in failed.text) == ("config", True)


def test_nobody_is_answered_after_the_end_of_the_run_that_asked() -> None:
    port = Port()
    port.ask(1, GetInfo())
    port.relay.close(FENCE)
    assert port.head.forgotten == 1
    port.head.answer(0, Answer(changed=True))
    assert not port.said


def test_calls_keep_their_order_when_the_connection_is_full() -> None:
    # Given a connection that does not take the first call
    port = Port()
    port.head.is_full = True
    port.ask(1, GetInfo())
    # When it has room again, and another one comes before the first is tried again
    port.head.is_full = False
    port.ask(2, GetJob(REF))
    assert not port.head.asked
    port.relay.again()
    # Then
    assert [message for message, _ in port.head.asked] == [GetInfo(), GetJob(REF)]
