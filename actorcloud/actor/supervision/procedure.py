"""An actor that does one thing at a time, and does not block while what takes time goes on.

What takes time (a termination, and all that contains one) is a *procedure*: a generator that yields
to wait for the next event, a `Down` or a `Deadline`. What comes in meanwhile waits in the backlog,
as it would wait in the mailbox of an OTP supervisor that blocks in a selective receive; each entry
has an asker or is a child's end, so the backlog is as bounded as they are.

What does block is the start of a child: as long as its `__init__` takes, and before that at most
`SHUTDOWN_DEFAULT` (5 s) for who still has its name and is about to end; see `Overseer._outlasts`.

Thread: all in the actor's own turns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any, TypeVar

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mailbox import NoReply
from actorcloud.actor.signals import Down, Exit
from actorcloud.actor.system.timers import Timer
from actorcloud.base.ids import ActorId


class Deadline(msgspec.Struct, frozen=True):
    """The children told to end at the same time had their time."""

    serial: int


class ShutDown(msgspec.Struct, frozen=True, eq=False):
    """The supervisor was told to end."""

    reason: object


R = TypeVar("R")

#: Yields to wait, is sent the next event.
Steps = Generator[None, Down | Deadline, R]
Procedure = Steps[None]


class Procedural(Actor):
    """The base of the supervisors' base; see the module."""

    def _clear(self) -> None:
        """Set up the state; called by `__init__`."""
        self._procedure: Procedure | None = None
        self._backlog: deque[tuple[Any, ReplyTo | None]] = deque()
        #: Reasons of the exits in the backlog.
        self._exits: dict[ActorId, object] = {}
        self._deadlines = 0

    def on_receive(self, message: Any) -> Any:
        """Queue a request; it is answered when its turn has come."""
        if isinstance(message, Deadline):
            self._advance(message)
            return None
        self._backlog.append((message, self.sender))
        self._work_off()
        return NoReply

    def on_exit(self, message: Exit) -> None:
        """Queue the end of a child."""
        self._backlog.append((message, None))
        if message.sender is not None:
            self._exits[message.sender.id] = message.reason
        self._work_off()

    def on_down(self, message: Down) -> None:
        """Let the running procedure go on."""
        self._advance(message)

    def _on_stop_order(self, reason: object) -> None:
        self._backlog.append((ShutDown(reason), None))
        self._work_off()

    def _work_off(self) -> None:
        # What is left when it stops is refused, as the mail of any actor that ends.
        while self._procedure is None and self._backlog and self._cell.stopping is None:
            message, sender = self._backlog.popleft()
            if isinstance(message, Exit) and message.sender is not None:
                self._exits.pop(message.sender.id, None)
            procedure = self._begin(message, sender)
            if procedure is not None:
                self._procedure = procedure
                self._resume(None)

    def _advance(self, event: Down | Deadline) -> None:
        if self._procedure is not None:
            self._resume(event)
            self._work_off()

    def _resume(self, event: Any) -> None:
        procedure = self._procedure
        try:
            procedure.send(event)  # type: ignore[union-attr]  # callers tested it
        except StopIteration:
            self._procedure = None
            self._settled()

    def _set_deadline(self, seconds: float) -> tuple[int, tuple[float, Timer]]:
        """Have the running procedure sent a `Deadline`; returns its serial, and the seconds and the timer to cancel."""
        self._deadlines += 1
        return self._deadlines, (seconds, self.send_after(seconds, Deadline(self._deadlines)))

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        """Handle one request or event; what takes time is returned as a procedure."""
        raise NotImplementedError

    def _settled(self) -> None:
        """Run after each procedure."""
