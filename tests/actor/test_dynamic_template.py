"""Dynamic supervisors with a template: OTP's simple_one_for_one."""

from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
from typing import Any, ClassVar

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    INFINITY,
    Actor,
    ActorRef,
    ChildSpec,
    DynamicSupervisor,
    Future,
    Supervisor,
    SupervisorRef,
    System,
    named,
)
from actorcloud.base.errors import ActorError, BadChildSpec, ConfigError, NoSuchChild, StartError
from actorcloud.base.exits import ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe
from tests.actor.family import Noted, Slow, Starts, crash, end, events, names

#: More than any test lasts.
ENDLESS = 1_000_000


class Gate:
    """Opens when so many have come."""

    def __init__(self, missing: int, is_open: Future[Any]) -> None:
        self.missing = missing
        self.is_open = is_open
        self._lock = threading.Lock()

    def pass_through(self, system: System) -> None:
        with self._lock:
            self.missing -= 1
            is_last = self.missing == 0
        if is_last:
            self.is_open.set()
        system.wait(self.is_open, PATIENCE)


class Meeting(Actor):
    """Ends when others are about to, as well."""

    trap_exit = True
    gate: ClassVar[Gate]

    def on_stop(self) -> None:
        self.gate.pass_through(self.system)


@pytest.fixture(autouse=True)
def _no_events(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    events.clear()


def refs(pool: SupervisorRef) -> set[ActorRef[Any] | None]:
    return {info.ref for info in pool.which_children()}


@pytest.mark.case(112, 122)
def test_children_are_started_by_the_template_with_arguments_of_their_own(system: System) -> None:
    # Given
    pool = DynamicSupervisor.start(template=Noted.child_spec("joe", id="x"), extra_arguments=())
    assert (pool.which_children(), pool.count_children().specs) == ([], 1)
    # When
    first, second = pool.start_another(), pool.start_another(trap=False)
    # Then
    assert refs(pool) == {first, second}
    assert (pool.count_children().specs, pool.count_children().active) == (1, 2)
    assert (pool.child_spec(second).args, pool.child_spec(second).kwargs) == (("joe",), {"trap": False})
    with pytest.raises(BadChildSpec, match="start_another"):
        pool.start_child(Probe)
    # When one crashes
    crash(first)
    # Then only that is replaced, with the same arguments
    assert second in refs(pool)
    assert first not in refs(pool)
    assert names("start") == ["joe"] * 3


@pytest.mark.case(112)
def test_only_a_live_stranger_cannot_be_terminated(system: System) -> None:
    pool = DynamicSupervisor.start(template=Probe)
    child, stranger = pool.start_another(), Probe.start()
    pool.terminate_child(child)
    pool.terminate_child(child)
    for who in (stranger, "id", named("nobody")):
        with pytest.raises(NoSuchChild):
            pool.terminate_child(who)
    assert stranger.is_alive()
    for call in (pool.child, pool.restart_child, pool.delete_child):
        with pytest.raises(ActorError, match=f"does not do {call.__name__}: its children have no ids"):
            call("id")


@pytest.mark.case(95)
def test_the_spec_of_a_child_is_told_in_full(system: System) -> None:
    pool = DynamicSupervisor.start(template=DynamicSupervisor)
    spec = pool.child_spec(pool.start_another())
    assert (spec.restart, spec.shutdown, spec.type, spec.id) == (
        "permanent",
        INFINITY,
        "supervisor",
        "DynamicSupervisor",
    )
    with pytest.raises(NoSuchChild):
        pool.child_spec(Probe.start())


@pytest.mark.case(113)
@pytest.mark.parametrize("template", [[Probe, Probe], "Probe"], ids=str)
def test_a_wrong_template_is_refused(system: System, template: object) -> None:
    with pytest.raises(BadChildSpec, match="is no child"):
        DynamicSupervisor.start(template=template)
    with pytest.raises(BadChildSpec, match="significant is True"):
        DynamicSupervisor.start(template=Probe.child_spec(restart="transient", significant=True))
    with pytest.raises(ConfigError, match="auto_shutdown is 'maybe'"):
        DynamicSupervisor.start(template=Probe, auto_shutdown="maybe")


@pytest.mark.case(85, 86, 91)
@pytest.mark.parametrize("restart", ["permanent", "temporary"])
@pytest.mark.shared_memory
def test_a_start_that_declines_or_fails_leaves_nothing(system: System, restart: str) -> None:
    def start(answer: object) -> object:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    pool = DynamicSupervisor.start(template=ChildSpec(id="x", start=start, restart=restart))
    assert pool.start_another(None) is None
    for answer, text in ((Boom("no"), "no"), ("garbage", "garbage")):
        with pytest.raises(StartError, match=text):
            pool.start_another(answer)
    assert (pool.which_children(), pool.count_children().workers) == ([], 0)
    assert pool.stop(timeout=PATIENCE)


@pytest.mark.case(122, 124)
@pytest.mark.shared_memory
def test_a_third_crash_is_too_many(system: System) -> None:
    template = ChildSpec(id="x", start=lambda: (Probe.start_link(), "info"))
    pool = DynamicSupervisor.start(template=template, max_restarts=2, max_seconds=60)
    over = pool.monitor()
    for _ in range(2):
        pool.start_another()
    for _ in range(3):
        crash(next(ref for ref in refs(pool) if ref is not None))
    assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert system.actors() == []


@pytest.mark.case(126)
@pytest.mark.shared_memory
def test_a_child_that_cannot_restart_ends_all(system: System) -> None:
    starts = Starts()
    pool = DynamicSupervisor.start(template=starts.spec("x"), max_restarts=4)
    over = pool.monitor()
    child, other = pool.start_another(), pool.start_another()
    starts.broken = True
    crash(child)
    assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert starts.count == 6
    assert not other.is_alive()


@pytest.mark.case(158, 168)
@pytest.mark.shared_memory
def test_children_that_cannot_restart_are_counted_and_given_up_by_their_old_refs(system: System) -> None:
    # Given three, of which two are being restarted
    starts = Starts()
    pool = DynamicSupervisor.start(template=starts.spec("x"), max_restarts=ENDLESS)
    children = [pool.start_another() for _ in range(3)]
    starts.broken = True
    for child in children[:2]:
        crash(child)
    # Then
    assert sorted(info.is_restarting for info in pool.which_children()) == [False, True, True]
    counts = pool.count_children()
    assert (counts.active, counts.workers) == (1, 3)
    # When one is given up, and the other can be started
    pool.terminate_child(children[0])
    starts.broken = False
    while pool.count_children().active != 2:
        pass
    # Then
    assert pool.count_children().workers == 2
    assert children[2] in refs(pool)


@pytest.mark.case(99, 101)
def test_the_end_takes_all_along_brutally(system: System) -> None:
    assert set(_ends_of_ten(BRUTAL_KILL)) == {ExitReason.KILLED}


@pytest.mark.case(99, 101)
def test_the_end_takes_along_who_does_not_end_in_time(virtual: System) -> None:
    *killed, last = _ends_of_ten(0.02)
    assert set(killed) == {ExitReason.KILLED}
    assert last is ExitReason.SHUTDOWN


def _ends_of_ten(shutdown: Any) -> list[object]:
    """End a supervisor of children that do not end, but for the last, who ends at once; return how they did."""
    pool = DynamicSupervisor.start(template=Slow.child_spec(shutdown=shutdown))
    ends = [pool.start_another(seconds).monitor() for seconds in [1_000.0] * 9 + [0.0]]
    over = pool.monitor()
    pool.stop(reason=ExitReason.SHUTDOWN, timeout=PATIENCE)
    assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
    return [end.get(PATIENCE).reason for end in ends]


@pytest.mark.case(123)
def test_children_end_at_the_same_time(system: System) -> None:
    # Given children each of which ends only when all are about to
    gate = Meeting.gate = Gate(3, system.future())
    pool = DynamicSupervisor.start(template=Meeting.child_spec(shutdown=PATIENCE))
    children = [pool.start_another() for _ in range(3)]
    reasons = [child.monitor() for child in children]
    # When
    pool.stop(timeout=PATIENCE)
    # Then none was waited for before the next was told
    assert gate.missing == 0
    assert [end.get(PATIENCE).reason for end in reasons] == [ExitReason.SHUTDOWN] * 3


@pytest.mark.case(123)
def test_a_child_that_takes_too_long_to_end_is_killed(system: System) -> None:
    pool = DynamicSupervisor.start(template=Slow.child_spec(shutdown=0.05))
    slow = pool.start_another(PATIENCE).monitor()
    pool.stop(timeout=PATIENCE)
    assert slow.get(PATIENCE).reason is ExitReason.KILLED


@pytest.mark.case(146)
@pytest.mark.parametrize("restart", ["temporary", "transient"])
@pytest.mark.parametrize("auto", ["any_significant", "all_significant"])
def test_significant_children_end_it(system: System, auto: str, restart: str) -> None:
    template = Noted.child_spec("x", restart=restart, significant=True)
    pool = DynamicSupervisor.start(template=template, auto_shutdown=auto)
    over = pool.monitor()
    first, second = pool.start_another(), pool.start_another()
    pool.terminate_child(pool.start_another())
    end(first, Shutdown("done"))
    if auto == "all_significant":
        assert refs(pool) == {second}
        end(second, ExitReason.NORMAL)
    assert over.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert not second.is_alive()


@pytest.mark.case(125, 160)
def test_arguments_of_temporary_children_are_not_kept(pool: System) -> None:
    class Large:
        pass

    class Forgetful(Actor):
        def __init__(self, _: Large) -> None:
            pass

    for restart in ("temporary", "permanent"):
        family = DynamicSupervisor.start(template=Forgetful.child_spec(restart=restart))
        large = Large()
        seen = weakref.ref(large)
        child = family.start_another(large)
        del large
        family.count_children()
        gc.collect()
        assert (seen() is None) == (restart == "temporary")
        assert len(family.child_spec(child).args) == (0 if restart == "temporary" else 1)


@pytest.mark.case(156, 157)
@pytest.mark.slow
@pytest.mark.parametrize("kind", [Probe, Supervisor])
def test_thousands_are_counted(pool: System, kind: Any) -> None:
    family = DynamicSupervisor.start(template=kind.child_spec(restart="temporary"))
    for total in (500, 1_000):
        for _ in range(500):
            family.start_another()
        counts = family.count_children()
        assert (counts.specs, counts.active) == (1, total)
        assert (counts.workers, counts.supervisors) == ((total, 0) if kind is Probe else (0, total))
    for ref in refs(family):
        crash(ref)  # type: ignore[arg-type]
    counts = family.count_children()
    assert (counts.specs, counts.active, counts.workers, counts.supervisors) == (1, 0, 0, 0)


@pytest.mark.case(162)
@pytest.mark.slow
def test_time_grows_with_the_number_of_children_not_faster(pool: System) -> None:
    def seconds(count: int) -> float:
        family = DynamicSupervisor.start(template=Probe.child_spec(restart="temporary"))
        for _ in range(count):
            family.start_another()
        # Of the processor: the machine is shared.
        begin = time.process_time()
        family.stop(timeout=PATIENCE)
        return time.process_time() - begin

    seconds(10)
    # Ten times as many; a quadratic step would take a hundred times as long.
    assert seconds(2_000) < 40 * max(seconds(200), 0.01)
