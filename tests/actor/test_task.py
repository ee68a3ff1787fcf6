"""Tasks, one by one: block L of the conformance list, but for what has files of its own."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    ActorDeadError,
    ActorRef,
    AskTimeout,
    Down,
    Exit,
    Exited,
    NotOwner,
    ReceiveTimeout,
    Returned,
    Supervisor,
    System,
    Task,
    TaskReply,
    callers,
    process,
)
from actorcloud.actor.thread import context
from actorcloud.base.errors import BadChildSpec, NodeDown
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, end_of, log, run, tell_run
from tests.actor.errands import (
    NAMES,
    SHORT,
    VERBS,
    as_owner,
    cut_off,
    fail,
    hang,
    leave,
    raised,
    reason_of,
    settled,
    throw,
    use_missing_function,
    use_missing_module,
    wait_for_word,
)

NORMAL, SHUTDOWN, NOPROC = ExitReason.NORMAL, ExitReason.SHUTDOWN, ExitReason.NOPROC


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


# -- starting -------------------------------------------------------------------------------------


@pytest.mark.case(459)
def test_an_owner_is_linked_and_hears_of_value_and_end_as_messages(system: System) -> None:
    def start(me: Any) -> tuple[Any, ...]:
        task = Task.start(math.factorial, 4)
        assert task.actor_ref is not None
        return task.ref, task.actor_ref, task.actor_ref.id in me._cell.links, repr(task)

    owner = Probe.start()
    ref, process, is_linked, text = run(owner, start)
    value, end = log(owner, 2)
    assert is_linked
    assert "factorial" in text
    assert isinstance(value, TaskReply)
    assert (value.ref, value.value) == (ref, 24)
    assert isinstance(end, Down)
    assert (end.ref, end.target, end.reason) == (ref, process, NORMAL)


@pytest.mark.case(460)
def test_the_value_of_a_function_with_arguments_can_be_waited_for(system: System) -> None:
    assert Task.start(divmod, 7, 2).get() == (3, 1)
    assert Task.start(int, "11", base=2).get() == 3
    assert as_owner(lambda _: Task.start(divmod, 7, 2).get()) == ((3, 1), [])


def test_only_functions_make_tasks(system: System) -> None:
    with pytest.raises(TypeError, match="a task runs a function, not 5"):
        Task.child_spec(5)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match="'sum'"):
        Task.start("sum")  # type: ignore[arg-type]


@pytest.mark.case(462, 463, 465, 466)
@pytest.mark.parametrize("is_linked", [False, True])
def test_a_spawned_function_runs_and_nobody_waits(system: System, is_linked: bool) -> None:  # noqa: FBT001
    def spawn(me: Any) -> bool:
        ref = (Task.spawn_link if is_linked else Task.spawn)(hang)
        return ref.id in (me._cell.links or {})

    assert as_owner(spawn) == (is_linked, [])
    seen = Probe.start()
    run(Probe.start(), lambda _: (Task.spawn_link if is_linked else Task.spawn)(seen.tell, "done"))
    assert log(seen, 1) == ["done"]


@pytest.mark.case(461, 467)
@pytest.mark.shared_memory
def test_a_task_knows_who_asked_for_it_and_who_asked_for_that(system: System) -> None:
    seen = Probe.start()

    def outer() -> ActorRef[Any]:
        me: ActorRef[Any] = context.local.cell.ref
        Task.spawn_link(lambda: seen.tell(callers()))
        assert Task.start(callers).get() == (me, owner)
        return me

    owner = Probe.start()
    middle = run(owner, lambda _: Task.start(outer).get())
    assert log(seen, 1) == [(middle, owner)]
    assert callers() == ()


@pytest.mark.case(464)
def test_a_completed_task_has_a_value_and_no_process(system: System) -> None:
    before = len(system.actors())
    task = Task.completed(42)
    assert task.actor_ref is None
    assert task.get() == 42
    assert len(system.actors()) == before


@pytest.mark.case(457)
def test_a_task_can_be_a_child(system: System) -> None:
    seen = Probe.start()
    family = Supervisor.start([Task.child_spec(seen.tell, "done")])
    assert log(seen, 1) == ["done"]
    assert family.is_alive()


@pytest.mark.case(458)
def test_a_task_as_a_child_is_temporary_unless_told_otherwise(system: System) -> None:
    spec = Task.child_spec(hang)
    assert (spec.id, spec.restart, spec.shutdown) == ("Task", "temporary", None)
    spec = Task.child_spec(hang, id="night watch", restart="permanent", shutdown=BRUTAL_KILL)
    assert (spec.id, spec.restart, spec.shutdown) == ("night watch", "permanent", BRUTAL_KILL)
    with pytest.raises(BadChildSpec):
        Task.child_spec(hang, restart="never")


# -- get ------------------------------------------------------------------------------------------


@pytest.mark.case(476, 477, 478, 479, 480, 481)
@pytest.mark.parametrize(
    ("function", "error", "reason"),
    [
        (lambda: leave(NORMAL), ActorDeadError, NORMAL),
        (throw, ActorDeadError, "Thrown"),
        (fail, Boom, None),
        (use_missing_module, ModuleNotFoundError, None),
        (use_missing_function, AttributeError, None),
        (lambda: leave("unknown"), ActorDeadError, "unknown"),
    ],
    ids=["normal exit", "throw", "error", "missing module", "missing function", "exit"],
)
def test_get_raises_why_there_is_no_value(
    system: System, function: Callable[[], Any], error: type[BaseException], reason: object
) -> None:
    for caught in (
        raised(lambda: Task.start(function).get()),
        as_owner(lambda _: raised(lambda: Task.start(function).get()))[0],
    ):
        assert type(caught).__name__ == error.__name__
        if isinstance(caught, ActorDeadError):
            assert reason_of(Exited(caught.reason)) == reason


def test_an_owner_that_does_not_trap_exits_ends_with_its_task(system: System) -> None:
    owner = Probe.start()
    end = owner.monitor()
    tell_run(owner, lambda _: Task.start(leave, "unknown").get())
    assert end.get(PATIENCE).reason == "unknown"


def test_a_task_ends_with_its_owner(system: System) -> None:
    owner = Probe.start()
    process = run(owner, lambda _: Task.start(hang).actor_ref)
    owner.exit("unknown")
    assert end_of(process) in {"unknown", NOPROC}


@pytest.mark.case(474, 475)
def test_a_get_that_took_too_long_says_so_and_leaves_no_message(system: System) -> None:
    gate = Probe.start()

    def give_up(me: Any) -> tuple[BaseException, Any]:
        task = Task.start(wait_for_word, gate, 42)
        error = raised(lambda: task.get(SHORT))
        gate.tell("go")
        settled(task)
        me.task = task
        return error, task.actor_ref

    owner = Probe.start()
    error, process = run(owner, give_up)
    assert isinstance(error, AskTimeout)
    assert "gave no value within 0.01 s" in str(error)
    end_of(process)
    assert log(owner, 0) == []
    # The value itself can still be had.
    assert run(owner, lambda me: me.task.get()) == 42


def test_the_outcome_is_taken_once(system: System) -> None:
    task = Task.start(math.factorial, 4)
    assert task.get() == 24
    error = raised(task.get)
    assert isinstance(error, ActorDeadError)
    assert error.reason is NOPROC
    assert task.wait() == Exited(NOPROC)
    assert "taken" in repr(task)


@pytest.mark.parametrize("timeout", [-1, "soon", True, math.nan])
def test_a_timeout_is_seconds_or_none(system: System, timeout: Any) -> None:
    task = Task.completed(42)
    for verb in (task.get, task.wait, task.shutdown):
        with pytest.raises(ValueError, match="timeout is"):
            verb(timeout)


# -- wait, ignore ---------------------------------------------------------------------------------


@pytest.mark.case(499)
def test_wait_takes_the_value_and_the_queued_messages(system: System) -> None:
    assert as_owner(lambda _: settled(Task.start(math.factorial, 4)).wait()) == (Returned(24), [])


@pytest.mark.case(500)
@pytest.mark.shared_memory
def test_wait_returns_none_while_the_task_runs_and_may_be_repeated(system: System) -> None:
    gate = Probe.start()
    task = Task.start(wait_for_word, gate, 42)
    assert task.wait(SHORT) is None
    assert task.wait(0) is None
    gate.tell("go")
    assert task.wait() == Returned(42)


@pytest.mark.case(501)
def test_wait_tells_how_a_task_ended_that_gave_no_value(system: System) -> None:
    assert as_owner(lambda _: Task.start(leave, NORMAL).wait()) == (Exited(NORMAL), [])
    assert reason_of(Task.start(fail).wait()) == "Boom"
    assert reason_of(Task.start(throw).wait()) == "Thrown"


def test_ignore_takes_an_outcome_that_is_there(system: System) -> None:
    def ignore(_: Any) -> tuple[Any, BaseException]:
        task = settled(Task.start(math.factorial, 4))
        return task.ignore(), raised(task.get)

    (outcome, error), messages = as_owner(ignore)
    assert outcome == Returned(24)
    assert error.reason is NOPROC
    assert messages == []


@pytest.mark.case(470)
def test_ignore_tells_of_a_failure_that_is_there(system: System) -> None:
    outcome, messages = as_owner(lambda _: settled(Task.start(fail)).ignore())
    assert reason_of(outcome) == "Boom"
    assert messages == []


@pytest.mark.case(469, 471)
@pytest.mark.parametrize("ending", [math.factorial, leave])
def test_what_comes_after_ignore_does_not_reach_the_owner(system: System, ending: Callable[[int], Any]) -> None:
    gate = Probe.start()

    def late() -> None:
        wait_for_word(gate, None)
        ending(4)

    def ignore(_: Any) -> tuple[Any, Any]:
        task = Task.start(late)
        outcome = task.ignore()
        assert task.wait(0) == Exited(NOPROC)
        return outcome, task.actor_ref

    owner = Probe.start()  # does not trap exits
    outcome, process = run(owner, ignore)
    end = process.monitor()
    gate.tell("go")
    end.get(PATIENCE)
    assert outcome is None
    assert log(owner, 0) == []


@pytest.mark.case(473)
def test_ignore_of_a_completed_task_is_its_value(system: System) -> None:
    assert Task.completed(42).ignore() == Returned(42)


# -- whoever may ----------------------------------------------------------------------------------


@pytest.mark.case(484, 498, 503, 510, 526)
@pytest.mark.shared_memory
@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_only_the_owner_may(system: System, verb: Callable[[Task[Any]], Any]) -> None:
    mine = Task.completed(42)
    error = run(Probe.start(), lambda _: raised(lambda: verb(mine)))
    assert isinstance(error, NotOwner)
    assert "another thread" in str(error)
    other = Probe.start()
    theirs = run(other, lambda _: Task.completed(42))
    with pytest.raises(NotOwner, match=str(other)):
        verb(theirs)


def test_a_task_of_a_thread_is_not_for_other_threads(pool: System) -> None:
    task = Task.completed(42)
    caught: list[BaseException] = []
    thread = threading.Thread(target=lambda: caught.append(raised(task.get)))
    thread.start()
    thread.join(PATIENCE)
    assert isinstance(caught[0], NotOwner)


def test_a_thread_is_not_taken_for_one_that_had_its_number(pool: System) -> None:
    # Given a task of a thread that has ended
    results: list[Any] = []

    def begin() -> None:
        with pool.activate():
            results.append(Task.completed(42))

    def on_a_thread(function: Callable[[], object]) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join(PATIENCE)

    on_a_thread(begin)
    task = results.pop()
    # When others, of which one has its number again, want the value
    for _ in range(5):
        on_a_thread(lambda: results.append(raised(task.get)))
    # Then
    assert [type(error) for error in results] == [NotOwner] * 5


@pytest.mark.case(472, 482, 496, 502, 509, 524, 536)
@pytest.mark.parametrize("verb", VERBS, ids=NAMES)
def test_every_verb_says_that_the_connection_was_lost(system: System, verb: Callable[[Task[Any]], Any]) -> None:
    error, messages = as_owner(lambda _: raised(lambda: verb(cut_off(Task.start(hang)))))
    assert isinstance(error, NodeDown)
    assert system.peer.name in str(error)
    assert messages == []


# -- the log --------------------------------------------------------------------------------------


@pytest.mark.case(567)
@pytest.mark.parametrize("function", [fail, leave], ids=["crash", "exit"])
def test_a_failure_is_logged_once_with_starter_function_and_arguments(
    system: System, caplog: pytest.LogCaptureFixture, function: Callable[..., Any]
) -> None:
    caplog.set_level(logging.ERROR, "actorcloud.actor")
    args = () if function is fail else ("out of paper",)
    owner = Probe.start(trap=True)
    process = run(owner, lambda _: settled(Task.start(function, *args)).actor_ref)
    (record,) = caplog.records
    text = record.getMessage()
    assert f"TaskProcess{process.id}" in text
    assert f"started by {owner}" in text
    assert function.__name__ in text
    assert f"arguments: {args!r}" in text
    assert ("Boom: as told" if function is fail else "out of paper") in text
    assert (record.exc_info is not None) == (function is fail)


@pytest.mark.case(568)
def test_a_failure_is_logged_with_the_label_that_the_function_chose(
    system: System, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> None:
        context.local.cell.actor.set_label("order 4711")
        raise Boom("out of paper")

    caplog.set_level(logging.ERROR, "actorcloud.actor")
    assert reason_of(Task.start(work).wait()) == "Boom"
    assert "[order 4711]" in caplog.records[0].getMessage()


def test_a_thread_with_an_identity_owns_tasks_as_an_actor_does(pool: System) -> None:
    with process(trap_exit=True) as me:
        task = Task.start(math.factorial, 4)
        reply = me.receive(TaskReply, timeout=PATIENCE)
        assert (reply.ref, reply.value) == (task.ref, 24)
        assert me.receive(Down, timeout=PATIENCE).ref == task.ref
        me.receive(Exit, timeout=PATIENCE)
        assert settled(Task.start(math.factorial, 4)).get() == 24
        me.receive(Exit, timeout=PATIENCE)
        assert list(Task.stream(math.factorial, [4])) == [Returned(24)]
        with pytest.raises(ReceiveTimeout):
            me.receive(timeout=0)


def test_a_task_can_be_looked_at(system: System) -> None:
    seen = Probe.start()

    def work(seen: ActorRef[Any]) -> None:
        seen.tell("started")
        hang()

    owner = Probe.start()
    tell_run(owner, lambda _: list(Task.stream(work, [seen], timeout=None)))
    log(seen, 1)
    (task,) = owner.info("links")
    assert "work" in task.info("label")
    assert task.info("links") == [owner]
    owner.kill()


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN], ids=str)
def test_a_normal_end_is_not_logged(system: System, caplog: pytest.LogCaptureFixture, reason: object) -> None:
    caplog.set_level(logging.WARNING, "actorcloud.actor")
    settled(Task.start(leave, reason))
    settled(Task.start(math.factorial, 4))
    assert caplog.records == []
