"""The gateway: the actor through which everything from other peers comes in.

It starts the transport and is its sink: events and messages come in their order, so that the end of a
peer is known here only after the last message that arrived from it. What goes out does not pass here:
refs write to the transport from the sender's thread.

::

    transport --Received--> gateway --> local actors (`Serving`)
                               '-----> asks and watches of ours (`Line`)
              --PeerUp, PeerSuspect, PeerDown, DialFailed--> the same, then subscribers

Losing it is losing every connection: a restarted gateway makes a new transport, and peers that come
back find their streams reset (design 6.1.2).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from types import TracebackType
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorRef, Down, MonitorRef
from actorcloud.base.errors import ActorCloudError
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, Guest, PeerDown, PeerSuspect, PeerUp, Received, Transport, TransportEvent
from actorcloud.cluster.line import Line
from actorcloud.cluster.neighbours import Neighbours
from actorcloud.cluster.serving import Serving
from actorcloud.protocol.message import decode

logger = logging.getLogger("actorcloud.cluster")


class Subscribe(msgspec.Struct, frozen=True):
    """To the gateway: tell `ref` who comes and goes. It gets the peers that are there now first."""

    ref: ActorRef[Any]


class _Neighbour(msgspec.Struct):
    """What the gateway keeps for each peer."""

    line: Line
    serving: Serving
    up: PeerUp
    is_suspect: bool = False


class Gateway(Actor):
    """Routes what comes from other peers.

    Args:
        make_transport: makes one that was not started yet; started here, closed with this actor.
        neighbours: filled by this gateway alone.
        doors: names that peers may send to; None: any actor, by name or serial.
        marks_sender: what peers tell arrives as `FromPeer`, as a head needs it that has many.
        subscribers: are told who comes and goes, from the first on; as by `Subscribe`.
        guests: live on the transport's thread, as the actors of this process do if their pool is hosted.

    Raises:
        NetError: whatever the transport's `start` raises.
    """

    hides_values = True
    trap_exit = True

    def __init__(  # noqa: PLR0913  one for each thing that is injected
        self,
        make_transport: Callable[[], Transport],
        neighbours: Neighbours,
        *,
        doors: Collection[str] | None = None,
        marks_sender: bool = False,
        subscribers: Collection[ActorRef[Any]] = (),
        guests: Sequence[Guest] = (),
    ) -> None:
        self._all = neighbours
        self._doors = doors
        self._marks_sender = marks_sender
        self._neighbours: dict[Peer, _Neighbour] = {}
        self._subscribers: dict[ActorRef[Any], MonitorRef] = {}
        for ref in subscribers:
            self._subscribe(ref)
        # A killed predecessor could not free its sockets.
        neighbours.detach()
        transport = make_transport()
        guest = self.system.dispatcher.guest()
        transport.start(self.actor_ref.tell, guests if guest is None else (guest, *guests))
        neighbours.attach(transport)

    def on_receive(self, message: object) -> None:
        """Take an event of the transport, or a subscription."""
        match message:
            case Received(peer, messages):
                self._received(peer, messages)
            case PeerUp():
                self._up(message)
            case PeerSuspect(peer):
                if peer in self._neighbours:
                    self._neighbours[peer].is_suspect = True
                self._tell_all(message)
            case PeerDown(peer):
                self._gone(peer)
                self._tell_all(message)
            case DialFailed():
                self._tell_all(message)
            case Subscribe(ref):
                self._subscribe(ref)

    def on_down(self, message: Down) -> None:
        """A subscriber has ended."""
        self._subscribers = {ref: monitor for ref, monitor in self._subscribers.items() if monitor != message.ref}

    def on_stop(self) -> None:
        """Say goodbye and free the sockets."""
        self._end()

    def on_failure(
        self,
        exception_type: type[BaseException] | None,  # noqa: ARG002  the actor's hook, as it is
        exception_value: BaseException | None,  # noqa: ARG002
        traceback: TracebackType | None,  # noqa: ARG002
    ) -> None:
        """Free the sockets; all streams are lost."""
        self._end()

    # -- peers --------------------------------------------------------------------------------------

    def _up(self, up: PeerUp) -> None:
        neighbour = self._neighbours.get(up.peer)
        if up.reset or neighbour is None:
            # Whatever was open on an older stream fails before anybody hears of the new one.
            self._gone(up.peer)
            line = self._all.open_line(up.peer)
            serving = Serving(self._all, line, up.peer, doors=self._doors, marks_sender=self._marks_sender)
            self._neighbours[up.peer] = _Neighbour(line, serving, up)
        else:
            neighbour.is_suspect = False
        self._tell_all(up)

    def _gone(self, peer: Peer) -> None:
        neighbour = self._neighbours.pop(peer, None)
        if neighbour is not None:
            neighbour.serving.close()
            self._all.close_line(peer)

    def _received(self, peer: Peer, messages: Collection[bytes]) -> None:
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            return
        for data in messages:
            try:
                message = decode(data)
                if not neighbour.line.receive(message):
                    neighbour.serving.receive(message)
            except ActorCloudError as error:
                # Of this message alone: the others of the stream are none the worse for it.
                logger.warning("a message of %s was dropped: %s", peer, error)

    # -- subscribers --------------------------------------------------------------------------------

    def _subscribe(self, ref: ActorRef[Any]) -> None:
        if ref not in self._subscribers:
            self._subscribers[ref] = self.monitor(ref)
        for peer, neighbour in self._neighbours.items():
            up = neighbour.up
            ref.tell(PeerUp(peer, up.role, True, up.facts))
            if neighbour.is_suspect:
                ref.tell(PeerSuspect(peer))

    def _tell_all(self, event: TransportEvent) -> None:
        for ref in self._subscribers:
            ref.tell(event)

    def _end(self) -> None:
        self._all.detach()
        for neighbour in self._neighbours.values():
            neighbour.serving.close()
        self._neighbours.clear()
