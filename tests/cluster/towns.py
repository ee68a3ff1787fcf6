"""Two simulated processes with gateways, a head and a node, on a simulated network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorRef, Down, NoReply, System
from actorcloud.base.ids import Peer
from actorcloud.base.ports import Abandoned
from actorcloud.cluster import Gateway, Neighbours, RemoteReply, Subscribe
from actorcloud.net import LinkLimits
from actorcloud.testing import Simulation
from actorcloud.testing.network import SimNetwork


class Add(msgspec.Struct, frozen=True):
    """What a user may send: no message of ours, so it travels as a pickle."""

    number: int


class Counter(Actor):
    """Answers in every way there is."""

    gets_abandoned = True

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.open: list[Any] = []
        self.abandoned: list[RemoteReply] = []

    def on_receive(self, message: Any) -> Any:
        match message:
            case Abandoned(reply_to):
                self.abandoned.append(reply_to)
            case Add(number):
                return number + 1
            case "later" | "stream":
                assert self.sender is not None
                self.open.append(self.sender)
                if message == "stream":
                    self.sender.push("part one")
                    self.sender.push("part two")
                return NoReply
            case "finish":
                for reply_to in self.open:
                    self.reply(reply_to, "the end")
            case "crash":
                raise ValueError("a bad day")
            case "quit":
                self.stop()
            case _:
                self.seen.append(message)
                return len(self.seen)
        return None


class Watcher(Actor):
    """Remembers what it is told, and monitors on request."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, ActorRef):
            self.monitor(message)
        else:
            self.seen.append(message)

    def on_down(self, message: Down) -> None:
        self.seen.append(("down", message.reason))


class Town:
    """One simulated process."""

    def __init__(self, towns: Towns, name: str, role: str, *, limits: LinkLimits | None = None, **options: Any) -> None:
        self.system: System = towns.simulation.system(name)
        self.peer: Peer = self.system.peer
        self.neighbours = Neighbours(self.system, may_unpickle=options.pop("may_unpickle", True))
        listen = ("head:7710",) if role == "head" else ()

        def make_transport() -> Any:
            return towns.network.transport(name, role, self.peer.incarnation, listen=listen, limits=limits)

        with self.system.activate():
            self.counter = Counter.options(name="counter").start()
            self.watcher = Watcher.start()
            self.gateway = Gateway.start(make_transport, self.neighbours, **options)
        self.gateway.tell(Subscribe(self.watcher))
        if role != "head":
            self.neighbours.dial("head:7710")

    def look(self, ref: ActorRef[Any]) -> Any:
        return ref._cell.actor


class Towns:
    def __init__(self, seed: int, **head_options: Any) -> None:
        self.simulation = Simulation(seed)
        # A process of its own: the network outlives those whom it connects.
        self.network = SimNetwork(self.simulation.system("network"))
        self.head = Town(self, "head", "head", **head_options)
        self.node = Town(self, "n1", "node")
        self.simulation.run_until(lambda: bool(self.head.neighbours.peers and self.node.neighbours.peers))

    def crash(self, town: Town) -> None:
        self.network.crash(town.peer.name)
        self.simulation.crash(town.system)


@contextmanager
def towns(seed: int = 1, **head_options: Any) -> Iterator[Towns]:
    made = Towns(seed, **head_options)
    try:
        yield made
    finally:
        made.simulation.close()
