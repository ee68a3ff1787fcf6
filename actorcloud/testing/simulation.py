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
        sim.kill(MyActor, chance=0.1)            # from now on, before any message
        sim.crash(other)                         # kill -9

Reference: FoundationDB's simulator; design page, "Sans-I/O from the first day".
"""

from __future__ import annotations

import contextlib
import random as random_module
import sys
from collections import deque
from collections.abc import Callable
from typing import Any, Self, TypeVar, cast

from actorcloud.actor import Actor, ActorRef, Future, System, thread_context
from actorcloud.actor.cell.cell import Cell
from actorcloud.base.clock import ManualClock
from actorcloud.base.exits import ExitReason
from actorcloud.testing.fault import Fault, Target
from actorcloud.testing.isolation import SimSpawner
from actorcloud.testing.preemption import Preemption
from actorcloud.testing.process import Process, World
from actorcloud.testing.repetition import how_to_repeat
from actorcloud.testing.scheduler import Crashed, Scheduler, SimulationError

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


class Simulation:
    """Actors in virtual time; see the module's docstring.

    Args:
        seed: decides everything that is left to chance.
        step_time: virtual seconds that each step takes.
        max_turn: messages that one turn may handle at most.
        max_steps: steps of one `run` after which it is given up.
        preempt: chance that a handler gives way before a line of the actor runtime, from 0 to 1: at
            0 others run only where it ends or waits; above, also around every `tell` that it does.

    Thread: the one that makes it drives it.
    """

    def __init__(
        self,
        seed: int,
        *,
        step_time: float = STEP_TIME_DEFAULT,
        max_turn: int = MAX_TURN_DEFAULT,
        max_steps: int = MAX_STEPS_DEFAULT,
        preempt: float = 0.0,
    ) -> None:
        if not 0 <= preempt <= 1:
            raise ValueError(f"preempt is {preempt}; it is a chance, from 0 to 1")
        self.seed = seed
        #: For the test's own choices; part of the seeded run.
        self.random = random_module.Random(seed)  # noqa: S311  repeatable is the point
        self.clock = ManualClock()
        self._scheduler = Scheduler(
            self.random, self.clock, step_time=step_time, max_turn=max_turn, max_steps=max_steps
        )
        if preempt:
            self._scheduler.enter = Preemption(self._scheduler, self.random, preempt).enter
        #: Timers of no process, for simulated networks and disks.
        self.timers = World(self._scheduler)
        self._processes: dict[str, Process] = {}
        self._threads = 0
        self._exit = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._exit.enter_context(self.system().activate())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # Not only exceptions: what `pytest.fail` raises is none.
        if kind is not None and not issubclass(kind, KeyboardInterrupt | SystemExit | GeneratorExit):
            print(f"\n{self!r} failed; {how_to_repeat(self.seed)}", file=sys.stderr)  # noqa: T201
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

    def process_of(self, ref: ActorRef[Any]) -> System:
        """Return the system of the simulated process of an isolated actor: to crash it, or to look into it."""
        system: Any = ref._cell.system  # noqa: SLF001  testing may reach anything
        found: System = system.spawner.process_of(f"{ref.actor_class.__name__}{ref.id}")
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

    # -- faults -----------------------------------------------------------------------------------

    def crash(self, system: System, *, at: int | None = None, chance: float | None = None) -> Fault | None:
        """Kill a simulated process: actors, mail and timers vanish, no hook runs, nobody is told.

        Its blocked threads are unwound by `Crashed`. What it had handed to the network or the disk
        is theirs to lose. `system(name)` makes its next incarnation.

        Args:
            system: of the process.
            at: not now, but when its actors are about to handle their n-th message from now.
            chance: not now, but with this chance whenever an actor of it is about to handle one.

        Returns:
            The fault that is planned; None if it has struck.

        Raises:
            Crashed: the caller is a thread of that process.
        """
        if at is not None or chance is not None:
            return self._plan(system, at, chance, lambda cell: self._crash(cast("System", cell.system)))
        self._crash(system)
        return None

    def kill(
        self, target: ActorRef[Any] | type[Actor], *, at: int | None = None, chance: float | None = None
    ) -> Fault | None:
        """Kill an actor: it ends with `KILLED`, and its supervisor sees to it.

        Args:
            target: the actor; with `at` or `chance` also a class, of which any actor may be hit.
            at: not now, but when it is about to handle its n-th message from now.
            chance: not now, but with this chance whenever it is about to handle a message.

        Returns:
            The fault that is planned; None if it has struck.
        """
        if at is not None or chance is not None:
            return self._plan(target, at, chance, lambda cell: cell.ref.exit(ExitReason.KILL))
        if not isinstance(target, ActorRef):
            raise TypeError(f"{target!r} is no actor; its actors are killed with `at` or `chance`")
        target.kill()
        return None

    def on_crash(self, system: System, callback: Callable[[], None]) -> None:
        """Call `callback` when that simulated process crashes."""
        self._processes[system.peer.name].on_crash.append(callback)

    def _plan(self, target: Target, at: int | None, chance: float | None, strike: Callable[[Cell], None]) -> Fault:
        fault = Fault(target, at=at, chance=chance, random=self.random, strike=strike)

        def look(cell: Cell) -> None:
            fault.look(cell)
            if fault.is_over:
                self._scheduler.boundaries.remove(look)

        self._scheduler.boundaries.append(look)
        return fault

    def _crash(self, system: System) -> None:
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

    # -- running ----------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self._scheduler.steps

    @property
    def turns(self) -> int:
        """Steps so far in which actors or threads ran; in the others a timer only sent something."""
        return self._scheduler.turns

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
        self._scheduler.drive(lambda: False, end)
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
        if not self._scheduler.drive(predicate, end):
            last = "\n  ".join(list(self.trace)[-10:])
            raise SimulationError(f"{self!r}: not reached within {timeout} virtual seconds; the last steps:\n  {last}")
        return True

    def run_idle(self) -> None:
        """Run until nothing can happen any more, timers included."""
        self._scheduler.drive(lambda: False, None)

    def close(self) -> None:
        """Crash all systems and end all threads."""
        for process in list(self._processes.values()):
            self._crash(process.system)
        self._exit.close()
        self._scheduler.close()
