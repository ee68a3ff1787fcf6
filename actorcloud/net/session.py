"""A session: the stream to one incarnation of one peer, and whether that peer still lives. Pure.

It outlives connections; at any time it has one or none.

::

            hello                     silence > t/5, or connection lost
    (none) -------> up ----------------------------------------------> suspect
                     ^                                                    |
                     +---- heard again, or resumed on a new connection ---+
                                                                          | lease over, replaced, goodbye
                                                                          v
                                                                        (none)

Reference: net-design 4.4, 5.1.
"""

from __future__ import annotations

import enum

from actorcloud.base.ids import Peer
from actorcloud.net.effect import Conn
from actorcloud.net.link import Link
from actorcloud.net.options import Timing


class Due(enum.Enum):
    """What time it is for a session."""

    NOTHING = enum.auto()
    #: Send an envelope, be it empty.
    SPEAK = enum.auto()
    #: It has been silent for too long.
    SUSPECT = enum.auto()
    #: Its connection has been silent for so long that it is of no use; a new one may be.
    STALE = enum.auto()
    #: Its lease is over.
    DOWN = enum.auto()


class Session:
    """What is known about one incarnation of a peer. Thread: its owner's only."""

    __slots__ = (
        "_lease",
        "conn",
        "facts",
        "heard",
        "is_resumable",
        "is_suspect",
        "link",
        "peer",
        "role",
        "speak_deadline",
        "timing",
        "user",
    )

    def __init__(self, peer: Peer, role: str, link: Link, timing: Timing, *, is_head: bool) -> None:
        self.peer = peer
        self.role = role
        self.link = link
        self.timing = timing
        self.facts: dict[str, str] = {}
        #: As whom the peer's connection was authenticated; checked with every frame.
        self.user = ""
        self.conn: Conn | None = None
        self.is_suspect = False
        #: False after `reset`: nothing is taken for it and nothing resumed.
        self.is_resumable = True
        #: Monotonic seconds.
        self.heard = 0.0
        self.speak_deadline = 0.0
        self._lease = timing.lease(is_head=is_head)

    def __repr__(self) -> str:
        state = "suspect" if self.is_suspect else "up"
        return f"<Session {self.peer} {state} conn={self.conn!r} rx={self.link.rx}>"

    def attach(self, conn: Conn, now: float) -> None:
        """The peer speaks to us on `conn` from now on."""
        self.conn = conn
        self.heard = now
        self.speak_deadline = now + self.timing.tick

    def detach(self) -> None:
        """Its connection is gone."""
        self.conn = None
        self.is_suspect = True
        self.link.disconnected()

    def spoke(self, now: float) -> None:
        """We have sent it an envelope."""
        self.speak_deadline = now + self.timing.tick

    def owes_ack(self, now: float) -> None:
        """Records came in: answer soon, at once if its window gets full."""
        delay = 0.0 if self.link.is_ack_urgent else self.timing.ack_delay
        self.speak_deadline = min(self.speak_deadline, now + delay)

    def due(self, now: float) -> Due:
        """Tell what time it is."""
        if now >= self.heard + self._lease:
            return Due.DOWN
        if self.conn is not None and now >= self._stale_deadline:
            return Due.STALE
        if not self.is_suspect and now >= self.heard + self.timing.suspect:
            return Due.SUSPECT
        if self.conn is not None and now >= self.speak_deadline:
            return Due.SPEAK
        return Due.NOTHING

    def deadline(self) -> float:
        """Return when `due` will next say something."""
        deadline = self.heard + (self._lease if self.is_suspect else self.timing.suspect)
        if self.conn is None:
            return deadline
        return min(deadline, self.speak_deadline, self._stale_deadline)

    @property
    def _stale_deadline(self) -> float:
        return self.heard + self.timing.heartbeat_timeout
