"""The handshake's other half: a node or client says hello to its head, on one connection at a time. Pure.

Whoever dialled, the caller speaks first. Two hellos under way at once could be welcomed in either
order, so a second connection waits until the first was answered, and is closed if that one is good.

Reference: net-design 6, "who speaks first".
"""

from __future__ import annotations

import logging
from collections import deque

from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed
from actorcloud.net.dialing import Dialing
from actorcloud.net.effect import Close, Conn, Desk
from actorcloud.net.enrolment import make_proof
from actorcloud.net.options import ReactorOptions, Timing
from actorcloud.net.session import Session
from actorcloud.net.table import Table
from actorcloud.net.throttle import Throttle
from actorcloud.protocol.handshake import Hello, Reject, Welcome, encode_handshake
from actorcloud.protocol.message import VERSION

#: Refusals that the same process will hear again however often it asks; so it will "name-taken"
#: without a time to ask again: then the name is another key's, not that of a process that may end.
FINAL_CODES = frozenset({"auth", "fenced", "proto"})

#: Seconds between two lines about the same refusal, at most.
_LONGEST_QUIET = 3600.0

logger = logging.getLogger("actorcloud.net")


class Caller:
    """Says hello. Thread: its owner's only.

    Args:
        options: who we are.
        table: the sessions; a caller has at most one, with its head.
        dialing: told about success and failure.
        desk: where effects and events go.
        nonce: random bytes, new in each process.
    """

    def __init__(self, options: ReactorOptions, table: Table, dialing: Dialing, desk: Desk, *, nonce: bytes) -> None:
        self._options = options
        self._table = table
        self._dialing = dialing
        self._desk = desk
        self._nonce = nonce
        #: The connection on which our hello waits for an answer.
        self._asking: Conn | None = None
        #: Connections that stand and wait for their turn; no more than there are dialers.
        self._waiting: deque[Conn] = deque()
        self._head: Peer | None = None
        self._refusals = Throttle(logger, longest=_LONGEST_QUIET)

    @property
    def session(self) -> Session | None:
        """The session with the head, if there is one."""
        return None if self._head is None else self._table.of(self._head)

    @property
    def is_connected(self) -> bool:
        """Whether the session has a connection."""
        session = self.session
        return session is not None and session.conn is not None

    def opened(self, conn: Conn) -> None:
        """A connection stands: say hello, or wait for one's turn."""
        self._waiting.append(conn)
        self._next()

    def lost(self, conn: Conn) -> None:
        """A connection is gone, or given up."""
        if conn in self._waiting:
            self._waiting.remove(conn)
        if conn == self._asking:
            self._asking = None
            self._next()

    def welcome(self, conn: Conn, user: str, word: Welcome, now: float) -> str | None:
        """The head lets us in.

        Returns:
            What is wrong with its answer; None if we are in.
        """
        if conn != self._asking:
            return "a welcome to nobody's hello"
        peer = Peer(word.name, word.incarnation)
        session = self.session
        if word.resume:
            if (
                session is None
                or session.peer != peer
                or not session.is_resumable
                or not session.link.can_resume(word.rx)
            ):
                if session is not None:
                    self._table.reset(session, "the stream cannot be resumed here")
                return "it resumes a stream that we do not have"
            session.link.resume(word.rx)
        else:
            if session is not None and session.peer != peer:
                self._table.end(session, "the head was started anew")
            session = self._table.begin(peer, "head", Timing(word.node_timeout))
        session.facts = word.facts
        session.user = user
        self._head = peer
        self._refusals = Throttle(logger, longest=_LONGEST_QUIET)
        self._asking = None
        self._table.attach(session, conn, now)
        self._dialing.up(conn)
        self._table.tell_up(session, reset=not word.resume)
        self._next()
        return None

    def rejected(self, conn: Conn, word: Reject, now: float) -> None:
        """The head does not let us in, or does not know our session any more."""
        dialer = self._dialing.on(conn)
        session = self._table.on(conn)
        is_final = word.code in FINAL_CODES or (word.code == "name-taken" and word.retry_after is None)
        if dialer is not None and word.code != "no-session":
            text = f"{dialer.endpoint} refused us: {word.text} ({word.code})"
            self._refusals.warning(now, f"{dialer.endpoint} {word.code}", text)
            self._desk.events.append(DialFailed(dialer.endpoint, word.code, word.text, is_final))
        if word.code == "fenced" and (fenced := session or self.session) is not None:
            self._table.end(fenced, word.text)
        elif session is not None:
            self._table.lost(conn)
        if is_final:
            self._dialing.stop(conn)
        self._desk.effects.append(Close(conn))
        self._dialing.lost(conn, now, wait=word.retry_after)
        self.lost(conn)

    def _next(self) -> None:
        while self._asking is None and self._waiting:
            conn = self._waiting.popleft()
            if self.is_connected:
                self._desk.effects.append(Close(conn))
                self._dialing.lost(conn, 0.0, wait=0.0)
                continue
            self._asking = conn
            self._desk.transmit(conn, encode_handshake(self._hello()))

    def _hello(self) -> Hello:
        options = self._options
        session = self.session
        is_resuming = session is not None and session.is_resumable
        hello = Hello(
            proto=(VERSION, VERSION),
            name=options.name,
            incarnation=options.incarnation,
            role=options.role,
            rx=session.link.rx if session is not None and is_resuming else 0,
            head_incarnation=session.peer.incarnation if session is not None and is_resuming else 0,
            facts=options.facts,
            nonce=self._nonce,
        )
        if options.secret is None or options.key_pair is None or options.head_key is None:
            return hello
        proof = make_proof(options.secret, options.key_pair.public, options.head_key, hello)
        return Hello(**{field: getattr(hello, field) for field in hello.__struct_fields__} | {"proof": proof})
