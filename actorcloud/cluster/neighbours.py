"""The peers of this process: the lines to them and the transport under them, whichever it is now.

Refs to actors elsewhere hold the neighbours, not a line: a gateway that is restarted brings a new
transport and new lines, and the refs go on to work. Made by whoever builds the process, filled by the
gateway, used by refs.

Thread: any; dicts are replaced or changed in one step, by the gateway's thread alone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from actorcloud.actor import System
from actorcloud.base.ids import ActorId, Peer
from actorcloud.base.ports import CLOSED, Transport
from actorcloud.cluster.line import Line, To
from actorcloud.cluster.remote import RemoteRef

logger = logging.getLogger("actorcloud.cluster")


class Stream:
    """A `Link` over one peer's stream of a transport; what overflows it resets it."""

    __slots__ = ("_peer", "_transport")

    def __init__(self, transport: Transport, peer: Peer) -> None:
        self._transport = transport
        self._peer = peer

    def send(self, messages: Sequence[bytes]) -> bool:
        """See `Link.send`."""
        return self._transport.send(self._peer, messages)

    def reset(self, why: str) -> None:
        """Give the stream up: a hole in it would break every promise, so both sides begin anew."""
        logger.warning("the stream to %s is reset: %s", self._peer, why)
        self._transport.reset(self._peer)


class Neighbours:
    """All peers that are connected, or may come back.

    Args:
        system: the actors of this process.
        may_unpickle: whether messages of users may be opened in this process; never in a head or an agent.

    Example::

        neighbours = Neighbours(system)
        gateway = Gateway.start(make_transport, neighbours)
        neighbours.dial("ipc:///run/actorcloud/head.sock")
        jobs = neighbours.ref(head_peer, "jobs")
    """

    def __init__(self, system: System, *, may_unpickle: bool = False) -> None:
        self._system = system
        self.may_unpickle = may_unpickle
        self._lines: dict[Peer, Line] = {}
        self._transport: Transport | None = None
        #: What is dialled, in order; a new gateway dials it again.
        self._endpoints: dict[str, None] = {}
        #: What the peers are told when the gateway ends; `LEFT` once this process was told to end.
        self.goodbye = CLOSED
        system.remote_refs = self.by_id

    def __repr__(self) -> str:
        return f"<Neighbours of {self.system.peer}: {', '.join(map(str, self._lines)) or 'none'}>"

    @property
    def system(self) -> System:
        """The actors of this process."""
        return self._system

    # -- for everybody ------------------------------------------------------------------------------

    @property
    def peers(self) -> Sequence[Peer]:
        """Those to whom there is a stream now."""
        return tuple(self._lines)

    def ref(self, peer: Peer, to: To) -> RemoteRef:
        """Return a ref to an actor of a peer, whether that is connected or not.

        Args:
            peer: this start of that process.
            to: the actor's registered name there, resolved at each send; or its serial number.
        """
        return RemoteRef(self, peer, to)

    def by_id(self, actor_id: ActorId) -> RemoteRef:
        """Return the ref of an actor of another peer."""
        return self.ref(actor_id.peer, actor_id.serial)

    def line(self, peer: Peer) -> Line | None:
        """Return the line to a peer; None if there is no stream to it."""
        return self._lines.get(peer)

    def dial(self, endpoint: str) -> None:
        """Keep a connection to `endpoint`, over restarts of the gateway too; see `Transport.dial`."""
        if self._transport is not None:
            # What it refuses is not dialled again by the next one either.
            self._transport.dial(endpoint)
        self._endpoints[endpoint] = None

    def hang_up(self, endpoint: str) -> None:
        """See `Transport.hang_up`."""
        self._endpoints.pop(endpoint, None)
        if self._transport is not None:
            self._transport.hang_up(endpoint)

    def reset(self, peer: Peer) -> None:
        """See `Transport.reset`."""
        if self._transport is not None:
            self._transport.reset(peer)

    def drop(self, peer: Peer, reason: str) -> None:
        """See `Transport.drop`."""
        if self._transport is not None:
            self._transport.drop(peer, reason)

    # -- for the gateway ----------------------------------------------------------------------------

    def attach(self, transport: Transport) -> None:
        """A gateway has started its transport: dial what was asked for."""
        self._transport = transport
        for endpoint in tuple(self._endpoints):
            transport.dial(endpoint)

    def detach(self) -> None:
        """The gateway ends, or one that was killed has ended: every stream is gone, the transport closed."""
        transport, self._transport = self._transport, None
        for peer in self.peers:
            self.close_line(peer)
        if transport is not None:
            transport.close(self.goodbye)

    def open_line(self, peer: Peer) -> Line:
        """A new stream to `peer` begins; what was open on an older one fails."""
        self.close_line(peer)
        assert self._transport is not None, "lines are opened by a gateway that has a transport"
        line = Line(Stream(self._transport, peer), str(peer), may_unpickle=self.may_unpickle)
        self._lines[peer] = line
        return line

    def close_line(self, peer: Peer) -> None:
        """The stream to `peer` is gone."""
        line = self._lines.pop(peer, None)
        if line is not None:
            line.lose()
