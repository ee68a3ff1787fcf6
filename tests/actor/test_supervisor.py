"""Supervisors: block B of the conformance list, as far as we go."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    Actor,
    ActorDeadError,
    ActorRef,
    AlreadyPresent,
    AlreadyStarted,
    CallingSelf,
    ChildRunning,
    ChildSpec,
    Flags,
    Supervisor,
    System,
)
from actorcloud.base.errors import BadChildSpec, ConfigError, NoSuchChild, StartError
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run

#: Starts and ends of `Noted`, in order.
events: list[tuple[str, Any]] = []


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


class Noted(Probe):
    """Notes its start and its orderly end."""

    def __init__(self, name: Any, *, trap: bool = True) -> None:
        super().__init__(trap=trap)
        self.name = name
        events.append(("start", name))

    def on_stop(self) -> None:
        events.append(("stop", self.name))


def noted(*names: Any, **options: Any) -> list[ChildSpec]:
    return [Noted.child_spec(name_, id=name_, **options) for name_ in names]


def names(what: str) -> list[Any]:
    return [name for event, name in events if event == what]


def crash(ref: ActorRef[Any]) -> None:
    end = ref.monitor()
    ref.exit(ExitReason.KILL)
    end.get(PATIENCE)


def test_children_start_in_order_and_stop_in_reverse(system: System) -> None:
    family = Supervisor.start(noted("a", "b", "c"))
    assert [info.id for info in family.which_children()] == ["c", "b", "a"]
    assert family.stop(reason=ExitReason.SHUTDOWN)
    assert names("start") == ["a", "b", "c"]
    assert names("stop") == ["c", "b", "a"]


def test_a_failing_start_undoes_those_before_it(system: System) -> None:
    def fail() -> None:
        raise Boom("third")

    children = [*noted("a", "b"), ChildSpec(id="c", start=fail), *noted("d")]
    with pytest.raises(StartError, match="'c'") as caught:
        Supervisor.start(children)
    assert isinstance(caught.value.__cause__, Boom)
    assert names("start") == ["a", "b"]
    assert names("stop") == ["b", "a"]
    assert system.actors() == []


@pytest.mark.parametrize(
    ("strategy", "again"),
    [("one_for_one", ["b"]), ("rest_for_one", ["b", "c"]), ("one_for_all", ["a", "b", "c"])],
)
def test_the_three_strategies(system: System, strategy: str, again: list[str]) -> None:
    # Given
    family = Supervisor.start(noted("a", "b", "c"), strategy=strategy)
    old = {name: family.child(name) for name in "abc"}
    events.clear()
    # When
    crash(old["b"])
    new = {name: family.child(name) for name in "abc"}
    # Then
    assert names("start") == again
    assert names("stop") == [name for name in reversed(again) if name != "b"]
    assert [name for name in "abc" if new[name] != old[name]] == again
    assert [info.id for info in family.which_children()] == ["c", "b", "a"]


@pytest.mark.parametrize("reason", [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("x"), "boom"], ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_what_becomes_of_a_child_that_ends(system: System, restart: str, reason: object) -> None:
    family = Supervisor.start(noted("a", restart=restart))
    family.child("a").stop(reason=reason)
    if restart == "temporary":
        assert family.which_children() == []
    elif restart == "transient" and reason != "boom":
        (info,) = family.which_children()
        assert (info.ref, info.is_restarting) == (None, False)
        with pytest.raises(NoSuchChild, match="restart_child"):
            family.child("a")
    else:
        assert family.child("a").is_alive()
        assert names("start") == ["a", "a"]


def test_temporary_siblings_of_a_restart_are_dropped_and_stopped_ones_come_back(system: System) -> None:
    # Given
    family = Supervisor.start([*noted("a", "b"), *noted("t", restart="temporary")], strategy="one_for_all")
    family.terminate_child("b")
    # When
    crash(family.child("a"))
    # Then
    assert family.child("b").is_alive()
    assert [info.id for info in family.which_children()] == ["b", "a"]


def test_too_many_restarts_end_the_supervisor_with_shutdown(system: System) -> None:
    family = Supervisor.start(noted("a", "b"), max_restarts=2, max_seconds=5.0)
    end = family.monitor()
    for _ in range(2):
        crash(family.child("a"))
    assert family.child("a").is_alive()
    crash(family.child("a"))
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert names("stop")[-1] == "b"
    assert system.actors() == []


def test_restarts_far_apart_do_not_add_up(system: System) -> None:
    family = Supervisor.start(noted("a"), max_restarts=1, max_seconds=0.01)
    for _ in range(4):
        crash(family.child("a"))
        family.child("a")
        system.sleep(0.02)
    assert family.child("a").is_alive()


def test_a_child_that_cannot_restart_is_tried_until_the_limit(system: System) -> None:
    # Given a child that starts once
    starts: list[int] = []

    def start_once() -> ActorRef[Any]:
        starts.append(1)
        if len(starts) > 1:
            raise Boom("never again")
        return Probe.start_link()

    family = Supervisor.start([ChildSpec(id="a", start=start_once), *noted("b")], max_restarts=3)
    end = family.monitor()
    # When
    crash(family.child("a"))
    # Then the first start, and three attempts
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert len(starts) == 4


def test_who_asks_for_a_child_waits_until_it_runs_again(system: System) -> None:
    # Given a child whose first restart fails
    starts: list[int] = []

    def start() -> ActorRef[Any]:
        starts.append(1)
        if len(starts) == 2:
            raise Boom("not yet")
        return Probe.start_link()

    family = Supervisor.start([ChildSpec(id="a", start=start)])
    first = family.child("a")
    crash(first)
    assert family.child("a") != first
    assert len(starts) == 3


def test_terminate_and_restart_and_delete(system: System) -> None:
    family = Supervisor.start(noted("a"))
    with pytest.raises(ChildRunning):
        family.delete_child("a")
    with pytest.raises(ChildRunning):
        family.restart_child("a")
    family.terminate_child("a")
    family.terminate_child("a")
    assert family.count_children().active == 0
    with pytest.raises(AlreadyPresent):
        family.start_child(noted("a")[0])
    assert family.restart_child("a") == family.child("a")
    family.terminate_child("a")
    family.delete_child("a")
    assert family.which_children() == []
    for call in (family.delete_child, family.restart_child, family.terminate_child, family.child, family.child_spec):
        method: Callable[[str], object] = call
        with pytest.raises(NoSuchChild, match="'a'"):
            method("a")


def test_a_child_added_later_is_the_last(system: System) -> None:
    family = Supervisor.start(noted("a"))
    ref = family.start_child(Noted, "b", id="b")
    assert ref == family.child("b")
    with pytest.raises(AlreadyStarted) as caught:
        family.start_child(noted("b")[0])
    assert caught.value.ref == ref
    assert [info.id for info in family.which_children()] == ["b", "a"]
    assert family.child_spec("b").args == ("b",)


def test_a_child_that_does_not_start_is_not_kept(system: System) -> None:
    def fail() -> None:
        raise Boom("no")

    family = Supervisor.start([])
    with pytest.raises(StartError, match="Boom"):
        family.start_child(ChildSpec(id="a", start=fail))
    with pytest.raises(StartError, match="not a ref"):
        family.start_child(ChildSpec(id="a", start=lambda: "garbage"))
    assert family.which_children() == []


def test_a_name_clash_of_a_child_is_passed_on(system: System) -> None:
    holder = Probe.options(name="n").start()
    family = Supervisor.start([])
    with pytest.raises(AlreadyStarted) as caught:
        family.start_child(Probe.child_spec(name="n"))
    assert caught.value.ref == holder


def test_a_start_function_may_decline(system: System) -> None:
    decline = ChildSpec(id="a", start=lambda: None)
    family = Supervisor.start([decline, ChildSpec(id="t", start=lambda: None, restart="temporary")])
    assert family.start_child(ChildSpec(id="b", start=lambda: None)) is None
    assert [(info.id, info.ref) for info in family.which_children()] == [("b", None), ("a", None)]


def test_a_start_function_may_start_in_its_own_way(system: System) -> None:
    # Given one that does not even link
    family = Supervisor.start([ChildSpec(id="a", start=lambda: (Probe.start(trap=True), "info"))])
    first = family.child("a")
    # Then it is supervised all the same
    crash(first)
    again = family.child("a")
    assert again != first
    family.stop()
    assert not again.is_alive()


def test_a_stubborn_child_is_killed_after_its_time(system: System) -> None:
    class Stubborn(Actor):
        trap_exit = True

        def on_stop(self) -> None:
            self.system.sleep(1_000.0)

    family = Supervisor.start([Stubborn.child_spec(shutdown=0.05), *noted("a", shutdown=BRUTAL_KILL)])
    ends = [family.child(id).monitor() for id in ("Stubborn", "a")]
    family.stop(timeout=PATIENCE)
    assert [end.get(PATIENCE).reason for end in ends] == [ExitReason.KILLED] * 2
    assert names("stop") == []


def test_a_child_that_unlinked_itself_is_still_ended(system: System) -> None:
    family = Supervisor.start([Probe.child_spec()])
    child = family.child("Probe")
    run(child, lambda me: me.unlink(family))
    family.stop(timeout=PATIENCE)
    assert not child.is_alive()


def test_exits_of_strangers_and_unknown_messages_do_not_disturb(system: System) -> None:
    family = Supervisor.start(noted("a"))
    stranger = Probe.start()
    run(stranger, lambda me: me.link(family))
    run(stranger, lambda _: family.exit("boom"))
    stranger.exit("boom")
    end_of(stranger)
    family.tell("what?")
    assert family.child("a").is_alive()


def test_a_killed_supervisor_takes_its_children_with_it(system: System) -> None:
    family = Supervisor.start([*noted("a"), *noted("b", trap=False)])
    ends = [family.child(id).monitor() for id in ("a", "b")]
    family.kill()
    assert [end.get(PATIENCE).reason for end in ends] == [ExitReason.KILLED] * 2


def test_trees_end_from_the_leaves(system: System) -> None:
    inner = Supervisor.child_spec(noted("a", "b"), id="inner")
    outer = Supervisor.start([inner, *noted("c")])
    assert outer.count_children().supervisors == 1
    inside: Any = outer.child("inner")
    leaf = inside.child("a")
    outer.stop()
    assert names("stop") == ["c", "b", "a"]
    assert not leaf.is_alive()


def test_a_supervisor_that_gave_up_is_restarted_by_its_own(system: System) -> None:
    inner = Supervisor.child_spec(noted("a"), id="inner", max_restarts=0)
    outer = Supervisor.start([inner])
    first: Any = outer.child("inner")
    crash(first.child("a"))
    end_of(first)
    again: Any = outer.child("inner")
    assert again.child("a").is_alive()


@pytest.mark.parametrize(("auto", "ends"), [("any_significant", 1), ("all_significant", 2), ("never", 0)])
def test_significant_children_end_their_supervisor(system: System, auto: str, ends: int) -> None:
    significant = {"restart": "transient", "significant": True} if auto != "never" else {"restart": "transient"}
    family = Supervisor.start(noted("a", "b", **significant), auto_shutdown=auto)
    end = family.monitor()
    for number, id in enumerate(("a", "b"), 1):
        family.child(id).stop()
        if number == ends:
            assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
            return
        assert family.count_children().specs == 2
    assert family.is_alive()


def test_a_subclass_says_it_all_in_init(system: System) -> None:
    class Family(Supervisor):
        strategy = "one_for_all"
        max_restarts = 0

        def init(self, *ids: str) -> Flags:  # type: ignore[override]
            return Flags(children=noted(*ids), max_restarts=1)

    family: Any = Family.options(name="family").start("a", "b")
    crash(family.child("a"))
    assert family.child("b").is_alive()
    assert names("start") == ["a", "b"] * 2
    crash(family.child("b"))
    assert end_of(family) in {ExitReason.SHUTDOWN, ExitReason.NOPROC}


@pytest.mark.parametrize(
    "flags",
    [
        {"strategy": "one_for_two"},
        {"max_restarts": -1},
        {"max_seconds": 0},
        {"auto_shutdown": "maybe"},
    ],
    ids=str,
)
def test_wrong_flags_are_refused(system: System, flags: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(flags))):
        Supervisor.start([], **flags)


def test_wrong_children_are_refused(system: System) -> None:
    for children in (noted("a", "a"), ["a"], noted("a", restart="transient", significant=True)):
        with pytest.raises(BadChildSpec):
            Supervisor.start(children)
    assert system.actors() == []


def test_a_child_that_asks_its_supervisor_in_init_is_told_so(system: System) -> None:
    class Curious(Actor):
        def __init__(self, parent: list[Any]) -> None:
            parent[0].which_children()

    me: list[Any] = []
    family = Supervisor.start([])
    me.append(family)
    with pytest.raises(StartError) as caught:
        family.start_child(Curious, me)
    assert isinstance(caught.value.__cause__, CallingSelf)


def test_requests_to_a_supervisor_that_ends_fail(system: System) -> None:
    family = Supervisor.start(noted("a"))
    family.stop()
    with pytest.raises(ActorDeadError):
        family.which_children()


def test_a_crash_is_logged_once_and_by_the_supervisor(system: System, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    family = Supervisor.start(noted("a"))
    with pytest.raises(Boom):
        run(family.child("a"), boom_now)
    family.child("a")
    (record,) = caplog.records
    assert record.__dict__["context"] == "child_terminated"
    assert "boom_now" in record.getMessage()


def boom_now(_: object) -> None:
    raise Boom("now")


def test_an_observer_of_the_old_child_can_use_its_name_at_once(system: System) -> None:
    family = Supervisor.start([Probe.child_spec(name="n")])
    watcher = Probe.start()
    run(watcher, lambda me: me.monitor(family.child("n")))
    crash(family.child("n"))
    log(watcher, 1)
    assert family.child("n") == system.whereis("n")
