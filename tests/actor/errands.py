"""What tasks run in tests, and what their owners do."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

import pytest

from actorcloud.actor import BRUTAL_KILL, ActorRef, Exit, Exited, Stop, Task, current_system
from actorcloud.actor.thread import context
from actorcloud.base.exits import Crash, ExitReason
from tests.actor.cast import Boom, Probe, end_of, log, run

#: Seconds after which a wait that is to be in vain is over.
SHORT = 0.01

#: How to shut down.
ORDERS = [5.0, BRUTAL_KILL]


class Thrown(BaseException):
    """What no handler of exceptions catches."""


# -- what the tasks run ---------------------------------------------------------------------------


def hang() -> None:
    current_system().sleep(3_600)


def throw() -> None:
    raise Thrown


def fail() -> None:
    raise Boom("as told")


def leave(reason: object) -> None:
    raise Stop(reason)


def use_missing_module() -> None:
    importlib.import_module("no_such_module")


def use_missing_function() -> None:
    math.no_such_function()  # type: ignore[attr-defined]


def give(value: object, reason: object) -> object:
    """Return a value, and end with a reason all the same."""
    context.local.cell.actor.stop(reason)
    return value


def trap_and_hang(ready: ActorRef[Any]) -> None:
    """Be deaf to orders."""
    context.local.cell.actor.trap_exit = True
    ready.tell("ready")
    hang()


def wait_for_word(gate: ActorRef[Any], word: object) -> object:
    """Return what is given, once the gate has got a message."""
    log(gate, 1)
    return word


# -- what their owners do -------------------------------------------------------------------------


def settled(task: Task[Any]) -> Task[Any]:
    """Wait until the process of the task is dead; its messages are in the owner's mailbox then."""
    assert task.actor_ref is not None
    end_of(task.actor_ref)
    return task


def cut_off(task: Task[Any]) -> Task[Any]:
    """Let the owner believe that the task is on a peer that is gone."""
    assert task.actor_ref is not None
    task.actor_ref.exit(ExitReason.NOCONNECTION)
    return settled(task)


def as_owner(function: Callable[[Any], Any], *, trap: bool = True) -> tuple[Any, list[Any]]:
    """Run a function as an actor; return its result, and the messages found in the mailbox afterwards."""
    owner = Probe.start(trap=trap)
    result = run(owner, function)
    return result, [message for message in log(owner, 0) if not isinstance(message, Exit)]


def raised(function: Callable[..., Any], *args: Any) -> BaseException:
    with pytest.raises(BaseException) as caught:
        function(*args)
    return caught.value


def reason_of(outcome: Any) -> object:
    """Return why a task exited; of a crash, the class."""
    assert isinstance(outcome, Exited)
    return outcome.reason.type.rpartition(".")[2] if isinstance(outcome.reason, Crash) else outcome.reason


#: All that an owner may do with a task.
VERBS: list[Callable[[Task[Any]], Any]] = [
    lambda task: task.get(),
    lambda task: task.wait(),
    lambda task: task.shutdown(),
    lambda task: task.shutdown(BRUTAL_KILL),
    lambda task: task.ignore(),
    lambda task: Task.get_all([task]),
    lambda task: Task.wait_many([task]),
]
NAMES = ["get", "wait", "shutdown", "brutal shutdown", "ignore", "get_all", "wait_many"]
