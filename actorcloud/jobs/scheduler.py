"""The scheduler: owns the queue and what the nodes hold; the decision is `placement`, pure.

After its death the whole core restarts: the manager queues what the records say, the nodes'
inventories say what they hold (design 6.1, rule 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from actorcloud.actor import Actor, ActorRef
from actorcloud.jobs.message import (
    Closed,
    Opened,
    Place,
    Placed,
    Queue,
    Removed,
    Resized,
    Seated,
    Withdraw,
)
from actorcloud.jobs.placement import Placement


class Scheduler(Actor):
    """Registered as "scheduler" on the head.

    Args:
        manager: gets `Placed`; a ref that resolves at each send, since the manager starts after.
    """

    hides_values = True

    def __init__(self, manager: ActorRef[Any]) -> None:
        self.placement = Placement()
        self._manager = manager
        self._routes: dict[type, Callable[[Any], None]] = {
            Place: self._place,
            Queue: lambda message: self.placement.enqueue(message.refs, again=message.again, alone=message.alone),
            Withdraw: self._withdraw,
            Seated: self._seated,
            Resized: lambda message: self.placement.resize(message.node, message.capacity),
            Closed: lambda message: self.placement.close(message.node),
            Opened: lambda message: self.placement.open(message.node),
            Removed: lambda message: self.placement.remove(message.node),
        }

    def on_receive(self, message: object) -> None:
        """Note what has changed; nodes are filled at the end of the turn."""
        self._routes[type(message)](message)

    def on_batch_end(self) -> None:
        """Place what there is room for."""
        placed = self.placement.assign()
        if placed:
            self._manager.tell(Placed(None, dict(placed)))

    def _place(self, message: Place) -> None:
        # Whoever waited longer goes first.
        waiting = self.placement.assign()
        if waiting:
            self._manager.tell(Placed(None, dict(waiting)))
        self.placement.enqueue(message.refs)
        self._manager.tell(Placed(message.batch, dict(self.placement.assign())))

    def _withdraw(self, message: Withdraw) -> None:
        for ref in message.refs:
            self.placement.withdraw(ref)

    def _seated(self, message: Seated) -> None:
        self.placement.remove(message.node)
        self.placement.seat(message.node, message.slots, message.capacity)
        for ref in message.held:
            self.placement.adopt(ref, message.node)
