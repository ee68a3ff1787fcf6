"""`Simulation(seed)`: whole systems of actors in virtual time, one step at a time, by a seed.

Everything that a real `System` gets from the machine (time, timers, threads, randomness) comes from
the seed here: the same seed gives the same run. What is found by a random seed is repeated by it.

::

    with Simulation(seed=7) as sim:
        ref = MyActor.start()                    # in the system `sim.system()`
        assert ref.ask("hello") == "world"       # the test's own waits drive the simulation
        other = sim.system("other")              # another simulated process
        reply = sim.thread(other, client_code)   # code that blocks, in a thread with a baton
        sim.run_until(reply.is_done, timeout=60)
        sim.crash(other)                         # kill -9

Reference: FoundationDB's simulator; design page, "Sans-I/O from the first day".
"""

from __future__ import annotations

import contextlib
import random as random_module
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from actorcloud.actor import ActorRef, Future, Home, Latch, System, check_exit, thread_context
from actorcloud.actor.cell import Cell
from actorcloud.base.clock import ManualClock
from actorcloud.base.ports import TimerHandle
from actorcloud.testing.isolation import SimSpawner
from actorcloud.testing.scheduler import Crashed, Scheduler, SimulationError

if TYPE_CHECKING:
    from actorcloud.testing.loop import SimHome

R = TypeVar("R")

#: Virtual seconds that a step takes: small against every timeout, so that work goes on between timers.
STEP_TIME_DEFAULT = 1e-5

#: Messages that one turn may handle at most; the seed picks from 1 up to it.
MAX_TURN_DEFAULT = 4

#: Virtual seconds that `run_until` waits unless told otherwise.
RUN_TIMEOUT_DEFAULT = 60.0

#: Steps after which a run counts as a live-lock.
MAX_STEPS_DEFAULT = 1_000_000

#: The name of the system that a simulation starts with.
MAIN = "main"


class World:
    """What is around the simulated processes: the network, the disks; its timers survive every crash."""

    system = None

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

    def schedule(self, cell: Cell) -> None:
        """See `actor.Home`."""
        if not self.is_crashed:
            self._scheduler.add_runnable(cell, self)

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


class Simulation:
    """Actors in virtual time; see the module's docstring.

    Args:
        seed: decides everything that is left to chance.
        step_time: virtual seconds that each step takes.
        max_turn: messages that one turn may handle at most.
        max_steps: steps of one `run` after which it is given up.

    Thread: the one that makes it drives it.
    """

    def __init__(
        self,
        seed: int,
        *,
        step_time: float = STEP_TIME_DEFAULT,
        max_turn: int = MAX_TURN_DEFAULT,
        max_steps: int = MAX_STEPS_DEFAULT,
    ) -> None:
        self.seed = seed
        #: For the test's own choices; part of the seeded run.
        self.random = random_module.Random(seed)  # noqa: S311  repeatable is the point
        self.clock = ManualClock()
        self._max_steps = max_steps
        self._scheduler = Scheduler(self.random, self.clock, step_time=step_time, max_turn=max_turn)
        #: Timers of no process, for simulated networks and disks.
        self.timers = World(self._scheduler)
        self._processes: dict[str, Process] = {}
        self._threads = 0
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._exit.enter_context(self.system().activate())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, Exception):
            print(f"\n{self!r} failed; run it again with Simulation({self.seed})", file=sys.stderr)  # noqa: T201
        self.close()

    def __repr__(self) -> str:
        return f"Simulation(seed={self.seed}, steps={self.steps}, time={self.clock.monotonic():.6f})"

    # -- systems ----------------------------------------------------------------------------------

    def system(self, name: str = MAIN) -> System:
        """Return the system of the simulated process `name`; a new one if it crashed or never was."""
        process = self._processes.get(name)
        if process is None:
            process = Process(name, self._scheduler)
            spawner = SimSpawner(self, name)
            process.system = System(
                name=name,
                clock=self.clock,
                timers=process,
                dispatcher=process,
                random=random_module.Random(self.random.getrandbits(64)),  # noqa: S311  as above
                spawner=spawner,
            )
            process.on_crash.append(spawner.close)
            self._processes[name] = process
        return process.system

    def crash(self, system: System) -> None:
        """Kill a simulated process: actors, mail and timers vanish, no hook runs, nobody is told.

        Its blocked threads are unwound by `Crashed`. What it had handed to the network or the disk
        is theirs to lose. `system(name)` makes its next incarnation.

        Raises:
            Crashed: the caller is a thread of that process.
        """
        process = self._processes.get(system.peer.name)
        if process is None or process.system is not system:
            return
        del self._processes[system.peer.name]
        system.abandon()
        process.crash()
        self._scheduler.crash(process)
        cell = thread_context.cell
        if not self._scheduler.is_driver() and (thread_context.system if cell is None else cell.system) is system:
            raise Crashed

    def on_crash(self, system: System, callback: Callable[[], None]) -> None:
        """Call `callback` when that simulated process crashes."""
        self._processes[system.peer.name].on_crash.append(callback)

    def process_of(self, ref: ActorRef[Any]) -> System:
        """Return the system of the simulated process of an isolated actor: to crash it, or to look into it."""
        system: Any = ref._cell.system  # noqa: SLF001  testing may reach anything
        found: System = system.spawner.process_of(str(ref))
        return found

    def thread(self, system: System, function: Callable[..., R], *args: Any, **kwargs: Any) -> Future[R]:
        """Run code that blocks, as a thread of a simulated process.

        It runs while nothing else does, and gives way only where it waits: for a `Future`, or in
        `system.wait` and `system.sleep`.

        Returns:
            A Future of what `function(*args, **kwargs)` returns or raises; `Crashed` if it was.
        """
        process = self._processes[system.peer.name]
        self._threads += 1
        future: Future[R] = Future(process, None, f"thread {self._threads} of {process}")

        def run() -> None:
            thread_context.system = system
            try:
                if process.is_crashed:
                    raise Crashed
                future.set(function(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001  travels through the future
                future.set_exception(error)

        self._scheduler.add_thread(f"thread-{self._threads}-{process}", process, run)
        return future

    # -- running ----------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self._scheduler.steps

    @property
    def trace(self) -> deque[str]:
        """The last steps, for reading."""
        return self._scheduler.trace

    @property
    def trace_hash(self) -> str:
        """The hash of all steps: equal for equal runs."""
        return self._scheduler.trace_hash

    def on_step(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every step; what it raises ends the run. It must not block."""
        self._scheduler.callbacks.append(callback)

    def step(self) -> bool:
        """Let one thing happen; False if nothing can any more. Time may jump before."""
        before = self.steps
        self._scheduler.drive(lambda: self.steps > before, None)
        return self.steps > before

    def run(self, seconds: float) -> None:
        """Run for `seconds` of virtual time."""
        end = self.clock.monotonic() + seconds
        self._drive(lambda: False, end)
        self.clock.advance(max(0.0, end - self.clock.monotonic()))

    def run_until(self, predicate: Callable[[], bool], timeout: float = RUN_TIMEOUT_DEFAULT) -> bool:
        """Run until `predicate()` holds.

        Args:
            predicate: looked at before each step; must not block.
            timeout: virtual seconds.

        Returns:
            True.

        Raises:
            SimulationError: it did not hold in time.
        """
        end = self.clock.monotonic() + timeout
        if not self._drive(predicate, end):
            last = "\n  ".join(list(self.trace)[-10:])
            raise SimulationError(f"{self!r}: not reached within {timeout} virtual seconds; the last steps:\n  {last}")
        return True

    def run_idle(self) -> None:
        """Run until nothing can happen any more, timers included."""
        self._drive(lambda: False, None)

    def close(self) -> None:
        """Crash all systems and end all threads."""
        for process in list(self._processes.values()):
            self.crash(process.system)
        self._exit.close()
        self._scheduler.close()

    def _drive(self, goal: Callable[[], bool], deadline: float | None) -> bool:
        last = self.steps + self._max_steps

        def is_reached() -> bool:
            if self.steps > last:
                raise SimulationError(f"{self!r}: no end after {self._max_steps} steps; a live-lock?")
            return goal()

        return self._scheduler.drive(is_reached, deadline)
