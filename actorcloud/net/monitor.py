"""What libzmq tells about a socket's connections, decoded. Owns the PAIR socket it is told on."""

from __future__ import annotations

import enum
import struct
from collections.abc import Sequence

import msgspec
import zmq

#: Read in one turn; what libzmq adds meanwhile waits.
_EVENTS_PER_TURN = 200


#: The first frame of an event, by libzmq's manual: its number and its value. pyzmq's own parser would
#: load asyncio, which costs a starting process 16 ms.
_EVENT = struct.Struct("=hi")


class Happened(enum.Enum):
    """What happened to a connection."""

    ACCEPTED = enum.auto()
    #: The handshake is done: the connection stands.
    READY = enum.auto()
    #: The peer said no: ZAP refused our key.
    REFUSED = enum.auto()
    #: The handshake failed otherwise: a wrong server key, garbage, another mechanism.
    BROKEN_HANDSHAKE = enum.auto()
    DISCONNECTED = enum.auto()
    #: Nobody answered.
    CLOSED = enum.auto()


class Notice(msgspec.Struct, frozen=True):
    """One event."""

    happened: Happened
    #: A file descriptor, an errno or a status, as libzmq's manual says.
    value: int
    #: Its name, for people.
    text: str


_MEANING = {
    zmq.EVENT_ACCEPTED: Happened.ACCEPTED,
    zmq.EVENT_HANDSHAKE_SUCCEEDED: Happened.READY,
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: Happened.REFUSED,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: Happened.BROKEN_HANDSHAKE,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Happened.BROKEN_HANDSHAKE,
    zmq.EVENT_DISCONNECTED: Happened.DISCONNECTED,
    zmq.EVENT_CLOSED: Happened.CLOSED,
}
_MASK = sum(int(event) for event in _MEANING)


class Monitor:
    """The events of one socket. Thread: the socket's.

    Args:
        watched: a socket; attached before it binds or connects, so that nothing is missed.
    """

    def __init__(self, watched: zmq.Socket[bytes]) -> None:
        self._watched = watched
        self.socket = watched.get_monitor_socket(_MASK)
        self.socket.setsockopt(zmq.LINGER, 0)

    def read(self) -> Sequence[Notice]:
        """Return what has happened since the last call."""
        notices: list[Notice] = []
        for _ in range(_EVENTS_PER_TURN):
            try:
                event, *_ = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                break
            kind, value = _EVENT.unpack(event)
            if kind in _MEANING:
                name = str(zmq.Event(kind).name).lower().replace("_", " ")
                notices.append(Notice(_MEANING[zmq.Event(kind)], value, name))
        return notices

    def close(self) -> None:
        """Stop, and close the PAIR; left open it would hang the context's end."""
        self._watched.disable_monitor()
        self.socket.close(0)
