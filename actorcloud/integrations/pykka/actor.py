"""Pykka's actor: a thread each, errors that are answers, a stop that queues.

What the program sees happens in the order in which it does there::

    start      __init__ here; then, on the thread: on_start, the messages
    stop       what is queued before; dead to others; on_stop
    a tell     that raises: dead to others; on_failure
    an ask     that raises: the asker gets the error, and nothing else happens
    on_start   or on_stop that raises: the end, without on_failure
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from actorcloud.actor import Actor, ActorDeadError, ActorRef, Future, check_exit
from actorcloud.actor import Timeout as Limit
from actorcloud.base.exits import ExitReason
from actorcloud.integrations.pykka.future import Answer


class ThreadingRef(ActorRef[Any]):
    """A ref to a `ThreadingActor`: asks have no limit, and a tell to the dead raises."""

    _stop_tells_reason = False

    def is_alive(self) -> bool:
        """Whether the actor handles messages: not so any more in its `on_stop` and `on_failure`."""
        return super().is_alive() and self._cell.reason is None

    def tell(self, message: Any) -> None:
        """Send a message and go on.

        Raises:
            ActorDeadError: the actor is dead.
        """
        if not self.is_alive():
            raise ActorDeadError(f"{self} is dead: it was not told {type(message).__name__}", self._cell.end_reason())
        super().tell(message)

    def ask(self, message: Any, *, block: bool = True, timeout: Limit = None) -> Any:
        """Send a message and wait for the answer.

        Args:
            message: anything.
            block: False returns a `ThreadingFuture` at once.
            timeout: seconds; None waits for ever. Without `block` it counts for nothing.

        Raises:
            Timeout: no answer in time.
            ActorDeadError: the actor was dead, or died before it answered.
            Exception: what the handler raised; the actor lives.
        Blocks:
            until the answer, if `block`.
        """
        if block:
            return super().ask(message, timeout=timeout)
        check_exit()
        future: Future[Any] = Answer(self._waits(), None, self)
        self.deliver(message, future)
        return future


class ThreadingActor(Actor):
    """A Pykka actor.

    >>> class Adder(ThreadingActor):
    ...     def add(self, a, b):
    ...         return a + b
    >>> adder = Adder.start().proxy()
    >>> adder.add(1, 2).get()
    3
    >>> adder.actor_ref.stop()
    True

    With `dispatcher = "pool"` it gives its thread back, and has to wait its turn with the others.
    """

    dispatcher: ClassVar[Literal["pool", "thread", "loop"]] = "thread"
    ask_errors: ClassVar[Literal["crash", "reply"]] = "reply"
    #: Whether the interpreter ends without waiting for the actor to stop.
    use_daemon_thread: ClassVar[bool] = False

    _ref_class = ThreadingRef
    _begins_at_starter = True
    _is_stopping = False

    def stop(self, reason: object = ExitReason.NORMAL) -> None:
        """End after the messages that are queued."""
        self.actor_ref.stop(reason=reason, block=False)

    def _on_stop_order(self, reason: object) -> None:
        self._is_stopping = True
        super()._on_stop_order(reason)

    def _on_crash(self, error: BaseException) -> None:
        did_start = self._was_started or not self._has_on_start
        if did_start and not self._is_stopping:
            super()._on_crash(error)
