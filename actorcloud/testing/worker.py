"""Worker processes of the simulation: a thread with a baton each, that runs jobs as a real one does.

A worker is a simulated process of its own, so that it can be killed alone. The pipe between it and
its port delays what it carries, keeps its order, and delivers what a killed worker had written before
the port hears of its end.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from actorcloud.actor import Latch, System
from actorcloud.base.ids import JobRef
from actorcloud.base.ports import Exited, Said, Sink
from actorcloud.client import Cloud, CurrentJob, Waiters, filled
from actorcloud.protocol.message import Message
from actorcloud.protocol.node import Code, DoneItem, RunItem
from actorcloud.protocol.record import Fence
from actorcloud.protocol.worker import Finished, Outage, Revoke, Revoked, Work, WorkerReady
from actorcloud.testing.pipe import SimPipe
from actorcloud.testing.scheduler import Crashed
from actorcloud.testing.witness import WitnessedHead
from actorcloud.worker.backlog import Backlog, fence_of
from actorcloud.worker.job import finish
from actorcloud.worker.link import JobHead, Link, OutageClock
from actorcloud.worker.runner import Functions, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from actorcloud.testing.simulation import Simulation
    from actorcloud.testing.witness import Witness

#: Seconds that a process takes to start.
START_LATENCY = (0.02, 0.2)


class BatonWaiters(Waiters):
    """The waits of a client in the simulation: in virtual time, giving the baton away.

    Args:
        system: of the process that waits.
    """

    def __init__(self, system: System) -> None:
        super().__init__()
        self._system = system
        self._latches: dict[Latch, Callable[[], bool]] = {}

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `Head.wait`."""
        clock = self._system.clock
        deadline = None if timeout is None else clock.monotonic() + timeout
        while not ready():
            left = None if deadline is None else deadline - clock.monotonic()
            if left is not None and left <= 0:
                return False
            latch = Latch()
            self._latches[latch] = ready
            try:
                self._system.wait(latch, left)
            finally:
                self._latches.pop(latch, None)
        return True

    def check(self) -> None:
        """Wake those whose condition has become true."""
        for latch, ready in list(self._latches.items()):
            if ready():
                latch.set()


class SimWorker:
    """A simulated worker process, as its port sees it."""

    def __init__(self, spawner: SimSpawner, name: str, sink: Sink) -> None:
        self.name = name
        self.is_dead = False
        self._spawner = spawner
        self._sim = spawner.sim
        self._to_port = SimPipe(self._sim, self._say)
        self._to_worker = SimPipe(self._sim, self._receive)
        self._sink = sink
        self._backlog = Backlog()
        self._functions = Functions()
        self._filled: Latch | None = None
        #: A job has left something behind.
        self.is_spent = False
        self.system = self._sim.system(name)
        waiters = BatonWaiters(self.system)
        self._link = Link(self._write, waiters, OutageClock(self._sim.clock.monotonic, self._sim.clock.time))
        self._to_port.write(WorkerReady(0), START_LATENCY)
        self._sim.thread(self.system, self._run)

    # -- the port's side --------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        """See `Worker.send`."""
        self._to_worker.write(message)

    def kill(self) -> None:
        """See `Worker.kill`; a job may do it to its own worker."""
        if not self.is_dead:
            self.is_dead = True
            self._to_port.write(Exited("signal 9 (SIGKILL)"))
            self._sim.crash(self.system)

    def _say(self, message: object) -> None:
        if isinstance(message, Message):
            self._sink(Said((message,)))
        elif isinstance(message, Exited):
            self._sink(message)

    # -- the worker's side ------------------------------------------------------------------------

    def _write(self, message: Message) -> None:
        if not self.is_dead:
            self._to_port.write(message)

    def _receive(self, message: object) -> None:
        if self.is_dead:
            return
        match message:
            case Work(items):
                self._give_back(self._backlog.add(items))
                if self._filled is not None:
                    self._filled.set()
            case Code(function, code):
                self._functions.add(function, code)
            case Revoke(runs):
                self._write(Revoked(tuple(self._backlog.revoke(runs))))
            case Outage(away):
                self._link.outage(away=away)
            case Message():
                self._link.receive(message)

    def _run(self) -> None:
        _here.worker = self
        while not self.is_spent:
            while not self._backlog:
                self._filled = Latch()
                self.system.wait(self._filled)
            self._run_one(self._backlog.take())
        self._give_back(self._backlog.close())

    def _give_back(self, runs: list[Fence]) -> None:
        if runs:
            self._write(Revoked(tuple(runs)))

    def _run_one(self, item: RunItem) -> None:
        fence = fence_of(item)
        witness = self._spawner.witness
        witness.begun.append(fence)

        def open_cloud() -> Cloud:
            return Cloud.over(WitnessedHead(JobHead(self._link), witness), fence=fence, random=self.system.random)

        job: CurrentJob[Cloud] = CurrentJob(JobRef(item.ref), item.attempt, open_cloud)
        with filled(job):
            outcome = run(item, self._functions)
            end = finish(job, outcome)
        if self.is_dead:
            # What unwinds this stack was taken for the job's own error.
            raise Crashed
        if job.has_cloud:
            job.cloud.room.close()
        done = DoneItem(item.ref, item.run, end.kind, end.outcome)
        witness.finished(done)
        self._write(Finished(done, not self.is_spent, end.stored))


class _Here(threading.local):
    """The worker whose thread this is."""

    worker: SimWorker | None = None


_here = _Here()


def kill_worker() -> None:
    """Kill -9 the simulated worker that the calling job runs in.

    Raises:
        RuntimeError: this is no job of the simulation.
        Crashed: else.
    """
    if _here.worker is None:
        raise RuntimeError("kill_worker() is for jobs that run in a simulation")
    _here.worker.kill()


def spend_worker() -> None:
    """Make the calling job leave something behind in its simulated worker, which then begins no other.

    Raises:
        RuntimeError: this is no job of the simulation.
    """
    if _here.worker is None:
        raise RuntimeError("spend_worker() is for jobs that run in a simulation")
    _here.worker.is_spent = True


class SimSpawner:
    """The `Spawner` of a simulated node.

    Args:
        sim: the simulation.
        node: name of the node.
        witness: sees what its workers begin, ask and are told.
    """

    def __init__(self, sim: Simulation, node: str, witness: Witness) -> None:
        self.sim = sim
        self.witness = witness
        self.workers: deque[SimWorker] = deque()
        self._node = node
        self._count = 0

    def spawn(self, number: int, sink: Sink) -> SimWorker:
        """See `Spawner.spawn`."""
        self._count += 1
        worker = SimWorker(self, f"{self._node}.w{number}.{self._count}", sink)
        self.workers.append(worker)
        return worker

    def living(self) -> list[SimWorker]:
        """Return the workers that were not killed."""
        return [worker for worker in self.workers if not worker.is_dead]

    def kill_all(self) -> None:
        """See `Spawner.kill_all`."""
        for worker in self.living():
            worker.is_dead = True
            self.sim.crash(worker.system)

    def close(self) -> None:
        """See `Spawner.close`."""
        self.kill_all()
