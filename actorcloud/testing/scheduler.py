"""The simulation's scheduler: picks, by the seed, what happens next.

One step is a turn of one actor, the resumption of one blocked thread, or one timer. Steps run on
*runners*: threads that loop over `_step` while they have the baton. A handler that blocks suspends
its runner in the middle of its turn, and another runner takes the loop over; so code that blocks
and code that does not are scheduled alike, and without any blocking there is no thread switch.

Virtual time passes by `step_time` a step, and jumps to the next deadline when nothing can run.

Each step costs about as much as a message, so what a step touches is kept ready: a thread joins
those that can run when its latch is set or its deadline comes, and is not looked at before.
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
from actorcloud.actor.cell.cell import Cell
from actorcloud.base.clock import ManualClock
from actorcloud.testing.baton import Gate, Threads

#: Lines of the trace that are kept for reading.
_TRACE_LINES = 1_000

#: Lines of the trace that are hashed together: a call for each would be a tenth of a step.
_HASHED_TOGETHER = 200


class Crashed(Unwound):
    """The simulated process was killed; raised in its threads to free their stacks."""


class _Closed(BaseException):
    """The simulation is over: this runner ends."""


class SimulationError(AssertionError):
    """The simulation did not get where the test wanted it."""


class Owner(Protocol):
    """A simulated process, as the scheduler sees it."""

    #: Nothing of it runs any more.
    is_crashed: bool

    @property
    def system(self) -> System | None:
        """Its system; None for the world around the processes."""
        ...


class Suspended:
    """A thread that stopped in the middle of something, and will go on."""

    __slots__ = ("gate", "is_crashed", "is_ready", "label", "owner")

    def __init__(self, label: str, gate: Gate, owner: Owner) -> None:
        self.label = label
        self.gate = gate
        self.owner = owner
        #: It is among what can run.
        self.is_ready = False
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

    def __init__(self, random: Random, clock: ManualClock, *, step_time: float, max_turn: int, max_steps: int) -> None:
        self._random = random
        self.clock = clock
        self._step_time = step_time
        self._max_turn = max_turn
        self._max_steps = max_steps
        self.threads = Threads()
        self._driver = Gate()
        self.threads.local.gate = self._driver
        #: What can run: busy cells with their process, and threads that may go on.
        self._runnable: list[tuple[Cell, Owner] | Suspended] = []
        #: Threads that stopped, in that order; a dict, since a set has another order in each process.
        self._suspended: dict[Suspended, None] = {}
        self._timers: list[tuple[float, int, TimerEntry]] = []
        self._deadlines: list[tuple[float, int, Suspended]] = []
        self._serial = itertools.count()
        self._runners = itertools.count(1)
        #: Runners that wait for the baton.
        self._spare: list[Gate] = []
        #: Who waits until a crashed thread has unwound.
        self._unwinding_for: Gate | None = None
        self._goal: Callable[[], bool] = lambda: True
        self._deadline: float | None = None
        self._last_step = 0
        self._error: BaseException | None = None
        self._is_closed = False
        #: Called after each step.
        self.callbacks: list[Callable[[], None]] = []
        #: Called with each cell that is about to handle a message; turns are of one message then.
        self.boundaries: list[Callable[[Cell], None]] = []
        #: Called on each thread that is about to run what is simulated.
        self.enter: Callable[[], None] | None = None
        self.steps = 0
        #: Steps in which actors or threads ran; the others were timers.
        self.turns = 0
        self.trace: deque[str] = deque(maxlen=_TRACE_LINES)
        self._unhashed: list[str] = []
        self._hash = hashlib.blake2b(digest_size=16)

    @property
    def trace_hash(self) -> str:
        """The hash of all steps so far."""
        self._hash.update("".join(self._unhashed).encode())
        self._unhashed.clear()
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
            if self.enter is not None:
                self.enter()
            function()
            self._give_away()

        thread = Suspended(label, self.threads.start(label, run), owner)
        self._suspended[thread] = None
        self._make_ready(thread)

    # -- the driver's side ------------------------------------------------------------------------

    def drive(self, goal: Callable[[], bool], deadline: float | None) -> bool:
        """Let things happen until `goal()` holds, or the clock reaches `deadline`, or nothing is left.

        Returns:
            Whether the goal was reached.

        Raises:
            SimulationError: the steps of one run are used up.
            Exception: what a goal, a callback or the scheduler itself raised.
        """
        if self.threads.my_gate() is not self._driver:
            raise RuntimeError("only the thread that made the simulation drives it; others wait, and are driven")
        self._goal, self._deadline, self._last_step = goal, deadline, self.steps + self._max_steps
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
        me = Suspended(_who(), gate, owner)
        if deadline is not None:
            heapq.heappush(self._deadlines, (deadline, next(self._serial), me))
        latch.call_when_set(lambda: self._make_ready(me))
        if latch.is_set:
            self._make_ready(me)
        self._suspend(me)
        return latch.is_set

    def give_way(self, owner: Owner, where: str) -> None:
        """Let other things happen before the calling thread goes on; nothing, if there are none."""
        gate = self.threads.my_gate()
        if gate is None or gate is self._driver or owner.is_crashed or not self._runnable:
            return
        me = Suspended(f"{_who()} at {where}", gate, owner)
        self._make_ready(me)
        self._suspend(me)

    def crash(self, owner: Owner) -> None:
        """Drop all that belongs to `owner` and unwind its stopped threads, one after the other."""
        me = self.threads.my_gate()
        if me is None:
            raise RuntimeError("only a thread of the simulation may crash a system")
        self._runnable = [item for item in self._runnable if _owner(item) is not owner]
        for _, _, timer in self._timers:
            if timer.owner is owner:
                timer.function = None
        for victim in [thread for thread in self._suspended if thread.owner is owner]:
            del self._suspended[victim]
            # Whatever sets its latch while it unwinds finds it gone already.
            victim.is_ready = victim.is_crashed = True
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

    # -- stopped threads --------------------------------------------------------------------------

    def _suspend(self, me: Suspended) -> None:
        """Give the baton away until this thread is picked.

        Raises:
            Crashed: its process was, meanwhile.
        """
        self._suspended[me] = None
        self._spare_runner().open()
        me.gate.pass_through()
        if me.is_crashed:
            raise Crashed

    def _make_ready(self, thread: Suspended) -> None:
        if not thread.is_ready:
            thread.is_ready = True
            self._runnable.append(thread)

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
        now = self.clock.monotonic()
        is_due = self._next_deadline(now)
        runnable = self._runnable
        count = len(runnable) + is_due
        if not count:
            return self._jump(now)
        self.steps += 1
        if self.steps > self._last_step:
            raise SimulationError(f"no end after {self._max_steps} steps; a live-lock?")
        pick = int(self._random.random() * count) if count > 1 else 0
        if self.enter is not None:
            self.enter()
        try:
            if pick == len(runnable):
                self._fire(now)
            else:
                self._go_on(gate, now, runnable.pop(pick))
        except Unwound:
            waiting, self._unwinding_for = self._unwinding_for, None
            if waiting is not None:
                self._spare.append(gate)
                waiting.open()
                self._park(gate)
        self.clock.advance(self._step_time)
        for callback in self.callbacks:
            callback()
        return True

    def _next_deadline(self, now: float) -> bool:
        """Wake the threads whose time is over; say whether a timer is due."""
        deadlines, timers = self._deadlines, self._timers
        while deadlines and (deadlines[0][0] <= now or deadlines[0][2].is_ready):
            self._make_ready(heapq.heappop(deadlines)[2])
        while timers and timers[0][2].function is None:
            heapq.heappop(timers)
        return bool(timers) and timers[0][0] <= now

    def _jump(self, now: float) -> bool:
        """Move the clock to the next deadline; False if there is none."""
        ahead = [heap[0][0] for heap in (self._timers, self._deadlines) if heap]
        if self._deadline is not None:
            ahead.append(self._deadline)
        if not ahead:
            return False
        self.clock.advance(max(0.0, min(ahead) - now))
        return True

    def _go_on(self, gate: Gate, now: float, item: tuple[Cell, Owner] | Suspended) -> None:
        self.turns += 1
        if isinstance(item, Suspended):
            self._note(f"{now:.6f} resume {item.label}")
            del self._suspended[item]
            self._spare.append(gate)
            item.gate.open()
            self._park(gate)
            return
        cell, owner = item
        if self.boundaries:
            limit = 1
            if cell.mail and cell.is_alive():
                for look in tuple(self.boundaries):
                    look(cell)
                if owner.is_crashed:
                    return
        else:
            limit = 1 + int(self._random.random() * self._max_turn)
        if cell.thread is not None:
            raise SimulationError(f"{cell.ref} is given a turn while it runs: two threads would run it")
        self._note(f"{now:.6f} turn {owner} {cell.id.serial} {cell.kind.__name__} {limit}")
        cell.turn(limit)

    def _fire(self, now: float) -> None:
        _, _, timer = heapq.heappop(self._timers)
        function, timer.function = timer.function, None
        assert function is not None, "cancelled timers were dropped"
        self._note(f"{now:.6f} timer {timer.owner}")
        outer, thread_context.system = thread_context.system, timer.owner.system
        try:
            function()
        finally:
            thread_context.system = outer

    def _note(self, line: str) -> None:
        self.trace.append(line)
        self._unhashed.append(line)
        if len(self._unhashed) >= _HASHED_TOGETHER:
            _ = self.trace_hash


def _owner(item: tuple[Cell, Owner] | Suspended) -> Owner:
    return item.owner if isinstance(item, Suspended) else item[1]


def _who() -> str:
    cell = thread_context.cell
    system: System | None = thread_context.system
    return f"thread of {system.peer.name if system else '?'}" if cell is None else str(cell.id)
