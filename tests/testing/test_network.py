"""The simulated network, and with it the sessions that the reactor runs too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import AddressInUse, MessageTooLarge
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, PeerDown, PeerSuspect, PeerUp, Received, TransportEvent
from actorcloud.net import LinkLimits
from actorcloud.testing.network import SimNetwork, SimTransport
from tests.testing.virtual import VirtualWorld

HEAD = Peer("head", 1)
NODE = Peer("n1", 2)


class Log:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.events: list[TransportEvent] = []

    def __call__(self, event: TransportEvent) -> None:
        self.events.append(event)

    def take(self) -> list[TransportEvent]:
        events, self.events = self.events, []
        return events

    @property
    def messages(self) -> list[bytes]:
        return [message for event in self.events if isinstance(event, Received) for message in event.messages]

    @property
    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class Pair:
    """A head and a node that are connected."""

    def __init__(self, seed: int = 0, limits: LinkLimits | None = None) -> None:
        self.world = VirtualWorld(seed)
        self.network = SimNetwork(self.world)
        self.limits = limits
        self.head_log, self.node_log = Log(), Log()
        self.head = self.start_head(1)
        self.node = self.start_node(2)
        self.world.run(1)

    def start_head(self, incarnation: int) -> SimTransport:
        head = self.network.transport("head", "head", incarnation, listen=("head:7710",), limits=self.limits)
        head.start(self.head_log)
        return head

    def start_node(self, incarnation: int) -> SimTransport:
        node = self.network.transport("n1", "node", incarnation, facts={"cpus": "2"}, limits=self.limits)
        node.start(self.node_log)
        node.dial("head:7710")
        return node

    def forget(self) -> None:
        self.head_log.take()
        self.node_log.take()


def test_a_peer_that_says_hello_is_up_on_both_sides_with_its_facts() -> None:
    # When
    pair = Pair()
    # Then
    assert pair.head_log.events == [PeerUp(NODE, "node", reset=True, facts={"cpus": "2"})]
    assert pair.node_log.events == [PeerUp(HEAD, "head", reset=True, facts={}, endpoint="head:7710")]


def test_messages_arrive_in_order_and_whole_however_large() -> None:
    # Given
    pair = Pair()
    messages = [b"small", b"L" * 1_000_000, b"", b"M" * 300_000, b"last"]
    # When
    assert pair.head.send(NODE, messages)
    pair.world.run(5)
    # Then
    assert messages == pair.node_log.messages


def test_a_cut_loses_nothing_and_repeats_nothing() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.node.send(HEAD, [b"1", b"2"])
    pair.world.run(0.0001)
    pair.network.cut("head", "n1")
    pair.node.send(HEAD, [b"3"])
    pair.world.run(3)
    # Then
    assert pair.head_log.messages == [b"1", b"2", b"3"]
    assert pair.head_log.events[0] == PeerSuspect(NODE)
    assert PeerUp(NODE, "node", reset=False, facts={"cpus": "2"}) in pair.head_log.events


def test_a_short_partition_is_survived() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.network.partition("head", "n1")
    assert pair.head.send(NODE, [b"held"])
    pair.world.run(10)
    pair.network.heal("head", "n1")
    pair.world.run(6)
    # Then
    assert pair.node_log.messages == [b"held"]
    assert "PeerDown" not in pair.node_log.kinds + pair.head_log.kinds


def test_a_lease_ends_at_the_peer_before_it_ends_at_the_head_and_the_late_one_is_fenced() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.network.partition("head", "n1")
    pair.world.run(18)
    # Then the node has stopped, the head still waits
    assert "PeerDown" in pair.node_log.kinds
    assert "PeerDown" not in pair.head_log.kinds
    # When
    pair.world.run(5)
    pair.network.heal()
    pair.world.run(10)
    # Then
    assert pair.head_log.kinds == ["PeerSuspect", "PeerDown"]
    final = [event for event in pair.node_log.events if isinstance(event, DialFailed) and event.final]
    assert [event.code for event in final] == ["fenced"]
    assert not pair.head.send(NODE, [b"x"])


def test_a_new_start_replaces_the_crashed_one() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.network.crash("n1")
    pair.start_node(3)
    pair.world.run(3)
    # Then
    assert pair.head_log.kinds == ["PeerSuspect", "PeerDown", "PeerUp"]
    assert pair.head_log.events[-1] == PeerUp(Peer("n1", 3), "node", reset=True, facts={"cpus": "2"})


def test_a_new_start_replaces_a_silent_one_after_a_probe() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When the machine lost its power, and nobody was told
    pair.network.crash("n1", silent=True)
    pair.start_node(3)
    pair.world.run(4)
    # Then
    assert pair.head_log.kinds[-2:] == ["PeerDown", "PeerUp"]


def test_a_second_peer_of_a_living_name_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    pair = Pair()
    pair.forget()
    intruder_log = Log()
    pair.network._transports.pop("n1")  # so that the network does not crash the first one
    intruder = pair.network.transport("n1", "node", 99)
    # When
    intruder.start(intruder_log)
    intruder.dial("head:7710")
    pair.world.run(60)
    # Then
    assert {event.code for event in intruder_log.events if isinstance(event, DialFailed)} == {"name-taken"}
    assert pair.head_log.events == []
    said = [message for message in caplog.messages if "refused us" in message]
    assert "give this one another --name" in said[0]
    assert len(said) <= 3


def test_a_restarted_head_is_a_new_peer_and_its_nodes_come_back() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.network.crash("head")
    pair.start_head(7)
    pair.world.run(3)
    # Then
    assert pair.node_log.kinds == ["PeerSuspect", "PeerDown", "PeerUp"]
    assert pair.node_log.events[-1] == PeerUp(Peer("head", 7), "head", reset=True, facts={}, endpoint="head:7710")


def test_goodbye_is_known_at_once() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.node.send(HEAD, [b"last words"])
    pair.node.close()
    pair.world.run(0.1)
    # Then
    assert pair.head_log.messages == [b"last words"]
    assert pair.head_log.kinds == ["Received", "PeerDown"]


def test_reset_starts_the_stream_anew_on_both_sides() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.head.reset(NODE)
    assert not pair.head.send(NODE, [b"to a stream that is gone"])
    pair.world.run(2)
    # Then
    assert pair.head_log.events[-1] == PeerUp(NODE, "node", reset=True, facts={"cpus": "2"})
    assert pair.node_log.events[-1] == PeerUp(HEAD, "head", reset=True, facts={}, endpoint="head:7710")
    assert pair.head.send(NODE, [b"new"])
    pair.world.run(1)
    assert pair.node_log.messages == [b"new"]


def test_a_dropped_peer_is_down_and_stays_out() -> None:
    # Given
    pair = Pair()
    pair.forget()
    # When
    pair.head.drop(NODE, "removed")
    pair.world.run(5)
    # Then
    assert pair.head_log.events == [PeerDown(NODE, "removed")]
    assert pair.node_log.events[0] == PeerDown(HEAD, "removed", has_left=True)
    assert pair.node_log.events[-1].final  # type: ignore[union-attr]  # a DialFailed


def test_the_head_can_dial_a_waiting_node() -> None:
    # Given
    pair = Pair()
    pair.forget()
    log = Log()
    node = pair.network.transport("n2", "node", 5, listen=("n2:7711",))
    node.start(log)
    # When
    pair.head.dial("n2:7711")
    pair.world.run(1)
    pair.network.cut("head", "n2")
    pair.world.run(2)
    pair.head.hang_up("n2:7711")
    pair.world.run(1)
    # Then
    assert log.kinds == ["PeerUp", "PeerSuspect", "PeerUp", "PeerDown"]
    assert pair.head_log.kinds == ["PeerUp", "PeerSuspect", "PeerUp", "PeerDown"]


def test_nobody_at_an_endpoint_is_told_and_tried_again() -> None:
    # Given
    world = VirtualWorld()
    log = Log()
    lonely = SimNetwork(world).transport("n1", "node", 2)
    lonely.start(log)
    # When
    lonely.dial("nowhere:1")
    world.run(30)
    # Then: the back-off has a limit of 5 s, and full jitter
    codes = [event.code for event in log.events if isinstance(event, DialFailed)]
    assert set(codes) == {"no-route"}
    assert 8 <= len(codes) <= 40


def test_a_full_outbox_refuses_and_takes_again_after_the_acks() -> None:
    # Given
    pair = Pair(limits=LinkLimits(outbox_bytes=20_000_000, outbox_records=10))
    pair.network.partition("head", "n1")
    # When
    taken = [pair.head.send(NODE, [b"%d" % number]) for number in range(12)]
    # Then
    assert taken == [True] * 10 + [False] * 2
    # When
    pair.network.heal()
    pair.world.run(2)
    # Then
    assert pair.head.send(NODE, [b"again"])


def test_a_message_beyond_the_limit_is_the_senders_error() -> None:
    pair = Pair()
    with pytest.raises(MessageTooLarge, match="larger than"):
        pair.head.send(NODE, [b"x" * (17 * 1024 * 1024)])


def test_two_heads_cannot_have_one_endpoint() -> None:
    pair = Pair()
    other = pair.network.transport("head2", "head", 4, listen=("head:7710",))
    with pytest.raises(AddressInUse, match="in use by head"):
        other.start(Log())


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[str]:
        pair = Pair(seed=5)
        pair.network.cut("head", "n1")
        pair.world.run(20)
        return [repr(event) for event in pair.head_log.events]

    assert run() == run()


@given(
    seed=st.integers(0, 2**32),
    steps=st.lists(
        st.sampled_from(["send", "send", "big", "cut", "partition", "heal", "wait", "long"]), min_size=5, max_size=60
    ),
)
def test_whatever_happens_each_stream_is_a_prefix_without_gap_or_repeat(seed: int, steps: list[str]) -> None:
    """After a reset a new prefix begins; once healed, all that was taken on a stream arrives."""
    # Given
    pair = Pair(seed)
    pair.forget()
    sent: list[bytes] = []
    # When
    for step in steps:
        match step:
            case "send" | "big":
                message = b"%d" % len(sent) + (b"x" * 700_000 if step == "big" else b"")
                if pair.node.send(HEAD, [message]):
                    sent.append(message)
            case "cut":
                pair.network.cut("head", "n1")
            case "partition":
                pair.network.partition("head", "n1")
            case "heal":
                pair.network.heal()
            case "wait":
                pair.world.run(pair.world.random.random())
            case _:
                pair.world.run(4)
    pair.network.heal()
    pair.world.run(30)
    # Then
    got = pair.head_log.messages
    is_reset = any(isinstance(event, PeerUp) and event.reset for event in pair.head_log.events)
    is_down = "PeerDown" in pair.head_log.kinds + pair.node_log.kinds
    if not is_reset and not is_down:
        assert sent == got
    else:
        positions = [sent.index(message) for message in got]
        assert positions == sorted(set(positions))
