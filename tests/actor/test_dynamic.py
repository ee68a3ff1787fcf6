"""Dynamic supervisors: block I of the conformance list, as far as we go."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from actorcloud.actor import ActorRef, ChildSpec, DynamicSupervisor, MaxChildren, Supervisor, System
from actorcloud.base.errors import BadChildSpec, ConfigError, NoSuchChild, StartError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, end_of


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


def crash(ref: ActorRef[Any]) -> None:
    ref.kill()
    end_of(ref)


def test_children_come_and_go(system: System) -> None:
    pool = DynamicSupervisor.start()
    refs = [pool.start_child(Probe) for _ in range(5)]
    pool.terminate_child(refs[0])
    assert not refs[0].is_alive()
    assert pool.count_children().active == 4
    assert {info.ref for info in pool.which_children()} == set(refs[1:])
    with pytest.raises(NoSuchChild):
        pool.terminate_child(refs[0])
    with pytest.raises(NoSuchChild):
        pool.terminate_child("id")
    assert pool.child_spec(refs[1]).start is Probe


def test_a_permanent_child_is_replaced_and_a_temporary_one_is_not(system: System) -> None:
    pool = DynamicSupervisor.start()
    crash(pool.start_child(Probe, restart="temporary"))
    old = pool.start_child(Probe)
    crash(old)
    (info,) = pool.which_children()
    assert info.ref is not None
    assert info.ref != old
    assert info.ref.is_alive()


def test_the_end_takes_all_children_along(system: System) -> None:
    pool = DynamicSupervisor.start()
    refs = [pool.start_child(Probe, trap=trap) for trap in (True, False) for _ in range(10)]
    assert pool.stop(timeout=PATIENCE)
    assert not any(ref.is_alive() for ref in refs)


def test_too_many_restarts_end_it(system: System) -> None:
    pool = DynamicSupervisor.start(max_restarts=0)
    end = pool.monitor()
    other = pool.start_child(Probe)
    crash(pool.start_child(Probe))
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert not other.is_alive()


def test_it_takes_only_so_many(system: System) -> None:
    pool = DynamicSupervisor.start(max_children=1)
    first = pool.start_child(Probe)
    with pytest.raises(MaxChildren):
        pool.start_child(Probe)
    pool.terminate_child(first)
    assert pool.start_child(Probe).is_alive()


@pytest.mark.shared_memory
def test_a_child_whose_restart_fails_is_known_by_its_old_ref(system: System) -> None:
    # Given
    starts: list[int] = []

    def start() -> ActorRef[Any]:
        starts.append(1)
        if len(starts) in {2, 3}:
            raise Boom("not yet")
        return Probe.start_link()

    pool = DynamicSupervisor.start()
    old = pool.start_child(ChildSpec(id="x", start=start))
    # When
    crash(old)
    # Then it comes back in the end, or was given up by its old name
    while (info := pool.which_children()[0]).is_restarting:
        pass
    assert info.ref != old
    assert len(starts) == 4


def test_a_start_that_fails_or_declines_leaves_nothing(system: System) -> None:
    def fail() -> None:
        raise Boom("no")

    pool = DynamicSupervisor.start()
    with pytest.raises(StartError):
        pool.start_child(ChildSpec(id="x", start=fail))
    assert pool.start_child(ChildSpec(id="x", start=lambda: None)) is None
    assert pool.count_children().specs == 0


def test_wrong_flags_and_specs_are_refused(system: System) -> None:
    with pytest.raises(ConfigError):
        DynamicSupervisor.start(max_children=-1)
    pool = DynamicSupervisor.start()
    with pytest.raises(BadChildSpec):
        pool.start_child(Probe.child_spec(restart="transient", significant=True))
    with pytest.raises(BadChildSpec):
        pool.start_child("x")


def test_it_can_be_supervised(system: System) -> None:
    family = Supervisor.start([DynamicSupervisor.child_spec(id="pool")])
    child = family.child("pool").start_child(Probe)  # type: ignore[attr-defined]
    family.stop()
    assert not child.is_alive()
