"""The proxy of one node on the head: one conversation with one incarnation of its agent.

It cuts what goes to the node into messages of bounded size, fetches functions that the node lacks,
and tells the manager what the node says. It holds nothing that the node's inventory would not tell
again: when it crashes, the roster resets the node's link, and a new proxy begins with an inventory
(design 6.1, rule 2). So it is a temporary child: a restart at once would begin in the middle of what
the node says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from actorcloud.actor import Actor, ActorRef
from actorcloud.jobs.message import (
    Attached,
    Dead,
    Detached,
    Ended,
    Gone,
    Joined,
    Paused,
    Resized,
    Resumed,
    Suspected,
    Unrun,
)
from actorcloud.protocol.node import (
    Capacity,
    Code,
    DoneJobs,
    Inventory,
    Kill,
    Killed,
    NeedCode,
    NotRun,
    Refused,
    Run,
    RunItem,
    Stored,
)
from actorcloud.store import Get, Got, keys

#: Bytes of jobs in one message to a node; a larger job goes alone.
RUN_LIMIT_BYTES = 256 * 1024

#: Jobs in one message to a node.
RUN_LIMIT = 1024


class NodeProxy(Actor):
    """Child of the supervisor of proxies, one for each node that is up.

    Args:
        node: the node's name.
        facts: what the node told of itself at its hello.
        agent: the agent on the node.
        manager: the job manager.
        scheduler: the scheduler.
        store: the store actor, for functions.
        roster: hears when the manager knows this node.
    """

    hides_values = True
    restart = "temporary"

    def __init__(  # noqa: PLR0913  those it speaks with, each under its own name
        self,
        node: str,
        facts: dict[str, str],
        *,
        agent: ActorRef[Any],
        manager: ActorRef[Any],
        scheduler: ActorRef[Any],
        store: ActorRef[Any],
        roster: ActorRef[Any],
    ) -> None:
        self._node = node
        self._facts = facts
        self._agent = agent
        self._manager = manager
        self._scheduler = scheduler
        self._store = store
        self._roster = roster
        self._is_attached = False
        self._routes = self._make_routes()

    def on_receive(self, message: object) -> None:
        """Pass `message` on, to the node or to the head's actors."""
        route = self._routes.get(type(message))
        if route is None:
            super().on_receive(message)
        elif self._is_attached or not isinstance(message, DoneJobs | NotRun | Killed | Capacity):
            route(message)

    def _make_routes(self) -> dict[type, Callable[[Any], object]]:
        tell, me, node = self._manager.tell, self.actor_ref, self._node
        return {
            Inventory: self._attach,
            DoneJobs: lambda message: tell(Ended(node, me, message.items)),
            NotRun: lambda message: tell(Unrun(message.runs)),
            Killed: lambda message: tell(Dead(message.runs, message.output)),
            Capacity: lambda message: self._scheduler.tell(Resized(node, message.jobs)),
            NeedCode: self._fetch,
            Got: lambda message: self._agent.tell(Code(message.tag, message.values[0] or b"")),
            Run: self._run,
            Stored: self._agent.tell,
            Refused: self._agent.tell,
            Kill: self._agent.tell,
            Suspected: lambda message: tell(Paused(node, away=True, silent=message.silent)),
            Resumed: lambda _: tell(Paused(node, away=False)),
            Gone: self._gone,
        }

    def _attach(self, message: Inventory) -> None:
        self._is_attached = True
        self._manager.tell(Attached(self._node, self.actor_ref, message, self._facts))
        # After the manager: whoever hears that the node has joined finds it there.
        self._roster.tell(Joined(self._node))

    def _fetch(self, message: NeedCode) -> None:
        for digest in message.functions:
            self._store.tell(Get(tag=digest, keys=(keys.function(digest),), reply_to=self.actor_ref))

    def _run(self, message: Run) -> None:
        for items in _parts(message.items):
            self._agent.tell(Run(items))

    def _gone(self, message: Gone) -> None:
        self._manager.tell(Detached(self._node, self.actor_ref, message.why, message.is_meant))
        self.stop()


def _parts(items: tuple[RunItem, ...]) -> Iterator[tuple[RunItem, ...]]:
    part: list[RunItem] = []
    size = 0
    for item in items:
        if part and (size + len(item.arguments) > RUN_LIMIT_BYTES or len(part) == RUN_LIMIT):
            yield tuple(part)
            part, size = [], 0
        part.append(item)
        size += len(item.arguments)
    yield tuple(part)
