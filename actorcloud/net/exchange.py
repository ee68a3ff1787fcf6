"""All of a peer's networking but sockets, threads and time: the pure machine in the middle of `net`.

::

    Transport calls ----.                       .--> Effects: transmit, open, close
                         >--> Exchange(now) ----
    frames, losses -----'                       '--> Events for the sink

Two shells drive it: the reactor with ZeroMQ, and the simulated network with memory. After every
input, or many, a shell calls `settle` and performs what is on the desk.

Reference: net-design 0; sans-I/O.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from actorcloud.base.errors import WireError
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, Random
from actorcloud.net.caller import Caller
from actorcloud.net.dialing import Dialing
from actorcloud.net.effect import Close, Conn, Desk
from actorcloud.net.enrolment import Gate
from actorcloud.net.greeter import Greeter
from actorcloud.net.options import ReactorOptions
from actorcloud.net.table import Table
from actorcloud.net.throttle import Throttle
from actorcloud.protocol.handshake import (
    Goodbye,
    Handshake,
    Hello,
    Reject,
    Welcome,
    decode_handshake,
    is_handshake,
)

logger = logging.getLogger("actorcloud.net")


class Exchange:
    """The state of one peer's transport. Thread: the shell's only.

    Args:
        options: who we are.
        gate: who may come in; used by a head.
        random: jitter and nonce.
        desk: where effects and events go.
    """

    def __init__(self, options: ReactorOptions, gate: Gate, random: Random, desk: Desk) -> None:
        self._options = options
        self._desk = desk
        self._throttle = Throttle(logger)
        self._table = Table(options, desk)
        self._dialing = Dialing(desk, random.random, options.attempt_timeout)
        self._table.endpoint_of = self._dialing.endpoint_of
        self._greeter = Greeter(options, self._table, desk, gate, on_admitted=self._dialing.up)
        self._caller = Caller(options, self._table, self._dialing, desk, nonce=random.randbytes(16))

    @property
    def table(self) -> Table:
        """The sessions, to look at."""
        return self._table

    # -- from our side ------------------------------------------------------------------------------

    def dial(self, endpoint: str, now: float, *, is_listening: bool = False) -> None:
        """Keep a connection to `endpoint`; with `is_listening` bind there and wait for the head."""
        self._dialing.add(endpoint, now, is_listening=is_listening)

    def hang_up(self, endpoint: str) -> None:
        """Stop dialling, and leave whoever answered there."""
        dialer = self._dialing.remove(endpoint)
        if dialer is None or dialer.conn is None:
            return
        self._caller.lost(dialer.conn)
        session = self._table.on(dialer.conn)
        if session is not None:
            self._table.dismiss(session, "hung up", fence=False)
        else:
            self._desk.effects.append(Close(dialer.conn))

    def send(self, peer: Peer, messages: Sequence[bytes]) -> bool:
        """See `Transport.send`."""
        return self._table.send(peer, messages)

    def reset(self, peer: Peer, now: float) -> None:
        """See `Transport.reset`."""
        session = self._table.of(peer)
        if session is not None:
            conn = session.conn
            self._table.reset(session, "the stream was reset")
            self._gone(conn, now)

    def drop(self, peer: Peer, reason: str, now: float) -> None:
        """See `Transport.drop`."""
        session = self._table.of(peer)
        if session is not None:
            conn = session.conn
            self._table.dismiss(session, reason, fence=True)
            self._gone(conn, now)

    def leave(self, reason: str) -> None:
        """Say goodbye to all."""
        for session in self._table.sessions():
            self._table.dismiss(session, reason, fence=False)

    @property
    def is_drained(self) -> bool:
        """Whether every peer that is connected has acknowledged everything."""
        return all(session.link.is_drained for session in self._table.sessions() if session.conn is not None)

    def ask_acks(self) -> None:
        """Ask those who owe acknowledgements for them, before leaving."""
        for session in self._table.sessions():
            if not session.link.is_drained:
                self._table.flush_now(session)

    def is_opening(self, conn: Conn) -> bool:
        """Tell whether an attempt is still wanted."""
        return self._dialing.on(conn) is not None

    # -- from the connections -----------------------------------------------------------------------

    def opened(self, conn: Conn, now: float) -> None:
        """A connection that we asked for stands."""
        if self._dialing.opened(conn, now) is not None and not self._options.is_head:
            self._caller.opened(conn)

    def lost(self, conn: Conn, now: float, code: str = "", text: str = "") -> None:
        """A connection broke, or never stood.

        Args:
            conn: which.
            now: monotonic seconds.
            code: of the `DialFailed` event, if it never stood: auth, wrong-key, no-route, timeout.
            text: for people.
        """
        self._table.lost(conn)
        self._gone(conn, now, code, text)

    def hint(self, conn: Conn) -> None:
        """The connection may be gone: find out by using it."""
        session = self._table.on(conn)
        if session is not None:
            self._table.ping(session)

    def received(self, conn: Conn, user: str, frame: bytes, now: float) -> None:
        """A frame came in.

        Args:
            conn: on which connection.
            user: as whom that connection is authenticated; "" if not at all.
            frame: its bytes, not trusted.
            now: monotonic seconds.
        """
        if not is_handshake(frame):
            self._table.envelope(conn, user, frame, now)
            return
        try:
            word = decode_handshake(frame)
        except WireError as error:
            self._throttle.warning(now, "handshake", f"from {user or 'a stranger'}: {error}")
            self._desk.effects.append(Close(conn))
            self.lost(conn, now, "protocol", str(error))
            return
        session = self._table.on(conn)
        if session is not None and session.user != user:
            return
        self._word(conn, user, word, now)

    def _word(self, conn: Conn, user: str, word: Handshake, now: float) -> None:
        match word:
            case Hello() if self._options.is_head:
                self._greeter.hello(conn, user, word, now)
            case Welcome() if not self._options.is_head:
                wrong = self._caller.welcome(conn, user, word, now)
                if wrong is not None:
                    self._desk.effects.append(Close(conn))
                    self._gone(conn, now, "protocol", wrong)
            case Reject() if self._options.is_head:
                # The peer cannot go on with our stream; it will say hello again.
                self._desk.effects.append(Close(conn))
                self.lost(conn, now)
            case Reject():
                self._caller.rejected(conn, word, now)
            case Goodbye():
                self._left(conn, word, now)
            case _:
                self._throttle.warning(now, "side", f"a {type(word).__name__} on the wrong side, from {user}")

    def _left(self, conn: Conn, word: Goodbye, now: float) -> None:
        session = self._table.on(conn)
        if session is not None:
            self._table.end(session, word.reason or "it left", fence=False, has_left=True)
            self._gone(conn, now)

    # -- time ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When `settle` must be called at the latest, monotonic seconds."""
        return min(self._table.deadline, self._dialing.deadline, self._greeter.deadline)

    def settle(self, now: float) -> None:
        """Do what time demands, and pack what is to be sent."""
        if now >= self.deadline:
            self._sweep(now)
        self._table.flush(now)

    def _sweep(self, now: float) -> None:
        for conn in self._table.sweep(now):
            self._gone(conn, now)
        self._greeter.sweep(now)
        may_open = self._options.is_head or not self._caller.is_connected
        for dialer in self._dialing.sweep(now, may_open=may_open):
            if dialer.conn is not None:
                self.lost(dialer.conn, now, "timeout", f"no answer within {self._options.attempt_timeout:g} s")

    def _gone(self, conn: Conn | None, now: float, code: str = "", text: str = "") -> None:
        """Tell everybody but the table that a connection is gone."""
        if conn is None:
            return
        dialer = self._dialing.lost(conn, now)
        if dialer is not None and code:
            self._desk.events.append(DialFailed(dialer.endpoint, code, text, final=False))
        self._caller.lost(conn)
        if self._options.is_head:
            self._greeter.lost(now)
        else:
            self._dialing.hurry(now)
