"""Simulated processes: the dispatcher and the timers of one system; and the world around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from actorcloud.actor import Home, Latch, System, check_exit, thread_context
from actorcloud.actor.cell.cell import Cell
from actorcloud.base.ports import TimerHandle
from actorcloud.testing.scheduler import Crashed, Scheduler

if TYPE_CHECKING:
    from actorcloud.testing.loop import SimHome

R = TypeVar("R")


class World:
    """What is around the simulated processes: the network, the disks; its timers survive every crash."""

    system = None
    is_crashed = False

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def __str__(self) -> str:
        return "world"

    def call_at(self, deadline: float, function: Callable[[], None]) -> TimerHandle:
        """See `base.ports.Timers`; in virtual time."""
        return self._scheduler.add_timer(deadline, function, self)


class Process:
    """One simulated OS process: the dispatcher and the timers of its system."""

    def __init__(self, name: str, scheduler: Scheduler) -> None:
        self.name = name
        self.system: System
        self.is_crashed = False
        self._scheduler = scheduler
        self._loop: SimHome | None = None
        #: What belongs to it outside of it.
        self.on_crash: list[Callable[[], None]] = []

    def __str__(self) -> str:
        return self.name

    def enqueue(self, cell: Cell) -> None:
        """See `actor.Home`."""
        if not self.is_crashed:
            self._scheduler.add_runnable(cell, self)

    def hurry(self) -> None:
        """See `actor.Home`; the simulation runs what is queued."""

    def call(self, function: Callable[[], R], timeout: float | None) -> R:  # noqa: ARG002  nothing to wait for
        """See `actor.Home`."""
        return function()

    def guest(self) -> None:
        """See `Dispatcher.guest`."""

    def pinned(self, name: str, *, daemon: bool = True) -> Home:  # noqa: ARG002  one thread runs at a time anyway
        """See `actor.Dispatcher`."""
        return self

    def loop(self) -> Home:
        """See `actor.Dispatcher`; a loop in virtual time."""
        if self._loop is None:
            from actorcloud.testing.loop import SimHome  # noqa: PLC0415  asyncio: 30 ms, and few simulations await

            self._loop = SimHome(self._scheduler.clock, self)
        return self._loop

    def crash(self) -> None:
        """Nothing of it runs any more."""
        self.is_crashed = True
        if self._loop is not None:
            self._loop.crash()
        for callback in self.on_crash:
            callback()

    def wait(self, latch: Latch, timeout: float | None) -> bool:
        """See `actor.Waits`; in virtual time."""
        cell = thread_context.cell
        owner = self if cell is None else cell.system.dispatcher
        if getattr(owner, "is_crashed", False):
            raise Crashed
        if cell is not None:
            cell.latch = latch
            check_exit()
        try:
            is_set = self._scheduler.wait(latch, timeout, owner)
        finally:
            if cell is not None:
                cell.latch = None
        check_exit()
        return is_set

    def call_at(self, deadline: float, function: Callable[[], None]) -> TimerHandle:
        """See `base.ports.Timers`; in virtual time."""
        return self._scheduler.add_timer(deadline, function, self)

    def close(self, timeout: float = 0.0) -> None:
        """Do nothing: the simulation owns the threads."""
