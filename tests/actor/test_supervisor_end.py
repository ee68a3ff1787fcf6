"""Supervisors: how they end their children, themselves, and when the end of a child is theirs."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from actorcloud.actor import BRUTAL_KILL, INFINITY, DynamicSupervisor, Supervisor, System
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Probe, run
from tests.actor.family import Answering, Parting, Stubborn, crash, end, events, ids, names, noted, states

REASONS = [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("oops"), "boom"]


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


# -- children told to end ---------------------------------------------------------------------------


@pytest.mark.case(98, 100)
def test_a_child_ends_as_its_spec_says(system: System) -> None:
    children = [
        *noted("obedient", shutdown=PATIENCE),
        *noted("patient", shutdown=INFINITY),
        Supervisor.child_spec(noted("leaf"), id="inner"),
        Stubborn.child_spec(id="busy", shutdown=0.02),
        *noted("brutal", shutdown=BRUTAL_KILL),
        Stubborn.child_spec(id="at once", shutdown=0),
    ]
    family = Supervisor.start(children)
    ends = {id: family.child(id).monitor() for id in ids(family)}
    assert family.stop(reason=ExitReason.SHUTDOWN, timeout=PATIENCE)
    reasons = {id: end.get(PATIENCE).reason for id, end in ends.items()}
    killed = ["busy", "brutal", "at once"]
    assert reasons == {id: ExitReason.KILLED if id in killed else ExitReason.SHUTDOWN for id in reasons}
    assert names("stop") == ["leaf", "patient", "obedient"]


@pytest.mark.case(140)
@pytest.mark.shared_memory
def test_a_child_that_unlinked_itself_is_still_ended(system: System) -> None:
    family = Supervisor.start([Probe.child_spec(id=1), Probe.child_spec(id=2)])
    children = [family.child(1), family.child(2)]
    for child in children:
        run(child, lambda me: me.unlink(family))
    family.terminate_child(1)
    family.stop(timeout=PATIENCE)
    assert [child.is_alive() for child in children] == [False, False]


@pytest.mark.case(102, 103)
@pytest.mark.parametrize("reason", REASONS, ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
def test_whatever_children_end_with_a_stop_completes(system: System, kind: Any, restart: str, reason: object) -> None:
    # Given children that answer the order otherwise, and some that end by themselves at that time
    family = kind.start()
    for number in range(6):
        family.start_child(Answering, reason, id=number, restart=restart)
    children = [info.ref for info in family.which_children()]
    end = family.monitor()
    # When
    for child in children[::2]:
        child.stop(reason=reason, block=False)
    family.stop(reason=ExitReason.SHUTDOWN, block=False)
    # Then it has ended as told, or because of too many restarts, which is the same
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert system.actors() == []


def test_what_is_asked_of_a_supervisor_that_ends_starts_nothing(system: System) -> None:
    # Given one that waits for a child
    gate = Probe.start()
    family = Supervisor.start([Parting.child_spec(gate, shutdown=INFINITY)])
    stopped = family.stop(block=False)
    # When
    late = [family.ask("late", block=False) for _ in range(3)]
    gate.tell("go")
    # Then
    assert stopped.get(PATIENCE)
    for answer in late:
        with pytest.raises(Exception, match="ended before it answered"):
            answer.get(PATIENCE)


def test_a_killed_supervisor_takes_its_children_with_it(system: System) -> None:
    family = Supervisor.start([*noted("a"), *noted("b", trap=False)])
    ends = [family.child(id).monitor() for id in ("a", "b")]
    family.kill()
    assert [end.get(PATIENCE).reason for end in ends] == [ExitReason.KILLED] * 2


def test_trees_end_from_the_leaves(system: System) -> None:
    inner = Supervisor.child_spec(noted("a", "b"), id="inner")
    outer = Supervisor.start([inner, *noted("c")])
    counts = outer.count_children()
    assert (counts.supervisors, counts.workers) == (1, 1)
    outer.stop()
    assert names("stop") == ["c", "b", "a"]
    assert system.actors() == []


# -- significant children ---------------------------------------------------------------------------

WAYS = ["terminated", "killed", "crashed", "ended"]


def go(family: Any, id: str, way: str) -> None:
    """Let a child end in one of the ways."""
    if way == "terminated":
        family.terminate_child(id)
    elif way == "killed":
        crash(family.child(id))
    else:
        end(family.child(id), "boom" if way == "crashed" else ExitReason.NORMAL)


@pytest.mark.case(142, 143)
@pytest.mark.parametrize("auto", ["never", "any_significant", "all_significant"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("way", WAYS)
def test_other_children_never_end_their_supervisor(system: System, auto: str, restart: str, way: str) -> None:
    significant = {} if auto == "never" else {"restart": "transient", "significant": True}
    family = Supervisor.start([*noted("a", restart=restart), *noted("s", **significant)], auto_shutdown=auto)
    go(family, "a", way)
    found = states(family)
    assert found.pop("s") == "running"
    restarted = "running" if way in {"killed", "crashed"} else "idle"
    assert found == ({} if restart == "temporary" else {"a": restarted})


@pytest.mark.case(144, 145)
@pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("way", WAYS)
def test_a_significant_child_that_ends_for_good_ends_its_supervisor(
    system: System, auto: str, restart: str, way: str
) -> None:
    # Given
    specs = [*noted("sibling"), *noted("a", "b", restart=restart, significant=True)]
    family = Supervisor.start(specs, auto_shutdown=auto, max_restarts=9)
    over = family.monitor()
    counts = way == "ended" or (restart == "temporary" and way != "terminated")
    # When
    go(family, "a", way)
    if counts and auto == "all_significant":
        assert states(family)["sibling"] == "running"
        go(family, "b", way)
    # Then
    if counts:
        assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
        assert "sibling" in names("stop")
    else:
        assert states(family)["sibling"] == "running"


@pytest.mark.case(147)
@pytest.mark.parametrize("strategy", ["one_for_one", "one_for_all", "rest_for_one"])
@pytest.mark.parametrize("restart", ["temporary", "transient"])
def test_significant_casualties_of_a_restart_do_not_end_it(system: System, strategy: str, restart: str) -> None:
    specs = [*noted("a"), *noted("s", restart=restart, significant=True)]
    family = Supervisor.start(specs, strategy=strategy, auto_shutdown="any_significant")
    crash(family.child("a"))
    assert family.child("a").is_alive()
    gone = restart == "temporary" and strategy != "one_for_one"
    assert states(family) == {"a": "running"} | ({} if gone else {"s": "running"})


@pytest.mark.case(148)
@pytest.mark.parametrize("significant", [True, False])
def test_significance_goes_up_the_tree(system: System, significant: bool) -> None:  # noqa: FBT001
    leaf = noted("leaf", restart="transient", significant=True)
    inner = Supervisor.child_spec(
        leaf, id="inner", restart="transient", significant=significant, auto_shutdown="any_significant"
    )
    outer = Supervisor.start([inner, *noted("sibling")], auto_shutdown="any_significant")
    over = outer.monitor()
    child: Any = outer.child("inner")
    # Behind the link of its supervisor, which hears of the end before this does.
    gone = child.monitor()
    end(child.child("leaf"), ExitReason.NORMAL)
    if significant:
        assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
    else:
        gone.get(PATIENCE)
        assert states(outer) == {"inner": "idle", "sibling": "running"}
