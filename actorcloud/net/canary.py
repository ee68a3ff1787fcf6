"""Tries our own door at each start: a fresh random key and no key at all must both be refused.

libzmq lets everybody in when its ZAP handler is missing and nothing enforces the domain; an option
that a new libzmq renames, or a handler that died, would open the head to the world in silence. So the
head proves that its "no" is obeyed before it says that it listens (net-design 2.1).

It owns a context of its own, in the thread that calls it; the I/O thread must be polling already,
since that is where ZAP is answered.
"""

from __future__ import annotations

import zmq

from actorcloud.base.errors import OpenDoor
from actorcloud.net.curve import as_option
from actorcloud.net.keys import KeyPair
from actorcloud.net.monitor import Happened, Monitor
from actorcloud.net.resolver import parse_tcp

#: Connections that one check makes.
CANARY_TRIES = 2

#: Seconds one try may take.
CANARY_TIMEOUT = 5.0

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "[::1]"}  # noqa: S104  what we compare with, not bind to


def check_door(endpoint: str, head_key: bytes, stranger: KeyPair) -> None:
    """Make sure that a tcp listener refuses strangers.

    Args:
        endpoint: as bound, with the real port.
        head_key: the listener's public key, 32 bytes.
        stranger: a fresh key pair that ZAP must refuse.

    Raises:
        OpenDoor: if either try got in, or was not refused in time.

    Blocks: a few milliseconds, at most two `CANARY_TIMEOUT`.
    """
    host, port = parse_tcp(endpoint)
    target = f"tcp://{_ANY_ADDRESS.get(host, f'[{host}]' if ':' in host else host)}:{port}"
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.linger = 0
    try:
        with_key = _knock(context, target, (stranger, head_key))
        if with_key is not Happened.REFUSED:
            raise OpenDoor(f"{endpoint} did not refuse an unknown key ({_tell(with_key)}); this head does not listen")
        without = _knock(context, target, None)
        if without is not Happened.BROKEN_HANDSHAKE:
            raise OpenDoor(
                f"{endpoint} did not refuse a peer without key ({_tell(without)}); this head does not listen"
            )
    finally:
        context.destroy(linger=0)


def _knock(context: zmq.Context[zmq.Socket[bytes]], target: str, keys: tuple[KeyPair, bytes] | None) -> Happened | None:
    """Dial once; return how the handshake ended, None if it did not."""
    socket = context.socket(zmq.DEALER)
    socket.setsockopt(zmq.RECONNECT_IVL, -1)
    socket.setsockopt(zmq.IPV6, 1)
    if keys is not None:
        pair, head_key = keys
        socket.setsockopt(zmq.CURVE_PUBLICKEY, as_option(pair.public))
        socket.setsockopt(zmq.CURVE_SECRETKEY, as_option(pair.secret))
        socket.setsockopt(zmq.CURVE_SERVERKEY, as_option(head_key))
    monitor = Monitor(socket)
    try:
        socket.connect(target)
        while monitor.socket.poll(int(CANARY_TIMEOUT * 1000)):
            for notice in monitor.read():
                if notice.happened in {Happened.READY, Happened.REFUSED, Happened.BROKEN_HANDSHAKE}:
                    return notice.happened
                if notice.happened in {Happened.DISCONNECTED, Happened.CLOSED}:
                    return notice.happened
        return None
    finally:
        monitor.close()
        socket.close(0)


def _tell(happened: Happened | None) -> str:
    return "no answer" if happened is None else happened.name.lower().replace("_", " ")
