"""References to isolated actors, in the process that started them.

Thread: any.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from actorcloud.actor.cell import bonds
from actorcloud.actor.mailbox.mailbox import BUSY, DEAD
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import ExitSignal, Link, Signal, SystemRequest, Unlink
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason


class IsolatedRef(ActorRef[Any]):
    """A reference to an isolated actor, in the process that started it."""

    @property
    def actor_class(self) -> type[Any]:  # type: ignore[override]  # as in ActorRef
        """The class of the actor, not of its warden."""
        kind: Any = self._cell.kind
        isolated: type[Any] = kind.isolated
        return isolated

    def signal(self, signal: Signal) -> None:
        """See `ActorRef.signal`; the host hears of links, and judges what its actor traps."""
        cell = self._cell
        if isinstance(signal, ExitSignal) and self._is_trapped(signal):
            self.queue(signal)
            return
        if isinstance(signal, SystemRequest):
            self._inspect(signal)
            return
        bonds.receive(cell, signal)
        if isinstance(signal, (Link, Unlink)):
            self.queue(signal)

    def _is_trapped(self, signal: ExitSignal) -> bool:
        """Whether it becomes a message; a link that caused it is spent then."""
        cell = self._cell
        if not cell.is_trapping() or (signal.reason is ExitReason.KILL and not signal.linked):
            return False
        if not signal.linked:
            return True
        with GUARD:
            return cell.links is not None and cell.links.pop(signal.sender.id, None) is not None

    def _inspect(self, request: SystemRequest) -> None:
        warden = self._cell.actor
        if warden is not None and warden.is_launched:
            warden.inspect(request)
        elif self._cell.is_dead():
            request.reply_to.set_exception(self._cell.dead_error(ExitReason.NOPROC))
        else:
            request.reply_to.set_exception(ActorError(f"{self} is still starting, in a process of its own"))

    def queue(self, signal: Signal) -> None:
        """Let the host hear of a signal, in the order of the mail."""
        cell = self._cell
        with GUARD:
            if cell.state == DEAD:
                return
            # Not as a message: what is limited or copied is the mail of others.
            deque.append(cell.open_mail(), signal)
        if cell.state != BUSY:
            cell.wake()
