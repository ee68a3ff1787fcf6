"""Actors found by a key of a registry, as by a name."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    AlreadyStarted,
    ChildSpec,
    Registry,
    RegistryRef,
    Supervisor,
    System,
)
from actorcloud.base.errors import ActorError, NoSuchName
from actorcloud.base.exits import ExitReason
from tests.actor.cast import Boom, Probe, end_of, log, run
from tests.actor.entries import found, is_bare


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


@pytest.mark.case(432, 433)
def test_an_actor_is_started_and_found_by_key(start_registry: Callable[..., RegistryRef]) -> None:
    # Given
    registry = start_registry("unique")
    via = registry.via("ada")
    assert not via.is_alive()
    assert registry.whereis("ada") is None
    with pytest.raises(NoSuchName):
        via.tell(1)
    with pytest.raises(ActorDeadError):
        via.ask(1)
    # When
    actor = Probe.options(name=registry.via("ada", "value")).start()
    # Then
    assert registry.whereis("ada") == actor
    assert found(registry, "ada") == [(actor, "value")]
    via.tell(1)
    assert via.ask(2) == 2
    assert log(actor, 2) == [1, 2]
    with pytest.raises(AlreadyStarted) as caught:
        Probe.options(name=via).start()
    assert caught.value.ref == actor
    # When it ends, the name resolves to its successor
    actor.stop()
    assert not via.is_alive()
    successor = Probe.options(name=via).start()
    assert via.ask(3) == 3
    assert log(successor, 1) == [3]


def test_a_supervisor_restarts_a_child_under_its_key(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("unique")
    family = Supervisor.start([Probe.child_spec(name=registry.via("ada"), id="ada")])
    first = registry.whereis("ada")
    assert first == family.child("ada")
    assert first is not None
    first.kill()
    end_of(first)
    assert family.child("ada") == registry.whereis("ada") != first


def test_a_failed_start_leaves_no_key(start_registry: Callable[..., RegistryRef]) -> None:
    class Failing(Actor):
        def __init__(self) -> None:
            raise Boom("no")

    registry = start_registry("unique")
    with pytest.raises(Boom):
        Failing.options(name=registry.via("ada")).start()
    assert registry.select() == []
    assert is_bare(registry)


def test_names_of_a_registry_are_equal_by_key_and_can_be_monitored(system: System) -> None:
    registry = Registry.start("unique")
    assert registry.via(1) == registry.via(1, "value") != registry.via(1.0)
    assert len({registry.via(1), registry.via(1), registry.via(True)}) == 2
    assert "1 in Registry" in str(registry.via(1))
    assert repr(registry.via("a")).endswith(".via('a')")
    watcher = Probe.start()
    run(watcher, lambda me: me.monitor(registry.via("nobody")))
    (down,) = log(watcher, 1)
    assert (down.target, down.reason) == (registry.via("nobody"), ExitReason.NOPROC)


def test_a_name_of_a_registry_that_has_ended_finds_nobody(system: System) -> None:
    registry = Registry.start("unique")
    via = registry.via("ada")
    registry.stop()
    assert not via.is_alive()
    with pytest.raises(ActorDeadError):
        via.ask(1)
    with pytest.raises(ActorDeadError):
        Probe.options(name=via).start()


@pytest.mark.shared_memory
def test_a_name_is_of_use_in_its_own_system_only(system: System) -> None:
    registry = Registry.start("unique")
    with System(name="elsewhere") as other, pytest.raises(ActorError, match="no use"):
        Probe.options(name=registry.via("ada"), system=other).start()


def test_a_child_spec_needs_no_function_for_a_name_by_key(system: System) -> None:
    via = Registry.start("unique").via("ada")
    assert Probe.child_spec(name=via).id == via
    assert ChildSpec(id="x", start=Probe, name=via).name == via


def test_a_name_by_key_is_made_before_its_registry_runs(system: System) -> None:
    names = Registry.named("names")
    ada = names.via("ada")
    specs = [Registry.child_spec("unique", name="names"), Probe.child_spec(name=ada)]
    family = Supervisor.start(specs, strategy="rest_for_one")
    assert names.whereis("ada") == family.child(ada)
    assert ada.ask(1) == 1
