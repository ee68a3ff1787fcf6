"""The locks of registries."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from actorcloud.actor import (
    ActorRef,
    AskTimeout,
    CallingSelf,
    Registry,
    RegistryRef,
    System,
)
from actorcloud.actor.registry.key import exact
from actorcloud.actor.registry.registry_ref import ledger_of
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run, tell_run
from tests.actor.entries import raised

BOTH = pytest.mark.parametrize("kind", ["unique", "duplicate"])


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


def lock_and_wait(registry: RegistryRef, key: str) -> Callable[[Any], None]:
    """Return what takes the lock, says so, and keeps it until a message `go` is in the log of a gate."""

    def hold(me: Any) -> None:
        registry.lock(key, lambda: (registry.meta("seen").tell((key, me.actor_ref)), log(registry.meta("gate"), 1)))
        registry.meta("seen").tell((key, "free"))

    return hold


@pytest.fixture
def guarded(start_registry: Callable[..., RegistryRef]) -> tuple[RegistryRef, ActorRef[Any], ActorRef[Any]]:
    """A registry, who sees the locks taken, and the gate that lets their holders go on."""
    seen, gate = Probe.start(), Probe.start()
    return start_registry("unique", meta={"seen": seen, "gate": gate}), seen, gate


Guarded = tuple[RegistryRef, ActorRef[Any], ActorRef[Any]]


@pytest.mark.case(452)
def test_locks_of_two_keys_do_not_wait_for_each_other(guarded: Guarded) -> None:
    registry, seen, gate = guarded
    holders = [Probe.start(), Probe.start()]
    for key, holder in zip("ab", holders, strict=True):
        tell_run(holder, lock_and_wait(registry, key))
    assert set(log(seen, 2)) == {("a", holders[0]), ("b", holders[1])}
    gate.tell("go")
    log(seen, 4)


@pytest.mark.case(453)
def test_a_lock_is_taken_by_one_after_the_other(guarded: Guarded) -> None:
    # Given a holder and one that waits
    registry, seen, gate = guarded
    first, second = Probe.start(), Probe.start()
    tell_run(first, lock_and_wait(registry, "a"))
    log(seen, 1)
    tell_run(second, lock_and_wait(registry, "a"))
    with pytest.raises(AskTimeout):
        registry.lock("a", lambda: None, timeout=0.01)
    assert log(seen, 1) == [("a", first)]
    # When
    gate.tell("go")
    # Then
    assert [event for event in log(seen, 4) if event[1] != "free"] == [("a", first), ("a", second)]
    assert registry.lock("a", lambda: "now", timeout=PATIENCE) == "now"


@pytest.mark.case(454)
@BOTH
def test_a_lock_is_given_back_by_a_holder_that_raises(kind: str, start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry(kind)

    def fail() -> None:
        raise Boom("inside")

    with pytest.raises(Boom):
        registry.lock("a", fail)
    assert registry.lock("a", lambda: "free", timeout=PATIENCE) == "free"


@pytest.mark.case(455, 456)
def test_a_lock_goes_past_the_dead(guarded: Guarded) -> None:
    # Given a holder, and behind it one that dies while it waits, and another
    registry, seen, gate = guarded
    holder, dying, heir = Probe.start(), Probe.start(), Probe.start()
    tell_run(holder, lock_and_wait(registry, "a"))
    log(seen, 1)
    tell_run(dying, lock_and_wait(registry, "a"))
    (partition,) = {registry._cell.actor.ledger.tables_of("a")[0].partition}
    while len(partition._cell.actor._watched) < 2:
        run(gate, lambda _: None)
    tell_run(heir, lock_and_wait(registry, "a"))
    # When
    dying.kill()
    end_of(dying)
    holder.kill()
    # Then
    assert log(seen, 2)[1] == ("a", heir)
    gate.tell("go")
    log(seen, 3)
    assert registry.lock("a", lambda: "free", timeout=PATIENCE) == "free"
    partition.ask("whatever was sent before")
    assert partition._cell.actor._claims == {}


@pytest.mark.case(455)
def test_a_lock_is_free_while_the_handler_of_its_killed_holder_goes_on(pool: System) -> None:
    # Given a holder that is killed in the middle of its lock, and does not notice
    registry = Registry.start("unique")
    holder = Probe.start()
    inside, over = threading.Event(), threading.Event()

    def hold() -> None:
        inside.set()
        over.wait(PATIENCE)

    tell_run(holder, lambda _: registry.lock("a", hold))
    assert inside.wait(PATIENCE)
    # When
    holder.kill()
    # Then
    assert registry.lock("a", lambda: "free", timeout=PATIENCE / 2) == "free"
    over.set()


def test_who_has_a_lock_cannot_wait_for_it_again(start_registry: Callable[..., RegistryRef]) -> None:
    registry = start_registry("unique")
    actor = Probe.start()
    error = raised(actor, lambda _: registry.lock("a", lambda: registry.lock("a", lambda: None)))
    assert isinstance(error, CallingSelf)
    assert registry.lock("a", lambda: "free", timeout=PATIENCE) == "free"


@BOTH
def test_locks_are_spread_over_the_partitions(kind: str, system: System) -> None:
    registry = Registry.start(kind, partitions=4)

    def keepers(key: int) -> list[int]:
        tables = ledger_of(registry).tables
        return [place for place, table in enumerate(tables) if exact(key) in table.partition._cell.actor._claims]

    found = [registry.lock(key, partial(keepers, key), timeout=PATIENCE) for key in range(4)]
    assert found == [[0], [1], [2], [3]]
