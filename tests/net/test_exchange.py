"""The machine in the middle, driven by hand: hostile frames, probes, a head that dials."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.ids import Peer
from actorcloud.base.ports import PeerDown, PeerUp
from actorcloud.net import Close, Desk, Exchange, Gate, NoPins, Open, ReactorOptions, Transmit
from actorcloud.protocol.envelope import PONG, Envelope, encode_envelope
from actorcloud.protocol.handshake import (
    Goodbye,
    Handshake,
    Hello,
    Reject,
    Welcome,
    decode_handshake,
    encode_handshake,
    is_handshake,
)

USER = "local:0"


class Machine:
    """An exchange and what it asked for."""

    def __init__(self, role: str = "head", timeout: float = 15.0) -> None:
        self.desk = Desk()
        options = ReactorOptions(name=role, role=role, incarnation=1, node_timeout=timeout)
        self.exchange = Exchange(options, Gate(NoPins()), random.Random(1), self.desk)

    def say(self, conn: Any, word: Handshake, now: float = 0.0) -> None:
        self.exchange.received(conn, USER, encode_handshake(word), now)

    def words(self) -> list[Handshake]:
        frames = [effect.frame for effect in self.desk.take_effects() if isinstance(effect, Transmit)]
        return [decode_handshake(frame) for frame in frames if is_handshake(frame)]


def hello(incarnation: int, **changes: Any) -> Hello:
    fields: dict[str, Any] = {"proto": (1, 1), "name": "n1", "incarnation": incarnation, "role": "node"}
    return Hello(**fields | changes)


WORDS: list[Handshake] = [
    hello(2),
    hello(3),
    hello(2, head_incarnation=1, rx=1),
    hello(2, role="head"),
    hello(2, proto=(7, 9)),
    Goodbye(),
    Reject(code="fenced", text=""),
    Welcome(proto=1, name="head", incarnation=9, rx=0, resume=False, node_timeout=15.0),
    Welcome(proto=1, name="head", incarnation=9, rx=4, resume=True, node_timeout=15.0),
]

frames = st.one_of(
    st.binary(max_size=60),
    st.builds(
        Envelope,
        st.integers(0, 5) | st.integers(0, 2**63 - 1),
        st.integers(0, 5),
        st.lists(st.binary(max_size=5), max_size=3),
        st.integers(0, 7),
    ).map(encode_envelope),
    st.sampled_from(WORDS).map(encode_handshake),
)


@given(
    role=st.sampled_from(["head", "node"]),
    steps=st.lists(
        st.tuples(st.sampled_from(["frame", "frame", "lost", "wait", "send", "open"]), st.integers(1, 3), frames),
        max_size=40,
    ),
)
def test_nothing_that_a_peer_does_raises(role: str, steps: list[tuple[str, int, bytes]]) -> None:
    """And whoever goes down was up, once."""
    machine = Machine(role)
    now = 0.0
    machine.exchange.dial("there", now)
    up: set[Peer] = set()
    for kind, conn, frame in steps:
        match kind:
            case "frame":
                machine.exchange.received(conn, USER, frame, now)
            case "lost":
                machine.exchange.lost(conn, now)
            case "open":
                machine.exchange.opened(conn, now)
            case "send":
                for peer in up:
                    machine.exchange.send(peer, [frame])
            case _:
                now += 2.5
        machine.exchange.settle(now)
        machine.desk.take_effects()
        for event in machine.desk.take_events():
            if isinstance(event, PeerUp):
                up.add(event.peer)
            elif isinstance(event, PeerDown):
                up.remove(event.peer)
        assert machine.exchange.deadline > now or machine.desk.events == []


def test_knocking_again_does_not_prolong_a_probe() -> None:
    """With a long node_timeout the newcomer gives up and comes back before the probe is over."""
    # Given
    machine = Machine(timeout=60.0)
    machine.say("old", hello(2))
    # When
    for attempt in range(2):
        machine.say(("new", attempt), hello(3), now=4.0 * attempt)
        machine.exchange.settle(4.0 * attempt)
    machine.desk.take_effects()
    machine.exchange.settle(8.5)
    # Then
    assert [type(word) for word in machine.words()] == [Welcome]
    assert [type(event) for event in machine.desk.take_events()] == [PeerUp, PeerDown, PeerUp]


def test_a_second_start_that_knocks_again_and_again_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    machine = Machine()
    machine.say("old", hello(2))
    pong = encode_envelope(Envelope(0, 0, [], PONG))
    # When
    for attempt in range(3):
        machine.say(("new", attempt), hello(3), now=1.0 * attempt)
        machine.exchange.received("old", USER, pong, 1.0 * attempt)
    # Then
    refusals = [word.code for word in machine.words() if isinstance(word, Reject)]
    assert refusals == ["name-taken"] * 3
    assert caplog.text.count("refused a second start of n1") == 1


def test_a_dialled_peer_that_was_let_in_after_a_probe_keeps_its_connection() -> None:
    # Given
    machine = Machine()
    machine.say("old", hello(2))
    machine.exchange.dial("node:1", 0.0)
    machine.exchange.settle(0.0)
    conn = next(effect.conn for effect in machine.desk.take_effects() if isinstance(effect, Open))
    machine.exchange.opened(conn, 0.0)
    # When
    machine.say(conn, hello(3), now=1.0)
    machine.exchange.settle(3.5)
    machine.desk.take_effects()
    for second in range(4, 9):
        machine.exchange.received(conn, USER, encode_envelope(Envelope(0, 0)), float(second))
        machine.exchange.settle(float(second))
    # Then
    assert not [effect for effect in machine.desk.take_effects() if isinstance(effect, Close)]


def test_a_frame_of_another_user_on_a_known_connection_is_not_taken() -> None:
    # Given
    machine = Machine()
    machine.say("conn", hello(2))
    machine.desk.take_events()
    # When
    machine.exchange.received("conn", "local:99", encode_envelope(Envelope(1, 0, [b"x"])), 0.0)
    machine.exchange.received("conn", "local:99", encode_handshake(Goodbye()), 0.0)
    # Then
    assert machine.desk.take_events() == []


def test_protocol_versions_that_do_not_meet_are_named() -> None:
    machine = Machine()
    machine.say("conn", hello(2, proto=(5, 9)))
    (refusal,) = machine.words()
    assert isinstance(refusal, Reject)
    assert (refusal.code, "5 to 9" in refusal.text) == ("proto", True)
