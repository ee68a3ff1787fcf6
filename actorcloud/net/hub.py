"""Between the sockets and the exchange: reports in, with the time; strangers into the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from actorcloud.net.effect import Conn
from actorcloud.net.exchange import Exchange
from actorcloud.net.throttle import Throttle

logger = logging.getLogger("actorcloud.net")


class ExchangeHub:
    """Passes what sockets report on to the exchange; a `Hub`.

    Thread: the I/O thread; `expect_strangers` any.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._throttle = Throttle(logger)
        self.forget: Callable[[Conn], None] = lambda _: None
        #: Failed handshakes that will be the canary's: no news.
        self._expected = 0

    def expect_strangers(self, number: int) -> None:
        """Log nothing of the next failed handshakes."""
        self._expected += number

    def on_opened(self, conn: Conn) -> None:
        """A connection stands."""
        self._exchange.opened(conn, time.monotonic())

    def on_frame(self, conn: Conn, user: str, frame: bytes) -> None:
        """A frame came in."""
        self._exchange.received(conn, user, frame, time.monotonic())

    def on_lost(self, conn: Conn, code: str, text: str) -> None:
        """A connection broke, or never stood."""
        self.forget(conn)
        self._exchange.lost(conn, time.monotonic(), code, text)

    def on_hint(self, conn: Conn) -> None:
        """A connection may be gone."""
        self._exchange.hint(conn)

    def on_stranger(self, kind: str, text: str) -> None:
        """Somebody who is no peer knocked: log it, but not each time."""
        if kind == "handshake" and self._expected:
            self._expected -= 1
        else:
            self._throttle.warning(time.monotonic(), kind, text)
