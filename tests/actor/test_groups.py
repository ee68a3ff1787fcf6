"""Groups on one peer: block F of the conformance list."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytest

from actorcloud.actor import (
    ActorDeadError,
    ActorRef,
    AlreadyStarted,
    Down,
    Joined,
    Left,
    Supervisor,
    System,
    groups,
    named,
)
from actorcloud.actor.group.overlay import Join
from actorcloud.actor.group.scope import Settle
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import PATIENCE, Probe, end_of, log, run, tell_run


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


@pytest.fixture
def scope(system: System) -> ActorRef[Any]:
    return groups.start()


def settle(scope: ActorRef[Any]) -> None:
    """Wait until a scope has done what it heard of."""
    scope.ask(Settle(), timeout=PATIENCE)


def watch(group: Any, _: Any) -> None:
    groups.monitor(group)


def gone(scope: ActorRef[Any], *refs: ActorRef[Any]) -> None:
    """End these, and wait until the scope knows it."""
    for ref in refs:
        ref.kill()
        end_of(ref)
    settle(scope)


@pytest.mark.case(289)
def test_who_joins_is_found_until_it_leaves(scope: ActorRef[Any]) -> None:
    # Given
    one, two = Probe.start(), Probe.start()
    assert groups.members("g") == groups.local_members("g") == groups.which_groups() == []
    # When
    groups.join("g", one)
    groups.join("h", [one, two])
    # Then
    assert groups.members("g") == groups.local_members("g") == [one]
    assert set(groups.members("h")) == {one, two}
    assert set(groups.which_groups()) == {"g", "h"}
    # When the group is empty it is none
    assert groups.leave("g", one)
    assert groups.which_groups() == ["h"]
    assert groups.members("g") == []


def test_an_actor_joins_and_leaves_by_itself(scope: ActorRef[Any]) -> None:
    me = Probe.start()
    run(me, lambda _: groups.join("g"))
    assert groups.members("g") == [me]
    assert run(me, lambda _: groups.leave("g"))
    assert groups.members("g") == []
    with pytest.raises(ActorError, match="no actor"):
        groups.join("g")


def test_scopes_know_nothing_of_each_other(scope: ActorRef[Any]) -> None:
    groups.start("other")
    me = Probe.start()
    groups.join("g", me, scope="other")
    assert groups.members("g") == []
    assert groups.members("g", scope="other") == groups.local_members("g", scope="other") == [me]
    assert groups.which_groups(scope="other") == ["g"]
    with pytest.raises(AlreadyStarted):
        groups.start("other")


@pytest.mark.case(290)
def test_a_malformed_request_ends_the_scope_and_no_other(system: System) -> None:
    # Given a supervised scope with a member
    Supervisor.start([groups.child_spec()])
    me = Probe.start()
    groups.join("g", me)
    for wrong in ("nonsense", Join("g", ("no ref",)), Join("g", (me, None))):
        scope = system.whereis(groups.SCOPE_DEFAULT)
        assert scope is not None
        # When
        with pytest.raises(TypeError):
            scope.ask(wrong, timeout=PATIENCE)
        # Then it is started anew and empty
        end_of(scope)
        while system.whereis(groups.SCOPE_DEFAULT) in {None, scope}:
            run(me, lambda _: None)
        assert groups.members("g") == []
        groups.join("g", me)
        assert groups.members("g") == [me]


@pytest.mark.case(291)
def test_members_that_die_while_they_leave_harm_nobody(scope: ActorRef[Any]) -> None:
    members = [Probe.start() for _ in range(100)]
    groups.join("g", members)
    for member in members:
        tell_run(member, lambda _: groups.leave("g"))
        member.kill()
    for member in members:
        end_of(member)
    settle(scope)
    assert groups.members("g") == groups.which_groups() == []
    overlay = scope._cell.actor.overlay
    assert overlay._groups == {}
    assert scope._cell.actor._watched == {}


@pytest.mark.case(292)
def test_an_actor_is_a_member_as_often_as_it_joined(scope: ActorRef[Any]) -> None:
    # Given
    me, other = Probe.start(), Probe.start()
    groups.join("g", me)
    groups.join("g", [me, me])
    assert groups.members("g") == [me] * 3
    # When others leave, or it another group
    assert not groups.leave("g", other)
    assert not groups.leave("h", me)
    assert groups.leave("g", [other, me])
    assert groups.leave("g", [me, me])
    # Then
    assert groups.which_groups() == []
    assert not groups.leave("g", me)
    # When it dies
    groups.join("g", [me, me])
    groups.join("h", me)
    gone(scope, me)
    # Then all is over
    assert groups.which_groups() == []


@pytest.mark.case(292)
def test_the_dead_are_no_members(scope: ActorRef[Any]) -> None:
    dead = Probe.start()
    dead.stop()
    groups.join("g", dead)
    settle(scope)
    assert groups.members("g") == []


@pytest.mark.case(294)
def test_only_actors_of_this_peer_join(scope: ActorRef[Any]) -> None:
    me = Probe.start()
    with Simulation(seed=1) as sim:
        far = Probe.options(system=sim.system("far")).start()
    for wrong in (far, [me, far], ["me"], [me, None], "me"):
        for verb in (groups.join, groups.leave):
            with pytest.raises(TypeError, match="no actor of"):
                verb("g", wrong)  # type: ignore[arg-type]
    assert groups.members("g") == []


@pytest.mark.case(306)
def test_without_its_scope_nobody_joins_and_nobody_is_found(system: System) -> None:
    me = Probe.start()
    for verb in (groups.join, groups.leave):
        with pytest.raises(ActorDeadError, match="does not run"):
            verb("g", me)
    assert groups.members("g") == groups.local_members("g") == groups.which_groups() == []
    with pytest.raises(ActorDeadError):
        run(me, lambda _: groups.monitor("g"))
    other = Probe.start()
    with pytest.raises(ActorDeadError):
        run(other, lambda _: groups.monitor_scope())


# -- monitors -----------------------------------------------------------------------------------------


@pytest.mark.case(311)
def test_who_begins_to_watch_gets_what_there_is(scope: ActorRef[Any]) -> None:
    one, two, watcher = Probe.start(), Probe.start(), Probe.start()
    groups.join("g", [one, one])
    groups.join("h", two)
    _, found = run(watcher, lambda _: groups.monitor_scope())
    assert found == {"g": [one, one], "h": [two]}
    _, members = run(watcher, lambda _: groups.monitor("g"))
    assert members == [one, one]
    _, nobody = run(watcher, lambda _: groups.monitor("nobody"))
    assert nobody == []


@pytest.mark.case(312, 313)
@pytest.mark.parametrize("of_all", [True, False], ids=["scope", "group"])
def test_who_watches_hears_of_joins_and_leaves_in_order(scope: ActorRef[Any], *, of_all: bool) -> None:
    # Given two that watch, one of which dies
    one, two, dying, watcher = (Probe.start() for _ in range(4))
    for actor in (dying, watcher):
        ref, _ = run(actor, lambda _: groups.monitor_scope() if of_all else groups.monitor("g"))
    gone(scope, dying)
    # When
    groups.join("g", [one, two])
    groups.join("h", one)
    groups.leave("g", [one, dying])
    gone(scope, two)
    # Then
    changes: list[Joined | Left]
    changes = [Joined(ref, "g", (one, two)), Joined(ref, "h", (one,)), Left(ref, "g", (one,)), Left(ref, "g", (two,))]
    expected = [change for change in changes if of_all or change.group == "g"]
    assert log(watcher, len(expected)) == expected
    # When it no longer wants to
    assert run(watcher, lambda _: groups.demonitor(ref)) is True
    assert run(watcher, lambda _: groups.demonitor(ref)) is False
    groups.join("g", one)
    watcher.tell("end")
    # Then it hears of nothing, and nothing is left of either
    assert log(watcher, len(expected) + 1)[-1] == "end"
    settle(scope)
    groups.join("h", one)
    assert scope._cell.actor._subscribers == {}


@pytest.mark.case(312)
def test_what_is_queued_is_dropped_by_demonitor(scope: ActorRef[Any]) -> None:
    def watch_and_leave(_: Any) -> bool:
        ref, _ = groups.monitor("g")
        groups.join("g", member)
        return groups.demonitor(ref)

    member, watcher = Probe.start(), Probe.start()
    assert run(watcher, watch_and_leave)
    watcher.tell("end")
    assert log(watcher, 1) == ["end"]


def test_who_watches_hears_of_the_end_of_the_scope(scope: ActorRef[Any]) -> None:
    watcher = Probe.start()
    ref, _ = run(watcher, lambda _: groups.monitor("g"))
    scope.kill()
    (down,) = log(watcher, 1)
    assert isinstance(down, Down)
    assert (down.ref, down.target, down.reason) == (ref, scope, ExitReason.KILLED)
    assert run(watcher, lambda _: groups.demonitor(ref)) is False


def test_only_actors_watch(scope: ActorRef[Any]) -> None:
    with pytest.raises(ActorError, match=r"groups.monitor is about the actor that calls"):
        groups.monitor("g")


def test_dead_watchers_of_quiet_groups_are_swept(scope: ActorRef[Any]) -> None:
    for number in range(200):
        watcher = Probe.start()
        run(watcher, partial(watch, number))
        watcher.kill()
        end_of(watcher)
    assert scope._cell.actor._count <= 64 + 1
    assert scope._cell.actor._count == sum(map(len, scope._cell.actor._subscribers.values()))


def test_groups_are_compared_exactly(scope: ActorRef[Any]) -> None:
    # Given three groups that are equal in Python, one of them watched
    watcher, members = Probe.start(), [Probe.start() for _ in range(3)]
    run(watcher, partial(watch, True))
    same: list[Any] = [1, True, 1.0]
    # When
    for group, member in zip(same, members, strict=True):
        groups.join(group, member)
    # Then
    assert [groups.members(group) for group in same] == [[member] for member in members]
    assert sorted(map(repr, groups.which_groups())) == ["1", "1.0", "True"]
    assert [event.group for event in log(watcher, 1)] == [True]
    # And one ends alone
    groups.leave(1, members[0])
    assert [groups.local_members(group) for group in same] == [[], [members[1]], [members[2]]]


def test_who_is_named_joins_and_leaves_as_who_it_is(scope: ActorRef[Any]) -> None:
    member = Probe.options(name="member").start()
    groups.join("g", named("member"))
    assert groups.members("g") == [member]
    assert groups.leave("g", named("member"))
    with pytest.raises(ActorDeadError, match="nobody"):
        groups.join("g", named("nobody"))
