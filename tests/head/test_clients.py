"""Who uses a private head: it ends when the last client has left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef, System
from actorcloud.base.ids import Peer
from actorcloud.base.ports import PeerDown, PeerSuspect, PeerUp
from actorcloud.head import clients as clients_module
from actorcloud.head.clients import Clients, ProcessLife

ANNA, BERT = Peer("anna", 1), Peer("bert", 2)


class FakeLife:
    """The life of a process that ends when the test says so."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.has_ended = False
        self.is_closed = False
        lives[pid] = self

    def is_over(self) -> bool:
        return self.has_ended

    def close(self) -> None:
        self.is_closed = True


lives: dict[int, FakeLife] = {}


@pytest.fixture
def ended() -> threading.Event:
    return threading.Event()


@pytest.fixture
def clients(ended: threading.Event, monkeypatch: pytest.MonkeyPatch) -> Iterator[ActorRef[Clients]]:
    monkeypatch.setattr(clients_module, "LOOK_EVERY", 0.01)
    lives.clear()
    with System(name="head") as system, system.activate():
        with_gateway(system)
        yield Clients.start(ended.set, system.named("gateway"), FakeLife)


class Gateway(Actor):
    """Only its life counts here."""


def with_gateway(system: System) -> ActorRef[Gateway]:
    with system.activate():
        return Gateway.options(name="gateway").start()


def up(peer: Peer, pid: int) -> PeerUp:
    return PeerUp(peer, "client", True, {"pid": str(pid)})


def settle(clients: ActorRef[Clients]) -> None:
    """Return when all that was told has been handled."""
    clients.ask(None)


def test_a_goodbye_of_the_last_client_ends_the_head(clients: ActorRef[Clients], ended: threading.Event) -> None:
    # Given
    for message in (up(ANNA, 1), up(BERT, 2), PeerDown(ANNA, "it was closed", has_left=True)):
        clients.tell(message)
    settle(clients)
    assert not ended.is_set()
    # When
    clients.tell(PeerDown(BERT, "it was closed", has_left=True))
    # Then
    assert ended.wait(60)
    assert all(life.is_closed for life in lives.values())


def test_a_client_that_does_not_answer_is_a_client_as_long_as_its_process_lives(
    clients: ActorRef[Clients], ended: threading.Event
) -> None:
    # Given
    for message in (up(ANNA, 1), PeerSuspect(ANNA), PeerDown(ANNA, "its lease ended")):
        clients.tell(message)
    assert not ended.wait(0.1)
    # When
    lives[1].has_ended = True
    # Then
    assert ended.wait(60)


def test_a_client_that_comes_back_is_here(clients: ActorRef[Clients], ended: threading.Event) -> None:
    # Given
    for message in (up(ANNA, 1), PeerSuspect(ANNA), up(ANNA, 1)):
        clients.tell(message)
    settle(clients)
    # When
    lives[1].has_ended = True
    # Then: only who is away is looked after
    assert not ended.wait(0.1)


def test_a_client_that_died_while_the_gateway_restarted_is_missed(
    clients: ActorRef[Clients], ended: threading.Event
) -> None:
    # Given two clients, and a gateway that ends
    system: Any = clients._cell.system
    for message in (up(ANNA, 1), up(BERT, 2)):
        clients.tell(message)
    settle(clients)
    system.lookup("gateway").stop()
    with_gateway(system)
    # When one is back, and the other never will be
    clients.tell(up(BERT, 2))
    settle(clients)
    lives[1].has_ended = True
    assert not ended.wait(0.1)
    # Then the head ends with the last
    clients.tell(PeerDown(BERT, "it was closed", has_left=True))
    assert ended.wait(60)


@pytest.mark.parametrize("pid", ["", "x", "-1", "1" * 5000])
def test_what_a_client_says_of_its_process_need_not_be_a_number(
    clients: ActorRef[Clients], ended: threading.Event, pid: str
) -> None:
    clients.tell(PeerUp(ANNA, "client", True, {"pid": pid}))
    settle(clients)
    assert list(lives) == [0]


def test_nodes_are_no_clients(clients: ActorRef[Clients], ended: threading.Event) -> None:
    clients.tell(PeerUp(BERT, "node", True, {}))
    clients.tell(PeerDown(BERT, "it was closed", has_left=True))
    settle(clients)
    assert not ended.is_set()
    assert lives == {}


def test_the_life_of_a_process_is_over_before_anybody_has_buried_it() -> None:
    # Given
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    life = ProcessLife(process.pid)
    try:
        assert not life.is_over()
        # When
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        # Then
        assert life.is_over()
    finally:
        life.close()
        process.communicate()
    assert ProcessLife(process.pid).is_over()
    assert ProcessLife(0).is_over()
