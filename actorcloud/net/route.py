"""Admission: whether messages may be queued to a peer, decided in the sender's thread.

The link's outbox belongs to the I/O thread. A route counts what senders were promised, under a lock of
a few instructions, and compares with what the link has released, which only grows and is read without
one. So a full outbox is refused at once, and the I/O thread never has to refuse what was promised.

Messages wait in the route until the I/O thread takes them, all at once: one call for a burst of many.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Sequence

from actorcloud.base.ids import Peer
from actorcloud.net.link import Link, LinkLimits, cost


class Taken(enum.Enum):
    """What became of messages that were put into a route."""

    #: No room: none was taken.
    REFUSED = enum.auto()
    #: The route was empty: the I/O thread must be told.
    FIRST = enum.auto()
    #: Others wait before them, of which it was told.
    MORE = enum.auto()


class Route:
    """The way to one stream; a new one for each reset. Thread: any.

    Args:
        peer: at the other end.
        link: its stream.
        limits: the link's.
    """

    __slots__ = ("_limits", "_link", "_lock", "_taken_bytes", "_taken_records", "_waiting", "peer")

    def __init__(self, peer: Peer, link: Link, limits: LinkLimits) -> None:
        self.peer = peer
        self._link = link
        self._limits = limits
        self._lock = threading.Lock()  # guards what follows
        self._taken_bytes = 0
        self._taken_records = 0
        self._waiting: list[bytes] = []

    def put(self, messages: Sequence[bytes]) -> Taken:
        """Take `messages`, or none of them.

        Raises:
            MessageTooLarge: if one of them can never travel.
        """
        size, records = cost(messages, self._limits)
        with self._lock:
            if (
                self._taken_bytes - self._link.released_bytes + size > self._limits.outbox_bytes
                or self._taken_records - self._link.released_records + records > self._limits.outbox_records
            ):
                return Taken.REFUSED
            self._taken_bytes += size
            self._taken_records += records
            was_empty = not self._waiting
            self._waiting += messages
        return Taken.FIRST if was_empty else Taken.MORE

    def take(self) -> Sequence[bytes]:
        """Return all that waits, and forget it. Thread: the I/O thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting
