"""A cloud whose programs, faults and disk are decided by a seed; everything must end well."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from typing import Any, NamedTuple

from actorcloud import Cloud, JobRef
from actorcloud.actor import ActorRef, Future
from actorcloud.jobs.message import Detached
from actorcloud.protocol.record import Fence
from actorcloud.testing import RELIABLE, Auditor, Chances, CrashingDisk, SimCloud, Simulation
from tests.simulation.acts import ACTS, Act, Book

#: Virtual seconds for all programs to end: several restarts, graces and partitions in a row.
PATIENCE = 400.0

#: Actors whose end restarts the head's core, and those of a node.
CORE = ("StoreActor", "WriterActor", "Scheduler", "JobManager", "DynamicSupervisor", "Roster", "Gateway")
NODE = ("NodeAgent", "Gateway", "WorkerPort", "DynamicSupervisor")

#: Kills of workers in one run: one more, and any job may be suspended by them.
KILLS_LIMIT = 2


Fault = Callable[["Chaos"], None]


class Plan(NamedTuple):
    """What may happen; all of it by default."""

    acts: tuple[Act, ...] = ACTS
    #: None: all.
    faults: tuple[Fault, ...] | None = None
    #: None: by the seed.
    chances: Chances | None = None
    has_victim: bool = True
    slots: tuple[int, ...] = (1, 2, 2, 3)


class Chaos:
    """One run; see the module."""

    def __init__(self, sim: Simulation, plan: Plan | None = None) -> None:
        self.sim = sim
        self.plan = plan or Plan()
        self.random = sim.random
        self.book = Book()
        self.disk = CrashingDisk(sim.random, self._chances())
        self.cloud = SimCloud(sim, slots=self.random.choice(self.plan.slots), disk=self.disk)
        self.auditor = Auditor(self.cloud)
        sim.on_step(self.auditor.check)
        self.programs: list[Future[None]] = []
        self.log: list[str] = [f"{self.disk.chances}"]
        self._kills = 0
        #: Ends of faults that are still to come.
        self._pending = 0

    def _chances(self) -> Chances:
        if self.plan.chances is not None:
            self.book.has_full_disk = self.plan.chances.no_space > 0
            return self.plan.chances
        latency = self.random.choice((0.0, 0.002, 0.02))
        if self.random.random() < 0.2:
            self.book.has_full_disk = True
            return Chances(no_space=0.1, unresolved=0.02, latency=latency)
        return Chances(latency=latency)

    # -- one run ----------------------------------------------------------------------------------

    def run(self) -> None:
        self.cloud.start_head()
        for name in ("n1", "n2"):
            self.cloud.start_node(name)
        for number in range(self.random.randint(1, 3)):
            self._start_program(f"c{number}")
        if self.plan.has_victim and self.random.random() < 0.3:
            self._start_victim()
        self._strike()
        self._stop_faults()
        self.sim.run_until(lambda: all(program.is_done() for program in self.programs), timeout=PATIENCE)
        for program in self.programs:
            program.get()
        self._check_end()

    def _start_program(self, name: str) -> None:
        rnd = random_module.Random(self.random.getrandbits(32))
        acts = [(rnd.choice(self.plan.acts), rnd.randint(1, 4)) for _ in range(rnd.randint(1, 4))]
        self.log.extend(f"{name}: {act.__name__}({number})" for act, number in acts)

        def program(cloud: Cloud) -> None:
            for act, number in acts:
                act(cloud, self.book, number)

        self.programs.append(self.cloud.program(name, program))

    def _start_victim(self) -> None:
        """A program that is killed in the middle of something; its jobs go on."""

        def program(cloud: Cloud) -> None:
            for act in self.random.sample(ACTS, 3):
                if act.__name__ not in {"cancel", "submit"}:
                    act(cloud, self.book, 2)

        self.cloud.program("victim", program)
        self._later(self.random.random(), lambda: self.cloud.crash_program("victim"), "crash the victim")

    def _check_end(self) -> None:
        for seconds in (self.cloud.grace + 1.0, 0.0):
            # Once more when the grace of every node is over: nothing may come of it.
            self.sim.run_until(lambda: self.cloud.is_quiet() and self.cloud.is_whole(), timeout=PATIENCE)
            self.sim.run(seconds)
        self.auditor.check_quiet()
        program = self.cloud.program("c-last", self._look_back)
        self.sim.run_until(program.is_done)
        program.get()

    def _look_back(self, cloud: Cloud) -> None:
        """What happens exactly once has happened once for each job, and for none else."""
        history, finishing = self.auditor.history, self.cloud.witness.finishing
        ended = {fence[0]: fence[1] for fence in finishing if self._is_end_of(fence)}
        assert cloud.fetch("sum", "done", 0) == len(ended)
        assert cloud.fetch("sum", "once", 0) == sum(key.endswith(b"add") for key in history.onces)
        for ref, _ in finishing:
            run = cloud.fetch("finished", str(JobRef[int](ref)))
            assert run == ended.get(ref), "on_done's writes are not those of the run that ended"

    def _is_end_of(self, fence: Fence) -> bool:
        record = self.auditor.history.records[fence[0]]
        return record.state == "done" and record.run == fence[1]

    # -- faults -----------------------------------------------------------------------------------

    def _strike(self) -> None:
        for _ in range(self.random.randint(0, 5)):
            self.sim.run(self.random.random() * self.random.choice((0.05, 0.4)))
            self.random.choice(self.plan.faults or FAULTS)(self)

    def _stop_faults(self) -> None:
        self.sim.run(self.random.random() * 0.5)
        self.disk.chances = RELIABLE._replace(latency=self.disk.chances.latency)
        self.sim.run_until(lambda: not self._pending, timeout=60)
        self.cloud.network.heal()

    def _later(self, seconds: float, function: Callable[[], object], what: str) -> None:
        self._pending += 1

        def act() -> None:
            self._pending -= 1
            self.log.append(f"{self._now():.4f} {what}")
            function()

        self.sim.timers.call_at(self.sim.clock.monotonic() + seconds, act)

    def _now(self) -> float:
        return self.sim.clock.monotonic()

    def _say(self, what: str) -> None:
        self.log.append(f"{self._now():.4f} {what}")

    def _node(self) -> str:
        return self.random.choice(("n1", "n2"))

    def crash_head(self) -> None:
        self._say("crash head")
        self.cloud.crash_head()
        self._later(self.random.random() * self.random.choice((0.1, 2.0, 8.0)), self._restart_head, "start head")

    def _restart_head(self) -> None:
        if self.cloud.head is None:
            self.cloud.start_head()

    def crash_node(self) -> None:
        name, silent = self._node(), self.random.random() < 0.3
        self._say(f"crash {name}{' silently' if silent else ''}")
        self.cloud.crash_node(name, silent=silent)

        def restart() -> None:
            if name not in self.cloud.nodes:
                self.cloud.start_node(name)

        self._later(self.random.random() * self.random.choice((0.1, 2.0, 8.0)), restart, f"start {name}")

    def kill_worker(self) -> None:
        if self._kills < KILLS_LIMIT:
            self._kills += 1
            name, number = self._node(), self.random.randrange(3)
            self._say(f"kill worker {number} of {name}")
            self.cloud.kill_worker(name, number)

    def cut(self) -> None:
        other = self.random.choice(("n1", "n2", "c0", "c1"))
        self._say(f"cut {other}")
        self.cloud.network.cut("head", other)

    def partition(self) -> None:
        other = self.random.choice(("n1", "n2", "c0"))
        seconds = self.random.choice((0.3, 2.0, 9.0)) * (0.5 + self.random.random())
        self._say(f"partition {other} for {seconds:.2f}")
        self.cloud.network.partition("head", other)
        self._later(seconds, lambda: self.cloud.network.heal("head", other), f"heal {other}")

    def crash_core_actor(self) -> None:
        self._crash_actor("head", self.random.choice(CORE))

    def crash_proxy(self) -> None:
        self._crash_actor("head", "NodeProxy")

    def give_up_a_node(self) -> None:
        """The head takes a node for lost that goes on: only the fences keep its runs out."""
        for proxy in self.cloud.actors("head", "NodeProxy")[:1]:
            self._say("give up a node")
            give_up(self.cloud, proxy)

    def crash_node_actor(self) -> None:
        self._crash_actor(self._node(), self.random.choice(NODE))

    def exhaust_the_core(self) -> None:
        """More restarts than are allowed: the head's process gives up and is started again."""
        for number in range(4):
            self._later(0.05 * number, lambda: self._crash_actor("head", "JobManager"), "exhaust the core")

    def _crash_actor(self, process: str, kind: str) -> None:
        found = self.cloud.actors(process, kind)
        if found:
            raises = self.random.random() < 0.5
            self._say(f"{'crash' if raises else 'kill'} {kind} of {process}")
            self.cloud.crash_actor(self.random.choice(found), raises=raises)


def give_up(cloud: SimCloud, proxy: ActorRef[Any]) -> None:
    """Have the manager lose what the node of this proxy holds, which goes on until its link is reset."""
    manager = proxy._actor_weakref()._manager
    manager.tell(Detached(proxy._actor_weakref()._node, proxy))
    cloud.crash_actor(proxy)


FAULTS: tuple[Fault, ...] = (
    Chaos.crash_head,
    Chaos.crash_head,
    Chaos.crash_node,
    Chaos.crash_node,
    Chaos.kill_worker,
    Chaos.cut,
    Chaos.partition,
    Chaos.crash_core_actor,
    Chaos.crash_proxy,
    Chaos.give_up_a_node,
    Chaos.crash_node_actor,
    Chaos.exhaust_the_core,
)


def run(seed: int, plan: Plan | None = None) -> Chaos:
    """Run one seed; raises what is wrong."""
    with Simulation(seed) as sim:
        chaos = Chaos(sim, plan)
        try:
            chaos.run()
        except BaseException as error:
            error.add_note("\n".join(chaos.log))
            raise
        return chaos
