"""The head's half of the handshake: who says hello is let in, refused, or has to wait for a probe. Pure.

A second start of a peer whose first one still seems to live: a quick restart, or a copied
configuration? The old one is asked for a sign of life. If it answers, the new one is refused; if not,
it is replaced.

Reference: net-design 5.2, "duplicate node name".
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import msgspec

from actorcloud.base.ids import Peer
from actorcloud.net.effect import Close, Conn, Desk
from actorcloud.net.enrolment import Gate
from actorcloud.net.options import ReactorOptions
from actorcloud.net.session import Session
from actorcloud.net.table import Table
from actorcloud.net.throttle import Throttle
from actorcloud.protocol.handshake import Hello, Reject, Welcome, encode_handshake
from actorcloud.protocol.message import VERSION

logger = logging.getLogger("actorcloud.net")


class _Probe(msgspec.Struct, frozen=True):
    """A hello that waits until the old incarnation has answered, or not."""

    conn: Conn
    user: str
    hello: Hello
    deadline: float


class Greeter:
    """Answers hellos. Thread: its owner's only.

    Args:
        options: who we are.
        table: the sessions.
        desk: where effects go.
        gate: who may come in.
        on_admitted: told of each connection that got a session, perhaps long after its hello.
    """

    def __init__(
        self, options: ReactorOptions, table: Table, desk: Desk, gate: Gate, *, on_admitted: Callable[[Conn], None]
    ) -> None:
        self._options = options
        self._table = table
        self._desk = desk
        self._gate = gate
        self._on_admitted = on_admitted
        self._throttle = Throttle(logger)
        #: By name, so never more than there are sessions.
        self._probes: dict[str, _Probe] = {}
        table.on_pong = self._old_lives

    @property
    def deadline(self) -> float:
        """When `sweep` will next have something to do."""
        # Asked at each turn, and nearly always empty.
        return min(probe.deadline for probe in self._probes.values()) if self._probes else math.inf

    def hello(self, conn: Conn, user: str, hello: Hello, now: float) -> None:
        """Answer a hello, at once or when a probe has been answered, or not."""
        peer = Peer(hello.name, hello.incarnation)
        if refusal := self._refusal(peer, hello, user):
            text = f"refused {peer} ({user or 'not authenticated'}): {refusal.text} ({refusal.code})"
            # Whoever dials can cause these; each kind is logged once in a while.
            self._throttle.warning(now, refusal.code, text)
            self._refuse(conn, refusal)
            return
        session = self._table.named(hello.name)
        if session is not None and session.peer != peer and session.conn is not None and not session.is_suspect:
            self._probe(conn, user, hello, now)
            self._table.ping(session)
            return
        self._admit(conn, user, hello, now)

    def lost(self, now: float) -> None:
        """Connections were lost: where one was an old incarnation's, the new one is admitted at once."""
        for name in tuple(self._probes):
            session = self._table.named(name)
            if session is None or session.conn is None:
                self._settle(name, now)

    def sweep(self, now: float) -> None:
        """Replace the old incarnations that did not answer."""
        for name, probe in tuple(self._probes.items()):
            if now >= probe.deadline:
                self._settle(name, now)

    def _probe(self, conn: Conn, user: str, hello: Hello, now: float) -> None:
        older = self._probes.get(hello.name)
        deadline = now + self._options.timing.probe
        if older is not None and older.hello.incarnation == hello.incarnation:
            # The same one knocks again: its patience may be shorter than the probe.
            deadline = older.deadline
        self._probes[hello.name] = _Probe(conn, user, hello, deadline)

    def _settle(self, name: str, now: float) -> None:
        probe = self._probes.pop(name)
        self._admit(probe.conn, probe.user, probe.hello, now)

    def _old_lives(self, session: Session) -> None:
        probe = self._probes.pop(session.peer.name, None)
        if probe is None:
            return
        text = f"another process named {session.peer.name} is connected; stop it, or give this one another --name"
        # It knocks again and again; the time is that of this knock.
        asked_at = probe.deadline - self._options.timing.probe
        line = f"refused a second start of {session.peer.name}: the first one lives"
        self._throttle.warning(asked_at, "second start", line)
        self._refuse(probe.conn, Reject(code="name-taken", text=text, retry_after=5.0))

    def _refusal(self, peer: Peer, hello: Hello, user: str) -> Reject | None:
        lowest, highest = hello.proto
        if not lowest <= VERSION <= highest:
            text = f"this head speaks protocol {VERSION}, the peer {lowest} to {highest}; upgrade the older one"
            return Reject(code="proto", text=text)
        if hello.name == self._options.name:
            return Reject(code="name-taken", text=f"{hello.name} is the head's own name; choose another")
        if refusal := self._gate.judge(hello, user):
            return refusal
        if self._table.is_fenced(peer):
            text = f"this start of {peer.name} was declared down; it must start anew (a new incarnation)"
            return Reject(code="fenced", text=text)
        return None

    def _refuse(self, conn: Conn, refusal: Reject) -> None:
        self._desk.transmit(conn, encode_handshake(refusal))
        self._desk.effects.append(Close(conn))

    def _admit(self, conn: Conn, user: str, hello: Hello, now: float) -> None:
        peer = Peer(hello.name, hello.incarnation)
        session = self._table.of(peer)
        is_resumed = (
            session is not None
            and session.is_resumable
            and hello.head_incarnation == self._options.incarnation
            and session.link.can_resume(hello.rx)
        )
        if session is None or not is_resumed:
            session = self._table.begin(peer, hello.role, self._options.timing)
        else:
            session.link.resume(hello.rx)
        session.facts = hello.facts
        session.user = user
        self._table.attach(session, conn, now)
        welcome = Welcome(
            proto=VERSION,
            name=self._options.name,
            incarnation=self._options.incarnation,
            rx=session.link.take_ack(),
            resume=is_resumed,
            node_timeout=self._options.node_timeout,
            facts=self._options.facts,
        )
        self._desk.transmit(conn, encode_handshake(welcome))
        self._on_admitted(conn)
        self._table.tell_up(session, reset=not is_resumed)
