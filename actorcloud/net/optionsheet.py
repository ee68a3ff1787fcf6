"""The socket options, in one place; each is explained in the sheet of the design.

Reference: net-design 7.
"""

from __future__ import annotations

import zmq

from actorcloud.base.errors import OpenDoor
from actorcloud.net.curve import as_option, require_curve
from actorcloud.net.keys import KeyPair
from actorcloud.net.options import Timing
from actorcloud.protocol.envelope import FRAME_LIMIT_BYTES

#: The name under which ZAP is asked; without one libzmq asks nobody.
ZAP_DOMAIN = b"actorcloud"

#: Only a fuse: links have windows far below.
HIGH_WATER_MARK = 1000

#: CURVE's box around a frame.
_CURVE_SLACK_BYTES = 64

#: Milliseconds.
_HANDSHAKE_MS = 5000
_CONNECT_MS = 5000

#: Milliseconds; a socket whose connection is lost is closed at once.
_NEVER_MS = 86_400_000


def prepare(socket: zmq.Socket[bytes], timing: Timing, *, is_tcp: bool) -> None:
    """Set what every socket needs."""
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.RCVHWM, HIGH_WATER_MARK)
    socket.setsockopt(zmq.MAXMSGSIZE, FRAME_LIMIT_BYTES + _CURVE_SLACK_BYTES)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    if is_tcp:
        socket.setsockopt(zmq.IPV6, 1)
        socket.setsockopt(zmq.BACKLOG, 512)
        socket.setsockopt(zmq.HEARTBEAT_IVL, int(timing.heartbeat_interval * 1000))
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, int(timing.heartbeat_timeout * 1000))
        # Carried in tenths of a second and 16 bits: a longer one would wrap around.
        socket.setsockopt(zmq.HEARTBEAT_TTL, min(int(timing.heartbeat_timeout * 1000), 6_500_000))


def prepare_dealer(socket: zmq.Socket[bytes]) -> None:
    """Set what makes a DEALER one attempt: nothing reconnects by itself, and what has arrived is kept.

    With IMMEDIATE, or a RECONNECT_IVL of -1, libzmq drops what came before the end of the connection and was
    not read yet (docs/design/0018-the-last-frames-of-a-connection.md).
    """
    socket.setsockopt(zmq.IMMEDIATE, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, _NEVER_MS)
    socket.setsockopt(zmq.CONNECT_TIMEOUT, _CONNECT_MS)


def prepare_router(socket: zmq.Socket[bytes]) -> None:
    """Set what makes a ROUTER tell of peers that are gone."""
    socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
    socket.setsockopt(zmq.ROUTER_HANDOVER, 0)


def be_curve_server(socket: zmq.Socket[bytes], pair: KeyPair) -> None:
    """Let nobody in whom ZAP does not let in.

    Raises:
        CurveMissing: if libzmq cannot encrypt.
        OpenDoor: if libzmq did not take the options.
    """
    require_curve()
    socket.setsockopt(zmq.CURVE_SERVER, 1)
    socket.setsockopt(zmq.CURVE_SECRETKEY, as_option(pair.secret))
    socket.setsockopt(zmq.ZAP_DOMAIN, ZAP_DOMAIN)
    socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    # Without these two a missing ZAP handler means that everybody is let in (net-design 2.1).
    domain = socket.getsockopt(zmq.ZAP_DOMAIN)
    if (
        not isinstance(domain, bytes)
        or domain.rstrip(b"\0") != ZAP_DOMAIN
        or socket.getsockopt(zmq.ZAP_ENFORCE_DOMAIN) != 1
    ):
        raise OpenDoor("this libzmq does not enforce ZAP; it would let everybody in, so this head refuses to listen")


def be_curve_client(socket: zmq.Socket[bytes], pair: KeyPair, head_key: bytes) -> None:
    """Speak with nobody but the holder of `head_key`.

    Raises:
        CurveMissing: if libzmq cannot encrypt.
    """
    require_curve()
    socket.setsockopt(zmq.CURVE_PUBLICKEY, as_option(pair.public))
    socket.setsockopt(zmq.CURVE_SECRETKEY, as_option(pair.secret))
    socket.setsockopt(zmq.CURVE_SERVERKEY, as_option(head_key))
