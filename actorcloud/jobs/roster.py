"""The roster: has a proxy started for each node that joins, and passes on what the node says.

The proxies are children of a supervisor of their own. The roster watches them: after the crash of one
it resets the node's link, and after that has a new one started, to which the node's inventory tells
everything (design 6.1, rule 2). The node keeps its jobs meanwhile.

::

    PeerUp --> starting: words wait --proxy is there--> served: words go on --PeerDown--> gone
                  ^                                        |
                  '--- PeerUp(reset) --- parted <--crash---'

Which node said something is the gateway's word (`FromPeer`), never the message's.
"""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorRef, ChildSpec, Down, Future, NoReply, ReplyTo, StartChild
from actorcloud.base.errors import ActorCloudError, ConfigError, HeadUnreachable, NoSuchNode
from actorcloud.base.ids import Peer
from actorcloud.base.ports import LEFT, DialFailed, FromPeer, PeerDown, PeerSuspect, PeerUp
from actorcloud.cluster import Neighbours
from actorcloud.jobs.message import Detached, Gone, Joined, Parted, Resumed, Suspected
from actorcloud.jobs.proxy import NodeProxy
from actorcloud.protocol.job import AddNode, Answer, NodeAdded, RemoveNode
from actorcloud.protocol.node import AGENT

logger = logging.getLogger("actorcloud.jobs")


#: Words of a node that wait for its proxy to be started: a node that says more before its head answers is reset.
EARLY_LIMIT = 1_000

#: What a node that is removed is told, and everybody else.
REMOVED = "it was removed from this cloud"

#: A conversation with a node is over, as it has begun another.
_ANEW = Gone("it began anew")


class _Start:
    """A proxy that was ordered and is not there yet."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        #: What it is to be told first; at most `EARLY_LIMIT`.
        self.waiting: list[object] = []


class _Started(msgspec.Struct, frozen=True):
    """From the roster to itself: the supervisor has answered."""

    peer: Peer
    start: _Start
    answer: Future[ActorRef[Any]]


class Roster(Actor):
    """Registered as "nodes" on the head.

    Args:
        neighbours: the peers of this head.
        python: the minor version that jobs are pickled for, like "3.11".
        proxies: the `DynamicSupervisor` of the proxies.
        actors: the head's "manager", "scheduler" and "store".
    """

    hides_values = True

    def __init__(
        self, neighbours: Neighbours, *, python: str, proxies: ActorRef[Any], actors: dict[str, ActorRef[Any]]
    ) -> None:
        self._neighbours = neighbours
        self._python = python
        self._actors = {**actors, "roster": self.actor_ref}
        self._supervisor = proxies
        #: Of the nodes that are up: those that are served; those whose proxy is starting; and the crashed proxies
        #: of those that have not said again what they hold, which may be served or starting, too.
        self._proxies: dict[Peer, ActorRef[Any]] = {}
        self._starting: dict[Peer, _Start] = {}
        self._parted: dict[Peer, ActorRef[Any]] = {}
        #: Under which endpoint a node was dialled, so that it is not when it was removed.
        self._dialled: dict[str, str] = {}
        self._joining: dict[str, list[ReplyTo]] = {}

    def on_receive(self, message: object) -> object:
        """Note who comes and goes; pass the nodes' words to their proxies."""
        match message:
            case FromPeer(peer, said):
                self._pass_on(peer, said)
            case PeerUp(_, "node"):
                self._up(message)
            case PeerSuspect(peer, silent):
                self._pass_on(peer, Suspected(silent))
            case PeerDown(peer, why):
                # A goodbye of other words is that of a tree that restarts: a job may have ended it.
                self._down(peer, Gone(why, is_meant=why in {LEFT, REMOVED}))
            case _Started():
                self._started(message)
            case Joined(name):
                self._joined(name)
            case DialFailed(endpoint):
                self._not_joined(endpoint, message)
            case AddNode():
                return self._add(message)
            case RemoveNode():
                return self._remove(message)
        return None

    def on_down(self, message: Down) -> None:
        """Part from a node whose proxy has crashed, and begin anew with it."""
        for peer in [peer for peer, proxy in self._proxies.items() if proxy == message.target]:
            logger.error("the proxy of node %s crashed (%s): its link is reset", peer.name, message.reason)
            # A second one may crash before the manager has heard of it: then it still knows the first.
            self._parted.setdefault(peer, self._proxies.pop(peer))
            self._actors["manager"].tell(Parted(peer.name, self._parted[peer]))
            self._neighbours.reset(peer)

    # -- proxies ----------------------------------------------------------------------------------

    def _pass_on(self, peer: Peer, word: object) -> None:
        proxy = self._proxies.get(peer)
        if proxy is not None:
            proxy.tell(word)
        elif (start := self._starting.get(peer)) is not None:
            start.waiting.append(word)
            if len(start.waiting) > EARLY_LIMIT:
                logger.error(
                    "node %s sent more than %d messages before it had a proxy: its link is reset, and it says again "
                    "what it holds",
                    peer.name,
                    EARLY_LIMIT,
                )
                del self._starting[peer]
                self._neighbours.reset(peer)

    def _down(self, peer: Peer, gone: Gone) -> None:
        """This incarnation of a node will not come back."""
        self._dismiss(peer, gone)
        parted = self._parted.pop(peer, None)
        if parted is not None:
            self._actors["manager"].tell(Detached(peer.name, parted, gone.why, gone.is_meant))

    def _dismiss(self, peer: Peer, gone: Gone = _ANEW) -> None:
        self._starting.pop(peer, None)
        proxy = self._proxies.pop(peer, None)
        if proxy is not None:
            proxy.tell(gone)

    def _start(self, up: PeerUp) -> None:
        start = self._starting[up.peer] = _Start()
        agent = self._neighbours.ref(up.peer, AGENT)
        arguments = {"agent": agent, **self._actors}
        spec = ChildSpec(
            id=up.peer, start=NodeProxy, args=(up.peer.name, up.facts), kwargs=arguments, restart=NodeProxy.restart
        )
        me = self.actor_ref
        answer: Future[ActorRef[Any]] = self._supervisor.ask(StartChild(spec), block=False, timeout=None)
        answer.add_done_callback(lambda answer: me.tell(_Started(up.peer, start, answer)))

    def _started(self, message: _Started) -> None:
        # What it raises ends this roster, and with it the core: its proxies cannot be started.
        proxy = message.answer.get()
        if self._starting.get(message.peer) is not message.start:
            proxy.tell(_ANEW)
            return
        del self._starting[message.peer]
        self._proxies[message.peer] = proxy
        # Before its first words, so that what it may crash of is known.
        self.monitor(proxy)
        for word in message.start.waiting:
            proxy.tell(word)

    # -- nodes ------------------------------------------------------------------------------------

    def _up(self, up: PeerUp) -> None:
        if not up.reset and up.peer in self._nodes():
            # Without a proxy it is parted, and its reset is on the way: one started now would begin in the middle.
            self._pass_on(up.peer, Resumed())
            return
        for peer in [peer for peer in self._nodes() if peer.name == up.peer.name]:
            if peer == up.peer and peer in self._parted:
                self._dismiss(peer)  # its inventory will tell what it holds still
            else:
                self._down(peer, _ANEW)
        python = up.facts.get("python", self._python)
        if python != self._python:
            text = f"this cloud runs Python {self._python}, node {up.peer.name} has {python}: start it with the same"
            logger.warning("%s", text)
            self._neighbours.drop(up.peer, text)
            self._not_joined(up.endpoint, DialFailed(up.endpoint, ConfigError.code, text, final=True))
            return
        self._start(up)
        if up.endpoint:
            self._dialled[up.peer.name] = up.endpoint

    def _joined(self, name: str) -> None:
        for peer in [peer for peer in self._parted if peer.name == name]:
            del self._parted[peer]
        for reply in self._joining.pop(self._dialled.get(name, ""), ()):
            self.reply(reply, NodeAdded(name))

    def _not_joined(self, endpoint: str, failed: DialFailed) -> None:
        waiting = self._joining.pop(endpoint, ())
        if waiting or failed.final:
            self._neighbours.hang_up(endpoint)
        for reply in waiting:
            error = HeadUnreachable if failed.code == "timeout" else NoSuchNode
            self.reply(reply, error(f"no node answers at {endpoint.removeprefix('tcp://')}: {failed.text}"))

    def _nodes(self) -> list[Peer]:
        return list(dict.fromkeys([*self._proxies, *self._starting, *self._parted]))

    # -- requests ---------------------------------------------------------------------------------

    def _add(self, request: AddNode) -> object:
        if request.fence is not None:
            return self._refuse(ConfigError("a job cannot add nodes: do it in the program that owns the cloud"))
        if not 0 < request.port < 65536:  # noqa: PLR2004  the last port
            return self._refuse(ConfigError(f"port={request.port!r}: 1 to 65535 is needed"))
        if self.sender is not None:
            endpoint = f"tcp://{request.host}:{request.port}"
            for peer in self._nodes():
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
        peers = [peer for peer in self._nodes() if peer.name == name]
        if not peers:
            error = NoSuchNode(f"no node {name!r} has joined; `actorcloud status` lists those that have")
            return self._refuse(error)
        for peer in peers:
            self._neighbours.drop(peer, REMOVED)
        if name in self._dialled:
            self._neighbours.hang_up(self._dialled.pop(name))
        return Answer(changed=True)

    def _refuse(self, error: ActorCloudError) -> object:
        if self.sender is not None:
            self.reply(self.sender, error)
        return NoReply
