"""The sessions of this process: by peer and by connection; envelopes, liveness, ends. Pure.

Every change of a session goes through here, so that events and effects always match the state.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

from actorcloud.base.errors import WireError
from actorcloud.base.ids import Peer
from actorcloud.base.ports import PeerDown, PeerSuspect, PeerUp, Received
from actorcloud.net.effect import Close, Conn, Desk
from actorcloud.net.link import Link
from actorcloud.net.options import ReactorOptions, Timing
from actorcloud.net.session import Due, Session
from actorcloud.protocol.envelope import PING, PONG, Envelope, decode_envelope, encode_envelope
from actorcloud.protocol.handshake import Goodbye, Reject, encode_handshake

#: Incarnations that are down and may not come back; the oldest is forgotten first.
FENCED_LIMIT = 4096

logger = logging.getLogger("actorcloud.net")


class Table:
    """All sessions. Thread: its owner's only.

    Args:
        options: who we are.
        desk: where effects and events go.
    """

    def __init__(self, options: ReactorOptions, desk: Desk) -> None:
        self._options = options
        self._desk = desk
        self._by_name: dict[str, Session] = {}
        self._by_conn: dict[Conn, Session] = {}
        self._fenced: OrderedDict[Peer, None] = OrderedDict()
        #: Sessions that may have something to send.
        self._busy: dict[str, Session] = {}
        #: No session needs `sweep` earlier than this.
        self.deadline = math.inf
        #: Set by the greeter: called with a session that has answered a probe.
        self.on_pong: Callable[[Session], None] = lambda _: None
        #: Set by the exchange: what was dialled by a connection.
        self.endpoint_of: Callable[[Conn], str] = lambda _: ""

    # -- looking ------------------------------------------------------------------------------------

    def named(self, name: str) -> Session | None:
        """Return the session of the peer of this name, whatever its incarnation."""
        return self._by_name.get(name)

    def of(self, peer: Peer) -> Session | None:
        """Return the session of exactly this incarnation."""
        session = self._by_name.get(peer.name)
        return session if session is not None and session.peer == peer else None

    def on(self, conn: Conn) -> Session | None:
        """Return the session that uses this connection."""
        return self._by_conn.get(conn)

    def sessions(self) -> Sequence[Session]:
        """Return all of them."""
        return tuple(self._by_name.values())

    def is_fenced(self, peer: Peer) -> bool:
        """Tell whether this incarnation was declared down."""
        return peer in self._fenced

    # -- beginning and end --------------------------------------------------------------------------

    def begin(self, peer: Peer, role: str, timing: Timing) -> Session:
        """Start a stream at 1, in place of any older one to this peer; `attach` and `tell_up` follow."""
        old = self._by_name.get(peer.name)
        if old is not None:
            if old.peer != peer:
                self.end(old, "replaced by a new start of this peer")
            else:
                self._forget(old)
        session = Session(peer, role, Link(self._options.limits), timing, is_head=self._options.is_head)
        self._by_name[peer.name] = session
        return session

    def attach(self, session: Session, conn: Conn, now: float) -> None:
        """Give the session a connection; an older one is closed."""
        if session.conn is not None and session.conn != conn:
            self._unplug(session)
        session.attach(conn, now)
        self._by_conn[conn] = session
        self._busy[session.peer.name] = session
        self.deadline = min(self.deadline, session.deadline())

    def tell_up(self, session: Session, *, reset: bool) -> None:
        """Report that the peer is up; without `reset` only if it was suspect."""
        if reset or session.is_suspect:
            session.is_suspect = False
            endpoint = "" if session.conn is None else self.endpoint_of(session.conn)
            self._desk.events.append(PeerUp(session.peer, session.role, reset, session.facts, endpoint))

    def lost(self, conn: Conn) -> Session | None:
        """A connection is gone; its session waits for the next, until the lease ends."""
        session = self._by_conn.pop(conn, None)
        if session is not None:
            was_suspect = session.is_suspect
            session.detach()
            self.deadline = min(self.deadline, session.deadline())
            if not was_suspect:
                self._desk.events.append(PeerSuspect(session.peer))
        return session

    def end(self, session: Session, reason: str, *, fence: bool = True, has_left: bool = False) -> None:
        """Forget the session and report the peer down; with `fence` it may not come back."""
        self._forget(session)
        if fence:
            self._fenced[session.peer] = None
            if len(self._fenced) > FENCED_LIMIT:
                self._fenced.popitem(last=False)
        self._desk.events.append(PeerDown(session.peer, reason, has_left))

    def dismiss(self, session: Session, reason: str, *, fence: bool) -> None:
        """Send what is still to be sent, say goodbye, and end the session."""
        if session.conn is not None:
            self._pump(session, math.inf)
            self._desk.transmit(session.conn, encode_handshake(Goodbye(reason=reason)))
        self.end(session, reason, fence=fence)

    def reset(self, session: Session, why: str) -> None:
        """Forget the stream: the peer is told, and its next hello starts a new one."""
        if session.conn is not None:
            self._desk.transmit(session.conn, encode_handshake(Reject(code="no-session", text=why)))
            self._unplug(session)
        if not session.is_suspect:
            self._desk.events.append(PeerSuspect(session.peer))
        session.detach()
        session.is_resumable = False
        session.link = Link(self._options.limits)
        self.deadline = min(self.deadline, session.deadline())

    # -- envelopes ----------------------------------------------------------------------------------

    def send(self, peer: Peer, messages: Sequence[bytes]) -> bool:
        """See `Transport.send`.

        Raises:
            MessageTooLarge: if one of them can never travel.
        """
        session = self.of(peer)
        if session is None or not session.is_resumable or not session.link.offer(messages):
            return False
        self._busy[peer.name] = session
        return True

    def ping(self, session: Session) -> None:
        """Ask for a sign of life."""
        if session.conn is not None:
            self._speak(session, PING)

    def flush_now(self, session: Session) -> None:
        """Send what the window lets through, and ask for its acknowledgement."""
        if session.conn is not None:
            self._pump(session, session.heard)
            self.ping(session)

    def envelope(self, conn: Conn, user: str, frame: bytes, now: float) -> None:
        """Take in a frame that is no handshake."""
        session = self._by_conn.get(conn)
        if session is None or session.user != user:
            self._desk.transmit(
                conn, encode_handshake(Reject(code="no-session", text="this connection has no session; say hello"))
            )
            return
        try:
            envelope = decode_envelope(frame)
            messages = session.link.receive(envelope)
        except WireError as error:
            # Sent again it would be no better: never resynchronise, start anew.
            logger.warning("the stream from %s is broken and starts anew: %s", session.peer, error)
            self.reset(session, "protocol error")
            return
        session.heard = now
        if session.is_suspect:
            self.tell_up(session, reset=False)
        if messages:
            self._received(session.peer, messages)
        if envelope.records:
            session.owes_ack(now)
            self.deadline = min(self.deadline, session.speak_deadline)
        if envelope.flags:
            self._flags(session, envelope)
        if session.link.has_unsent:
            self._busy[session.peer.name] = session

    def flush(self, now: float) -> None:
        """Pack what the windows let through."""
        if not self._busy:
            return
        busy, self._busy = self._busy, {}
        for session in busy.values():
            if session.conn is not None:
                self._pump(session, now)

    def sweep(self, now: float) -> Sequence[Conn]:
        """Do what time demands of every session.

        Returns:
            The connections that were given up, for the dialers.
        """
        if now < self.deadline:
            return ()
        given_up: list[Conn] = []
        for session in self.sessions():
            conn = session.conn
            self._serve(session, now)
            if conn is not None and session.conn is None:
                given_up.append(conn)
        self.deadline = min((session.deadline() for session in self._by_name.values()), default=math.inf)
        return given_up

    def _serve(self, session: Session, now: float) -> None:
        due = session.due(now)
        if due is Due.DOWN:
            # A peer whose head is silent may find the same head again; the head has fenced it by then, or not.
            # A node that was given up must not go on as if nothing had been; a client holds nothing of ours.
            fence = self._options.is_head and session.role == "node"
            self.end(session, f"silent for {now - session.heard:.1f} s", fence=fence)
            return
        if due is Due.STALE:
            self._desk.effects.append(Close(session.conn))
            self.lost(session.conn)
            return
        if due is Due.SUSPECT:
            session.is_suspect = True
            self._desk.events.append(PeerSuspect(session.peer, now - session.heard))
        if session.conn is not None and now >= session.speak_deadline:
            self._speak(session, 0)
            session.spoke(now)

    # -- within -------------------------------------------------------------------------------------

    def _received(self, peer: Peer, messages: list[bytes]) -> None:
        events = self._desk.events
        last = events[-1] if events else None
        if isinstance(last, Received) and last.peer == peer and isinstance(last.messages, list):
            last.messages.extend(messages)
        else:
            events.append(Received(peer, messages))

    def _flags(self, session: Session, envelope: Envelope) -> None:
        if envelope.flags & PING:
            self._speak(session, PONG)
        if envelope.flags & PONG:
            self.on_pong(session)

    def _pump(self, session: Session, now: float) -> None:
        link = session.link
        while (envelope := link.next_envelope()) is not None:
            self._desk.transmit(session.conn, encode_envelope(envelope))
            session.spoke(now)

    def _speak(self, session: Session, flags: int) -> None:
        self._desk.transmit(session.conn, encode_envelope(Envelope(0, session.link.take_ack(), [], flags)))

    def _unplug(self, session: Session) -> None:
        """Take its connection away."""
        if session.conn is not None:
            self._by_conn.pop(session.conn, None)
            self._desk.effects.append(Close(session.conn))
            session.link.disconnected()
            session.conn = None

    def _forget(self, session: Session) -> None:
        self._unplug(session)
        if self._by_name.get(session.peer.name) is session:
            del self._by_name[session.peer.name]
        self._busy.pop(session.peer.name, None)
