"""Dynamic supervisors: children that come and go, each with a spec of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    INFINITY,
    Actor,
    ActorRef,
    ChildSpec,
    DynamicFlags,
    DynamicSupervisor,
    MaxChildren,
    PartitionSupervisor,
    Supervisor,
    SupervisorRef,
    System,
    TaskSupervisor,
    named,
)
from actorcloud.base.errors import ActorError, BadChildSpec, ConfigError, NoSuchChild, StartError
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run
from tests.actor.family import Answering, Noted, Slow, Starts, Stubborn, crash, end, events, names

#: More than any test lasts.
ENDLESS = 1_000_000


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


def only(pool: SupervisorRef) -> ActorRef[Any]:
    """Return the one child, once it runs."""
    while True:
        (info,) = pool.which_children()
        if info.ref is not None:
            return info.ref


# -- the supervisor ---------------------------------------------------------------------------------


@pytest.mark.case(343, 344, 345)
def test_it_can_be_supervised_and_is_known_by_its_name(system: System) -> None:
    specs = [DynamicSupervisor.child_spec(name=name) for name in ("one", "two")]
    family = Supervisor.start(specs)
    assert [spec.id for spec in specs] == ["one", "two"]
    assert {info.type for info in family.which_children()} == {"supervisor"}
    pool: Any = family.child("one")
    child = pool.start_child(Probe)
    family.stop()
    assert not child.is_alive()
    with pytest.raises(BadChildSpec, match="two children"):
        Supervisor.start([DynamicSupervisor, DynamicSupervisor])


@pytest.mark.case(346, 347)
def test_a_subclass_says_it_all_in_init(system: System) -> None:
    class Pool(DynamicSupervisor):
        max_restarts = 0

        def init(self, limit: object) -> Any:  # type: ignore[override]
            return DynamicFlags(max_children=limit) if limit else limit  # type: ignore[arg-type]

    flags = DynamicFlags()
    assert (DynamicSupervisor.max_restarts, DynamicSupervisor.max_seconds) == (3, 5.0)
    assert (flags.max_children, flags.extra_arguments, flags.template) == (None, (), None)
    pool: Any = Pool.start(1)
    pool.start_child(Probe)
    with pytest.raises(MaxChildren):
        pool.start_child(Probe)
    with pytest.raises(ConfigError, match=r"Pool\.init returned 0"):
        Pool.start(0)


@pytest.mark.case(347)
@pytest.mark.parametrize(
    "flags",
    [
        {"max_children": -1},
        {"max_children": True},
        {"max_restarts": -1},
        {"max_seconds": 0},
        {"extra_arguments": "abc"},
        {"auto_shutdown": "any_significant"},
    ],
    ids=str,
)
def test_wrong_flags_are_refused_by_name(system: System, flags: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(flags))} is "):
        DynamicSupervisor.start(**flags)
    with pytest.raises(TypeError, match="strategy"):
        DynamicSupervisor.start(strategy="one_for_all")
    assert system.actors() == []


@pytest.mark.case(348)
@pytest.mark.shared_memory
def test_it_is_linked_named_and_stopped_by_its_name(system: System) -> None:
    parent = Probe.start(trap=True)
    pool = run(parent, lambda _: DynamicSupervisor.options(name="pool").start_link())
    assert system.whereis("pool") == pool
    assert named("pool").stop(timeout=PATIENCE)
    assert system.whereis("pool") is None
    assert log(parent, 1)[0].sender == pool


@pytest.mark.case(350)
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor, PartitionSupervisor, TaskSupervisor])
def test_any_supervisor_is_known_as_one(system: System, kind: Any) -> None:
    arguments = (Probe,) if kind is PartitionSupervisor else ()
    family = kind.options(name="family").start(*arguments)
    assert isinstance(family, SupervisorRef)
    assert family.info("initial_call").endswith(f".{kind.__name__}")
    assert family.reports_children
    assert not Probe.start().reports_children


# -- starting children ------------------------------------------------------------------------------


@pytest.mark.case(354, 355, 371)
@pytest.mark.parametrize("shutdown", [0, 0.001])
def test_a_child_is_started_by_spec_or_by_class(system: System, shutdown: float) -> None:
    pool = DynamicSupervisor.start()
    first = pool.start_child(Noted.child_spec("a", id="same", shutdown=shutdown))
    second = pool.start_child(Noted, "b", id="same", shutdown=shutdown)
    assert names("start") == ["a", "b"]
    assert {info.ref for info in pool.which_children()} == {first, second}
    assert {info.id for info in pool.which_children()} == {None}
    assert pool.which_child(first).ref == first
    assert (pool.child_spec(second).args, pool.child_spec(second).type) == (("b",), "worker")


@pytest.mark.case(356, 367)
def test_extra_arguments_come_before_those_of_each_child_also_at_a_restart(system: System) -> None:
    class Pair(Actor):
        def __init__(self, *args: str) -> None:
            events.append(("start", args))

    pool = DynamicSupervisor.start(extra_arguments=["x", "y"])
    crash(pool.start_child(Pair, "a"))
    assert only(pool).is_alive()
    assert names("start") == [("x", "y", "a")] * 2


@pytest.mark.case(357, 372)
def test_a_wrong_spec_is_refused(system: System) -> None:
    pool = DynamicSupervisor.start()
    with pytest.raises(BadChildSpec, match="significant is True; it must be False"):
        pool.start_child(Probe.child_spec(restart="transient", significant=True))
    with pytest.raises(BadChildSpec, match="is no child"):
        pool.start_child("x")
    with pytest.raises(BadChildSpec, match="shutdown is -1; it must be finite seconds >= 0"):
        pool.start_child(Probe, shutdown=-1)
    with pytest.raises(BadChildSpec, match="no template"):
        pool.start_another(1)
    assert pool.count_children().specs == 0


@pytest.mark.case(358)
@pytest.mark.shared_memory
def test_what_a_start_may_return(system: System) -> None:
    pool = DynamicSupervisor.start()
    ref, info = pool.start_child(ChildSpec(id=1, start=lambda: (Probe.start_link(), "info")))
    assert (info, pool.start_child(ChildSpec(id=1, start=lambda: None))) == ("info", None)
    with pytest.raises(StartError, match="not a ref"):
        pool.start_child(ChildSpec(id=1, start=lambda: "garbage"))
    assert [info.ref for info in pool.which_children()] == [ref]


@pytest.mark.case(360, 365, 366)
@pytest.mark.shared_memory
def test_it_takes_only_so_many_and_those_being_restarted_count(system: System) -> None:
    with pytest.raises(MaxChildren, match="max_children is 0"):
        DynamicSupervisor.start(max_children=0).start_child(Probe)
    # Given a full one
    starts = Starts()
    pool = DynamicSupervisor.start(max_children=1, max_restarts=ENDLESS)
    crash(pool.start_child(starts.spec("x")))
    restarted = only(pool)
    with pytest.raises(MaxChildren):
        pool.start_child(Probe)
    # When its child cannot restart
    starts.broken = True
    crash(restarted)
    # Then it is full all the same
    with pytest.raises(MaxChildren):
        pool.start_child(Probe)
    pool.terminate_child(restarted)
    assert pool.start_child(Probe).is_alive()


def test_requests_that_need_an_id_are_refused(system: System) -> None:
    pool = DynamicSupervisor.start()
    for call in (pool.child, pool.restart_child, pool.delete_child):
        with pytest.raises(ActorError, match="no ids"):
            call("a")
    assert pool.is_alive()


# -- children that end ------------------------------------------------------------------------------


@pytest.mark.case(361, 362, 363)
@pytest.mark.parametrize("reason", [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("x"), "boom"], ids=str)
@pytest.mark.parametrize("restart", ["permanent", "transient", "temporary"])
def test_what_becomes_of_a_child_that_ends(system: System, restart: str, reason: object) -> None:
    pool = DynamicSupervisor.start()
    old = pool.start_child(Probe, restart=restart)
    end(old, reason)
    if restart == "permanent" or (restart == "transient" and reason == "boom"):
        assert only(pool) != old
        assert pool.which_child(only(pool)).restarts == 1
        with pytest.raises(NoSuchChild):
            pool.which_child(old)
    else:
        assert pool.which_children() == []


@pytest.mark.case(364)
@pytest.mark.parametrize(
    ("again", "state"),
    [("ref", "running"), ("info", "running"), ("none", "gone"), ("error", "restarting"), ("garbage", "restarting")],
)
@pytest.mark.shared_memory
def test_what_a_restart_may_return(system: System, again: str, state: str) -> None:
    # Given
    answers: dict[str, Callable[[], object]] = {
        "ref": Probe.start_link,
        "info": lambda: (Probe.start_link(), "info"),
        "none": lambda: None,
    }
    starts = Starts()

    def start() -> object:
        if not starts.count:
            return starts()
        if again == "error":
            raise Boom("again")
        return answers[again]() if again in answers else again

    pool = DynamicSupervisor.start(max_restarts=ENDLESS)
    # When
    crash(pool.start_child(ChildSpec(id="x", start=start)))
    # Then
    counts = pool.count_children()
    assert (counts.specs, counts.active, counts.workers) == {
        "running": (1, 1, 1),
        "gone": (0, 0, 0),
        "restarting": (1, 0, 1),
    }[state]
    assert [info.is_restarting for info in pool.which_children()] == (
        [] if state == "gone" else [state == "restarting"]
    )


@pytest.mark.case(368)
@pytest.mark.shared_memory
def test_a_restart_that_failed_is_tried_again(system: System) -> None:
    starts = Starts(2, 3)
    pool = DynamicSupervisor.start()
    old = pool.start_child(starts.spec("x"))
    crash(old)
    assert only(pool) != old
    assert starts.count == 4


@pytest.mark.case(369, 370)
@pytest.mark.parametrize("limit", [0, 1, 10])
@pytest.mark.shared_memory
def test_attempts_count_until_it_gives_up(system: System, limit: int) -> None:
    starts = Starts()
    pool = DynamicSupervisor.start(max_restarts=limit)
    over = pool.monitor()
    other = pool.start_child(Probe)
    child = pool.start_child(starts.spec("x"))
    starts.broken = True
    crash(child)
    assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert starts.count == 1 + limit
    assert not other.is_alive()


# -- children told to end ---------------------------------------------------------------------------


@pytest.mark.case(381, 382)
@pytest.mark.parametrize(("shutdown", "reason"), [(BRUTAL_KILL, ExitReason.KILLED), (1.0, ExitReason.SHUTDOWN)])
def test_a_child_is_terminated_by_its_ref_and_forgotten(system: System, shutdown: Any, reason: ExitReason) -> None:
    pool = DynamicSupervisor.start()
    child = pool.start_child(Probe, shutdown=shutdown)
    ended = child.monitor()
    pool.terminate_child(child)
    assert ended.get(PATIENCE).reason is reason
    for who in (child, "id", Probe.start(), named("nobody")):
        for verb in (pool.terminate_child, pool.which_child):
            with pytest.raises(NoSuchChild, match="the ref that its start returned"):
                verb(who)
    counts = pool.count_children()
    assert (counts.specs, counts.active, counts.workers, counts.supervisors) == (0, 0, 0, 0)


@pytest.mark.case(383)
@pytest.mark.shared_memory
def test_a_child_that_cannot_restart_is_given_up_by_its_old_ref(system: System) -> None:
    starts = Starts()
    pool = DynamicSupervisor.start(max_restarts=ENDLESS)
    old = pool.start_child(starts.spec("x"))
    starts.broken = True
    crash(old)
    assert pool.which_child(old).is_restarting
    pool.terminate_child(old)
    assert pool.which_children() == []
    with pytest.raises(NoSuchChild):
        pool.terminate_child(old)


@pytest.mark.case(97, 374)
@pytest.mark.parametrize("system", ["simulated"], indirect=True)
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
def test_a_child_without_a_limit_may_take_long_to_end(system: System, kind: Any) -> None:
    # Given children that need more time than a child has by default, one of them below a supervisor
    slow = Slow.child_spec(60.0, shutdown=INFINITY)
    family = kind.start()
    ends = [family.start_child(slow).monitor()]
    inner = family.start_child(Supervisor.child_spec([slow], id="inner"))
    ends += [inner.monitor(), inner.child("Slow").monitor()]
    # When
    assert family.stop(reason=ExitReason.SHUTDOWN, timeout=1_000.0)
    # Then
    assert [end.get(PATIENCE).reason for end in ends] == [ExitReason.SHUTDOWN] * 3


SHUTDOWN, KILLED = ExitReason.SHUTDOWN, ExitReason.KILLED


@pytest.mark.case(373, 374, 375, 376, 377, 378, 379, 380)
@pytest.mark.parametrize(
    ("children", "reasons"),
    [
        ([(Noted, "a", BRUTAL_KILL)] * 3, [KILLED] * 3),
        ([(Noted, "a", INFINITY)] * 3, [SHUTDOWN] * 3),
        ([(Answering, Shutdown("oops"), INFINITY), (Noted, "a", INFINITY)], [Shutdown("oops"), SHUTDOWN]),
        ([(Noted, "a", PATIENCE)] * 3, [SHUTDOWN] * 3),
        ([(Answering, Shutdown("oops"), PATIENCE), (Noted, "a", PATIENCE)], [Shutdown("oops"), SHUTDOWN]),
        ([(Noted, "a", PATIENCE), (Stubborn, None, 0.001)], [SHUTDOWN, KILLED]),
        ([(Answering, ExitReason.NORMAL, PATIENCE)] * 2, [ExitReason.NORMAL] * 2),
        ([(Noted, "a", INFINITY), (Noted, "a", BRUTAL_KILL)], [SHUTDOWN, KILLED]),
    ],
    ids=["brutal", "infinity", "infinity, otherwise", "timed", "timed, otherwise", "expired", "normal", "mixed"],
)
def test_the_end_takes_all_children_along_each_as_its_spec_says(
    system: System, children: list[tuple[Any, Any, Any]], reasons: list[object]
) -> None:
    pool = DynamicSupervisor.start()
    refs = [pool.start_child(kind, *([arg] if arg else []), shutdown=shutdown) for kind, arg, shutdown in children]
    ends = [ref.monitor() for ref in refs]
    assert pool.stop(reason=ExitReason.SHUTDOWN, timeout=PATIENCE)
    assert [end.get(PATIENCE).reason for end in ends] == reasons
    assert end_of(pool) is ExitReason.NOPROC
