"""The sockets of one transport: opened, written to, closed. When, the `Reactor` says.

Owns: the ZeroMQ context, the listeners, the dealers, ZAP's socket. Libzmq's own threads are the context's.

Thread: the I/O thread; `start` and `check_doors` are the starting thread's, before and while that one runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import zmq

from actorcloud.net.canary import CANARY_TRIES, check_door
from actorcloud.net.dealer import Dealer
from actorcloud.net.effect import Conn
from actorcloud.net.enrolment import Gate
from actorcloud.net.hub import ExchangeHub
from actorcloud.net.keys import KeyPair, new_key_pair
from actorcloud.net.listener import Listener, user_of_frame
from actorcloud.net.loop import Loop
from actorcloud.net.options import ReactorOptions
from actorcloud.net.optionsheet import be_curve_client, be_curve_server, prepare, prepare_dealer, prepare_router
from actorcloud.net.zap import ZapHandler

#: Milliseconds that closed sockets get to put the goodbyes on the wire.
_GOODBYE_LINGER_MS = 300

#: ZeroMQ's default of 1023 sockets is not enough for a large cloud.
_MAX_SOCKETS = 8192


class Sockets:
    """See the module.

    Args:
        options: who we are.
        gate: who is let in.
        hub: told what happens at the sockets.
        loop: watches them.
    """

    def __init__(self, options: ReactorOptions, gate: Gate, hub: ExchangeHub, loop: Loop) -> None:
        self._options = options
        self._gate = gate
        self._hub = hub
        self._hub.forget = self._forget
        self._loop = loop
        self._dealers: dict[Conn, Dealer] = {}
        self._listeners: list[Listener] = []
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._zap: ZapHandler | None = None

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where we listen, with the real ports."""
        return tuple(listener.endpoint for listener in self._listeners)

    # -- opening ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Make the context, and answer whom ZAP asks about."""
        self._context = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, _MAX_SOCKETS)
        self._context.linger = 0
        self._zap = ZapHandler(self._context, self._gate.user_of, time.monotonic)
        self._loop.watch(self._zap.socket, self._zap.answer)

    def listen(self, endpoint: str) -> None:
        """Let peers connect there, as a head does.

        Raises:
            AddressInUse, CurveMissing, InsecureKey: as `Reactor.start` says.
        """
        is_tcp = endpoint.startswith("tcp://")
        router = self._new_socket(zmq.ROUTER, is_tcp=is_tcp)
        prepare_router(router)
        if is_tcp:
            be_curve_server(router, self._keys())
        listener = Listener(self._hub, len(self._listeners), router, endpoint, clock=time.monotonic)
        self._listeners.append(listener)
        listener.watch(self._loop)

    def check_doors(self) -> None:
        """See to it that no tcp endpoint lets strangers in.

        Raises:
            OpenDoor: one does.

        Blocks: some milliseconds each; the I/O thread runs meanwhile.
        """
        assert self._zap is not None, "started"
        for listener in self._listeners:
            if listener.endpoint.startswith("tcp://"):
                stranger = new_key_pair()
                self._zap.denied = frozenset({stranger.public})
                self._hub.expect_strangers(CANARY_TRIES)
                try:
                    check_door(listener.endpoint, self._keys().public, stranger)
                finally:
                    self._zap.denied = frozenset()

    def open(self, conn: int, endpoint: str, *, is_listening: bool) -> None:
        """Attempt a connection, or wait there for the head; the outcome comes through the hub.

        Args:
            conn: its number from now on.
            endpoint: with a literal address.
            is_listening: wait for it.
        """
        is_tcp = endpoint.startswith("tcp://")
        socket = self._new_socket(zmq.DEALER, is_tcp=is_tcp)
        prepare_dealer(socket)
        vouch: Callable[[zmq.Frame], str] | None = None
        if is_tcp and self._options.is_head:
            be_curve_server(socket, self._keys())
            vouch = user_of_frame
        elif is_tcp:
            assert self._options.head_key is not None, "checked by dial and ReactorOptions"
            be_curve_client(socket, self._keys(), self._options.head_key)
        dealer = Dealer(self._hub, self._loop, conn, socket, vouch=vouch)
        self._dealers[conn] = dealer
        try:
            if is_listening:
                dealer.bind(endpoint)
            else:
                dealer.connect(endpoint)
        except zmq.ZMQError as error:
            dealer.close()
            code = "address-in-use" if error.errno == zmq.EADDRINUSE else "no-route"
            self._hub.on_lost(conn, code, f"{endpoint}: {error}")

    def _keys(self) -> KeyPair:
        assert self._options.key_pair is not None, "checked by ReactorOptions"
        return self._options.key_pair

    def _new_socket(self, kind: int, *, is_tcp: bool) -> zmq.Socket[bytes]:
        assert self._context is not None, "started"
        socket = self._context.socket(kind)
        prepare(socket, self._options.timing, is_tcp=is_tcp)
        return socket

    # -- open ---------------------------------------------------------------------------------------

    def transmit(self, conn: Conn, frame: bytes) -> None:
        """Send a frame; one for a connection that is gone is dropped."""
        # Not by a pattern: this is done for every frame.
        if type(conn) is tuple:
            index, routing_id = conn
            self._listeners[index].send(routing_id, frame)
        elif (dealer := self._dealers.get(conn)) is not None:
            dealer.send(frame)

    def sweep(self, now: float) -> None:
        """End those of the closed connections that their peers have not ended; `now` is monotonic."""
        for listener in self._listeners:
            listener.sweep(now)

    # -- closing ------------------------------------------------------------------------------------

    def close(self, conn: Conn) -> None:
        """End a connection; nothing is reported of it any more."""
        if type(conn) is tuple:
            index, routing_id = conn
            self._listeners[index].kick(routing_id)
        elif (dealer := self._dealers.pop(conn, None)) is not None:
            dealer.close(_GOODBYE_LINGER_MS)

    def close_all(self) -> None:
        """Close all sockets, once what was said last is on the wire, and the context."""
        for dealer in self._dealers.values():
            dealer.close(_GOODBYE_LINGER_MS)
        for listener in self._listeners:
            listener.close(_GOODBYE_LINGER_MS)
        if self._zap is not None:
            self._zap.close()
        if self._context is not None:
            self._context.term()

    def _forget(self, conn: Conn) -> None:
        self._dealers.pop(conn, None)
