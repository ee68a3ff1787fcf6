"""Registries: block K of the conformance list, each with one partition and with eight."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorRef,
    AlreadyRegistered,
    Down,
    Entry,
    Exit,
    Registered,
    Registry,
    RegistryRef,
    Supervisor,
    System,
    Unregistered,
    named,
    register,
)
from actorcloud.actor.thread.context import running
from actorcloud.base.errors import ActorError, ConfigError, NoSuchName
from tests.actor.cast import PATIENCE, Boom, Probe, boom, end_of, log, run, tell_run
from tests.actor.entries import calling, enter, found, is_bare, leave, raised

BOTH = pytest.mark.parametrize("kind", ["unique", "duplicate"])


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


# -- starting --------------------------------------------------------------------------------------


@pytest.mark.case(406)
@BOTH
def test_it_has_as_many_partitions_as_it_was_told(kind: str, system: System) -> None:
    registry = Registry.start(kind, partitions=8)
    assert registry.partitions == 8
    assert registry.count_children().active == 8


@pytest.mark.case(448)
@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"keys": "some"}, "keys is 'some'"),
        ({"keys": "unique", "partitions": 0}, "partitions is 0"),
        ({"keys": "unique", "partitions": True}, "partitions is True"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(options: dict[str, Any], text: str, system: System) -> None:
    with pytest.raises(ConfigError, match=text):
        Registry.start(**options)


@pytest.mark.case(431)
def test_a_registry_that_does_not_run_says_so_in_every_call(system: System) -> None:
    ended = Registry.start("unique")
    ended.stop()
    actor = Probe.start()
    for registry in (ended, Registry.named("nobody")):
        calls: list[tuple[str, tuple[Any, ...]]]
        calls = [("count", ()), ("select", ()), ("lookup", ("a",)), ("whereis", ("a",)), ("keys", (actor,))]
        for verb, arguments in calls:
            with pytest.raises(ActorDeadError):
                getattr(registry, verb)(*arguments)
        assert isinstance(raised(actor, partial(calling, registry.register)), ActorDeadError)
        assert isinstance(raised(actor, partial(calling, registry.unregister)), ActorDeadError)


def test_a_registry_has_ended_before_its_last_turn_is_over(pool: System) -> None:
    # Given
    registry = Registry.start("unique")
    actor = registry._cell.actor
    registry.stop()
    # When
    registry._cell.actor = actor
    # Then
    with pytest.raises(ActorDeadError):
        registry.count()
    registry._cell.actor = None


# -- registering -----------------------------------------------------------------------------------


@pytest.mark.case(407, 408, 435, 436)
@BOTH
def test_entries_are_counted_and_listed(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    # Given nothing
    registry = start_registry(kind)
    assert (registry.count(), registry.select()) == (0, [])
    # When
    actor = Probe.start()
    second = "ada" if kind == "duplicate" else "eve"
    enter(actor, registry, ("ada", 1), (second, 2))
    # Then
    assert registry.count() == 2
    assert sorted(registry.select(), key=lambda entry: entry.value) == [
        Entry("ada", actor, 1),
        Entry(second, actor, 2),
    ]
    assert registry.count(lambda entry: entry.value > 1) == 1
    assert registry.select(lambda entry: entry.value > 1) == [Entry(second, actor, 2)]


@pytest.mark.case(409, 410, 449, 450)
def test_a_unique_key_is_taken_by_one_actor_once(start_registry: Callable[..., RegistryRef]) -> None:
    # Given
    registry = start_registry("unique")
    holder, other = Probe.start(), Probe.start()
    enter(holder, registry, ("ada", 1))
    # When both try
    for actor in (holder, other):
        error = raised(actor, lambda _: registry.register("ada", 2))
        assert isinstance(error, AlreadyRegistered)
        assert error.ref == holder
    # Then nothing has changed, and nothing is left of the attempt
    assert found(registry, "ada") == [(holder, 1)]
    assert registry.keys(other) == []
    enter(holder, registry, ("eve", 3))
    assert sorted(registry.keys(holder)) == ["ada", "eve"]
    assert registry.values("ada", holder) == [1]
    assert registry.values("ada", other) == []
    leave(holder, registry, "ada", "eve")
    assert is_bare(registry)


@pytest.mark.shared_memory
@pytest.mark.case(411)
def test_a_key_is_free_while_the_handler_of_its_killed_holder_goes_on(pool: System) -> None:
    # Given a holder that is killed in the middle of a handler
    registry = Registry.start("unique")
    holder, heir = Probe.start(), Probe.start()
    enter(holder, registry, ("ada", 1))
    inside, over = threading.Event(), threading.Event()
    tell_run(holder, lambda _: inside.set() or over.wait(PATIENCE))  # type: ignore[func-returns-value]  # one after the other
    assert inside.wait(PATIENCE)
    holder.kill()
    # When
    enter(heir, registry, ("ada", 2))
    # Then
    assert found(registry, "ada") == [(heir, 2)]
    over.set()


@pytest.mark.case(412, 413)
def test_a_duplicate_key_has_all_entries_of_all_actors(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("duplicate")
    one, two = Probe.start(), Probe.start()
    enter(one, registry, ("ada", 1), ("ada", 1), ("eve", 2))
    enter(two, registry, ("ada", 3))
    assert sorted(found(registry, "ada"), key=lambda pair: pair[1]) == [(one, 1), (one, 1), (two, 3)]
    assert registry.keys(one) == ["ada", "ada", "eve"]
    assert registry.keys(two) == ["ada"]
    assert (registry.values("ada", one), registry.values("ada", two)) == ([1, 1], [3])
    assert [entry.ref for entry in registry.match("ada", lambda value: value == 3)] == [two]


STRANGE: list[Any] = ["_", "$1", "*", ".*", "%", None, ("_", "$1"), (("a",), frozenset({"_"})), frozenset(), b"_", ...]


@pytest.mark.case(416, 421, 447)
@BOTH
def test_keys_are_taken_literally_and_compare_exactly(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    # Given
    registry = start_registry(kind)
    actor = Probe.start()
    keys = [*STRANGE, 1, 1.0, True, (1, "a"), (1.0, "a"), (True, "a"), frozenset({1}), frozenset({True})]
    # When
    enter(actor, registry, *((key, number) for number, key in enumerate(keys)))
    # Then each is its own
    for number, key in enumerate(keys):
        assert found(registry, key) == [(actor, number)]
    assert registry.count() == len(keys)
    # When some go, the others stay
    leave(actor, registry, *keys[::2])
    assert [bool(registry.lookup(key)) for key in keys] == [bool(number % 2) for number in range(len(keys))]


def test_a_key_that_cannot_be_hashed_is_a_type_error(system: System) -> None:
    registry = Registry.start("unique")
    with pytest.raises(TypeError, match="unhashable"):
        registry.lookup(["a"])  # type: ignore[arg-type]
    assert isinstance(raised(Probe.start(), lambda _: registry.register(["a"])), TypeError)  # type: ignore[arg-type]


def test_only_actors_register(system: System) -> None:
    with pytest.raises(ActorError, match="no actor"):
        Registry.start("unique").register("ada")


@pytest.mark.case(422)
def test_only_the_holder_updates_its_value(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("unique")
    holder, other = Probe.start(), Probe.start()
    assert isinstance(raised(holder, lambda _: registry.update_value("ada", abs)), NoSuchName)
    enter(holder, registry, ("ada", -1))
    assert isinstance(raised(other, lambda _: registry.update_value("ada", abs)), NoSuchName)
    assert run(holder, lambda _: registry.update_value("ada", abs)) == (1, -1)
    assert found(registry, "ada") == [(holder, 1)]
    # The new entry goes as the old one would have gone.
    leave(holder, registry, "ada")
    assert is_bare(registry)


@pytest.mark.case(423, 434)
def test_a_duplicate_registry_knows_no_single_entry_of_a_key(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("duplicate")
    actor = Probe.start()
    enter(actor, registry, ("ada", 1))
    assert isinstance(raised(actor, lambda _: registry.update_value("ada", abs)), ActorError)
    with pytest.raises(ActorError, match="duplicate"):
        registry.via("ada").tell(1)
    with pytest.raises(ActorError, match="duplicate"):
        Probe.options(name=registry.via("ada")).start()
    with pytest.raises(ActorError, match="duplicate"):
        registry.whereis("ada")


@pytest.mark.case(427, 428)
@BOTH
def test_an_actor_takes_back_its_own_entries_of_a_key(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    # Given
    registry = start_registry(kind)
    actor, other = Probe.start(), Probe.start()
    enter(actor, registry, ("ada", 1), ("eve", 2), *([("ada", 3)] if kind == "duplicate" else []))
    # When another does, nothing happens
    leave(other, registry, "ada")
    assert len(registry.lookup("ada")) == (2 if kind == "duplicate" else 1)
    # When it does
    leave(actor, registry, "ada")
    # Then
    assert registry.lookup("ada") == []
    assert registry.keys(actor) == ["eve"]
    leave(actor, registry, "ada", "never")
    assert registry.keys(actor) == ["eve"]


def test_entries_are_taken_back_by_their_value(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("duplicate")
    actor = Probe.start()
    enter(actor, registry, ("ada", 1), ("ada", 2), ("ada", 3))
    run(actor, lambda _: registry.unregister_match("ada", lambda value: value % 2))
    assert found(registry, "ada") == [(actor, 2)]


# -- death and bonds -------------------------------------------------------------------------------


@pytest.mark.case(451)
@BOTH
def test_nothing_is_left_of_actors_that_end(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry(kind)
    actors = [Probe.start() for _ in range(4)]
    for number, actor in enumerate(actors):
        enter(actor, registry, (number, "a"), ((number, number), "b"))
    ends = [actor.monitor() for actor in actors]
    for actor in actors[1:]:
        actor.kill()
    actors[0].stop()
    for end in ends:
        end.get(PATIENCE)
    assert (registry.count(), registry.select()) == (0, [])
    assert is_bare(registry)


def test_the_key_is_free_before_anybody_hears_of_the_death(start_registry: Callable[..., RegistryRef]) -> None:
    # Given an heir that registers as soon as it hears of the end, as a supervisor's restart does
    class Heir(Probe):
        def on_down(self, message: Down) -> None:
            registry.register("ada", "heir")
            super().on_down(message)

    registry = start_registry("unique")
    holder, heir = Probe.start(), Heir.start()
    enter(holder, registry, ("ada", "holder"))
    run(heir, lambda me: me.monitor(holder))
    # When
    holder.kill()
    # Then
    log(heir, 1)
    assert found(registry, "ada") == [(heir, "heir")]


@pytest.mark.case(430)
@BOTH
def test_who_is_registered_is_linked_to_the_registry(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    # Given one that has left again, one that has not, and one that traps exits
    registry = start_registry(kind)
    gone, inside, trapping = Probe.start(), Probe.start(), Probe.start(trap=True)
    for number, actor in enumerate((gone, inside, trapping)):
        enter(actor, registry, ((number, "a"), 1), ((number, "b"), 2))
    leave(gone, registry, (0, "a"), (0, "b"))
    leave(inside, registry, (1, "a"))
    # When the registry is lost
    registry.kill()
    # Then
    assert end_of(inside) is not None
    assert isinstance(log(trapping, 1)[0], Exit)
    assert run(gone, lambda _: "alive") == "alive"


def test_the_loss_of_a_partition_empties_the_registry_which_goes_on(start_registry: Callable[..., RegistryRef]) -> None:
    # Given
    registry = start_registry("unique")
    actor = Probe.start(trap=True)
    enter(actor, registry, ("ada", 1))
    old = registry.which_children()[0].ref
    assert old is not None
    # When
    old.kill()
    end_of(old)
    fresh = registry.child(0)
    # Then nobody is registered, and may be again
    assert fresh != old
    assert registry.select() == []
    enter(actor, registry, ("ada", 2))
    assert found(registry, "ada") == [(actor, 2)]


def test_registering_with_a_lost_partition_is_refused(pool: System) -> None:
    registry = Registry.start("unique")
    registry._cell.actor.ledger.tables[0].is_open = False
    assert isinstance(raised(Probe.start(), lambda _: registry.register("ada")), ActorDeadError)


def test_a_supervised_registry_is_found_by_its_name_after_a_restart(system: System) -> None:
    # Given
    class Player(Actor):
        def __init__(self) -> None:
            Registry.named("games").register("ada", "ready")

    family = Supervisor.start(
        [Registry.child_spec("unique", name="games", id="games"), Player], strategy="rest_for_one"
    )
    games = Registry.named("games")
    first = games.whereis("ada")
    assert first is not None
    # When
    family.child("games").kill()
    end_of(first)
    family.child("games")
    second = family.child("Player")
    # Then the player has registered anew
    assert second != first
    assert games.whereis("ada") == second


# -- listeners -------------------------------------------------------------------------------------


@pytest.mark.case(429)
@BOTH
def test_listeners_hear_of_calls_and_not_of_deaths(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    # Given two listeners, by name and by ref
    by_name, by_ref = Probe.start(), Probe.start()
    register("ear", by_name)
    registry = start_registry(kind, listeners=("ear", by_ref))
    actor = Probe.start()
    # When
    enter(actor, registry, ("ada", 1), ("eve", 2))
    leave(actor, registry, "ada")
    actor.stop()
    for ear in (by_name, by_ref):
        # Then
        ear.tell("end")
        assert log(ear, 4) == [
            Registered(registry, "ada", actor, 1),
            Registered(registry, "eve", actor, 2),
            Unregistered(registry, "ada", actor),
            "end",
        ]


# -- dispatch --------------------------------------------------------------------------------------


@pytest.mark.case(424)
def test_dispatch_calls_here_with_the_entry_of_a_unique_key(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("unique")
    calls: list[tuple[int, list[Entry]]] = []
    registry.dispatch("ada", lambda entries: calls.append((threading.get_ident(), entries)))
    assert calls == []
    actor = Probe.start()
    enter(actor, registry, ("ada", 1), ("eve", 2))
    registry.dispatch("ada", lambda entries: calls.append((threading.get_ident(), entries)))
    assert calls == [(threading.get_ident(), [Entry("ada", actor, 1)])]


@pytest.mark.case(425)
def test_dispatch_calls_once_for_each_partition_that_has_entries(start_registry: Callable[..., RegistryRef]) -> None:
    # Given more actors than partitions
    registry = start_registry("duplicate")
    actors = [Probe.start() for _ in range(16)]
    for actor in actors:
        enter(actor, registry, ("ada", 1), ("eve", 2))
    # When
    calls: list[tuple[int, list[Entry]]] = []
    registry.dispatch("ada", lambda entries: calls.append((threading.get_ident(), entries)))
    # Then
    assert len(calls) == registry.partitions
    assert {entry.ref for _, entries in calls for entry in entries} == set(actors)
    assert {entry.key for _, entries in calls for entry in entries} == {"ada"}
    assert {thread for thread, _ in calls} == {threading.get_ident()}


@pytest.mark.shared_memory
@pytest.mark.case(426)
def test_dispatch_in_parallel_runs_elsewhere_where_there_are_partitions(
    start_registry: Callable[..., RegistryRef],
) -> None:
    # Given more actors than partitions, and a caller that is an actor
    registry = start_registry("duplicate")
    actors = [Probe.start() for _ in range(16)]
    for actor in actors:
        enter(actor, registry, ("ada", 1))
    caller = Probe.start()
    calls: list[tuple[ActorRef[Any], list[Entry]]] = []

    def note(entries: list[Entry]) -> None:
        me = running()
        assert me is not None
        calls.append((me.ref, entries))

    # When
    run(caller, lambda _: registry.dispatch("ada", note, parallel=True))
    # Then it waited for all, which ran as others
    assert sorted(entry.ref for _, entries in calls for entry in entries) == sorted(actors)
    runners = {ref for ref, _ in calls}
    assert len(runners) == registry.partitions
    assert (caller in runners) is (registry.partitions == 1)
    # When one of them fails, the caller hears of it
    with pytest.raises(Boom):
        registry.dispatch("ada", boom, parallel=True)
    # And a unique registry has nothing to divide
    unique = start_registry("unique")
    enter(caller, unique, ("ada", 1))
    del calls[:]
    run(caller, lambda _: unique.dispatch("ada", note, parallel=True))
    assert [ref for ref, _ in calls] == [caller]


def test_a_registry_keeps_what_is_said_about_it(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("unique", meta={"a": 1})
    registry.put_meta("b", 2)
    assert [registry.meta("a"), registry.meta("b"), registry.meta("c"), registry.meta("c", 3)] == [1, 2, None, 3]
    registry.delete_meta("a")
    registry.delete_meta("never")
    assert registry.meta("a") is None


@BOTH
def test_entries_of_who_is_named_are_those_of_who_it_is(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry(kind)
    ada = Probe.options(name="ada").start()
    enter(ada, registry, ("x", 1))
    assert (registry.keys(named("ada")), registry.values("x", named("ada"))) == (["x"], [1])
    assert (registry.keys(named("nobody")), registry.values("x", named("nobody"))) == ([], [])
