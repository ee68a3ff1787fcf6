"""Idle timeouts: `on_idle` runs when an actor had no message for `idle_timeout` seconds.

The wait begins at the end of each turn in which messages were handled. There is at most one timer:
when it is due, it looks how long the actor has really been idle, and is set again for the rest. So
a busy actor costs a look at the clock for each turn, and a timer only now and then.

Thread: the actor's own turns, but for `cancel` and the timer's function.

Reference: OTP's `gen_server` timeouts; otp-semantics 2.7.
"""

from __future__ import annotations

from typing import Any

from actorcloud.actor.thread.context import GUARD
from actorcloud.base.ports import TimerHandle


class IdleWatch:
    """How long one actor has been idle, and the timer that looks."""

    __slots__ = ("_cell", "_deadline", "_timer", "_timer_at")

    def __init__(self, cell: Any) -> None:
        self._cell = cell
        #: When it will have been idle for long enough; None if that does not count now.
        self._deadline: float | None = None
        self._timer: TimerHandle | None = None
        #: When the timer is due; None if it is not set.
        self._timer_at: float | None = None
        with GUARD:
            if cell.timers is None:
                cell.timers = {}
            # Its death cancels its timers.
            cell.timers[self] = None

    def begin(self) -> None:
        """Be idle from now on."""
        seconds = self._cell.actor.idle_timeout
        self._deadline = None if seconds is None else self._cell.system.clock.monotonic() + seconds

    def restart(self) -> None:
        """Begin anew, if the wait is on."""
        if self._deadline is not None:
            self.begin()
            self._watch(self._deadline)

    def take(self) -> bool:
        """Tell whether it was idle for long enough, once; else see to the timer."""
        deadline = self._deadline
        if deadline is None or self._cell.mail:
            return False
        if self._cell.system.clock.monotonic() < deadline:
            self._watch(deadline)
            return False
        self._deadline = None
        return True

    def cancel(self) -> bool:
        """Stop the timer; the actor is dead. Thread: any."""
        timer = self._timer
        return timer is not None and timer.cancel()

    def _watch(self, deadline: float | None) -> None:
        """Have a timer that is due at `deadline` or before."""
        if deadline is None or (self._timer_at is not None and self._timer_at <= deadline):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._cell.system.timers.call_at(deadline, self._look)
        if self._cell.is_dead():
            self._timer.cancel()

    def _look(self) -> None:
        # On the timer's thread: the turn that this causes finds no mail and asks `take`.
        self._timer_at = None
        self._cell.urgent = True
        self._cell.wake()


def is_over(cell: Any, *, handled: bool) -> bool:
    """Tell at the end of a turn of `cell` whether `on_idle` is due; `handled`: it had messages."""
    actor = cell.actor
    watch: IdleWatch | None = actor._idle  # noqa: SLF001  the runtime's half of the actor
    if watch is None:
        watch = actor._idle = IdleWatch(cell)  # noqa: SLF001  as above
        handled = True
    if handled:
        watch.begin()
    return watch.take()


def restart(cell: Any) -> None:
    """Begin the wait anew: a debug call was served."""
    watch: IdleWatch | None = cell.actor._idle  # noqa: SLF001  as above
    if watch is not None:
        watch.restart()
