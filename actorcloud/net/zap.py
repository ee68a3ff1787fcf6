"""The ZAP handler: asked by libzmq about every CURVE connection, and always answers.

It owns a REP socket at `inproc://zeromq.zap.01` of the reactor's context, bound before any other, and
is polled by the I/O thread. A handler that dies, or whose answer is lost, must never mean "let in":
sockets enforce the domain, and the canary tries the door at each start.

Reference: RFC 27 (ZAP); net-design 2.1.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import zmq

from actorcloud.net.keys import KEY_BYTES, fingerprint
from actorcloud.net.optionsheet import ZAP_DOMAIN
from actorcloud.net.throttle import Throttle

ZAP_ENDPOINT = "inproc://zeromq.zap.01"

#: Answered in one turn.
_REQUESTS_PER_TURN = 100

#: version, request id, domain, address, identity, mechanism, then the credentials.
_FIXED_FRAMES = 6

logger = logging.getLogger("actorcloud.net")


class ZapHandler:
    """Answers ZAP requests. Thread: the I/O thread, after `__init__`.

    Args:
        context: whose sockets it guards.
        user_of: 32-byte key -> user, None for "not let in".
        clock: monotonic seconds.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        user_of: Callable[[bytes], str | None],
        clock: Callable[[], float],
    ) -> None:
        self._user_of = user_of
        self._clock = clock
        self._throttle = Throttle(logger)
        #: Keys refused whatever `user_of` says: the canary's.
        self.denied: frozenset[bytes] = frozenset()
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ZAP_ENDPOINT)

    def answer(self) -> None:
        """Answer what waits; never raises."""
        for _ in range(_REQUESTS_PER_TURN):
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            request_id = request[1] if len(request) > 1 else b""
            status, user, why = self._judge(request)
            if status != b"200" and why:
                self._throttle.warning(self._clock(), "zap", f"a connection was refused: {why}")
            self.socket.send_multipart([b"1.0", request_id, status, why.encode(), user, b""])

    def _judge(self, request: Sequence[bytes]) -> tuple[bytes, bytes, str]:
        try:
            return self._decide(request)
        except Exception:
            # libzmq must get an answer whatever happens here, and only one is safe.
            logger.exception("the ZAP handler failed and refused a connection")
            return b"400", b"", "internal error"

    def _decide(self, request: Sequence[bytes]) -> tuple[bytes, bytes, str]:
        if len(request) != _FIXED_FRAMES + 1:
            return b"400", b"", "not a CURVE request"
        version, _, domain, address, _, mechanism, key = request
        if version != b"1.0" or domain != ZAP_DOMAIN or mechanism != b"CURVE" or len(key) != KEY_BYTES:
            return b"400", b"", "not a CURVE request for our domain"
        if key in self.denied:
            return b"400", b"", ""
        user = self._user_of(key)
        if user is None:
            return b"400", b"", f"key {fingerprint(key)} from {address.decode(errors='replace')} is not known"
        return b"200", user.encode(), "OK"

    def close(self) -> None:
        """Close the socket."""
        self.socket.close(0)
