"""The simulation's scheduler: picks, by the seed, what happens next.

One step is a turn of one actor, the resumption of one blocked thread, or one timer. Steps run on
*runners*: threads that loop over `_step` while they have the baton. A handler that blocks suspends
its runner in the middle of its turn, and another runner takes the loop over; so code that blocks
and code that does not are scheduled alike, and without any blocking there is no thread switch.

Virtual time passes by `step_time` a step, and jumps to the next deadline when nothing can run.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Protocol

from actorcloud.actor import Latch, System, Unwound, thread_context
from actorcloud.actor.cell import Cell
from actorcloud.base.clock import ManualClock
from actorcloud.testing.baton import Gate, Threads

#: Lines of the trace that are kept for reading.
_TRACE_LINES = 1_000


class Crashed(Unwound):
    """The simulated process was killed; raised in its threads to free their stacks."""


class _Closed(BaseException):
    """The simulation is over: this runner ends."""


class SimulationError(AssertionError):
    """The simulation did not get where the test wanted it."""


class Owner(Protocol):
    """A simulated process, as the scheduler sees it."""

    @property
    def system(self) -> System | None:
        """Its system; None for the world around the processes."""
        ...


class Suspended:
    """A thread that waits, in the middle of something, to go on."""

    __slots__ = ("deadline", "gate", "is_crashed", "label", "latch", "owner")

    def __init__(self, label: str, gate: Gate, latch: Latch, deadline: float | None, owner: Owner) -> None:
        self.label = label
        self.gate = gate
        self.latch = latch
        self.deadline = deadline
        self.owner = owner
        self.is_crashed = False


class TimerEntry:
    """A virtual timer."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Callable[[], None], owner: Owner) -> None:
        self.function: Callable[[], None] | None = function
        self.owner = owner

    def cancel(self) -> bool:
        """See `base.ports.TimerHandle`."""
        was_set, self.function = self.function is not None, None
        return was_set


class Scheduler:
    """See the module's docstring. Thread: whichever has the baton."""

    def __init__(self, random: Random, clock: ManualClock, *, step_time: float, max_turn: int) -> None:
        self._random = random
        self.clock = clock
        self._step_time = step_time
        self._max_turn = max_turn
        self.threads = Threads()
        self._driver = Gate()
        self.threads.local.gate = self._driver
        #: Busy cells, with the process they belong to.
        self._runnable: list[tuple[Cell, Owner]] = []
        self._suspended: list[Suspended] = []
        self._timers: list[tuple[float, int, TimerEntry]] = []
        self._serial = itertools.count()
        self._runners = itertools.count(1)
        #: Runners that wait for the baton.
        self._spare: list[Gate] = []
        #: Who waits until a crashed thread has unwound.
        self._unwinding_for: Gate | None = None
        self._goal: Callable[[], bool] = lambda: True
        self._deadline: float | None = None
        self._error: BaseException | None = None
        self._is_closed = False
        self.callbacks: list[Callable[[], None]] = []
        self.steps = 0
        self.trace: deque[str] = deque(maxlen=_TRACE_LINES)
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def trace_hash(self) -> str:
        """The hash of all steps so far."""
        return self._hash.hexdigest()

    # -- what can happen --------------------------------------------------------------------------

    def add_runnable(self, cell: Cell, owner: Owner) -> None:
        """Queue a busy cell."""
        self._runnable.append((cell, owner))

    def add_timer(self, deadline: float, function: Callable[[], None], owner: Owner) -> TimerEntry:
        """Set a timer."""
        entry = TimerEntry(function, owner)
        heapq.heappush(self._timers, (deadline, next(self._serial), entry))
        return entry

    def add_thread(self, label: str, owner: Owner, function: Callable[[], None]) -> None:
        """Make a thread that runs `function` when it is picked."""

        def run(gate: Gate) -> None:  # noqa: ARG001
            function()
            self._give_away()

        latch = Latch()
        latch.set()
        self._suspended.append(Suspended(label, self.threads.start(label, run), latch, None, owner))

    # -- the driver's side ------------------------------------------------------------------------

    def drive(self, goal: Callable[[], bool], deadline: float | None) -> bool:
        """Run until `goal()` holds, or time reaches `deadline`, or nothing is left to do.

        Returns:
            What `goal()` says at the end.

        Raises:
            BaseException: what a goal, a callback or the scheduler itself raised.
        """
        if self.threads.my_gate() is not self._driver:
            raise RuntimeError("only the thread that made the simulation drives it; others wait, and are driven")
        self._goal, self._deadline = goal, deadline
        self._spare_runner().open()
        self._driver.pass_through()
        error, self._error = self._error, None
        if error is not None:
            raise error
        return goal()

    def wait(self, latch: Latch, timeout: float | None, owner: Owner) -> bool:
        """Block the calling thread in virtual time; other things happen meanwhile."""
        deadline = None if timeout is None else self.clock.monotonic() + timeout
        gate = self.threads.my_gate()
        if gate is None:
            raise RuntimeError("this thread is not of the simulation; make it with sim.thread(system, function)")
        if gate is self._driver:
            if not self.drive(lambda: latch.is_set, deadline) and deadline is None:
                raise SimulationError("the test waits for something that will never happen: nothing is left to do")
            return latch.is_set
        me = Suspended(_who(), gate, latch, deadline, owner)
        self._suspended.append(me)
        self._spare_runner().open()
        gate.pass_through()
        if me.is_crashed:
            raise Crashed
        return latch.is_set

    def crash(self, owner: Owner) -> None:
        """Drop all that belongs to `owner` and unwind its blocked threads, one after the other."""
        self._runnable = [entry for entry in self._runnable if entry[1] is not owner]
        for _, _, timer in self._timers:
            if timer.owner is owner:
                timer.function = None
        me = self.threads.my_gate()
        if me is None:
            raise RuntimeError("only a thread of the simulation may crash a system")
        for victim in [suspended for suspended in self._suspended if suspended.owner is owner]:
            self._suspended.remove(victim)
            victim.is_crashed = True
            self._unwinding_for = me
            victim.gate.open()
            me.pass_through()

    def is_driver(self) -> bool:
        """Whether the calling thread is the test's own."""
        return self.threads.my_gate() is self._driver

    def close(self) -> None:
        """End all runners; every system must have been crashed."""
        self._is_closed = True
        spare, self._spare = self._spare, []
        for gate in spare:
            gate.open()
        self.threads.join()

    # -- the runners' side ------------------------------------------------------------------------

    def _spare_runner(self) -> Gate:
        return self._spare.pop() if self._spare else self.threads.start(f"runner-{next(self._runners)}", self._run)

    def _give_away(self) -> None:
        """Give the baton on, for good: to who waits for this unwinding, else to a runner."""
        waiting, self._unwinding_for = self._unwinding_for, None
        (waiting or self._spare_runner()).open()

    def _run(self, gate: Gate) -> None:
        with contextlib.suppress(_Closed):
            while True:
                try:
                    while not self._is_over() and self._step(gate):
                        pass
                except _Closed:
                    raise
                except BaseException as error:  # noqa: BLE001  travels to the driver
                    self._error = error
                self._spare.append(gate)
                self._driver.open()
                self._park(gate)

    def _park(self, gate: Gate) -> None:
        """Wait, as a spare runner, for the baton."""
        gate.pass_through()
        if self._is_closed:
            raise _Closed

    def _is_over(self) -> bool:
        return self._goal() or (self._deadline is not None and self.clock.monotonic() >= self._deadline)

    def _step(self, gate: Gate) -> bool:
        """Let one thing happen; False if nothing can any more."""
        ready = self._ready()
        due = bool(self._timers) and self._timers[0][0] <= self.clock.monotonic()
        count = len(self._runnable) + len(ready) + due
        if not count:
            return self._jump()
        self.steps += 1
        pick = self._random.randrange(count)
        if pick < len(self._runnable):
            self._take_turn(gate, self._runnable.pop(pick)[0])
        elif pick < len(self._runnable) + len(ready):
            self._resume(gate, ready[pick - len(self._runnable)])
        else:
            self._fire()
        self.clock.advance(self._step_time)
        for callback in self.callbacks:
            callback()
        return True

    def _ready(self) -> list[Suspended]:
        now = self.clock.monotonic()
        return [
            thread
            for thread in self._suspended
            if thread.latch.is_set or (thread.deadline is not None and thread.deadline <= now)
        ]

    def _jump(self) -> bool:
        """Move the clock to the next deadline; False if there is none."""
        while self._timers and self._timers[0][2].function is None:
            heapq.heappop(self._timers)
        deadlines = [thread.deadline for thread in self._suspended if thread.deadline is not None]
        if self._timers:
            deadlines.append(self._timers[0][0])
        if self._deadline is not None:
            deadlines.append(self._deadline)
        if not deadlines:
            return False
        self.clock.advance(max(0.0, min(deadlines) - self.clock.monotonic()))
        return True

    def _take_turn(self, gate: Gate, cell: Cell) -> None:
        limit = self._random.randint(1, self._max_turn)
        self._note(f"turn {cell.id} {cell.kind.__name__} {limit}")
        try:
            cell.turn(limit)
        except Unwound:
            waiting, self._unwinding_for = self._unwinding_for, None
            if waiting is not None:
                self._spare.append(gate)
                waiting.open()
                self._park(gate)

    def _resume(self, gate: Gate, thread: Suspended) -> None:
        self._note(f"resume {thread.label}")
        self._suspended.remove(thread)
        self._spare.append(gate)
        thread.gate.open()
        self._park(gate)

    def _fire(self) -> None:
        _, _, timer = heapq.heappop(self._timers)
        function, timer.function = timer.function, None
        if function is None:
            return
        self._note(f"timer {timer.owner}")
        outer, thread_context.system = thread_context.system, timer.owner.system
        try:
            function()
        except Unwound:
            pass
        finally:
            thread_context.system = outer

    def _note(self, what: str) -> None:
        line = f"{self.clock.monotonic():.6f} {what}"
        self.trace.append(line)
        self._hash.update(line.encode())


def _who() -> str:
    cell = thread_context.cell
    system: System | None = thread_context.system
    return f"thread of {system.peer.name if system else '?'}" if cell is None else str(cell.id)
