"""When to dial which endpoint: one attempt at a time, full-jitter back-off between them. Pure.

::

    waiting --due--> opening --opened--> greeting --session up--> up
       ^                |                    |                     |
       +---- back-off --+---- lost ----------+------- lost --------+

A peer needs one way to its head: while a session is up by one endpoint, the others of a caller wait.
The head dials each of its listening nodes.

Reference: net-design 1.8 (every failure is one case: close, back off, try again); AWS' full jitter.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence

from actorcloud.net.effect import Close, Conn, Desk, Open, Uniform

#: Seconds: the first retry comes at once for people, and late enough for a listener to be rebuilt.
BACKOFF_FIRST = 0.1
#: Seconds: what a returning head has to wait for its nodes, at most.
BACKOFF_LIMIT = 5.0


class Stage(enum.Enum):
    """How far a dialer got."""

    WAITING = enum.auto()
    OPENING = enum.auto()
    GREETING = enum.auto()
    UP = enum.auto()


class Dialer:
    """One endpoint to which a connection is kept. Thread: its owner's only."""

    __slots__ = ("conn", "deadline", "endpoint", "failures", "is_listening", "stage")

    def __init__(self, endpoint: str, now: float, *, is_listening: bool) -> None:
        self.endpoint = endpoint
        self.is_listening = is_listening
        self.stage = Stage.WAITING
        self.conn: int | None = None
        self.failures = 0
        #: WAITING: when to try; OPENING, GREETING: when to give up.
        self.deadline = now

    def __repr__(self) -> str:
        return f"<Dialer {self.endpoint} {self.stage.name.lower()} failures={self.failures}>"


class Dialing:
    """All dialers of a process. Thread: its owner's only.

    Args:
        desk: where effects go.
        uniform: the jitter.
        attempt_timeout: seconds from the first packet to the welcome.
    """

    def __init__(self, desk: Desk, uniform: Uniform, attempt_timeout: float) -> None:
        self._desk = desk
        self._uniform = uniform
        self._attempt_timeout = attempt_timeout
        self._by_endpoint: dict[str, Dialer] = {}
        self._by_conn: dict[Conn, Dialer] = {}

    @property
    def deadline(self) -> float:
        """When `sweep` will next have something to do."""
        return min([dialer.deadline for dialer in self._by_endpoint.values()]) if self._by_endpoint else math.inf

    def on(self, conn: Conn) -> Dialer | None:
        """Return the dialer that made this connection."""
        return self._by_conn.get(conn)

    def endpoint_of(self, conn: Conn) -> str:
        """Return what was dialled by this connection; empty if it was not."""
        dialer = self.on(conn)
        return "" if dialer is None or dialer.is_listening else dialer.endpoint

    def add(self, endpoint: str, now: float, *, is_listening: bool = False) -> None:
        """Begin to keep a connection to `endpoint`; a known one is left alone."""
        if endpoint not in self._by_endpoint:
            self._by_endpoint[endpoint] = Dialer(endpoint, now, is_listening=is_listening)

    def remove(self, endpoint: str) -> Dialer | None:
        """Stop dialling `endpoint`; its connection is left to the caller."""
        dialer = self._by_endpoint.pop(endpoint, None)
        if dialer is not None and dialer.conn is not None:
            self._by_conn.pop(dialer.conn, None)
        return dialer

    def opened(self, conn: Conn, now: float) -> Dialer | None:
        """The connection stands; the handshake follows."""
        dialer = self._by_conn.get(conn)
        if dialer is not None and dialer.stage is Stage.OPENING:
            dialer.stage = Stage.GREETING
            dialer.deadline = now + self._attempt_timeout
        return dialer

    def up(self, conn: Conn) -> None:
        """A session uses this connection."""
        dialer = self._by_conn.get(conn)
        if dialer is not None:
            dialer.stage = Stage.UP
            dialer.failures = 0
            dialer.deadline = math.inf

    def lost(self, conn: Conn, now: float, *, wait: float | None = None) -> Dialer | None:
        """The connection failed or broke: try again after the back-off, or after `wait` seconds.

        Returns:
            The dialer whose it was, if any.
        """
        dialer = self._by_conn.pop(conn, None)
        if dialer is None:
            return None
        ceiling = min(BACKOFF_LIMIT, BACKOFF_FIRST * 2.0 ** min(dialer.failures, 16))
        dialer.failures += 1
        dialer.conn = None
        dialer.stage = Stage.WAITING
        dialer.deadline = now + (self._uniform() * ceiling if wait is None else wait)
        return dialer

    def stop(self, conn: Conn) -> None:
        """Never try this endpoint again: what refused us will not change its mind."""
        dialer = self._by_conn.get(conn)
        if dialer is not None:
            self.remove(dialer.endpoint)

    def sweep(self, now: float, *, may_open: bool) -> Sequence[Dialer]:
        """Start the attempts that are due.

        Args:
            now: monotonic seconds.
            may_open: false while a session is up and needs no second connection.

        Returns:
            Those that took too long; their connection is being closed.
        """
        late: list[Dialer] = []
        for dialer in self._by_endpoint.values():
            if now < dialer.deadline:
                continue
            if dialer.stage is not Stage.WAITING:
                self._desk.effects.append(Close(dialer.conn))
                late.append(dialer)
            elif may_open:
                self._open(dialer, now)
            else:
                dialer.deadline = now + BACKOFF_LIMIT
        return late

    def hurry(self, now: float) -> None:
        """The session lost its connection: those that stood back may try at once."""
        for dialer in self._by_endpoint.values():
            if dialer.stage is Stage.WAITING and dialer.failures == 0:
                dialer.deadline = now

    def _open(self, dialer: Dialer, now: float) -> None:
        conn = self._desk.new_conn()
        dialer.conn = conn
        dialer.stage = Stage.OPENING
        dialer.deadline = math.inf if dialer.is_listening else now + self._attempt_timeout
        self._by_conn[conn] = dialer
        self._desk.effects.append(Open(conn, dialer.endpoint, dialer.is_listening))
