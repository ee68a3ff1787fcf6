"""The tree of a node, readable in one place.

::

    root (one_for_all, at most 3 restarts in 60 s)
      workers      (dynamic) the port of each worker process
      agent
      gateway      the network; last, so that the head finds everybody there

The end of the gateway, of the agent, or of a port whose worker lives restarts all of it with a new
incarnation, its workers killed: the head is told by the inventory that nothing is held (design 6.1, rule 2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from actorcloud.actor import ActorRef, ChildSpec, DynamicSupervisor, StartChild, Supervisor
from actorcloud.base.ports import Guest, Transport
from actorcloud.cluster import Gateway, Neighbours
from actorcloud.node.agent import NodeAgent
from actorcloud.node.crew import Crew
from actorcloud.node.port import WorkerPort
from actorcloud.node.printing import Printing
from actorcloud.node.spawner import Spawner
from actorcloud.protocol.node import AGENT

WORKERS = "workers"
GATEWAY = "gateway"


class NodeParts(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree is built from; the simulation gives other parts than a real process."""

    name: str
    #: Worker processes.
    slots: int
    spawner: Spawner
    #: Makes the transport, not yet started; called at each start of the tree.
    make_transport: Callable[[], Transport]
    #: The peers of this process.
    neighbours: Neighbours
    #: Shows whole lines that jobs have printed.
    write: Callable[[str], object]
    #: Seconds to go on without a head.
    orphan_time: float
    #: Others who want to know how the head is.
    subscribers: tuple[ActorRef[Any], ...] = ()
    #: Live on the transport's thread.
    guests: tuple[Guest, ...] = ()


class NodeRoot(Supervisor):
    """See the module."""

    strategy: ClassVar[str] = "one_for_all"
    max_restarts: ClassVar[int] = 3
    max_seconds: ClassVar[float] = 60.0

    def init(self, parts: NodeParts) -> Sequence[ChildSpec]:  # type: ignore[override]  # a supervisor of its own
        """Return the children, in start order."""
        named = self.system.named
        agent, workers = named(AGENT), named(WORKERS)

        def start_workers() -> ActorRef[Any]:
            # Whatever an earlier tree has left running.
            parts.spawner.kill_all()
            # The end of a port that is not the end of its worker: nobody knows what that worker has.
            return DynamicSupervisor.options(name=WORKERS).start_link(max_restarts=0)

        def start_port(number: int, pause: float) -> None:
            printing = Printing(parts.name, parts.write)
            spec = WorkerPort.child_spec(number, agent=agent, spawner=parts.spawner, printing=printing)
            if pause:
                at = self.system.clock.monotonic() + pause
                self.system.timers.call_at(at, lambda: workers.deliver(StartChild(spec)))
            else:
                workers.deliver(StartChild(spec))

        return [
            ChildSpec(id=WORKERS, start=start_workers, type="supervisor"),
            NodeAgent.child_spec(
                lambda: Crew(parts.slots, start_port),
                parts.neighbours.ref,
                orphan_time=parts.orphan_time,
                name=AGENT,
            ),
            Gateway.child_spec(
                parts.make_transport,
                parts.neighbours,
                doors=(AGENT,),
                subscribers=(agent, *parts.subscribers),
                guests=parts.guests,
                name=GATEWAY,
            ),
        ]
