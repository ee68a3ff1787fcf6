"""Ending a task, and what its owner hears of it."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from actorcloud.actor import (
    BRUTAL_KILL,
    Exited,
    Returned,
    System,
    Task,
)
from actorcloud.base.exits import ExitReason
from tests.actor.cast import Probe, log
from tests.actor.errands import (
    ORDERS,
    as_owner,
    give,
    hang,
    leave,
    settled,
    trap_and_hang,
)

NORMAL, SHUTDOWN, KILLED, NOPROC = ExitReason.NORMAL, ExitReason.SHUTDOWN, ExitReason.KILLED, ExitReason.NOPROC


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


@pytest.mark.case(516, 517, 518, 529, 530, 531)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reason", ["oops", NORMAL, SHUTDOWN], ids=str)
def test_a_shutdown_takes_a_value_that_is_there_however_the_task_ended(
    system: System, order: Any, reason: object
) -> None:
    assert as_owner(lambda _: settled(Task.start(give, 42, reason)).shutdown(order)) == (Returned(42), [])


@pytest.mark.case(520, 521, 522, 523, 532, 533, 534, 535)
@pytest.mark.parametrize(
    ("order", "reason", "outcome"),
    [
        (5.0, "oops", Exited("oops")),
        (5.0, NORMAL, Exited(NORMAL)),
        (5.0, SHUTDOWN, None),
        (5.0, KILLED, Exited(KILLED)),
        (BRUTAL_KILL, "oops", Exited("oops")),
        (BRUTAL_KILL, NORMAL, Exited(NORMAL)),
        (BRUTAL_KILL, SHUTDOWN, Exited(SHUTDOWN)),
        (BRUTAL_KILL, KILLED, None),
    ],
    ids=str,
)
def test_a_shutdown_tells_how_a_task_ended_unless_as_ordered(
    system: System, order: Any, reason: object, outcome: Any
) -> None:
    assert as_owner(lambda _: settled(Task.start(leave, reason)).shutdown(order)) == (outcome, [])


@pytest.mark.case(519)
@pytest.mark.parametrize("trap", [False, True])
def test_a_task_that_runs_is_shut_down(system: System, trap: bool) -> None:  # noqa: FBT001
    def shut_down(_: Any) -> tuple[Any, bool]:
        task = Task.start(hang)
        outcome = task.shutdown()
        assert task.actor_ref is not None
        return outcome, task.actor_ref.is_alive()

    assert as_owner(shut_down, trap=trap) == ((None, False), [])


@pytest.mark.case(527, 537)
@pytest.mark.parametrize(("order", "outcome"), [(BRUTAL_KILL, None), (0.001, Exited(KILLED))])
def test_a_deaf_task_is_killed(system: System, order: Any, outcome: Any) -> None:
    ready = Probe.start()

    def shut_down(_: Any) -> Any:
        task = Task.start(trap_and_hang, ready)
        log(ready, 1)
        return task.shutdown(order)

    assert as_owner(shut_down, trap=False) == (outcome, [])


@pytest.mark.case(525)
def test_a_shutdown_of_a_task_without_process_takes_its_value(system: System) -> None:
    assert Task.completed(42).shutdown() == Returned(42)
    assert Task.completed(42).shutdown(BRUTAL_KILL) == Returned(42)


@pytest.mark.case(528, 538)
@pytest.mark.parametrize("order", ORDERS)
def test_a_shutdown_after_the_outcome_was_taken_finds_nothing(system: System, order: Any) -> None:
    task = Task.start(math.factorial, 4)
    task.get()
    assert task.shutdown(order) == Exited(NOPROC)
