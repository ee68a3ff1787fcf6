"""The end of a system's actors: in order, in one total time, and nobody is waited for in silence.

Those that nobody but the system will end are told to shut down, newest first. Who has hooks to run is
waited for before the next is told; who has none ends at once, and is waited for together with others.

Thread: the one that closes the system.

Reference: otp-semantics 7.1, item 7; OTP's `init:stop/0`.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.future.future import Future
from actorcloud.actor.mailbox.mail import StopOrder
from actorcloud.actor.signals import Down, ExitSignal
from actorcloud.base.clock import Clock
from actorcloud.base.exits import ExitReason

logger = logging.getLogger("actorcloud.actor")

#: Seconds after which the log says who is waited for: more than an end in order takes, with a network whose
#: peers have a second to acknowledge what was sent.
NOTE_AFTER = 2.0


class Closing(Protocol):
    """What a farewell needs of the system that closes."""

    @property
    def clock(self) -> Clock:
        """Whose seconds count."""
        ...

    def cells(self) -> list[Cell]:
        """Return the live actors, oldest first."""
        ...

    def wait(self, until: Future[Any], timeout: float | None = None) -> bool:
        """Wait for a future, whatever its outcome; False if the time passed first."""
        ...


class Farewell:
    """Ends the actors of a system.

    Args:
        system: whose.
        deadline: the monotonic time at which all have ended or are killed.
    """

    def __init__(self, system: Closing, deadline: float) -> None:
        self._system = system
        self._deadline = deadline

    def shut_down(self) -> None:
        """End the actors at the top; theirs end with them.

        Blocks:
            until they have ended, or been killed at the deadline.
        """
        ending: list[tuple[Cell, Future[Down]]] = []
        for cell in self._top_level():
            if cell.is_trapping():
                self._see_off(ending)
                ending = [(cell, cell.ref.monitor())]
                cell.put(StopOrder(ExitReason.SHUTDOWN))
                self._see_off(ending)
                ending = []
            else:
                ending.append((cell, cell.ref.monitor()))
                cell.ref.signal(ExitSignal(None, ExitReason.SHUTDOWN))
        self._see_off(ending)

    def _top_level(self) -> list[Cell]:
        """Return the actors that nobody but their system will end, newest first."""
        cells = [cell for cell in reversed(self._system.cells()) if not cell.is_thread()]
        known = {cell.id for cell in cells}
        return [cell for cell in cells if cell.parent is None or cell.parent.id not in known]

    def _see_off(self, ending: list[tuple[Cell, Future[Down]]]) -> None:
        """Wait for the ends of these together; who takes more than half of the time left is killed."""
        now = self._system.clock.monotonic
        wait = self._system.wait
        due = self._deadline if self._is_last(len(ending)) else self._deadline - (self._deadline - now()) / 2
        noted = now() + NOTE_AFTER
        for cell, ended in ending:
            if wait(ended, max(0.0, min(due, noted) - now())):
                continue
            left = due - now()
            if left > 0:
                logger.warning("%s is busy: the close of its system waits for it, %.1f s at most", cell.ref, left)
            if not wait(ended, max(0.0, left)):
                logger.warning("%s did not end in time at the close of its system and is killed", cell.ref)
                cell.ref.signal(ExitSignal(None, ExitReason.KILL))

    def _is_last(self, count: int) -> bool:
        return len(self._top_level()) <= count
