"""Partition supervisors: equal children, and keys that are always served by the same of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorRef,
    BadSize,
    ChildSpec,
    DynamicSupervisor,
    NoPartition,
    PartitionsRef,
    PartitionSupervisor,
    Registry,
    Supervisor,
    System,
    named,
)
from actorcloud.base.errors import ActorError, BadChildSpec, ConfigError, NoSuchChild, NoSuchName, StartError
from tests.actor.cast import PATIENCE, Probe, log, run
from tests.actor.family import Starts, crash, events, names, noted

route = PartitionSupervisor.route


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


class Numbered(Actor):
    """Answers with what it was started with, and with its ref."""

    def __init__(self, *args: object) -> None:
        self.args = args

    def on_receive(self, message: object) -> object:
        return self.actor_ref if message == "who" else self.args


def start(child: Any = Numbered, *, name: Any = "parts", **options: Any) -> PartitionsRef:
    ref: Any = PartitionSupervisor.options(name=name).start(child, **options)
    return ref  # type: ignore[no-any-return]


def who(key: object, name: Any = "parts") -> ActorRef[Any]:
    found: ActorRef[Any] = route(name, key).ask("who", timeout=PATIENCE)
    return found


# -- starting and routing ---------------------------------------------------------------------------


@pytest.mark.case(384, 385)
def test_its_id_is_its_name(system: System) -> None:
    assert PartitionSupervisor.child_spec(Numbered, name="parts").id == "parts"
    Registry.options(name="names").start("unique")
    via = Registry.named("names").via("parts")
    assert PartitionSupervisor.child_spec(Numbered, name=via).id == via


@pytest.mark.case(386, 402)
def test_there_are_as_many_as_processors_and_each_start_goes_to_one(system: System) -> None:
    # Given
    parts = start(DynamicSupervisor)
    processors = len(os.sched_getaffinity(0))
    assert parts.partitions() == processors
    # When
    for key in range(100):
        found: Any = parts.partition(key)
        found.start_child(Probe)
    # Then
    counts = [info.ref.count_children().active for info in parts.which_children()]  # type: ignore[union-attr]
    assert sum(counts) == 100
    assert min(counts) >= 100 // processors


@pytest.mark.case(387, 395, 397, 405)
def test_it_may_be_named_by_a_registry(system: System) -> None:
    Registry.options(name="names").start("unique")
    names = Registry.named("names")
    parts = start(name=names.via("parts"), partitions=3)
    assert len({who(key, names.via("parts")) for key in range(10)}) == 3
    found = PartitionSupervisor.named(names.via("parts"))
    assert (found.partition(0), found.partitions(), found.count_children().active) == (parts.partition(0), 3, 3)
    assert names.via("parts").stop(timeout=PATIENCE)
    assert not parts.is_alive()
    with pytest.raises(ActorDeadError):
        found.partitions()


@pytest.mark.case(388)
@pytest.mark.shared_memory
def test_each_may_have_arguments_of_its_own(system: System) -> None:
    parts = start(Numbered.child_spec("x"), partitions=3, with_arguments=lambda args, number: [*args, number])
    assert [route("parts", key).ask("args") for key in (0, 1, 2, 3, -1)] == [("x", n) for n in (0, 1, 2, 0, 1)]
    assert parts.child(2).ask("args") == ("x", 2)


def test_a_key_is_always_served_by_the_same_until_that_is_started_anew(system: System) -> None:
    parts = start(partitions=4)
    joe = route("parts", ("joe", 1))
    old = joe.ask("who")
    assert {joe.ask("who"), who(("joe", 1)), parts.partition(("joe", 1))} == {old}
    crash(old)
    parts.which_children()
    assert joe.ask("who") != old
    assert joe.is_alive()


def test_a_route_is_a_ref_that_travels_but_no_name_to_take(system: System) -> None:
    start(partitions=4)
    joe = route("parts", "joe")
    assert (joe, hash(joe)) == (route("parts", "joe"), hash(route("parts", "joe")))
    assert joe != route("parts", "ada")
    assert "'parts'" in str(joe)
    echo = Probe.start()
    assert echo.ask(joe) == joe
    with pytest.raises(ActorError, match="no name for"):
        Probe.options(name=joe).start()
    with pytest.raises(TypeError):
        route("parts", object())


@pytest.mark.shared_memory
def test_a_monitor_of_a_route_tells_of_who_served_then(system: System) -> None:
    start(partitions=4)
    joe, watcher = route("parts", "joe"), Probe.start()
    run(watcher, lambda me: me.monitor(joe))
    crash(joe.ask("who"))
    (down,) = log(watcher, 1)
    assert down.target == joe


def test_it_has_ended_before_its_last_turn_is_over(pool: System) -> None:
    # Given
    parts = start()
    actor = parts._cell.actor
    parts.stop()
    # When
    parts._cell.actor = actor
    # Then
    with pytest.raises(ActorDeadError):
        parts.partitions()
    parts._cell.actor = None


@pytest.mark.shared_memory
def test_a_partition_that_is_being_restarted_is_not_found(system: System) -> None:
    starts = Starts(kind=Numbered)
    parts = start(starts.spec("x"), partitions=1, max_restarts=1_000_000)
    joe = route("parts", "joe")
    old = joe.ask("who")
    starts.broken = True
    crash(old)
    assert parts.partition("joe") is None
    with pytest.raises(NoSuchName):
        joe.tell("hello")
    starts.broken = False
    assert parts.child(0).ask("who") == joe.ask("who")


def test_a_route_to_a_supervisor_can_do_what_that_can(system: System) -> None:
    early = DynamicSupervisor.named(route("pools", 1))
    pools = start(DynamicSupervisor, name="pools", partitions=2)
    late: Any = route("pools", 1)
    assert early == late
    child = late.start_child(Probe)
    assert [info.ref for info in early.which_children()] == [child]
    assert pools.partition(1).which_child(child).ref == child  # type: ignore[union-attr]
    start(Numbered, partitions=1)
    assert not hasattr(route("parts", 1), "start_child")


# -- what is refused --------------------------------------------------------------------------------


@pytest.mark.case(389, 390)
def test_a_name_and_a_child_are_needed(system: System) -> None:
    with pytest.raises(ConfigError, match="name is None"):
        PartitionSupervisor.start(Numbered)
    with pytest.raises(TypeError, match="child"):
        PartitionSupervisor.options(name="parts").start()
    assert system.whereis("parts") is None


@pytest.mark.case(391, 392, 393)
@pytest.mark.parametrize(
    ("error", "child", "options"),
    [
        (ConfigError, Numbered, {"partitions": 0}),
        (ConfigError, Numbered, {"partitions": "many"}),
        (ConfigError, Numbered, {"with_arguments": 5}),
        (ConfigError, Numbered, {"auto_shutdown": "any_significant"}),
        (BadChildSpec, Numbered.child_spec(name="x"), {}),
        (BadChildSpec, Numbered.child_spec(restart="temporary"), {}),
        (BadChildSpec, 5, {}),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(
    system: System, error: type[Exception], child: object, options: dict[str, Any]
) -> None:
    with pytest.raises(error, match=next(iter(options), "it must be|no child")):
        start(child, **options)
    assert system.actors() == []


@pytest.mark.case(396, 404)
def test_an_unknown_name_is_told(system: System) -> None:
    Probe.options(name="probe").start()
    for name in ("parts", "probe"):
        with pytest.raises(ActorDeadError, match=name):
            PartitionSupervisor.named(name).partitions()
    with pytest.raises(ActorDeadError, match="'joe', a key of PartitionSupervisor 'parts'"):
        who("joe")
    parts = start(partitions=2)
    parts.stop(timeout=PATIENCE)
    with pytest.raises(ActorDeadError):
        parts.partitions()


# -- ending and resizing ----------------------------------------------------------------------------


@pytest.mark.case(394)
def test_when_it_has_stopped_its_name_is_free(system: System) -> None:
    for _ in range(3):
        start(partitions=2)
        assert named("parts").stop(timeout=PATIENCE)
    assert system.actors() == []


@pytest.mark.case(398)
def test_it_is_resized_to_any_number_up_to_the_first(system: System) -> None:
    parts = start(partitions=8)
    before = 8
    for size in (3, 5, 8, 1, 8, 2, 7, 4, 6):
        assert parts.resize(size) == before
        counts = parts.count_children()
        assert (parts.partitions(), counts.active, counts.specs) == (size, size, 8)
        assert len({who(key) for key in range(16)}) == size
        before = size


@pytest.mark.case(399)
def test_with_no_partition_nothing_is_found_until_it_is_resized_again(system: System) -> None:
    parts = start(partitions=2)
    assert parts.resize(0) == 2
    looks: list[Callable[[object], object]] = [parts.partition, who, lambda key: route("parts", key).tell(1)]
    for look in looks:
        with pytest.raises(NoPartition):
            look("joe")
    assert parts.resize(2) == 0
    assert who("joe").is_alive()


@pytest.mark.case(400)
@pytest.mark.parametrize("size", [9, -1, 1.5, True])
def test_other_numbers_are_refused(system: System, size: Any) -> None:
    parts = start(partitions=8)
    with pytest.raises(BadSize, match="from 0 to 8"):
        parts.resize(size)
    assert parts.partitions() == 8


def test_those_it_was_resized_by_cannot_be_started_by_hand(system: System) -> None:
    parts = start(partitions=4)
    parts.resize(2)
    parts.terminate_child(1)
    assert parts.restart_child(1) == parts.partition(1)
    with pytest.raises(NoSuchChild, match="has 2 partitions"):
        parts.restart_child(3)
    assert parts.count_children().active == parts.partitions() == 2


@pytest.mark.parametrize("strategy", ["one_for_all", "rest_for_one"])
def test_a_restart_does_not_bring_back_those_it_was_resized_by(system: System, strategy: str) -> None:
    parts = start(*noted("x"), partitions=3, strategy=strategy)
    parts.resize(2)
    assert names("stop") == ["x"]
    crash(parts.child(0))
    assert parts.child(1).is_alive()
    with pytest.raises(NoSuchChild):
        parts.child(2)
    assert parts.count_children().active == 2


@pytest.mark.shared_memory
def test_a_partition_that_does_not_start_ends_the_growth_before_it(system: System) -> None:
    starts = Starts(7, kind=Numbered)
    parts = start(starts.spec("x"), partitions=4)
    parts.resize(1)
    with pytest.raises(StartError, match="start 7"):
        parts.resize(4)
    assert (parts.partitions(), parts.resize(4), parts.partitions()) == (3, 3, 4)


def test_its_children_are_no_others(system: System) -> None:
    parts = start(partitions=2)
    calls = (lambda: parts.start_child(Probe), lambda: parts.delete_child(0), parts.start_another)
    for call in calls:
        with pytest.raises(ActorError, match="use resize"):
            call()


# -- counting ---------------------------------------------------------------------------------------


@pytest.mark.case(401, 402, 403)
@pytest.mark.parametrize("child", [Numbered, DynamicSupervisor, Supervisor])
def test_there_is_an_entry_for_each_partition(system: System, child: Any) -> None:
    parts = start(child, partitions=6)
    is_worker = child is Numbered
    assert [(info.id, info.type) for info in reversed(parts.which_children())] == [
        (number, "worker" if is_worker else "supervisor") for number in range(6)
    ]
    counts = parts.count_children()
    assert (counts.specs, counts.active) == (6, 6)
    assert (counts.workers, counts.supervisors) == ((6, 0) if is_worker else (0, 6))


def test_it_can_be_supervised(system: System) -> None:
    spec = PartitionSupervisor.child_spec(ChildSpec(id="x", start=Numbered), name="parts", partitions=2)
    family = Supervisor.start([spec])
    old = who(1)
    crash(family.child("parts"))
    family.child("parts")
    assert who(1) != old
    family.stop()
