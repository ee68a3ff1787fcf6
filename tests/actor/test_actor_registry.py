"""The registry: who lives, found by class, name of class and URN; and all stopped at once."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import Actor, ActorRegistry, AskTimeout, Future, Supervisor, System
from tests.actor.cast import PATIENCE, Probe, log, run


class Plain(Actor):
    pass


class Special(Plain):
    pass


def test_it_shows_who_lives_in_the_order_of_their_starts(system: System) -> None:
    first, second, third = Plain.start(), Special.start(), Probe.start()
    assert ActorRegistry.get_all() == [first, second, third]
    second.stop()
    assert ActorRegistry.get_all() == [first, third]


def test_it_finds_by_class_by_name_and_by_urn(system: System) -> None:
    plain, special = Plain.start(), Special.start()
    assert ActorRegistry.get_by_class(Plain) == [plain, special]
    assert ActorRegistry.get_by_class(Special) == [special]
    assert ActorRegistry.get_by_class_name("Plain") == [plain]
    assert ActorRegistry.get_by_class_name("Nobody") == []
    assert ActorRegistry.get_by_urn(special.actor_urn) == special
    assert special.actor_urn == run(Probe.start(), lambda _: special.actor_urn)


@pytest.mark.parametrize(
    "urn", ["", "urn:actorcloud:x", "urn:uuid:12345678-1234-5678-1234-567812345678", "urn:other:1", "1", "²"]
)
def test_a_urn_of_nobody_finds_nobody(system: System, urn: str) -> None:
    Plain.start()
    assert ActorRegistry.get_by_urn(urn) is None


def test_the_urn_of_a_dead_actor_finds_nobody(system: System) -> None:
    plain = Plain.start()
    plain.stop()
    assert ActorRegistry.get_by_urn(plain.actor_urn) is None


def test_it_shows_the_current_system_only(system: System) -> None:
    plain = Plain.start()
    with System(name="other") as other, other.activate():
        assert ActorRegistry.get_all() == []
        assert ActorRegistry.get_by_urn(plain.actor_urn) is None


@pytest.mark.parametrize(("target", "reached"), [(None, [1, 1]), (Probe, [1, 1]), ("Loud", [0, 1]), ("Nobody", [0, 0])])
def test_a_broadcast_reaches_all_of_a_class(system: System, target: Any, reached: list[int]) -> None:
    class Loud(Probe):
        pass

    probes = [Probe.start(), Loud.start()]
    ActorRegistry.broadcast("hear", target)
    assert [run(probe, lambda me: len(me.log)) for probe in probes] == reached
    ActorRegistry.broadcast("too", Probe)
    assert [log(probe, 1 + count)[-1] for probe, count in zip(probes, reached, strict=True)] == ["too", "too"]


@pytest.mark.shared_memory
def test_stop_all_stops_the_last_first(system: System) -> None:
    # Given
    order: list[int] = []

    class Noting(Actor):
        def __init__(self, number: int) -> None:
            self.number = number

        def on_stop(self) -> None:
            order.append(self.number)

    for number in range(3):
        Noting.start(number)
    # When
    stopped = ActorRegistry.stop_all()
    # Then
    assert stopped == [True, True, True]
    assert order == [2, 1, 0]
    assert ActorRegistry.get_all() == []
    assert ActorRegistry.stop_all() == []


def test_stop_all_need_not_wait(system: System) -> None:
    Plain.start()
    (future,) = ActorRegistry.stop_all(block=False)
    assert isinstance(future, Future)
    assert future.get(timeout=PATIENCE) is True


def test_stop_all_leaves_children_to_their_supervisor(system: System) -> None:
    # Given a family that restarts whoever is stopped by others
    family = Supervisor.start([Plain.child_spec(id=number) for number in range(5)], max_restarts=0)
    child = family.child(0)
    # When
    stopped = ActorRegistry.stop_all(timeout=PATIENCE)
    # Then
    assert stopped == [True]
    assert not family.is_alive()
    assert not child.is_alive()


@pytest.mark.shared_memory
def test_stop_all_gives_up_on_who_does_not_end(pool: System) -> None:
    go_on = pool.latch()

    class Stubborn(Actor):
        def on_stop(self) -> None:
            pool.wait(go_on, PATIENCE)

    Stubborn.start()
    with pytest.raises(AskTimeout):
        ActorRegistry.stop_all(timeout=0.001)
    go_on.set()
