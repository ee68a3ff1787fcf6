"""What becomes of a task. Pure.

Reference: the `{:ok, value}` and `{:exit, reason}` of Elixir's `Task`; otp-semantics 3.14.
"""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar

import msgspec

from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.signals import MonitorRef
from actorcloud.base.errors import NodeDown
from actorcloud.base.exits import Crash, ExitReason

T = TypeVar("T")

#: The reason in `Exited` of a task that a stream ended because its time was over.
TIMEOUT: Final = "timeout"


class Returned(msgspec.Struct, Generic[T], frozen=True):
    """The function of the task returned."""

    value: T


class Exited(msgspec.Struct, frozen=True):
    """The task ended without a value."""

    #: Its exit reason; `NOPROC` if its outcome had been taken before. A stream with
    #: `zip_input_on_exit` puts the pair (item, reason) here.
    reason: Any


Outcome = Returned[T] | Exited


class TaskReply(msgspec.Struct, frozen=True, eq=False):
    """The message by which the value of a task comes to an actor that does not wait for it.

    Then comes the `Down` of the task; a task that fails sends that alone.
    """

    #: `Task.ref`; `Down.ref` is the same.
    ref: MonitorRef
    value: Any


def value_of(outcome: Outcome[T], what: object) -> T:
    """Return the value, or raise why there is none.

    Args:
        outcome: of a task.
        what: how an error names the task.

    Raises:
        Exception: what the function raised.
        ActorDeadError: the task ended otherwise; `reason` tells how.
        NodeDown: the connection to the task was lost.
    """
    known = checked(outcome, what)
    if isinstance(known, Returned):
        return known.value
    error = known.reason.exception if isinstance(known.reason, Crash) else None
    if isinstance(error, Exception):
        raise error
    # What is no Exception (SystemExit, KeyboardInterrupt) was about the task, not about who waits for it.
    raise ActorDeadError(f"{what} ended without a value: {known.reason}", known.reason) from error


def checked(outcome: Outcome[T], what: object) -> Outcome[T]:
    """Return `outcome`, unless nobody knows what became of the task.

    Raises:
        NodeDown: the connection to the task was lost.
    """
    if isinstance(outcome, Exited) and outcome.reason is ExitReason.NOCONNECTION:
        raise NodeDown(f"the connection to {what} was lost; whether it did its work is unknown")
    return outcome
