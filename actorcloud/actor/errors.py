"""The errors of the actor floor, and the exceptions that steer an actor.

The errors are `ActorError`s of `base.errors`; those that Pykka knows too are also Pykka's, so that
code written for Pykka catches them. `Stop`, `Ignore`, `ActorExit` and `Unwound` are control flow: they
derive from `BaseException`, so that a handler's `except Exception` cannot swallow them.
"""

from __future__ import annotations

from typing import Any

import pykka

from actorcloud.base.errors import ActorError, NameTaken
from actorcloud.base.exits import ExitReason


class ActorDeadError(ActorError, pykka.ActorDeadError):
    """The actor is dead, or died before it answered; whether it did the work is unknown."""

    code = "actor-dead"

    def __init__(self, message: str | None = None, reason: object = ExitReason.NOPROC) -> None:
        super().__init__(message)
        #: The exit reason of the actor; `NOPROC` if it was dead already.
        self.reason = reason


class AskTimeout(ActorError, pykka.Timeout, TimeoutError):
    """No answer came in time. The message may still be handled; its answer will be dropped."""

    code = "ask-timeout"


class ReceiveTimeout(ActorError, TimeoutError):
    """No message that matches came in time; nothing was taken from the mailbox."""

    code = "receive-timeout"


class CallingSelf(ActorError):
    """An actor waits for an answer from itself, which would never come."""

    code = "calling-self"


class AlreadyStarted(NameTaken):
    """What was to be started runs already; `ref` is it."""

    code = "already-started"

    def __init__(self, message: str | None = None, ref: Any = None) -> None:
        super().__init__(message)
        #: The `ActorRef` of what runs.
        self.ref = ref


class AlreadyRegistered(NameTaken):
    """The registry has the key already; `ref` is registered under it."""

    code = "already-registered"

    def __init__(self, message: str | None = None, ref: Any = None) -> None:
        super().__init__(message)
        #: The `ActorRef` of who is registered.
        self.ref = ref


class AlreadyPresent(ActorError):
    """The supervisor has a child of this id, which does not run; use `restart_child`."""

    code = "already-present"


class ChildRunning(ActorError):
    """The child runs; use `terminate_child` first."""

    code = "child-running"


class ChildRestarting(ActorError):
    """The child is being restarted; use `child` to wait for it, or `terminate_child` to give up."""

    code = "child-restarting"


class MaxChildren(ActorError):
    """The supervisor has as many children as it may."""

    code = "max-children"


class CallbackFailed(ActorError):
    """A function that the actor ran for a debug call raised; the actor lives on, its state as it was."""

    code = "callback-failed"


class Ignore(BaseException):
    """Raised by `__init__`: there is nothing to do, and no actor. `start` returns None; nothing is logged."""


class NotOwner(ActorError):
    """A task belongs to the actor or thread that started it; only that one may take its outcome."""

    code = "not-owner"


class NoPartition(ActorError, LookupError):
    """The partition supervisor was resized to no partition at all; resize it again."""

    code = "no-partition"


class BadSize(ActorError, ValueError):
    """A partition supervisor never has that many partitions."""

    code = "bad-size"


class Stop(BaseException):
    """Raised by a handler: the actor ends in order, with this reason; `on_stop` runs."""

    def __init__(self, reason: object = ExitReason.NORMAL) -> None:
        super().__init__(reason)
        #: What the actor ends with.
        self.reason = reason


class ActorExit(BaseException):
    """Raised in a handler whose actor was told to exit: it unwinds, and no other message is handled."""

    def __init__(self, reason: object) -> None:
        super().__init__(reason)
        #: What the actor ends, or ended, with.
        self.reason = reason


class Unwound(BaseException):
    """Raised in a handler whose whole system is gone: the stack unwinds and no hook runs."""
