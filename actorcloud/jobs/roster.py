"""The roster: starts a proxy for each node that joins, and passes on what the node says.

It is the supervisor of the proxies in all but name: they are linked to it, temporary, and what
follows the end of one is not a restart but a reset of the node's link, after which the node's
inventory tells everything to a new proxy (design 6.1, rule 2).

Which node said something is the gateway's word (`FromPeer`), never the message's.
"""

from __future__ import annotations

import logging
from typing import Any

from actorcloud.actor import Actor, ActorRef, Exit, NoReply, ReplyTo
from actorcloud.base.errors import ActorCloudError, ConfigError, HeadUnreachable, NoSuchNode
from actorcloud.base.exits import is_normal
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, FromPeer, PeerDown, PeerSuspect, PeerUp
from actorcloud.cluster import Neighbours
from actorcloud.jobs.message import Detached, Gone, Joined, Resumed, Suspected
from actorcloud.jobs.proxy import NodeProxy
from actorcloud.protocol.job import AddNode, Answer, NodeAdded, RemoveNode
from actorcloud.protocol.node import AGENT

logger = logging.getLogger("actorcloud.jobs")


class Roster(Actor):
    """Registered as "nodes" on the head.

    Args:
        neighbours: the peers of this head.
        python: the minor version that jobs are pickled for, like "3.11".
        actors: the head's "manager", "scheduler" and "store".
    """

    trap_exit = True

    def __init__(self, neighbours: Neighbours, *, python: str, actors: dict[str, ActorRef[Any]]) -> None:
        self._neighbours = neighbours
        self._python = python
        self._actors = {**actors, "roster": self.actor_ref}
        self._proxies: dict[Peer, ActorRef[Any]] = {}
        #: Under which endpoint a node was dialled, so that it is not when it was removed.
        self._dialled: dict[str, str] = {}
        self._joining: dict[str, list[ReplyTo]] = {}

    def on_receive(self, message: object) -> object:
        """Note who comes and goes; pass the nodes' words to their proxies."""
        match message:
            case FromPeer(peer, said):
                if peer in self._proxies:
                    self._proxies[peer].tell(said)
            case PeerUp(_, "node"):
                self._up(message)
            case PeerSuspect(peer) if peer in self._proxies:
                self._proxies[peer].tell(Suspected())
            case PeerDown(peer) if peer in self._proxies:
                self._proxies.pop(peer).tell(Gone())
            case Joined(name):
                self._joined(name)
            case DialFailed(endpoint):
                self._not_joined(endpoint, message)
            case AddNode():
                return self._add(message)
            case RemoveNode():
                return self._remove(message)
        return None

    def on_exit(self, message: Exit) -> None:
        """Begin anew with a node whose proxy has crashed."""
        for peer in [peer for peer, proxy in self._proxies.items() if proxy == message.sender]:
            del self._proxies[peer]
            self._actors["manager"].tell(Detached(peer.name, message.sender))
            if not is_normal(message.reason):
                logger.error("the proxy of node %s crashed (%s): its link is reset", peer.name, message.reason)
            self._neighbours.reset(peer)

    # -- nodes ------------------------------------------------------------------------------------

    def _up(self, up: PeerUp) -> None:
        if not up.reset and up.peer in self._proxies:
            self._proxies[up.peer].tell(Resumed())
            return
        for peer in [peer for peer in self._proxies if peer.name == up.peer.name]:
            self._proxies.pop(peer).tell(Gone())
        python = up.facts.get("python", self._python)
        if python != self._python:
            text = f"this cloud runs Python {self._python}, node {up.peer.name} has {python}: start it with the same"
            logger.warning("%s", text)
            self._neighbours.drop(up.peer, text)
            self._not_joined(up.endpoint, DialFailed(up.endpoint, ConfigError.code, text, final=True))
            return
        agent = self._neighbours.ref(up.peer, AGENT)
        self._proxies[up.peer] = NodeProxy.start_link(up.peer.name, up.facts, agent=agent, **self._actors)
        if up.endpoint:
            self._dialled[up.peer.name] = up.endpoint
        logger.info("node %s has joined", up.peer.name)

    def _joined(self, name: str) -> None:
        for reply in self._joining.pop(self._dialled.get(name, ""), ()):
            self.reply(reply, NodeAdded(name))

    def _not_joined(self, endpoint: str, failed: DialFailed) -> None:
        waiting = self._joining.pop(endpoint, ())
        if waiting or failed.final:
            self._neighbours.hang_up(endpoint)
        for reply in waiting:
            error = HeadUnreachable if failed.code == "timeout" else NoSuchNode
            self.reply(reply, error(f"no node answers at {endpoint.removeprefix('tcp://')}: {failed.text}"))

    # -- requests ---------------------------------------------------------------------------------

    def _add(self, request: AddNode) -> object:
        if request.fence is not None:
            return self._refuse(ConfigError("a job cannot add nodes: do it in the program that owns the cloud"))
        if not 0 < request.port < 65536:  # noqa: PLR2004  the last port
            return self._refuse(ConfigError(f"port={request.port!r}: 1 to 65535 is needed"))
        if self.sender is not None:
            endpoint = f"tcp://{request.host}:{request.port}"
            for peer in self._proxies:
                if self._dialled.get(peer.name) == endpoint:
                    return NodeAdded(peer.name)
            try:
                self._neighbours.dial(endpoint)
            except ConfigError:
                text = "this head has no keys, as it listens on this machine only"
                return self._refuse(ConfigError(f"{text}: start it with `actorcloud head --listen HOST:PORT`"))
            self._joining.setdefault(endpoint, []).append(self.sender)
        return NoReply

    def _remove(self, request: RemoveNode) -> object:
        if request.fence is not None:
            return self._refuse(ConfigError("a job cannot remove nodes: do it in the program that owns the cloud"))
        name = request.name
        peers = [peer for peer in self._proxies if peer.name == name]
        if not peers:
            error = NoSuchNode(f"no node {name!r} has joined; `actorcloud status` lists those that have")
            return self._refuse(error)
        for peer in peers:
            self._neighbours.drop(peer, "it was removed from this cloud")
        if name in self._dialled:
            self._neighbours.hang_up(self._dialled.pop(name))
        return Answer(changed=True)

    def _refuse(self, error: ActorCloudError) -> object:
        if self.sender is not None:
            self.reply(self.sender, error)
        return NoReply
