"""The cell of a warden.

Thread: `turn` runs on one thread at a time, `start` before the first of them.
"""

from __future__ import annotations

from typing import Any

from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorExit, Unwound
from actorcloud.actor.mailbox.mailbox import DEAD, IDLE
from actorcloud.actor.thread.context import GUARD, here


class WardenCell(Cell):
    """The cell of a warden: its messages go on as they are, and it dies with its process."""

    __slots__ = ()

    def start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """See `Cell.start`; what does not come about leaves no process behind."""
        try:
            super().start(args, kwargs)
        except BaseException:
            warden = self.actor
            if warden is not None:
                warden.kill()
            raise

    def is_at_work_elsewhere(self) -> bool:
        """False: a kill ends the process, and with that the actor; there is nobody to cut off."""
        return False

    def turn(self, limit: int, known: dict[str, Any] | None = None) -> int:
        """Send up to `limit` messages on; see `Cell.turn`."""
        facts = known or here()
        outer, facts["cell"] = facts["cell"], self
        self.thread = facts["thread"]
        left = limit
        warden = self.actor
        try:
            while left and (messages := self._next()):
                left -= 1
                warden.forward(*messages)
        except ActorExit:
            self.urgent = True
        except Unwound:
            raise
        finally:
            facts["cell"] = outer
            self.handled += limit - left
            self.quit_thread(rests=left > 0 and self.exiting is None)
        if self.state != DEAD and self.exiting is not None:
            # Busy from now on: no message is sent on, and the end of the process is that of the actor.
            warden.kill()
        elif left == 0 and self.state != DEAD:
            self.schedule()
        elif self.mail or self.urgent:
            self.wake()
        return limit - left

    def quit_thread(self, *, rests: bool = False) -> None:
        """See `Cell.quit_thread`; under the lock, since the end of the process is the actor's, on another thread."""
        self.preempted = False
        self.thread = None
        self.leave_fence(rests=rests)

    def claim(self) -> bool:
        """See `Mailbox.claim`; under the lock, as `quit_thread`."""
        is_claimed = False
        try:
            with GUARD:
                is_claimed = self.state == IDLE and super().claim()
        except BaseException:
            # A Ctrl-C, as there; or there, and then it is seen to.
            if is_claimed:
                self.schedule()
            raise
        return is_claimed

    def _next(self) -> tuple[Any, ...]:
        """Return the next message to send on, in a tuple; an empty one if there is none."""
        try:
            return (self.mail.popleft(),) if self.mail and self._goes_on() else ()
        except IndexError:
            return ()  # the process ended, and what ended the actor emptied its mail

    def _goes_on(self) -> bool:
        self.urgent = False
        return self.state != DEAD and self.exiting is None
