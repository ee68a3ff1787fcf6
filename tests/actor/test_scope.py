"""Scopes on several peers, which are systems of one simulation here: block F of the conformance list."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import ActorRef, Down, DownSignal, Joined, Left, System, groups
from actorcloud.actor.group.overlay import PeerUp
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import Probe, log, run


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


@pytest.fixture(params=range(5))
def sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    with Simulation(seed=request.param) as sim:
        yield sim


class Peer:
    """A system with a scope, and how others are told of it, as the network will."""

    def __init__(self, sim: Simulation, name: str, *, runs_scope: bool = True) -> None:
        self._sim = sim
        self.system: System = sim.system(name)
        if runs_scope:
            self.start()

    def start(self) -> None:
        with self.system.activate():
            groups.start()

    @property
    def scope(self) -> ActorRef[Any]:
        return self.system.lookup(groups.SCOPE_DEFAULT)

    def actor(self) -> ActorRef[Any]:
        return Probe.options(system=self.system).start()

    def meet(self, *others: Peer) -> None:
        """Tell both of each pair that the other can be reached."""
        for other in others:
            for here, there in ((self, other), (other, self)):
                if here.system.whereis(groups.SCOPE_DEFAULT) is not None:
                    here.scope.tell(PeerUp(there.system.named(groups.SCOPE_DEFAULT)))
        self.settle()

    def lose(self, *others: Peer) -> None:
        """Tell both of each pair that the other is lost; nothing is under way."""
        for other in others:
            for here, there in ((self, other), (other, self)):
                ref = here.scope._cell.actor._watched[there.scope]
                here.scope.signal(DownSignal(Down(ref, there.scope, ExitReason.NOCONNECTION)))
        self.settle()

    def settle(self) -> None:
        self._sim.run_idle()

    def join(self, group: str, *refs: ActorRef[Any]) -> None:
        with self.system.activate():
            groups.join(group, refs)
        self.settle()

    def leave(self, group: str, *refs: ActorRef[Any]) -> bool:
        with self.system.activate():
            left = groups.leave(group, refs)
        self.settle()
        return left

    def end(self, ref: ActorRef[Any]) -> None:
        ref.kill()
        self.settle()

    def seen(self, group: str = "g") -> list[ActorRef[Any]]:
        with self.system.activate():
            return sorted(groups.members(group))

    def local(self, group: str = "g") -> list[ActorRef[Any]]:
        with self.system.activate():
            return sorted(groups.local_members(group))


@pytest.mark.case(297, 303)
def test_two_peers_agree_and_tell_their_own_members_apart(sim: Simulation) -> None:
    # Given
    a, b = Peer(sim, "a"), Peer(sim, "b")
    a.meet(b)
    mine, theirs, mortal = a.actor(), b.actor(), b.actor()
    # When
    a.join("g", mine)
    b.join("g", theirs, theirs, mortal)
    # Then
    assert a.seen() == b.seen() == sorted([mine, theirs, theirs, mortal])
    assert (a.local(), b.local()) == ([mine], sorted([theirs, theirs, mortal]))
    # When
    b.end(mortal)
    # Then
    assert a.seen() == b.seen() == sorted([mine, theirs, theirs])
    # When only a remote group is left
    b.join("h", theirs, theirs)
    assert (a.seen("h"), a.local("h")) == ([theirs, theirs], [])


@pytest.mark.case(298, 304)
def test_a_peer_that_comes_later_learns_what_there_is(sim: Simulation) -> None:
    # Given a member, joined once more before the other comes
    a = Peer(sim, "a")
    mine = a.actor()
    a.join("g", mine)
    a.join("g", mine)
    # When
    b = Peer(sim, "b")
    a.meet(b)
    # Then
    assert a.seen() == b.seen() == [mine, mine]
    a.end(mine)
    assert a.seen() == b.seen() == []


@pytest.mark.case(305)
def test_a_restarted_scope_knows_the_members_of_others_only(sim: Simulation) -> None:
    # Given
    a, b = Peer(sim, "a"), Peer(sim, "b")
    a.meet(b)
    mine, theirs = a.actor(), b.actor()
    a.join("g", mine)
    b.join("g", theirs)
    # When
    a.scope.kill()
    a.settle()
    assert b.seen() == [theirs]
    a.start()
    a.meet(b)
    # Then
    assert a.seen() == b.seen() == [theirs]


@pytest.mark.case(308)
def test_a_scope_without_peers_starts_and_stops(sim: Simulation) -> None:
    a, b = Peer(sim, "a"), Peer(sim, "b", runs_scope=False)
    a.meet(b)
    assert (a.seen(), b.seen()) == ([], [])
    b.start()
    assert a.scope.stop()
    assert a.seen() == []


@pytest.mark.case(299, 301)
def test_a_connection_is_lost_and_found(sim: Simulation) -> None:
    # Given
    a, b = Peer(sim, "a"), Peer(sim, "b")
    a.meet(b)
    stays, leaves, dies, far = a.actor(), a.actor(), a.actor(), b.actor()
    a.join("g", stays, leaves, dies)
    b.join("g", far)
    # When
    a.lose(b)
    assert (a.seen(), b.seen()) == (sorted([stays, leaves, dies]), [far])
    a.leave("g", leaves)
    a.end(dies)
    late = b.actor()
    b.join("g", late)
    a.meet(b)
    # Then
    assert a.seen() == b.seen() == sorted([stays, far, late])
    assert not a.leave("g", leaves)


@pytest.mark.case(312)
def test_watchers_on_both_peers_hear_of_all_changes(sim: Simulation) -> None:
    # Given
    a, b = Peer(sim, "a"), Peer(sim, "b")
    a.meet(b)
    far = b.actor()
    here, there = a.actor(), b.actor()
    refs = [run(watcher, lambda _: groups.monitor_scope()[0]) for watcher in (here, there)]
    # When
    b.join("g", far, far)
    b.leave("g", far)
    # Then
    for watcher, ref in zip((here, there), refs, strict=True):
        assert log(watcher, 2) == [Joined(ref, "g", (far, far)), Left(ref, "g", (far,))]
    # When the connection is lost
    a.lose(b)
    # Then only the other side has lost members
    assert log(here, 3)[2] == Left(refs[0], "g", (far,))
    there.tell("end")
    assert log(there, 3)[2] == "end"
