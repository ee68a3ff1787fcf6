"""The roster: nodes that join, are refused, are asked for, and are let go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRef, DynamicSupervisor, debug
from actorcloud.base.errors import ConfigError, HeadUnreachable, NoSuchNode
from actorcloud.base.ids import Peer
from actorcloud.base.ports import CLOSED, LEFT, DialFailed, FromPeer, PeerDown, PeerUp
from actorcloud.jobs import Roster
from actorcloud.jobs.message import Attached, Detached, Ended, Joined, Parted
from actorcloud.jobs.roster import EARLY_LIMIT, REMOVED
from actorcloud.protocol.job import AddNode, NodeAdded, RemoveNode
from actorcloud.protocol.node import DoneJobs, Inventory
from actorcloud.testing import Simulation

ENDPOINT = "tcp://10.0.0.7:7711"
NODE = Peer("n1", 1)


class Keeper(Actor):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if message == "told":
            return self.told
        self.told.append(message)
        return None


class Neighbours:
    """The network, played by the test."""

    def __init__(self, agent: ActorRef[Any]) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._agent = agent

    def ref(self, peer: Peer, name: str) -> ActorRef[Any]:
        return self._agent

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, *args))


class Stage:
    def __init__(self) -> None:
        self.manager = Keeper.start()
        others = {name: Keeper.start() for name in ("scheduler", "store")}
        self.neighbours: Any = Neighbours(Keeper.start())
        actors = {"manager": self.manager, **others}
        self.proxies = DynamicSupervisor.start()
        self.roster = Roster.start(self.neighbours, python="3.11", proxies=self.proxies, actors=actors)  # type: ignore[arg-type]  # fakes

    def running(self) -> list[ActorRef[Any]]:
        """The living proxies."""
        return [info.ref for info in self.proxies.which_children() if info.ref is not None]

    def up(self, peer: Peer = NODE, python: str = "3.11", endpoint: str = "", *, reset: bool = True) -> None:
        self.roster.tell(PeerUp(peer, "node", reset, {"python": python}, endpoint))

    def told(self, kind: type) -> list[Any]:
        return [message for message in self.manager.ask("told") if isinstance(message, kind)]


@pytest.fixture
def sim() -> Iterator[Simulation]:
    with Simulation(1) as sim:
        yield sim


def test_what_a_node_says_goes_through_its_proxy(sim: Simulation) -> None:
    stage = Stage()
    stage.up()
    stage.roster.tell(FromPeer(NODE, Inventory(2, 2, (), ())))
    sim.run(0.1)
    (attached,) = stage.told(Attached)
    assert (attached.node, attached.inventory.slots) == ("n1", 2)
    stage.roster.tell(PeerDown(NODE, "gone", False))
    sim.run(0.1)
    assert [detached.node for detached in stage.told(Detached)] == ["n1"]


@pytest.mark.parametrize(
    ("why", "has_left", "is_meant"),
    [("silent for 15.0 s", False, False), (CLOSED, True, False), (LEFT, True, True), (REMOVED, False, True)],
)
def test_the_manager_hears_why_a_node_is_gone(sim: Simulation, why: str, *, has_left: bool, is_meant: bool) -> None:
    stage = Stage()
    stage.up()
    sim.run(0.1)
    stage.roster.tell(PeerDown(NODE, why, has_left))
    sim.run(0.1)
    (detached,) = stage.told(Detached)
    assert (detached.why, detached.is_meant) == (why, is_meant)


def test_the_words_of_a_stranger_are_dropped(sim: Simulation) -> None:
    stage = Stage()
    stage.roster.tell(FromPeer(Peer("n9", 9), Inventory(2, 2, (), ())))
    sim.run(0.1)
    assert not stage.told(Attached)


def test_a_new_incarnation_takes_the_place_of_the_old_one(sim: Simulation) -> None:
    stage = Stage()
    stage.up()
    stage.up(Peer("n1", 2))
    sim.run(0.1)
    assert len(stage.told(Detached)) == 1


def test_a_node_with_another_python_is_sent_away(sim: Simulation) -> None:
    stage = Stage()
    stage.up(python="3.12")
    sim.run(0.1)
    (verb, peer, text), hung_up = stage.neighbours.calls
    assert (verb, peer) == ("drop", NODE)
    assert hung_up[0] == "hang_up"
    assert "3.11" in text
    assert "3.12" in text


def test_who_asked_for_a_node_hears_when_it_has_joined(sim: Simulation) -> None:
    stage = Stage()
    asked = stage.roster.ask(AddNode("10.0.0.7", 7711), block=False)
    sim.run(0.1)
    assert stage.neighbours.calls == [("dial", ENDPOINT)]
    stage.up(endpoint=ENDPOINT)
    stage.roster.tell(Joined("n1"))
    assert asked.get() == NodeAdded("n1")
    # Whoever asks again hears so at once.
    assert stage.roster.ask(AddNode("10.0.0.7", 7711)) == NodeAdded("n1")


@pytest.mark.parametrize(("code", "error"), [("timeout", HeadUnreachable), ("no-route", NoSuchNode)])
def test_who_asked_for_a_node_that_does_not_answer_hears_why(
    sim: Simulation, code: str, error: type[Exception]
) -> None:
    stage = Stage()
    asked = stage.roster.ask(AddNode("10.0.0.7", 7711), block=False)
    sim.run(0.1)
    stage.roster.tell(DialFailed(ENDPOINT, code, "nobody is there", False))
    with pytest.raises(error, match=r"10\.0\.0\.7:7711: nobody is there"):
        asked.get()
    assert stage.neighbours.calls[-1] == ("hang_up", ENDPOINT)


@pytest.mark.parametrize(
    "request_", [AddNode("10.0.0.7", 0), AddNode("10.0.0.7", 65536), AddNode("10.0.0.7", 1, (b"r" * 16, b"u" * 16))]
)
def test_a_node_that_cannot_be_added_is_refused_at_once(sim: Simulation, request_: AddNode) -> None:
    stage = Stage()
    with pytest.raises(ConfigError):
        stage.roster.ask(request_)
    assert not stage.neighbours.calls


def test_a_removed_node_is_sent_away_and_not_dialled_again(sim: Simulation) -> None:
    stage = Stage()
    stage.up(endpoint=ENDPOINT)
    assert stage.roster.ask(RemoveNode("n1")).changed
    assert [call[0] for call in stage.neighbours.calls] == ["drop", "hang_up"]
    with pytest.raises(NoSuchNode, match="n2"):
        stage.roster.ask(RemoveNode("n2"))


def test_the_link_of_a_proxy_that_crashed_is_reset(sim: Simulation) -> None:
    stage = Stage()
    stage.up()
    sim.run(0.1)
    (proxy,) = stage.running()
    # When
    proxy.kill()
    sim.run(0.1)
    # Then nothing is lost: what the node holds is told by its next inventory
    assert stage.neighbours.calls == [("reset", NODE)]
    assert [parted.proxy for parted in stage.told(Parted)] == [proxy]
    # And what it said before the reset counts for nothing
    stage.roster.tell(FromPeer(NODE, Inventory(1, 1, (), ())))
    stage.up()
    stage.roster.tell(FromPeer(NODE, Inventory(2, 2, (), ())))
    sim.run(0.1)
    (attached,) = stage.told(Attached)
    assert attached.inventory.slots == 2
    assert stage.running() == [attached.proxy]
    assert not stage.told(Detached)


def test_a_node_that_comes_back_before_its_reset_gets_no_proxy_in_the_midst_of_its_words(sim: Simulation) -> None:
    # Given a node whose proxy has crashed, and whose link is not reset yet
    stage = Stage()
    stage.up()
    sim.run(0.1)
    stage.running()[0].kill()
    sim.run(0.1)
    # When it is heard again, on the old link
    stage.up(reset=False)
    stage.roster.tell(FromPeer(NODE, DoneJobs(())))
    sim.run(0.1)
    # Then
    assert stage.running() == []
    assert not stage.told(Ended)
    # And the reset gives it one
    stage.up()
    sim.run(0.1)
    assert len(stage.running()) == 1


@pytest.mark.parametrize("when", ["at once", "while the next starts", "before its inventory"])
def test_a_node_that_goes_down_after_its_proxy_has_crashed_is_lost(when: str, sim: Simulation) -> None:
    # Given
    stage = Stage()
    stage.up()
    stage.roster.tell(FromPeer(NODE, Inventory(2, 2, (), ())))
    sim.run(0.1)
    (proxy,) = stage.running()
    proxy.kill()
    sim.run(0.1)
    # When
    if when != "at once":
        stage.up()
    if when == "before its inventory":
        sim.run(0.1)
        (second,) = stage.running()
        second.kill()
        sim.run(0.1)
    stage.roster.tell(PeerDown(NODE, "gone", False))
    sim.run(0.1)
    # Then the proxy that the manager knows is told of
    assert proxy in [detached.proxy for detached in stage.told(Detached)]
    assert stage.running() == []


def test_what_a_node_says_while_its_proxy_starts_waits_in_order_and_is_bounded(
    sim: Simulation, caplog: pytest.LogCaptureFixture
) -> None:
    # Given a supervisor that starts nothing for now
    stage = Stage()
    debug.suspend(stage.proxies)
    stage.up()
    stage.roster.tell(FromPeer(NODE, Inventory(2, 2, (), ())))
    stage.roster.tell(FromPeer(NODE, DoneJobs(())))
    sim.run(0.1)
    # When
    debug.resume(stage.proxies)
    sim.run(0.1)
    # Then
    assert [type(message) for message in stage.manager.ask("told")] == [Attached, Ended]
    # When another says too much
    debug.suspend(stage.proxies)
    other = Peer("n2", 2)
    stage.up(other)
    for _ in range(EARLY_LIMIT + 1):
        stage.roster.tell(FromPeer(other, Inventory(2, 2, (), ())))
    sim.run(0.1)
    # Then
    assert stage.neighbours.calls == [("reset", other)]
    assert "its link is reset, and it says again what it holds" in caplog.text
    debug.resume(stage.proxies)
    sim.run(0.1)
    assert len(stage.running()) == 1
