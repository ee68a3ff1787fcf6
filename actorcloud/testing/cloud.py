"""A whole cloud in the simulation: head, nodes, workers, clients, network and disk, by one seed.

What runs is the real thing: the head's and the nodes' trees, the store, the manager, the client's
room, the job runner. Simulated are time, the network's wires, the disk, and processes, each of which
can be killed at any step::

    with Simulation(seed) as sim:
        cloud = SimCloud(sim)
        cloud.start_head()
        cloud.start_node("n1")
        program = cloud.program("c1", lambda cloud: cloud.result(cloud.add_job(work)))
        sim.run_until(program.is_done)
        cloud.crash_head()
        cloud.start_head()

Give the `check` of an `Auditor` of this cloud to `sim.on_step` to have the promises checked after every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from actorcloud.actor import ActorRef, Future, Supervisor, System
from actorcloud.base.ids import new_incarnation
from actorcloud.base.ports import LEFT
from actorcloud.client import Cloud
from actorcloud.client.transporthead import TransportHead
from actorcloud.cluster import Neighbours
from actorcloud.head import Core, Parts
from actorcloud.head.tree import GRACE_MARGIN
from actorcloud.node import NodeParts, NodeRoot
from actorcloud.node.agent import ORPHAN_TIME_DEFAULT
from actorcloud.testing.engine import CrashingDisk, CrashingEngine
from actorcloud.testing.network import SimNetwork, SimTransport
from actorcloud.testing.witness import Witness, WitnessedHead
from actorcloud.testing.worker import BatonWaiters, SimSpawner

if TYPE_CHECKING:
    from actorcloud.testing.simulation import Simulation

R = TypeVar("R")

HEAD = "head"
ENDPOINT = "head:7710"

#: Seconds: short, so that faults are noticed soon; virtual time costs nothing, but steps do.
NODE_TIMEOUT = 3.0

#: Seconds until a process that gave up is started again.
RESPAWN_PAUSE = 0.05

#: Seconds that a program waits for a head.
PATIENCE = 300.0


class SimCloud:
    """See the module.

    Args:
        sim: the simulation; gives every chance.
        slots: workers of each node.
        node_timeout: seconds.
        orphan_time: seconds that a node goes on without a head.
        disk: the head's; one that never fails unless given.
    """

    def __init__(
        self,
        sim: Simulation,
        *,
        slots: int = 2,
        node_timeout: float = NODE_TIMEOUT,
        orphan_time: float = ORPHAN_TIME_DEFAULT,
        disk: CrashingDisk | None = None,
    ) -> None:
        self.sim = sim
        self.network = SimNetwork(sim)
        self.disk = disk or CrashingDisk(sim.random)
        self.head: System | None = None
        self.nodes: dict[str, System] = {}
        self.spawners: dict[str, SimSpawner] = {}
        self.programs: dict[str, System] = {}
        self._roots: dict[str, tuple[Neighbours, ActorRef[Any]]] = {}
        #: What was told outside the head.
        self.witness = Witness(sim.clock.monotonic)
        #: Processes that were started again because their trees gave up.
        self.respawned = 0
        #: What jobs have printed.
        self.printed: list[str] = []
        self._slots = slots
        self._node_timeout = node_timeout
        self._orphan_time = orphan_time

    @property
    def grace(self) -> float:
        """Seconds after which what a node held is surely given to others."""
        return self._node_timeout * 4 / 3 + GRACE_MARGIN

    # -- the head ---------------------------------------------------------------------------------

    def start_head(self) -> None:
        """Start a head on the disk; one whose tree gives up is started again, as its parent process does."""
        system = self.head = self.sim.system(HEAD)
        parts = Parts(
            make_engine=lambda: CrashingEngine(self.disk, system.sleep),
            make_transport=lambda: self._transport(system, "head", (ENDPOINT,)),
            neighbours=Neighbours(system),
            node_timeout=self._node_timeout,
        )
        with system.activate():
            root = Supervisor.start([Core.child_spec(parts, id="core")], max_restarts=0)
        root.monitor().add_done_callback(lambda _: self._respawn(system, self.crash_head, self.start_head))

    def crash_head(self) -> None:
        """Kill -9 and power cut: what is not durable is gone."""
        if self.head is not None:
            self.network.crash(HEAD)
            self.sim.crash(self.head)
            self.disk.crash()
            self.head = None

    def _respawn(self, system: System, crash: Callable[[], None], start: Callable[[], None]) -> None:
        def again() -> None:
            if system in {self.head, *self.nodes.values()}:
                self.respawned += 1
                crash()
                start()

        # Not here: this runs in the midst of what has ended.
        self.sim.timers.call_at(self.sim.clock.monotonic() + RESPAWN_PAUSE, again)

    def actor(self, name: str) -> Any:  # noqa: ANN401  any actor
        """Return the instance behind a name of the head, to look at; None while there is none."""
        ref = None if self.head is None else self.head.whereis(name)
        return None if ref is None else ref._actor_weakref()  # noqa: SLF001  Pykka's way to look at an actor

    # -- nodes ------------------------------------------------------------------------------------

    def start_node(self, name: str) -> None:
        """Start a node that dials the head; started again when its tree gives up."""
        system = self.nodes[name] = self.sim.system(name)
        neighbours = Neighbours(system)
        neighbours.dial(ENDPOINT)
        spawner = self.spawners[name] = SimSpawner(self.sim, name, self.witness)
        parts = NodeParts(
            name=name,
            slots=self._slots,
            spawner=spawner,
            make_transport=lambda: self._transport(system, "node", ()),
            neighbours=neighbours,
            write=self.printed.append,
            orphan_time=self._orphan_time,
        )
        with system.activate():
            root = NodeRoot.start(parts)
        self._roots[name] = (neighbours, root)
        root.monitor().add_done_callback(
            lambda _: self._respawn(system, lambda: self.crash_node(name), lambda: self.start_node(name))
        )

    def end_node(self, name: str) -> None:
        """Ctrl-C: the node says goodbye, and its workers are killed."""
        system = self.nodes.pop(name)
        neighbours, root = self._roots.pop(name)
        neighbours.goodbye = LEFT
        root.stop(block=False)
        root.monitor().add_done_callback(lambda _: self.sim.crash(system))

    def crash_node(self, name: str, *, silent: bool = False) -> None:
        """Kill -9: the workers die with it.

        Args:
            name: of the node.
            silent: its machine lost its power: nobody is told that its connections are gone.
        """
        system = self.nodes.pop(name, None)
        if system is not None:
            self.network.crash(name, silent=silent)
            self.spawners.pop(name).kill_all()
            self.sim.crash(system)

    def kill_worker(self, name: str, index: int = 0) -> bool:
        """Kill -9 one worker process of a node; False if there is none."""
        living = self.spawners[name].living() if name in self.spawners else []
        if not living:
            return False
        living[index % len(living)].kill()
        return True

    def agent(self, name: str) -> Any:  # noqa: ANN401  as above
        """Return a node's agent, to look at; None while there is none."""
        ref = self.nodes[name].whereis("agent") if name in self.nodes else None
        return None if ref is None else ref._actor_weakref()  # noqa: SLF001  as above

    # -- clients ----------------------------------------------------------------------------------

    def program(self, name: str, function: Callable[[Cloud], R]) -> Future[R]:
        """Run a program with a cloud of its own, in a process of its own, on a thread with a baton."""
        system = self.programs[name] = self.sim.system(name)

        def main() -> R:
            try:
                with self._open(system) as cloud:
                    return function(cloud)
            finally:
                self.witness.clients.pop(name, None)

        return self.sim.thread(system, main)

    def crash_program(self, name: str) -> None:
        """Kill -9 a program; its jobs go on."""
        system = self.programs.pop(name, None)
        if system is not None:
            self.network.crash(name)
            self.sim.crash(system)

    def _open(self, system: System) -> Cloud:
        transport = self._transport(system, "client", ())
        head = TransportHead(transport, (ENDPOINT,), self.sim.clock, BatonWaiters(system))
        head.start(PATIENCE)
        witnessed = self.witness.clients[system.peer.name] = WitnessedHead(head, self.witness)
        return Cloud.over(witnessed, random=system.random, head_timeout=PATIENCE)

    # -- single actors ----------------------------------------------------------------------------

    def actors(self, process: str, kind: str) -> list[ActorRef[Any]]:
        """Return the living actors of a class, by its name, in the head or in a node.

        Example::

            cloud.actors("head", "NodeProxy"), cloud.actors("n1", "WorkerPort")
        """
        system = self.head if process == HEAD else self.nodes.get(process)
        return [] if system is None else [ref for ref in system.actors() if ref.actor_class.__name__ == kind]

    def crash_actor(self, ref: ActorRef[Any], *, raises: bool = False) -> None:
        """End one actor: killed, or by an error that its next message raises, where nobody waits for an answer."""
        actor = ref._actor_weakref()  # noqa: SLF001  as above
        if raises and actor is not None:
            actor.on_receive = _planted(actor)
        else:
            ref.kill()

    # -- what they share --------------------------------------------------------------------------

    def _transport(self, system: System, role: str, listen: tuple[str, ...]) -> SimTransport:
        return self.network.transport(
            system.peer.name,
            role,
            new_incarnation(system.random.randbytes),
            listen=listen,
            node_timeout=self._node_timeout,
        )

    def is_whole(self) -> bool:
        """Whether every node that was started has joined."""
        scheduler = self.actor("scheduler")
        return scheduler is not None and self.nodes.keys() <= scheduler.placement.seats.keys()

    def is_quiet(self) -> bool:
        """Whether the head knows of no job that waits or runs."""
        manager = self.actor("jobs")
        if manager is None or not manager.loading.is_done:
            return False
        live = manager.desk.ledger.live.values()
        return all(record.state == "suspended" for record in live) and manager.desk.commits.pending == 0


def _planted(actor: Any) -> Callable[[Any], object]:  # noqa: ANN401  any actor
    on_receive: Callable[[Any], object] = actor.on_receive

    def receive(message: object) -> object:
        if actor.sender is not None:
            # Whoever asked would be told the error, rightly, and the program would have to deal with it.
            return on_receive(message)
        raise RuntimeError(f"a planted error, at {type(message).__name__}")

    return receive
