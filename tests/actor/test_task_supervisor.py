"""Supervisors of tasks: block M of the conformance list, but for the streams."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    ActorDeadError,
    ActorRef,
    AskTimeout,
    Down,
    MaxChildren,
    StartChild,
    Stop,
    Supervisor,
    System,
    Task,
    TaskReply,
    TaskSupervisor,
    TaskSupervisorRef,
    callers,
)
from actorcloud.actor.child import ChildSpec
from actorcloud.actor.task.process import HANDOVER_TIMEOUT, AwaitingProcess
from actorcloud.actor.thread import context
from actorcloud.base.errors import BadChildSpec, NoSuchChild
from actorcloud.base.exits import Crash, ExitReason, Shutdown
from tests.actor.cast import PATIENCE, Boom, Probe, log, run, tell_run
from tests.actor.errands import fail, hang, leave, throw, trap_and_hang, wait_for_word

#: The two ways to start a task that someone waits for.
each_async = pytest.mark.parametrize("verb", ["async_link", "async_nolink"])


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


@pytest.fixture
def tasks(system: System) -> TaskSupervisorRef:
    return TaskSupervisor.start()


def started(me: Any, task: Task[Any]) -> tuple[Any, ActorRef[Any], bool]:
    """Return what is to be known of a task that an actor has started."""
    assert task.actor_ref is not None
    return task.ref, task.actor_ref, task.actor_ref.id in (me._cell.links or {})


# -- in a tree ------------------------------------------------------------------------------------


@pytest.mark.case(569)
def test_it_can_be_a_child(system: System) -> None:
    family = Supervisor.start([TaskSupervisor])
    tasks = family.child("TaskSupervisor")
    assert isinstance(tasks, TaskSupervisorRef)
    assert tasks.async_nolink(math.factorial, 4).get() == 24
    family.stop()
    assert not tasks.is_alive()


@pytest.mark.case(571)
def test_several_as_children_need_names(system: System) -> None:
    family = Supervisor.start([TaskSupervisor.child_spec(name="quick"), TaskSupervisor.child_spec(name="slow")])
    assert {info.id for info in family.which_children()} == {"quick", "slow"}
    with pytest.raises(BadChildSpec, match="TaskSupervisor"):
        Supervisor.start([TaskSupervisor, TaskSupervisor])


@pytest.mark.case(572)
def test_it_starts_without_children(tasks: TaskSupervisorRef) -> None:
    assert tasks.children() == []
    count = tasks.count_children()
    assert (count.specs, count.active, count.supervisors, count.workers) == (0, 0, 0, 0)


# -- tasks that someone waits for -----------------------------------------------------------------


@pytest.mark.case(573, 578)
@pytest.mark.shared_memory
@each_async
def test_a_task_is_a_child_and_its_owner_hears_of_it(tasks: TaskSupervisorRef, verb: str) -> None:
    gate, owner = Probe.start(), Probe.start()
    ref, process, is_linked = run(owner, lambda me: started(me, getattr(tasks, verb)(lambda: wait_for_word(gate, 42))))
    assert tasks.children() == [process]
    assert is_linked == (verb == "async_link")
    gate.tell("go")
    value, end = log(owner, 2)
    assert isinstance(value, TaskReply)
    assert (value.ref, value.value) == (ref, 42)
    assert isinstance(end, Down)
    assert (end.ref, end.target, end.reason) == (ref, process, ExitReason.NORMAL)


@pytest.mark.case(577, 582)
@each_async
def test_a_task_takes_arguments(tasks: TaskSupervisorRef, verb: str) -> None:
    assert getattr(tasks, verb)(divmod, 7, 2).get() == (3, 1)
    assert getattr(tasks, verb)(int, "11", base=2).get() == 3


@pytest.mark.case(579)
@pytest.mark.shared_memory
def test_the_owner_outlives_a_task_that_it_is_not_linked_to(tasks: TaskSupervisorRef) -> None:
    owner = Probe.start()
    ref, process, _ = run(owner, lambda me: started(me, tasks.async_nolink(fail)))
    (end,) = log(owner, 1)
    assert (end.ref, end.target) == (ref, process)
    assert isinstance(end.reason, Crash)
    assert isinstance(end.reason.exception, Boom)


def test_the_owner_ends_with_a_task_that_it_is_linked_to(tasks: TaskSupervisorRef) -> None:
    owner = Probe.start()
    end = owner.monitor()
    tell_run(owner, lambda me: started(me, tasks.async_link(leave, "unknown")))
    assert end.get(PATIENCE).reason == "unknown"
    assert tasks.is_alive()


@pytest.mark.case(574, 580, 585)
@pytest.mark.parametrize("verb", ["async_link", "async_nolink", "start_child"])
def test_a_shutdown_of_its_own_is_obeyed_when_the_supervisor_stops(tasks: TaskSupervisorRef, verb: str) -> None:
    ready = Probe.start()
    task = getattr(tasks, verb)(trap_and_hang, ready, shutdown=BRUTAL_KILL)
    process = task if isinstance(task, ActorRef) else task.actor_ref
    log(ready, 1)
    end = process.monitor()
    assert tasks.stop(timeout=PATIENCE)
    assert end.get(PATIENCE).reason is ExitReason.KILLED


@pytest.mark.case(575, 581)
@pytest.mark.parametrize("verb", ["async_link", "async_nolink", "start_child"])
def test_a_full_supervisor_raises(system: System, verb: str) -> None:
    tasks = TaskSupervisor.start(max_children=1)
    tasks.start_child(hang)
    with pytest.raises(MaxChildren):
        getattr(tasks, verb)(hang)


@pytest.mark.case(576, 587)
@pytest.mark.parametrize("verb", ["async_link", "async_nolink", "start_child"])
def test_who_asks_is_another_than_who_supervises(system: System, verb: str) -> None:
    family = Supervisor.start([TaskSupervisor])
    tasks: Any = family.child("TaskSupervisor")
    seen = Probe.start()

    def tell() -> None:
        cell = context.local.cell
        seen.tell((callers(), [cell.parent, cell.parent._cell.parent]))

    owner = Probe.start()
    run(owner, lambda _: getattr(tasks, verb)(tell) and None)
    assert log(seen, 1) == [((owner,), [tasks, family])]


@pytest.mark.case(589)
@each_async
def test_a_get_that_took_too_long_leaves_no_message(tasks: TaskSupervisorRef, verb: str) -> None:
    gate, owner = Probe.start(), Probe.start()

    def give_up(_: Any) -> ActorRef[Any] | None:
        task = getattr(tasks, verb)(wait_for_word, gate, 42)
        with pytest.raises(AskTimeout):
            task.get(0.01)
        return task.actor_ref  # type: ignore[no-any-return]

    end = run(owner, give_up).monitor()
    gate.tell("go")
    end.get(PATIENCE)
    assert log(owner, 0) == []


@pytest.mark.case(590, 591, 592)
@each_async
@pytest.mark.parametrize(
    ("function", "error"),
    [(throw, ActorDeadError), (fail, Boom), (lambda: leave("unknown"), ActorDeadError)],
    ids=["throw", "error", "exit"],
)
def test_get_raises_why_there_is_no_value(
    tasks: TaskSupervisorRef, verb: str, function: Callable[[], Any], error: type[Exception]
) -> None:
    with pytest.raises(ActorDeadError if error is ActorDeadError else Exception) as caught:
        getattr(tasks, verb)(function).get()
    assert type(caught.value).__name__ == error.__name__


# -- the hand-over --------------------------------------------------------------------------------


def test_a_task_whose_owner_ends_before_it_hands_over_the_work_ends_too(tasks: TaskSupervisorRef) -> None:
    owner = Probe.start()
    spec = ChildSpec(id="task", start=AwaitingProcess, args=(owner,), restart="temporary")
    process: ActorRef[Any] = tasks.ask(StartChild(spec))
    end = process.monitor()
    owner.exit("unknown")
    assert end.get(PATIENCE).reason == Shutdown("unknown")


def test_a_task_waits_only_so_long_for_its_work(sim_tasks: tuple[Any, TaskSupervisorRef]) -> None:
    sim, tasks = sim_tasks
    spec = ChildSpec(id="task", start=AwaitingProcess, args=(None,), restart="temporary")
    process: ActorRef[Any] = tasks.ask(StartChild(spec))
    sim.run(HANDOVER_TIMEOUT - 0.1)
    assert process.is_alive()
    sim.run(0.2)
    assert not process.is_alive()


@pytest.fixture
def sim_tasks() -> Any:
    from actorcloud.testing import Simulation

    with Simulation(seed=1) as sim:
        yield sim, TaskSupervisor.start()


def test_an_owner_may_end_once_the_work_is_handed_over_if_it_is_not_linked(tasks: TaskSupervisorRef) -> None:
    seen, gate, owner = Probe.start(), Probe.start(), Probe.start()

    def work(gate: ActorRef[Any], seen: ActorRef[Any]) -> None:
        seen.tell(wait_for_word(gate, 42))

    run(owner, lambda _: tasks.async_nolink(work, gate, seen) and None)
    owner.stop()
    gate.tell("go")
    assert log(seen, 1) == [42]


# -- tasks that nobody waits for ------------------------------------------------------------------


@pytest.mark.case(583, 584)
@pytest.mark.shared_memory
def test_a_child_is_not_linked_to_who_starts_it(tasks: TaskSupervisorRef) -> None:
    gate, seen, owner = Probe.start(), Probe.start(), Probe.start()

    def start(me: Any) -> tuple[ActorRef[Any], bool]:
        ref = tasks.start_child(lambda: seen.tell(wait_for_word(gate, 42)))
        return ref, ref.id in (me._cell.links or {})

    ref, is_linked = run(owner, start)
    assert not is_linked
    assert tasks.children() == [ref]
    gate.tell("go")
    assert log(seen, 1) == [42]
    tasks.start_child(seen.tell, "with arguments")
    assert log(seen, 2) == [42, "with arguments"]


@pytest.mark.case(586)
def test_a_permanent_child_runs_again(system: System) -> None:
    tasks = TaskSupervisor.start(max_restarts=1)
    seen = Probe.start()

    def work(seen: ActorRef[Any]) -> None:
        seen.tell("run")
        raise Stop(ExitReason.SHUTDOWN)

    end = tasks.monitor()
    tasks.start_child(work, seen, restart="permanent")
    assert end.get(PATIENCE).reason is ExitReason.SHUTDOWN
    assert log(seen, 2) == ["run", "run"]


@pytest.mark.case(588)
def test_a_child_can_be_ended_by_its_ref(tasks: TaskSupervisorRef) -> None:
    ref = tasks.start_child(hang)
    tasks.terminate_child(ref)
    assert not ref.is_alive()
    assert tasks.children() == []
    with pytest.raises(NoSuchChild):
        tasks.terminate_child(ref)


# -- the log --------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["async_nolink", "start_child"])
@pytest.mark.parametrize("function", [fail, leave])
def test_a_failure_is_logged_once_by_the_task(
    tasks: TaskSupervisorRef, caplog: pytest.LogCaptureFixture, verb: str, function: Callable[..., Any]
) -> None:
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    getattr(tasks, verb)(function, *(["oops"] if function is leave else []))
    while tasks.children():
        pass
    (record,) = caplog.records
    assert function.__name__ in record.getMessage()


def test_a_failure_of_a_task_as_a_child_is_logged_once(system: System, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    family = Supervisor.start([Task.child_spec(fail)])
    while family.count_children().specs:
        pass
    (record,) = caplog.records
    assert "started by its supervisor" in record.getMessage()
