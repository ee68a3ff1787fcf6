"""The actor that a task is: it gets one piece of work, does it, and ends.

The work is a message that is asked. Its answer is the value; if there is none, the exit reason tells
why. Either the work is given at once, or a supervisor starts the process and the owner hands the
work over when it has bound itself to it; an owner that never comes is not waited for.

::

    owner --ask(StartChild)--> supervisor --start_link--> process      (awaits the owner)
    owner --link, monitor----------------------------------> process
    owner --ask(Work)--------------------------------------> process --value--> owner

Reference: Elixir's `Task.Supervised`; otp-semantics 3.14.
"""

from __future__ import annotations

import logging
import reprlib
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.errors import Stop
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Down
from actorcloud.actor.task.outcome import TIMEOUT
from actorcloud.actor.thread.context import local
from actorcloud.base.exits import Shutdown, is_normal

logger = logging.getLogger("actorcloud.actor")

#: Seconds that an owner has to hand the work over: Elixir's five, a thousand times what it takes.
HANDOVER_TIMEOUT = 5.0


class Work(msgspec.Struct, frozen=True, eq=False):
    """A function and its arguments, and who wants it done."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = msgspec.field(default_factory=dict)
    #: The actor that started the task, the one that started that one, and so on.
    callers: tuple[ActorRef[Any], ...] = ()
    #: Who that is in words; a thread has no ref.
    starter: str = ""

    @classmethod
    def of(cls, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Work:
        """Return the work that the calling actor or thread wants done.

        Raises:
            TypeError: `function` cannot be called.
        """
        check_function(function)
        cell = local.cell
        if cell is None:
            return cls(function, args, kwargs, (), f"thread {threading.current_thread().name!r}")
        return cls(function, args, kwargs, (cell.ref, *callers()), str(cell.ref))

    @property
    def name(self) -> str:
        """What is run, as people know it."""
        module = getattr(self.function, "__module__", None)
        name = getattr(self.function, "__qualname__", None) or repr(self.function)
        return f"{module}.{name}" if module else name


def check_function(function: object) -> None:
    """Refuse what a task cannot run.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(function):
        raise TypeError(f"a task runs a function, not {function!r}")


class _GiveUp(msgspec.Struct, frozen=True):
    """The owner had its time; to itself."""


class TaskProcess(Actor):
    """Runs one function.

    Args:
        work: to be done at once; else it comes as a message.
    """

    restart: ClassVar[str] = "temporary"
    _reports_itself = True

    def __init__(self, work: Work | None = None) -> None:
        self.work = work
        if work is not None:
            self.actor_ref.tell(work)

    def on_receive(self, message: Any) -> Any:
        """Do the work and end; its value is the answer. Meanwhile the label tells what it does."""
        if not isinstance(message, Work):
            return super().on_receive(message)
        self.work = message
        self.set_label(message.name)
        try:
            value = message.function(*message.args, **message.kwargs)
        except Stop as stop:
            if not is_normal(stop.reason):
                self._log(message, stop.reason, None)
            raise
        self.stop()
        return value

    def on_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002  Pykka's signature
        exception_value: BaseException | None,
        traceback: TracebackType | None,  # noqa: ARG002  as above
    ) -> None:
        """Log what the function raised: once, here, whether there is a supervisor or not."""
        if self.work is not None:
            self._log(self.work, self.exit_reason, exception_value)

    def _log(self, work: Work, reason: object, error: BaseException | None) -> None:
        arguments = reprlib.repr((*work.args, work.kwargs) if work.kwargs else work.args)
        logger.error(
            "%s, started by %s, failed: %s\n  function: %s\n  arguments: %s",
            self,
            work.starter or "its supervisor",
            reason,
            work.name,
            arguments,
            exc_info=error,
            extra={"task": str(self), "starter": work.starter, "function": work.name, "arguments": arguments},
        )


class AwaitingProcess(TaskProcess):
    """A task process whose owner hands the work over later; it ends if that does not come.

    Args:
        owner: the actor that will; None if it is a thread.
    """

    def __init__(self, owner: ActorRef[Any] | None) -> None:
        super().__init__()
        # Neither is taken back: what they send after the work has come is never handled.
        if owner is not None:
            self.monitor(owner)
        self.send_after(HANDOVER_TIMEOUT, _GiveUp())

    def on_receive(self, message: Any) -> Any:
        """See `TaskProcess`."""
        if isinstance(message, _GiveUp):
            logger.error("%s ends: nobody handed it its work within %s s", self, HANDOVER_TIMEOUT)
            raise Stop(TIMEOUT)
        return super().on_receive(message)

    def on_down(self, message: Down) -> None:
        """End as its owner did, before there was work."""
        raise Stop(Shutdown(message.reason))


def callers() -> tuple[ActorRef[Any], ...]:
    """Return who asked for the task that runs here: the nearest first, then who asked for that one.

    This is about who wants the work; who supervises it is another question. Empty outside tasks.
    """
    cell = local.cell
    actor = None if cell is None else cell.actor
    if not isinstance(actor, TaskProcess) or actor.work is None:
        return ()
    return actor.work.callers
