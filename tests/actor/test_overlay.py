"""What scopes know of each other, while messages pass, peers are lost and found: block F of the conformance list."""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor.group.overlay import (
    Changed,
    Discover,
    Effect,
    Event,
    Join,
    Leave,
    MemberDown,
    Overlay,
    PeerDown,
    PeerJoined,
    PeerLeft,
    PeerUp,
    Send,
    Sync,
    Unwatch,
    Watch,
)
from actorcloud.actor.group.roll import Roll


class Net:
    """Scopes that exchange messages in memory, in order between any two, over connections that are cut and healed."""

    def __init__(self, *names: str) -> None:
        self.scopes = {name: Overlay(name) for name in names}
        self.cuts: set[frozenset[str]] = set()
        self.wires: dict[tuple[str, str], deque[Any]] = {}
        #: What those who monitor a scope were told, added up.
        self.told: dict[str, Counter[Any]] = {name: Counter() for name in names}
        self.watched: dict[str, set[Any]] = {name: set() for name in names}
        for pair in itertools.combinations(names, 2):
            self.heal(*pair)

    def happen(self, name: str, event: Event) -> list[Effect]:
        scope = self.scopes[name]
        effects = scope.handle(event)
        for effect in effects:
            self._perform(name, effect)
        return effects

    def _perform(self, name: str, effect: Effect) -> None:
        match effect:
            case Send(to, message):
                if not self.is_cut(name, to):
                    self.wires.setdefault((name, to), deque()).append(message)
            case Watch(ref, is_scope):
                self.watched[name].add(ref)
                if is_scope and self.is_cut(name, ref):
                    self._lose(name, ref)
            case Unwatch(ref):
                self.watched[name].remove(ref)
            case Changed(kind, group, refs):
                counts = Counter((group, ref) for ref in refs)
                if kind == "join":
                    self.told[name] += counts
                else:
                    assert counts <= self.told[name], "told of leaving who never joined"
                    self.told[name] -= counts

    def is_cut(self, a: str, b: str) -> bool:
        return frozenset((a, b)) in self.cuts

    def cut(self, a: str, b: str) -> None:
        """Lose a connection, and what is under way on it."""
        self.cuts.add(frozenset((a, b)))
        self.wires.pop((a, b), None)
        self.wires.pop((b, a), None)
        self._lose(a, b)
        self._lose(b, a)

    def _lose(self, name: str, other: str) -> None:
        if other in self.watched[name]:
            self.watched[name].remove(other)
            self.happen(name, PeerDown(other))

    def heal(self, a: str, b: str) -> None:
        self.cuts.discard(frozenset((a, b)))
        self.happen(a, PeerUp(b))
        self.happen(b, PeerUp(a))

    def deliver(self, a: str, b: str) -> None:
        wire = self.wires.get((a, b))
        if wire:
            self.happen(b, wire.popleft())

    def settle(self) -> None:
        """Deliver all that is under way."""
        while any(self.wires.values()):
            for pair in list(self.wires):
                self.deliver(*pair)

    def join(self, name: str, group: Any, *refs: Any) -> None:
        self.happen(name, Join(group, refs))

    def leave(self, name: str, group: Any, *refs: Any) -> bool:
        return any(isinstance(effect, Changed) for effect in self.happen(name, Leave(group, refs)))

    def end(self, name: str, ref: Any) -> None:
        if ref in self.watched[name]:
            self.watched[name].remove(ref)
            self.happen(name, MemberDown(ref))

    def seen(self, name: str, group: Any = "g") -> list[Any]:
        return sorted(self.scopes[name].all.members(group))

    def check(self) -> None:
        """Assert what holds at any moment."""
        for name, scope in self.scopes.items():
            everyone = Counter(_entries(scope.local))
            for roll in scope.peers.values():
                everyone += Counter(_entries(roll))
            assert Counter(_entries(scope.all)) == everyone == self.told[name]
            locals_ = {ref for _, ref in _entries(scope.local)}
            assert self.watched[name] == locals_ | set(scope.peers)


def _entries(roll: Roll) -> list[tuple[Any, Any]]:
    return [(group, ref) for group, refs in roll.all().items() for ref in refs]


NAMES = ("a", "b", "c")
PAIRS = list(itertools.permutations(NAMES, 2))
MEMBERS = st.tuples(st.sampled_from(NAMES), st.integers(1, 3)).map(lambda pair: (pair[0], f"{pair[0]}{pair[1]}"))
GROUPS = st.sampled_from(["g", "h"])
STEPS = st.lists(
    st.tuples(st.just("join"), MEMBERS, GROUPS)
    | st.tuples(st.just("leave"), MEMBERS, GROUPS)
    | st.tuples(st.just("end"), MEMBERS)
    | st.tuples(st.sampled_from(["cut", "heal", "deliver", "deliver", "deliver"]), st.sampled_from(PAIRS)),
    max_size=40,
)


@given(STEPS)
def test_all_agree_once_they_are_connected_and_all_has_arrived(steps: list[Any]) -> None:
    net = Net(*NAMES)
    for verb, subject, *rest in steps:
        match verb:
            case "join":
                net.join(subject[0], rest[0], subject[1])
            case "leave":
                net.leave(subject[0], rest[0], subject[1])
            case "end":
                net.end(*subject)
            case "cut" | "heal" | "deliver":
                getattr(net, verb)(*subject)
        net.check()
    for pair in itertools.combinations(NAMES, 2):
        net.heal(*pair)
    net.settle()
    net.check()
    everyone = Counter(entry for scope in net.scopes.values() for entry in _entries(scope.local))
    for scope in net.scopes.values():
        assert Counter(_entries(scope.all)) == everyone


@pytest.mark.case(293)
def test_the_own_node_is_no_peer() -> None:
    scope = Overlay("me")
    for event in (PeerUp("me"), Discover("me"), Sync("me", {"g": ("x",)})):
        assert scope.handle(event) == []
    assert (scope.peers, scope.all.all()) == ({}, {})


@pytest.mark.case(295)
def test_a_peer_that_is_not_known_is_ignored() -> None:
    scope = Overlay("me")
    assert scope.handle(PeerJoined("other", {"g": ("x",)})) == []
    assert scope.handle(PeerLeft("other", {"g": ("x",)})) == []
    assert scope.handle(PeerDown("other")) == []
    assert scope.all.all() == {}


@pytest.mark.case(296)
def test_a_herd_of_peers_is_taken_in_quickly() -> None:
    def meet(groups: int) -> tuple[Overlay, float]:
        # Given so many groups
        scope = Overlay("me")
        for number in range(groups):
            scope.handle(Join(number, (f"member {number}",)))
        # When many peers come and say what they have
        begun = time.process_time()
        for number in range(2_000):
            scope.handle(Sync(f"peer {number}", {number: (f"far {number}",)}))
        return scope, time.process_time() - begun

    # Then that takes no longer with as many groups as a large program has
    _, few = meet(100)
    scope, many = meet(10_000)
    assert many < 10 * max(few, 0.02)
    # And a join is told to each of them once
    effects = scope.handle(Join("g", ("x",)))
    assert sum(isinstance(effect, Send) for effect in effects) == 2_000
    assert set(scope.all.members(7)) == {"member 7", "far 7"}


@pytest.mark.case(298)
def test_who_is_discovered_discovers_back() -> None:
    # Given two of which only one has heard that the other can be reached
    net = Net("a", "b")
    net.cut("a", "b")
    net.join("a", "g", "a1")
    net.join("b", "g", "b1")
    net.cuts.clear()
    # When
    net.happen("a", PeerUp("b"))
    net.settle()
    # Then both know each other, and hear of what comes
    assert net.seen("a") == net.seen("b") == ["a1", "b1"]
    net.join("a", "g", "a2")
    net.settle()
    assert net.seen("b") == ["a1", "a2", "b1"]
    net.check()


@pytest.mark.case(299)
def test_after_a_split_both_sides_see_the_union() -> None:
    # Given
    net = Net("a", "b")
    net.join("a", "g", "a1", "a2")
    net.join("b", "g", "b1")
    net.settle()
    # When they are apart, each changes, one moves
    net.cut("a", "b")
    assert (net.seen("a"), net.seen("b")) == (["a1", "a2"], ["b1"])
    net.leave("a", "g", "a1")
    net.join("a", "h", "a1")
    net.join("b", "g", "b2")
    net.heal("a", "b")
    net.settle()
    # Then
    for name in ("a", "b"):
        assert net.seen(name) == ["a2", "b1", "b2"]
        assert net.seen(name, "h") == ["a1"]


@pytest.mark.case(300)
def test_a_third_sees_all_although_the_others_were_apart() -> None:
    net = Net("a", "b", "c")
    net.cut("a", "c")
    net.cut("b", "c")
    net.join("a", "g", "a1")
    net.join("b", "g", "b1")
    net.cut("a", "b")
    net.heal("a", "b")
    net.heal("a", "c")
    net.heal("b", "c")
    net.settle()
    assert [net.seen(name) for name in "abc"] == [["a1", "b1"]] * 3


@pytest.mark.case(301)
def test_nobody_stays_who_left_or_ended_around_a_split() -> None:
    net = Net("a", "b", "c", "d")
    net.join("a", "g", "a1", "a2", "a3")
    net.settle()
    for other in "bcd":
        net.cut("a", other)
    net.leave("a", "g", "a1")
    net.end("a", "a2")
    assert not net.leave("a", "g", "a1")
    assert not net.leave("a", "never", "a3")
    for other in "bcd":
        net.heal("a", other)
    net.settle()
    assert [net.seen(name) for name in "abcd"] == [["a3"]] * 4
    assert not net.leave("a", "g", "stranger")


@pytest.mark.case(302)
def test_many_of_two_sides_are_exactly_those_that_survived() -> None:
    # Given
    net = Net("a", "b")
    for number in range(100):
        net.join("a", "g", f"a{number}")
        net.join("b", "g", f"b{number}")
    net.settle()
    # When some end, they part, others join, and they meet
    for number in range(0, 100, 2):
        net.end("b", f"b{number}")
    net.cut("a", "b")
    net.join("b", "g", "late")
    net.heal("a", "b")
    net.settle()
    survivors = sorted([f"a{n}" for n in range(100)] + [f"b{n}" for n in range(1, 100, 2)] + ["late"])
    assert net.seen("a") == net.seen("b") == survivors
    # Then later leaves arrive too
    net.leave("b", "g", "late")
    net.settle()
    assert "late" not in net.seen("a")


@pytest.mark.case(307)
@pytest.mark.parametrize("last", ["leave", "end", "cut"])
def test_no_trace_is_left_of_a_remote_group_that_is_empty(last: str) -> None:
    net = Net("a", "b")
    net.join("b", "g", "b1", "b2")
    net.settle()
    net.leave("b", "g", "b1")
    if last == "leave":
        net.leave("b", "g", "b2")
    elif last == "end":
        net.end("b", "b2")
    else:
        net.cut("a", "b")
    net.settle()
    assert list(net.scopes["a"].all) == []
    assert not any(net.scopes["a"].peers.values())


@pytest.mark.case(309)
def test_a_sync_replaces_all_that_was_known_of_its_sender_only() -> None:
    # Given a wrong view of one peer
    net = Net("a", "b", "c")
    net.join("a", "g", "a1")
    net.join("b", "g", "b1", "b1")
    net.join("c", "g", "c1")
    net.settle()
    net.happen("a", PeerJoined("b", {"g": ("wrong",), "wrong": ("b1",)}))
    net.happen("a", PeerLeft("b", {"g": ("b1",)}))
    # When
    net.happen("a", Sync("b", {"g": ("b1", "b1", "b2")}))
    # Then
    assert net.seen("a") == ["a1", "b1", "b1", "b2", "c1"]
    assert net.seen("a", "wrong") == []
    net.check()


@pytest.mark.case(310)
def test_a_remote_member_counts_as_often_as_it_joined() -> None:
    net = Net("a", "b")
    net.join("b", "g", *["b1"] * 16)
    net.settle()
    assert net.seen("a") == ["b1"] * 16
    net.leave("b", "g", *["b1"] * 4)
    net.settle()
    assert net.seen("a") == ["b1"] * 12
    net.cut("a", "b")
    assert net.seen("a") == []


def test_joining_nobody_makes_no_group() -> None:
    scope = Overlay("me")
    assert scope.handle(Join("g", ())) == []
    assert list(scope.all) == list(scope.local) == []
