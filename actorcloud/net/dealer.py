"""One attempt to connect: one DEALER socket and its monitor, used once and thrown away.

libzmq's own reconnect sends stale messages before the hello, and stays dead for ever after a refusal.
Here all failures are one case: the attempt is lost, close it, make another (net-design 1.8;
docs/design/0018-the-last-frames-of-a-connection.md).

::

    dialling:   connect -> READY -> frames ... -> DISCONNECTED
    listening:  bind -> (strangers come and fail) -> READY -> frames ... -> DISCONNECTED of that one
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

import zmq

from actorcloud.net.effect import Conn
from actorcloud.net.frames import DONTWAIT, FRAMES_PER_TURN, has_input, skip_rest
from actorcloud.net.loop import Loop
from actorcloud.net.monitor import Happened, Monitor, Notice

#: As whom the other end is known to one who pinned the head's key, or dialled a private path.
HEAD_USER = "head"


class Hub(Protocol):
    """What the sockets' owners tell the reactor."""

    def on_opened(self, conn: Conn) -> None:
        """A connection stands."""
        ...

    def on_frame(self, conn: Conn, user: str, frame: bytes) -> None:
        """A frame came in."""
        ...

    def on_lost(self, conn: Conn, code: str, text: str) -> None:
        """A connection broke, or never stood."""
        ...

    def on_hint(self, conn: Conn) -> None:
        """A connection may be gone."""
        ...

    def on_stranger(self, kind: str, text: str) -> None:
        """Somebody who is no peer knocked."""
        ...


class Dealer:
    """One attempt. Thread: the I/O thread.

    Args:
        hub: told what happens.
        loop: watches the sockets.
        conn: the connection's number.
        socket: with all its options set, not yet connected.
        vouch: frame -> user; None if it is always the head.
    """

    def __init__(
        self,
        hub: Hub,
        loop: Loop,
        conn: int,
        socket: zmq.Socket[bytes],
        *,
        vouch: Callable[[zmq.Frame], str] | None = None,
    ) -> None:
        self._hub = hub
        self._loop = loop
        self._conn = conn
        self._socket = socket
        self._vouch = vouch
        self._monitor = Monitor(socket)
        self._backlog: deque[bytes] = deque()
        self._is_ready = False
        self._is_bound = False
        #: Without CURVE, on this machine alone, there is no key that can be wrong.
        self._has_keys = False
        self._is_closed = False
        self._fd = -1
        loop.watch(socket, self._read)
        loop.watch(self._monitor.socket, self._notice)

    def connect(self, endpoint: str) -> None:
        """Dial; the outcome comes through the hub.

        Raises:
            zmq.ZMQError: if the endpoint is malformed.
        """
        self._has_keys = endpoint.startswith("tcp://")
        self._socket.connect(endpoint)

    def bind(self, endpoint: str) -> None:
        """Wait there for the head.

        Raises:
            zmq.ZMQError: if the address cannot be bound.
        """
        self._is_bound = True
        self._socket.bind(endpoint)

    def send(self, frame: bytes) -> None:
        """Put a frame on the connection; what it does not take yet waits here, bounded by the link's window."""
        if self._is_closed:
            return
        if self._backlog or not self._try(frame):
            self._backlog.append(frame)
            self._loop.watch(self._socket, self._read, is_writing=True)

    def close(self, linger_ms: int = 0) -> None:
        """Close both sockets; nothing is reported any more."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.unwatch(self._socket)
            self._loop.unwatch(self._monitor.socket)
            self._monitor.close()
            self._socket.close(linger_ms)

    def _try(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame, DONTWAIT)
        except zmq.Again:
            return False
        return True

    def _read(self) -> None:
        for _ in range(FRAMES_PER_TURN):
            if self._is_closed:
                return
            try:
                frame = self._socket.recv(DONTWAIT, copy=False)
            except zmq.Again:
                break
            if frame.more:
                self._lose("protocol", f"a message of {1 + skip_rest(self._socket)} frames; ours have one")
                return
            if self._is_bound and self._fd < 0:
                self._fd = int(frame.get(zmq.SRCFD))
            user = HEAD_USER if self._vouch is None else self._vouch(frame)
            self._hub.on_frame(self._conn, user, frame.bytes)
            if self._is_closed or not has_input(self._socket):
                break
        self._write()

    def _write(self) -> None:
        if not self._backlog or self._is_closed:
            return
        while self._backlog and self._try(self._backlog[0]):
            self._backlog.popleft()
        if not self._backlog:
            self._loop.watch(self._socket, self._read)

    def _notice(self) -> None:
        for notice in self._monitor.read():
            if self._is_closed:
                return
            self._judge(notice)

    def _judge(self, notice: Notice) -> None:
        match notice.happened:
            case Happened.READY if not self._is_ready:
                self._is_ready = True
                self._hub.on_opened(self._conn)
            case Happened.READY:
                # A second head, or the first on a new connection: begin again with a socket of its own.
                self._lose("busy", "another connection was made to the same address")
            case Happened.ACCEPTED:
                pass
            case Happened.DISCONNECTED if self._is_ready and (not self._is_bound or self._fd in {-1, notice.value}):
                # What had arrived before the end is read first: a goodbye is the last frame.
                while not self._is_closed and has_input(self._socket):
                    self._read()
                self._lose("", "")
            case _ if self._is_bound:
                self._hub.on_stranger("listen", f"a connection was not the head's: {notice.text}")
            case Happened.REFUSED:
                self._lose("auth", "the head does not know this key; join with a join string of this head")
            case Happened.BROKEN_HANDSHAKE if self._has_keys:
                self._lose("wrong-key", "the other end does not hold the key of our head, or is no actorcloud at all")
            case Happened.BROKEN_HANDSHAKE:
                self._lose("no-route", "it hung up before it had answered")
            case _:
                self._lose("no-route", "nobody answers there")

    def _lose(self, code: str, text: str) -> None:
        if not self._is_closed:
            self.close()
            self._hub.on_lost(self._conn, code, text)
