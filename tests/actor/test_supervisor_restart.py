"""Supervisors: which children are restarted, in what order, how often, and what happens when that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    AlreadyPresent,
    AlreadyStarted,
    ChildRestarting,
    ChildRunning,
    ChildSpec,
    Supervisor,
    SupervisorRef,
    System,
)
from actorcloud.base.errors import NoSuchChild, StartError
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Probe, end_of
from tests.actor.family import Noted, Starts, crash, end, events, ids, names, noted, states

#: More than any test lasts.
ENDLESS = 1_000_000


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


# -- which ------------------------------------------------------------------------------------------


@pytest.mark.case(130, 131, 132, 133, 134, 135, 136, 137, 138, 161)
@pytest.mark.parametrize("reason", [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("x"), "boom"], ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_what_becomes_of_a_child_that_ends(system: System, strategy: str, restart: str, reason: object) -> None:
    family = Supervisor.start(noted("a", restart=restart), strategy=strategy)
    old = family.child("a")
    end(old, reason)
    if restart == "temporary":
        assert family.which_children() == []
        assert family.start_child(*noted("a")).is_alive()
    elif restart == "transient" and reason != "boom":
        assert states(family) == {"a": "idle"}
        assert family.count_children().active == 0
        with pytest.raises(NoSuchChild, match="restart_child"):
            family.child("a")
        with pytest.raises(AlreadyPresent):
            family.start_child(*noted("a"))
        assert family.restart_child("a") == family.child("a")
    else:
        assert family.child("a") != old
        assert names("start") == ["a", "a"]
        with pytest.raises(AlreadyStarted):
            family.start_child(*noted("a"))


@pytest.mark.case(117, 119, 127, 173)
@pytest.mark.parametrize(
    ("strategy", "again"),
    [("one_for_one", [3]), ("rest_for_one", [3, 9, 2]), ("one_for_all", [5, 1, 3, 9, 2])],
)
def test_the_three_strategies_keep_the_order_of_the_start(system: System, strategy: str, again: list[int]) -> None:
    # Given
    order = [5, 1, 3, 9, 2]
    family = Supervisor.start(noted(*order), strategy=strategy)
    old = {id: family.child(id) for id in order}
    events.clear()
    # When
    crash(old[3])
    new = {id: family.child(id) for id in order}
    # Then
    assert names("start") == again
    assert names("stop") == [id for id in reversed(again) if id != 3]
    assert [id for id in order if new[id] != old[id]] == again
    assert [id for id in order if family.which_child(id).restarts] == again
    # And
    events.clear()
    family.stop()
    assert names("stop") == list(reversed(order))


@pytest.mark.case(163)
@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_temporary_siblings_of_a_restart_are_dropped(system: System, strategy: str, restart: str) -> None:
    family = Supervisor.start([*noted("a", restart=restart), *noted("t", restart="temporary")], strategy=strategy)
    crash(family.child("a"))
    assert family.child("a").is_alive()
    assert ids(family) == ["a"]
    assert names("start") == ["a", "t", "a"]


@pytest.mark.case(177)
def test_siblings_that_had_ended_come_back_with_a_restart(system: System) -> None:
    # Given one stopped by hand, one that ended by itself, and one that declined to start
    declining = Starts()
    late = ChildSpec(id="late", start=lambda: declining() if names("start").count("a") == 2 else None)
    specs = [*noted("a", "b"), *noted("c", restart="transient"), late]
    family = Supervisor.start(specs, strategy="one_for_all")
    family.terminate_child("b")
    end(family.child("c"), ExitReason.NORMAL)
    assert states(family) == {"a": "running", "b": "idle", "c": "idle", "late": "idle"}
    # When
    crash(family.child("a"))
    # Then
    assert set(states(family).values()) == {"running"}
    assert ids(family) == ["a", "b", "c", "late"]


# -- how often --------------------------------------------------------------------------------------


@pytest.mark.case(117, 119, 127)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_one_restart_too_many_ends_the_supervisor_with_shutdown(system: System, strategy: str) -> None:
    family = Supervisor.start(noted("a", "b"), strategy=strategy, max_restarts=2, max_seconds=60)
    end = family.monitor()
    crash(family.child("a"))
    crash(family.child("b") if strategy == "one_for_one" else family.child("a"))
    assert family.child("a").is_alive()
    crash(family.child("a"))
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert names("stop")[-1] == "b"
    assert system.actors() == []


@pytest.mark.case(179)
def test_with_no_restart_allowed_none_is_tried(system: System) -> None:
    family = Supervisor.start(noted("a", "b"), max_restarts=0)
    end = family.monitor()
    crash(family.child("a"))
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert names("start") == ["a", "b"]


@pytest.mark.case(116)
def test_restarts_far_apart_do_not_add_up(system: System) -> None:
    family = Supervisor.start(noted("a"), max_restarts=1, max_seconds=0.01)
    for _ in range(4):
        crash(family.child("a"))
        family.child("a")
        system.sleep(0.02)
    assert family.child("a").is_alive()


@pytest.mark.case(180)
def test_restarts_by_hand_do_not_count(system: System) -> None:
    family = Supervisor.start(noted("a"), max_restarts=1)
    for _ in range(10):
        family.terminate_child("a")
        family.restart_child("a")
    crash(family.child("a"))
    assert family.child("a").is_alive()
    assert family.which_child("a").restarts == 1


@pytest.mark.case(118, 120, 128)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
def test_a_child_that_cannot_restart_is_tried_until_the_limit(system: System, strategy: str) -> None:
    # Given one that fails whenever its family is restarted
    starts = Starts()
    members = [*noted("a"), starts.spec("b")]
    family = Supervisor.start(members, strategy=strategy, max_restarts=4)
    end = family.monitor()
    starts.broken = True
    # When
    crash(family.child("b" if strategy == "one_for_one" else "a"))
    # Then the first start, and four attempts
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert starts.count == 5
    assert names("stop")[-1] == "a"
    assert system.actors() == []


@pytest.mark.case(183, 141)
@pytest.mark.parametrize("restart", ["permanent", "transient"])
def test_a_supervisor_that_gave_up_is_restarted_if_it_is_permanent(system: System, restart: str) -> None:
    inner = Supervisor.child_spec(noted("leaf"), id="inner", max_restarts=0, restart=restart)
    outer = Supervisor.start([inner])
    first: Any = outer.child("inner")
    crash(first.child("leaf"))
    end_of(first)
    assert states(outer) == {"inner": "running" if restart == "permanent" else "idle"}
    assert names("start") == ["leaf"] * (2 if restart == "permanent" else 1)


@pytest.mark.case(141)
def test_a_level_of_the_tree_is_built_anew_without_what_was_added_at_run_time(system: System) -> None:
    # Given a tree, with a child added below, and a branch stopped by hand
    def branch(name: str, **options: Any) -> ChildSpec:
        return Supervisor.child_spec(noted(f"{name}.leaf"), id=name, **options)

    top = Supervisor.start([branch("a", max_restarts=0), branch("b"), branch("c")], strategy="one_for_all")
    a: Any = top.child("a")
    b: Any = top.child("b")
    b.start_child(*noted("added"))
    top.terminate_child("c")
    # When an inner supervisor gives up
    crash(a.child("a.leaf"))
    end_of(a)
    # Then
    inner = {id: top.child(id) for id in "abc"}
    assert {id: ids(ref) for id, ref in inner.items()} == {id: [f"{id}.leaf"] for id in "abc"}  # type: ignore[arg-type]
    assert inner["b"] != b


# -- restarts that fail -----------------------------------------------------------------------------


@pytest.mark.shared_memory
def test_who_asks_for_a_child_waits_until_it_runs_again(system: System) -> None:
    starts = Starts(2, 3)
    family = Supervisor.start([starts.spec("a"), *noted("b")], strategy="rest_for_one")
    first = family.child("a"), family.child("b")
    crash(first[0])
    # Also for the one after it, which waits for its turn
    assert family.child("b") != first[1]
    assert family.child("a") != first[0]
    assert starts.count == 4
    assert family.which_child("a").restarts == 1


@pytest.mark.case(121)
@pytest.mark.shared_memory
def test_one_for_all_begins_again_when_another_child_fails(system: System) -> None:
    second = Starts(2)
    family = Supervisor.start([*noted("a"), second.spec("b"), *noted("c")], strategy="one_for_all")
    crash(family.child("a"))
    family.child("c")
    assert set(states(family).values()) == {"running"}
    # It was started, ended for the next attempt, and started again; c was not reached at first
    assert names("start") == ["a", "c", "a", "a", "c"]
    assert names("stop") == ["c", "a"]


@pytest.mark.case(129)
@pytest.mark.shared_memory
def test_rest_for_one_goes_on_from_the_child_that_failed(system: System) -> None:
    second = Starts(2)
    family = Supervisor.start([*noted("a"), second.spec("b"), *noted("c")], strategy="rest_for_one")
    crash(family.child("a"))
    family.child("c")
    assert names("start") == ["a", "c", "a", "c"]
    assert names("stop") == ["c"]


def broken_family(strategy: str) -> tuple[SupervisorRef, Starts]:
    """Return a family whose second child is tried again for ever."""
    starts = Starts()
    members = [*noted("a"), starts.spec("b"), *noted("c"), *noted("t", restart="temporary")]
    family = Supervisor.start(members, strategy=strategy, max_restarts=ENDLESS)
    old = family.child("b")
    starts.broken = True
    crash(old)
    return family, starts


@pytest.mark.case(166, 167)
@pytest.mark.parametrize(
    ("strategy", "others"),
    [
        ("one_for_one", {"a": "running", "c": "running", "t": "running"}),
        ("rest_for_one", {"a": "running", "c": "idle"}),
        ("one_for_all", {"a": "running", "c": "idle"}),
    ],
)
def test_requests_are_served_between_the_attempts(system: System, strategy: str, others: dict[str, str]) -> None:
    # Given
    family, starts = broken_family(strategy)
    # Then
    assert states(family) == {**others, "b": "restarting"}
    assert family.count_children().active == list(others.values()).count("running")
    with pytest.raises(AlreadyPresent):
        family.start_child(Probe, id="b")
    with pytest.raises(ChildRestarting):
        family.restart_child("b")
    with pytest.raises(ChildRestarting):
        family.delete_child("b")
    # When
    family.terminate_child("b")
    # Then it is not tried any more
    tried = starts.count
    assert family.which_child("b").is_restarting is False
    family.delete_child("b")
    assert starts.count == tried
    assert "b" not in states(family)


@pytest.mark.case(166)
def test_a_supervisor_that_tries_again_and_again_can_be_stopped(system: System) -> None:
    family, _ = broken_family("one_for_one")
    assert family.stop(timeout=PATIENCE)
    assert system.actors() == []


def test_a_child_that_declines_its_restart_is_kept_idle(system: System) -> None:
    starts = Starts()
    family = Supervisor.start([ChildSpec(id="a", start=lambda: None if starts.count else starts())])
    crash(family.child("a"))
    assert states(family) == {"a": "idle"}


# -- requests ---------------------------------------------------------------------------------------


@pytest.mark.case(105, 106, 107, 108, 109, 110, 178, 342)
def test_the_life_of_a_child(system: System) -> None:
    family = Supervisor.start(noted("first"))
    child = family.start_child(*noted("a"))
    assert ids(family) == ["first", "a"]
    assert family.which_child("a").ref == child
    with pytest.raises(AlreadyStarted) as caught:
        family.start_child(*noted("a"))
    assert caught.value.ref == child
    for call in (family.delete_child, family.restart_child):
        with pytest.raises(ChildRunning):
            call("a")
    with pytest.raises(NoSuchChild):
        family.terminate_child(child)
    assert child.is_alive()
    for _ in range(2):
        family.terminate_child("a")
        assert (states(family)["a"], family.count_children().active) == ("idle", 1)
    with pytest.raises(AlreadyPresent):
        family.start_child(*noted("a"))
    assert family.restart_child("a") == family.child("a") != child
    family.terminate_child("a")
    family.delete_child("a")
    assert ids(family) == ["first"]


@pytest.mark.case(94, 108, 109, 178)
def test_an_unknown_child_is_refused_with_those_there_are(system: System) -> None:
    family = Supervisor.start(noted("first"))
    calls: list[Callable[[Any], object]] = [family.delete_child, family.restart_child, family.terminate_child]
    for call in [*calls, family.child, family.child_spec, family.which_child]:
        for id in ("a", ["unhashable"]):
            with pytest.raises(NoSuchChild, match="'first'"):
                call(id)


@pytest.mark.case(89)
@pytest.mark.shared_memory
def test_a_restart_by_hand_that_fails_leaves_the_child_idle(system: System) -> None:
    starts = Starts(2)
    family = Supervisor.start([starts.spec("a")])
    family.terminate_child("a")
    with pytest.raises(StartError, match="start 2"):
        family.restart_child("a")
    assert states(family) == {"a": "idle"}
    assert family.restart_child("a").is_alive()


@pytest.mark.case(160)
def test_arguments_of_temporary_children_are_not_kept(system: System) -> None:
    large = "x" * 1_000
    family = Supervisor.start([])
    restarts = ("permanent", "transient", "temporary")
    for restart in restarts:
        family.start_child(Noted, large, id=restart, restart=restart)
    assert [family.child_spec(id).args for id in restarts] == [(large,), (large,), ()]
