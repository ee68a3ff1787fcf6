"""The link: order, acks, windows and resume, over a pipe that breaks."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actorcloud.base.errors import ConfigError, MessageTooLarge, WireError
from actorcloud.net.link import Link, LinkLimits
from actorcloud.protocol.envelope import Envelope

SMALL = LinkLimits(
    outbox_bytes=4000,
    outbox_records=30,
    message_bytes=1000,
    fragment_bytes=50,
    envelope_bytes=100,
    window_bytes=300,
    window_envelopes=4,
)


def test_a_message_of_many_fragments_arrives_whole() -> None:
    # Given
    sender, receiver = Link(SMALL), Link(SMALL)
    message = bytes(range(256)) * 3
    # When
    assert sender.offer([b"before", message, b"after"])
    got: list[bytes] = []
    for _ in range(20):
        while (envelope := sender.next_envelope()) is not None:
            got += receiver.receive(envelope)
        sender.receive(Envelope(0, receiver.take_ack()))
    # Then
    assert got == [b"before", message, b"after"]
    assert sender.is_drained


def test_the_window_stops_the_sender_until_acks_come() -> None:
    # Given
    sender = Link(SMALL)
    sender.offer([b"x" * 900])
    # When
    sent = 0
    while (envelope := sender.next_envelope()) is not None:
        sent += sum(map(len, envelope.records))
    # Then
    assert sent == SMALL.window_envelopes * SMALL.fragment_bytes
    assert sender.has_unsent


def test_a_gap_is_an_error() -> None:
    with pytest.raises(WireError, match="a gap"):
        Link(SMALL).receive(Envelope(2, 0, [b"second"]))


def test_an_ack_of_what_was_never_sent_is_an_error() -> None:
    with pytest.raises(WireError, match="was the last sent"):
        Link(SMALL).receive(Envelope(0, 5))


def test_a_message_without_end_is_an_error() -> None:
    receiver = Link(SMALL)
    for number in range(1, 21):
        receiver.receive(Envelope(number, 0, [b"x" * 50], 1))
    with pytest.raises(WireError, match="under way"):
        receiver.receive(Envelope(21, 0, [b"x" * 50], 1))


def test_all_of_a_batch_is_taken_or_none() -> None:
    # Given
    link = Link(SMALL)
    # When
    taken = link.offer([b"x"] * 31)
    # Then
    assert not taken
    assert link.is_drained


def test_a_message_that_can_never_travel_is_refused() -> None:
    with pytest.raises(MessageTooLarge, match="1001 bytes is larger than 1000"):
        Link(SMALL).offer([b"x" * 1001])


@pytest.mark.parametrize("wrong", [{"window_bytes": 0}, {"fragment_bytes": 1 << 20}, {"message_bytes": 1 << 40}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LinkLimits(**wrong)


class LossyPipe(RuleBasedStateMachine):
    """Two links over a connection that may break at any time, with whatever is in flight."""

    def __init__(self) -> None:
        super().__init__()
        self.links = [Link(SMALL), Link(SMALL)]
        self.wires: list[deque[Envelope]] = [deque(), deque()]
        self.sent: list[list[bytes]] = [[], []]
        self.got: list[list[bytes]] = [[], []]
        self.is_connected = True

    @rule(side=st.sampled_from([0, 1]), sizes=st.lists(st.integers(0, 200), min_size=1, max_size=5))
    def offer(self, side: int, sizes: list[int]) -> None:
        messages = [b"%d:" % (len(self.sent[side]) + index) + b"x" * size for index, size in enumerate(sizes)]
        if self.links[side].offer(messages):
            self.sent[side] += messages

    @precondition(lambda self: self.is_connected)
    @rule(side=st.sampled_from([0, 1]))
    def transmit(self, side: int) -> None:
        envelope = self.links[side].next_envelope() or Envelope(0, self.links[side].take_ack())
        self.wires[1 - side].append(envelope)

    @precondition(lambda self: self.is_connected)
    @rule(side=st.sampled_from([0, 1]))
    def deliver(self, side: int) -> None:
        if self.wires[side]:
            self.got[side] += self.links[side].receive(self.wires[side].popleft())

    @precondition(lambda self: self.is_connected)
    @rule()
    def disconnect(self) -> None:
        self.is_connected = False
        for side in (0, 1):
            self.wires[side].clear()
            self.links[side].disconnected()

    @precondition(lambda self: not self.is_connected)
    @rule()
    def reconnect(self) -> None:
        first, second = self.links
        rx = first.rx, second.rx
        assert first.can_resume(rx[1])
        assert second.can_resume(rx[0])
        first.resume(rx[1])
        second.resume(rx[0])
        self.is_connected = True

    @invariant()
    def what_arrived_is_a_prefix_of_what_was_sent(self) -> None:
        for side in (0, 1):
            assert self.got[side] == self.sent[1 - side][: len(self.got[side])]

    @invariant()
    def the_outbox_is_bounded(self) -> None:
        for link in self.links:
            assert link._outbox_bytes <= SMALL.outbox_bytes
            assert link._outbox_bytes == sum(len(data) for data, _ in (*link._unacked, *link._unsent))
            assert len(link._unacked) + len(link._unsent) <= SMALL.outbox_records

    def teardown(self) -> None:
        """Once healed, everything arrives."""
        if not self.is_connected:
            self.reconnect()
        for _ in range(500):
            for side in (0, 1):
                self.transmit(side)
            for side in (0, 1):
                while self.wires[side]:
                    self.deliver(side)
        assert self.got[0] == self.sent[1]
        assert self.got[1] == self.sent[0]
        assert all(link.is_drained for link in self.links)


LossyPipe.TestCase.settings = settings(stateful_step_count=40, deadline=None)
TestLossyPipe = LossyPipe.TestCase
