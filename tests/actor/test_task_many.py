"""Several tasks at once: `get_all` and `wait_many`."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import (
    ActorDeadError,
    AskTimeout,
    Exited,
    Returned,
    System,
    Task,
    TaskReply,
)
from actorcloud.base.errors import ConfigError
from actorcloud.base.exits import ExitReason
from tests.actor.cast import PATIENCE, Boom, Probe, log, tell_run
from tests.actor.errands import (
    SHORT,
    as_owner,
    fail,
    hang,
    leave,
    raised,
    settled,
    throw,
    wait_for_word,
)

NORMAL, NOPROC = ExitReason.NORMAL, ExitReason.NOPROC


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


# -- get_all --------------------------------------------------------------------------------------


@pytest.mark.case(485, 486, 487)
@pytest.mark.shared_memory
def test_get_all_returns_values_in_the_order_of_the_tasks(system: System) -> None:
    assert Task.get_all([]) == []
    gates = [Probe.start() for _ in range(3)]
    tasks = [Task.start(wait_for_word, gate, number) for number, gate in enumerate(gates)]
    for gate in reversed(gates):
        gate.tell("go")
        log(gate, 1)
    assert Task.get_all(tasks) == [0, 1, 2]


@pytest.mark.case(488, 489)
def test_get_all_leaves_other_messages_where_they_are(system: System) -> None:
    def get(me: Any) -> tuple[Any, Any]:
        task = Task.start(math.factorial, 4)
        me.actor_ref.tell("foreign")
        me.actor_ref.tell(TaskReply(task.ref, "a second reply"))
        return Task.get_all([task]), task.ref

    (values, ref), (foreign, second) = as_owner(get)
    assert values == [24]
    assert foreign == "foreign"
    assert (second.ref, second.value) == (ref, "a second reply")


@pytest.mark.case(490)
def test_get_all_has_one_deadline_for_all(system: System) -> None:
    def get(_: Any) -> tuple[BaseException, list[Any]]:
        tasks = [Task.start(hang), settled(Task.start(math.factorial, 4)), Task.start(hang)]
        return raised(lambda: Task.get_all(tasks, SHORT)), [task.wait(0) for task in (tasks[1], tasks[0])]

    (error, outcomes), messages = as_owner(get)
    assert isinstance(error, AskTimeout)
    assert "2 of 3 did not" in str(error)
    assert outcomes == [Returned(24), None]
    assert messages == []


@pytest.mark.case(491)
def test_get_all_fails_as_the_task_did(system: System) -> None:
    owner = Probe.start()
    end = owner.monitor()
    tell_run(owner, lambda _: Task.get_all([Task.start(leave, "unknown")]))
    assert end.get(PATIENCE).reason == "unknown"


@pytest.mark.case(492, 493, 494, 495)
@pytest.mark.parametrize(
    ("failing", "error"),
    [(lambda: leave("unknown"), ActorDeadError), (throw, ActorDeadError), (fail, Boom)],
    ids=["exit", "throw", "error"],
)
def test_get_all_fails_at_once(system: System, failing: Callable[[], Any], error: type[BaseException]) -> None:
    # A wait for the first would last for ever.
    caught, messages = as_owner(
        lambda _: raised(lambda: Task.get_all([Task.start(hang), Task.start(failing)], timeout=None))
    )
    assert type(caught).__name__ == error.__name__
    assert messages == []


# -- wait_many ------------------------------------------------------------------------------------


@pytest.mark.case(504, 508, 511)
def test_wait_many_tells_of_each_in_the_order_given(system: System) -> None:
    def wait(_: Any) -> list[Any]:
        tasks: list[Task[Any]] = [
            settled(Task.start(math.factorial, 4)),
            Task.start(hang),
            settled(Task.start(leave, NORMAL)),
        ]
        found = Task.wait_many(tasks, SHORT)
        assert list(found) == tasks
        return list(found.values())

    assert as_owner(wait) == ([Returned(24), None, Exited(NORMAL)], [])


@pytest.mark.case(505)
def test_wait_many_does_nothing_to_the_late_unless_told(system: System) -> None:
    task = Task.start(hang)
    assert Task.wait_many([task], 0) == {task: None}
    assert task.actor_ref is not None
    assert task.actor_ref.is_alive()
    assert task.wait(0) is None


@pytest.mark.case(506)
def test_wait_many_kills_the_late_if_told(system: System) -> None:
    def wait(_: Any) -> tuple[Any, bool]:
        task = Task.start(hang)
        (outcome,) = Task.wait_many([task, task], SHORT, on_timeout="kill_task").values()
        assert task.actor_ref is not None
        return outcome, task.actor_ref.is_alive()

    assert as_owner(wait, trap=False) == ((None, False), [])


@pytest.mark.case(507)
def test_wait_many_ignores_the_late_if_told(system: System) -> None:
    gate = Probe.start()

    def wait(_: Any) -> tuple[Any, bool, Any]:
        task = Task.start(wait_for_word, gate, 42)
        (outcome,) = Task.wait_many([task], SHORT, on_timeout="ignore").values()
        assert task.actor_ref is not None
        is_alive = task.actor_ref.is_alive()
        gate.tell("go")
        settled(task)
        return outcome, is_alive, task.wait(0)

    assert as_owner(wait) == ((None, True, Exited(NOPROC)), [])


@pytest.mark.case(512)
@pytest.mark.shared_memory
def test_wait_many_returns_at_the_limit_and_leaves_the_others(system: System) -> None:
    gate = Probe.start()
    waiting, quick = Task.start(wait_for_word, gate, 42), Task.start(math.factorial, 4)
    found = Task.wait_many([waiting, quick], timeout=None, limit=1)
    assert found == {waiting: None, quick: Returned(24)}
    gate.tell("go")
    assert waiting.wait() == Returned(42)


@pytest.mark.case(513, 515)
def test_wait_many_waits_for_all_without_a_limit_or_below_it(system: System) -> None:
    for limit in (None, 5):
        tasks = [Task.start(math.factorial, number) for number in range(3)]
        assert list(Task.wait_many(tasks, None, limit=limit).values()) == [Returned(1), Returned(1), Returned(2)]


@pytest.mark.case(514)
def test_the_limit_is_no_timeout(system: System) -> None:
    late, quick = Task.start(hang), Task.start(math.factorial, 4)
    Task.wait_many([late, quick], timeout=None, limit=1, on_timeout="kill_task")
    assert late.actor_ref is not None
    assert late.actor_ref.is_alive()
    Task.wait_many([late, Task.completed(0)], SHORT, limit=2, on_timeout="kill_task")
    assert not late.actor_ref.is_alive()


def test_wait_many_refuses_what_it_does_not_know(system: System) -> None:
    with pytest.raises(ValueError, match="limit is 0"):
        Task.wait_many([], limit=0)
    with pytest.raises(ValueError, match="on_timeout is 'exit'"):
        Task.wait_many([], on_timeout="exit")  # type: ignore[arg-type]


def test_an_unknown_word_for_the_late_is_the_same_error_as_in_a_stream(system: System) -> None:
    wrong: Any = "x"
    with pytest.raises(ConfigError, match="on_timeout is 'x'"):
        Task.wait_many([], on_timeout=wrong)
    with pytest.raises(ConfigError, match="on_timeout is 'x'"):
        Task.stream(abs, [], on_timeout=wrong)
