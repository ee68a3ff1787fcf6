"""Supervisors: how they and their children start, and what is refused."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    INFINITY,
    Actor,
    ActorDeadError,
    ActorRef,
    AlreadyStarted,
    CallingSelf,
    ChildSpec,
    DynamicSupervisor,
    Flags,
    Registry,
    Stop,
    Supervisor,
    System,
    TaskSupervisor,
    named,
)
from actorcloud.base.errors import BadChildSpec, ConfigError, StartError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run
from tests.actor.family import Starts, Stubborn, crash, events, ids, names, noted, states


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


def fail() -> None:
    raise Boom("no")


def decline() -> None:
    """Not now."""


# -- the supervisor ---------------------------------------------------------------------------------


@pytest.mark.case(80)
@pytest.mark.shared_memory
def test_a_supervisor_ends_as_its_parent_orders(system: System) -> None:
    parent = Probe.start()
    family = run(parent, lambda _: Supervisor.start_link([]))
    end = family.monitor()
    run(parent, lambda _: family.exit(ExitReason.SHUTDOWN))
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN


@pytest.mark.case(182)
@pytest.mark.shared_memory
def test_the_normal_end_of_the_parent_ends_it_too(system: System) -> None:
    parent = Probe.start()
    family = run(parent, lambda _: Supervisor.start_link(noted("a", "b")))
    end = family.monitor()
    parent.stop()
    assert end.get(PATIENCE).reason is ExitReason.NORMAL
    assert names("stop") == ["b", "a"]


@pytest.mark.case(334, 336)
def test_children_start_in_order(system: System) -> None:
    class Family(Supervisor):
        def init(self, *ids: str) -> list[ChildSpec]:  # type: ignore[override]
            return noted(*ids)

    for kind, given in ((Supervisor, [noted("a", "b", "c")]), (Family, ["a", "b", "c"])):
        family = kind.start(*given)
        assert ids(family) == ["a", "b", "c"]
        family.child("a").stop()
        assert family.child("a").is_alive()
    assert names("start") == ["a", "b", "c", "a"] * 2


@pytest.mark.case(329)
def test_a_subclass_says_it_all_in_init(system: System) -> None:
    class Family(Supervisor):
        strategy = "one_for_all"
        max_restarts = 0

        def init(self, *ids: str) -> Flags:  # type: ignore[override]
            return Flags(children=noted(*ids), max_restarts=1)

    assert (Supervisor.strategy, Supervisor.max_restarts, Supervisor.max_seconds) == ("one_for_one", 3, 5.0)
    family = Family.options(name="family").start("a", "b")
    crash(family.child("a"))  # type: ignore[attr-defined]
    assert family.child("b").is_alive()  # type: ignore[attr-defined]
    assert names("start") == ["a", "b"] * 2
    crash(family.child("b"))  # type: ignore[attr-defined]
    assert end_of(family) in {ExitReason.SHUTDOWN, ExitReason.NOPROC}


@pytest.mark.case(333)
def test_it_is_reached_by_its_name(system: System) -> None:
    family = Supervisor.options(name="family").start(noted("a"))
    assert system.whereis("family") == family
    assert named("family").stop(timeout=PATIENCE)
    assert system.whereis("family") is None
    with pytest.raises(ConfigError):
        Supervisor.options(name=["family"]).start([])  # type: ignore[arg-type]


@pytest.mark.case(331)
def test_it_is_reached_by_its_key_in_a_registry(system: System) -> None:
    Registry.options(name="names").start("unique")
    key = Registry.named("names").via("family")
    family = Supervisor.options(name=key).start(noted("a"))
    assert Registry.named("names").whereis("family") == family
    assert key.stop(timeout=PATIENCE)
    assert not family.is_alive()


@pytest.mark.case(87, 88)
def test_an_init_that_is_wrong_fails_the_start(system: System) -> None:
    class Family(Supervisor):
        def init(self, what: object) -> Any:  # type: ignore[override]
            if what is None:
                raise Boom("init")
            return what

    with pytest.raises(BadChildSpec, match="children is 5"):
        Family.start(5)
    with pytest.raises(Boom, match="init"):
        Family.start(None)
    assert system.actors() == []


@pytest.mark.case(81, 347)
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
@pytest.mark.shared_memory
def test_an_init_may_decline(system: System, kind: Any) -> None:
    # Given
    ends: list[Any] = []

    class Family(kind):  # type: ignore[misc]
        def init(self) -> None:
            ends.append(self.actor_ref.monitor())

    parent = Probe.start()
    # When
    assert run(parent, lambda _: Family.start_link()) is None
    assert Family.start() is None
    # Then nobody was harmed, and nothing is left
    assert [end.get(PATIENCE).reason for end in ends] == [ExitReason.NORMAL] * 2
    assert system.actors() == [parent]
    # And it is "not now" for a supervisor of it
    family = Supervisor.start([Family.child_spec(id="a")])
    assert states(family) == {"a": "idle"}


@pytest.mark.case(115)
@pytest.mark.parametrize(
    "flags",
    [
        {"strategy": "one_for_two"},
        {"max_restarts": -1},
        {"max_restarts": "many"},
        {"max_seconds": 0},
        {"max_seconds": float("inf")},
        {"auto_shutdown": "maybe"},
    ],
    ids=str,
)
def test_wrong_flags_are_refused_with_field_value_and_what_is_allowed(system: System, flags: dict[str, Any]) -> None:
    ((field, value),) = flags.items()
    with pytest.raises(ConfigError, match=f"{field} is {value!r}; it must be "):
        Supervisor.start([], **flags)
    with pytest.raises(TypeError, match="colour"):
        Supervisor.start([], colour="red")


# -- children that fail, or decline -----------------------------------------------------------------


@pytest.mark.case(92, 139)
def test_a_failing_start_undoes_those_before_it_and_tells_which_and_why(system: System) -> None:
    # Given a tree, in a leaf of which something fails
    inner = Supervisor.child_spec([*noted("a", "b"), ChildSpec(id="c", start=fail), *noted("d")], id="inner")
    # When
    with pytest.raises(StartError, match=r"'inner'.*'c'.*Boom") as caught:
        Supervisor.start([*noted("first"), inner])
    # Then
    assert names("start") == ["first", "a", "b"]
    assert names("stop") == ["b", "a", "first"]
    assert system.actors() == []
    cause = caught.value.__cause__
    assert isinstance(cause, StartError)
    assert isinstance(cause.__cause__, Boom)
    assert cause.__cause__.__traceback__ is not None


def test_a_failing_start_undoes_also_what_does_not_obey(system: System) -> None:
    idle = ChildSpec(id="idle", start=decline)
    brutal = noted("brutal", shutdown=BRUTAL_KILL)
    with pytest.raises(StartError, match="'c'"):
        Supervisor.start([Stubborn.child_spec(shutdown=0.02), idle, *brutal, ChildSpec(id="c", start=fail)])
    assert system.actors() == []


@pytest.mark.case(90, 359)
@pytest.mark.parametrize(
    "error", [Boom("x"), ExitReason.NORMAL, Stop("x"), SystemExit(3), AssertionError(), "garbage"], ids=repr
)
@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
@pytest.mark.shared_memory
def test_a_child_that_does_not_start_is_not_kept_and_harms_nobody(system: System, kind: Any, error: object) -> None:
    def start() -> object:
        if isinstance(error, BaseException):
            raise error
        return error

    family = kind.start()
    with pytest.raises(StartError, match="child 'x' of "):
        family.start_child(ChildSpec(id="x", start=start))
    assert family.which_children() == []
    assert family.is_alive()


@pytest.mark.case(93)
def test_a_name_clash_of_a_child_is_passed_on(system: System) -> None:
    holder = Probe.options(name="n").start()
    family = Supervisor.start([])
    with pytest.raises(AlreadyStarted) as caught:
        family.start_child(Probe.child_spec(name="n"))
    assert caught.value.ref == holder


@pytest.mark.case(82, 83, 84)
def test_a_start_function_may_decline(system: System) -> None:
    temporary = ChildSpec(id="t", start=decline, restart="temporary")
    family = Supervisor.start([temporary, ChildSpec(id="a", start=decline)])
    assert family.start_child(temporary) is None
    assert family.start_child(ChildSpec(id="b", start=decline)) is None
    assert family.start_child(*noted("c"))
    assert [(info.id, info.ref is None) for info in family.which_children()] == [("c", False), ("b", True), ("a", True)]
    counts = family.count_children()
    assert (counts.specs, counts.active, counts.workers, counts.supervisors) == (3, 1, 3, 0)


@pytest.mark.case(104)
@pytest.mark.shared_memory
def test_what_else_a_start_returns_goes_to_who_asked_for_it(system: System) -> None:
    family = Supervisor.start([])
    ref, info = family.start_child(ChildSpec(id="a", start=lambda: (Probe.start_link(), "info")))
    assert (ref, info) == (family.child("a"), "info")
    crash(ref)
    again = family.child("a")
    assert again != ref
    family.terminate_child("a")
    last, info = family.restart_child("a")
    assert (last, info) == (family.child("a"), "info")


@pytest.mark.shared_memory
def test_a_start_function_may_start_in_its_own_way(system: System) -> None:
    # Given one that does not even link
    family = Supervisor.start([ChildSpec(id="a", start=lambda: Probe.start(trap=True))])
    first = family.child("a")
    # Then it is supervised all the same
    crash(first)
    again = family.child("a")
    assert again != first
    family.stop()
    assert not again.is_alive()


@pytest.mark.shared_memory
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


# -- specs ------------------------------------------------------------------------------------------


@pytest.mark.case(94, 327)
def test_a_spec_is_told_with_its_defaults(system: System) -> None:
    specs = [
        Probe.child_spec(),
        Supervisor.child_spec([], id="s"),
        *noted("b", shutdown=BRUTAL_KILL, restart="transient"),
    ]
    family = Supervisor.start(specs)
    found = [family.child_spec(id) for id in ("Probe", "s", "b")]
    assert [(spec.restart, spec.shutdown, spec.type) for spec in found] == [
        ("permanent", 5.0, "worker"),
        ("permanent", INFINITY, "supervisor"),
        ("transient", BRUTAL_KILL, "worker"),
    ]
    assert (found[0].start, found[2].args) == (Probe, ("b",))


WRONG: list[tuple[str, object]] = [
    ("two children", [*noted("a"), *noted("a")]),
    ("'a' is no child", ["a"]),
    ("is no child", [{"id": "a", "start": Probe}]),
    ("<class 'int'> is no child", [int]),
    ("significant is True; it must be False", noted("a", restart="transient", significant=True)),
    ("children is 'abc'; it must be a list", "abc"),
]


@pytest.mark.case(96, 113, 114, 328, 340)
@pytest.mark.parametrize(("text", "children"), WRONG, ids=[text for text, _ in WRONG])
def test_wrong_children_are_refused_before_any_of_them_starts(system: System, text: str, children: object) -> None:
    with pytest.raises(BadChildSpec, match=text):
        Supervisor.start(children)
    assert system.actors() == []
    assert names("start") == []


@pytest.mark.case(113, 340)
def test_a_wrong_child_is_refused_before_the_supervisor_hears_of_it(system: System) -> None:
    family = Supervisor.start([])
    with pytest.raises(BadChildSpec, match="no child"):
        family.start_child("x")
    with pytest.raises(BadChildSpec, match="arguments"):
        family.start_child(Probe.child_spec(), 1)
    with pytest.raises(BadChildSpec, match="significant"):
        family.start_child(*noted("a", restart="temporary", significant=True))
    assert family.which_children() == []


@pytest.mark.case(341, 338, 339)
@pytest.mark.parametrize("shutdown", [0, 0.001, BRUTAL_KILL, INFINITY])
def test_a_child_is_added_by_spec_or_by_class_with_any_shutdown(system: System, shutdown: Any) -> None:
    family = Supervisor.start([])
    first = family.start_child(Probe.child_spec(id=1, shutdown=shutdown))
    second = family.start_child(Probe, id=2, shutdown=shutdown, trap=True)
    assert [family.child(id) for id in (1, 2)] == [first, second]
    family.stop(timeout=PATIENCE)
    assert not second.is_alive()


# -- others -----------------------------------------------------------------------------------------


@pytest.mark.case(111)
def test_requests_to_a_supervisor_that_ended_fail(system: System) -> None:
    family = Supervisor.start(noted("a"))
    family.stop()
    for request in (family.which_children, family.count_children):
        with pytest.raises(ActorDeadError):
            request()
    for call in (family.terminate_child, family.restart_child, family.delete_child, family.child_spec, family.child):
        with pytest.raises(ActorDeadError):
            call("a")
    with pytest.raises(ActorDeadError):
        family.start_child(Probe)


@pytest.mark.case(181)
@pytest.mark.shared_memory
def test_exits_of_strangers_do_not_disturb(system: System) -> None:
    family = Supervisor.start(noted("a"))
    stranger = Probe.start()
    run(stranger, lambda me: me.link(family))
    run(stranger, lambda _: family.exit(ExitReason.SHUTDOWN))
    family.exit(ExitReason.SHUTDOWN)
    stranger.exit("boom")
    end_of(stranger)
    assert states(family) == {"a": "running"}


@pytest.mark.case(184)
def test_a_message_that_nobody_expects_is_logged_and_dropped(system: System, caplog: pytest.LogCaptureFixture) -> None:
    class Family(Supervisor):
        pass

    caplog.set_level(logging.WARNING, "actorcloud.actor")
    family = Family.start(noted("a"))
    family.tell("what?")
    assert family.ask("what?") is None
    assert ["no handler for str" in record.getMessage() for record in caplog.records] == [True]
    assert family.child("a").is_alive()


@pytest.mark.case(165)
@pytest.mark.shared_memory
def test_whoever_hears_of_the_end_of_a_child_finds_the_new_one_by_name(system: System) -> None:
    family = Supervisor.start([Probe.child_spec(name="n")])
    watcher = Probe.start()
    seen = [family.child("n")]

    def restart_by_hand(_: ActorRef[Any]) -> None:
        family.terminate_child("n")
        family.restart_child("n")

    for number, end in enumerate((crash, restart_by_hand), 1):
        run(watcher, lambda me: me.monitor(seen[-1]))
        end(seen[-1])
        log(watcher, number)
        seen.append(family.child("n"))
        assert seen[-1] == system.whereis("n")
    assert len(set(seen)) == 3


@pytest.mark.case(164)
def test_a_killed_supervisor_comes_back_under_the_same_names(system: System) -> None:
    inner = Supervisor.child_spec([Probe.child_spec(name="server")], name="family")
    top = Supervisor.start([inner])
    old = system.whereis("family"), system.whereis("server")
    crash(top.child("family"))
    top.child("family")
    new = system.whereis("family"), system.whereis("server")
    assert None not in new
    assert not set(old) & set(new)


@pytest.mark.case(174)
@pytest.mark.slow
def test_time_grows_with_the_number_of_children_not_faster(pool: System) -> None:
    def seconds(count: int) -> float:
        # Of the processor: the machine is shared.
        begin = time.process_time()
        family = Supervisor.start([Starts().spec(number) for number in range(count)])
        assert family.count_children().active == count
        family.stop(timeout=PATIENCE)
        return time.process_time() - begin

    seconds(10)
    # Ten times as many; a quadratic step would take a hundred times as long.
    assert seconds(1_000) < 40 * max(seconds(100), 0.005)


# -- by name ----------------------------------------------------------------------------------------


def test_a_supervisor_is_asked_by_its_name(system: System) -> None:
    Registry.options(name="names").start("unique")
    key = Registry.named("names").via("tasks")
    family = Supervisor.named("family")
    with pytest.raises(ActorDeadError):
        family.which_children()
    Supervisor.options(name="family").start([TaskSupervisor.child_spec(name=key)])
    assert ids(family) == [key]
    assert TaskSupervisor.named(key).async_nolink(max, 1, 2).get(timeout=PATIENCE) == 2
    assert ids(run(Probe.start(), lambda _: family)) == [key]


# -- a class of its own -----------------------------------------------------------------------------


def test_an_init_that_declines_starts_nothing(system: System) -> None:
    class Later(Supervisor):
        def init(self) -> None:  # type: ignore[override]  # as said
            """Decline."""

    assert Later.start() is None
    assert system.actors() == []


@pytest.mark.parametrize("kind", [Supervisor, DynamicSupervisor])
def test_a_class_has_an_init_not_a_constructor_of_its_own(kind: Any) -> None:
    with pytest.raises(TypeError, match="Wrong has an __init__; override init"):
        type("Wrong", (kind,), {"__init__": lambda self: None, "__qualname__": "Wrong"})


def test_without_a_template_there_is_no_other(system: System) -> None:
    for kind in (Supervisor, DynamicSupervisor):
        with pytest.raises(BadChildSpec, match="use start_child"):
            kind.start().start_another(1)
