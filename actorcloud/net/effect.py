"""What the pure half of `net` asks its shell to do; and what a shell calls a connection.

The shell is the reactor, with sockets, or `actorcloud.testing`'s network, with memory.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec

from actorcloud.base.ports import TransportEvent

#: A connection: an int for those that `Open` made, whatever the shell likes for those it accepted.
Conn = Hashable


class Transmit(msgspec.Struct, frozen=True, gc=False):
    """Put `frame` on the connection, in order; if that is impossible, report the connection lost."""

    conn: Conn
    frame: bytes


class Open(msgspec.Struct, frozen=True):
    """Try once to connect to `endpoint`; report `opened(conn)` or `lost(conn, ...)`."""

    conn: int
    endpoint: str
    #: Bind there and wait until the head comes, instead of dialling.
    is_listening: bool


class Close(msgspec.Struct, frozen=True):
    """Close the connection, after what was put on it; nothing about it is reported any more."""

    conn: Conn


Effect = Transmit | Open | Close


class Desk:
    """Collects effects and events until the shell takes them. Pure.

    Args:
        first_conn: the first number given to a dialled connection.
    """

    def __init__(self, first_conn: int = 1) -> None:
        self.effects: list[Effect] = []
        self.events: list[TransportEvent] = []
        self._next_conn = first_conn

    def new_conn(self) -> int:
        """Return a number for a connection to be opened."""
        self._next_conn += 1
        return self._next_conn - 1

    def transmit(self, conn: Conn, frame: bytes) -> None:
        """Ask for a `Transmit`."""
        self.effects.append(Transmit(conn, frame))

    def take_effects(self) -> list[Effect]:
        """Return what is to be done, and forget it."""
        effects, self.effects = self.effects, []
        return effects

    def take_events(self) -> list[TransportEvent]:
        """Return what is to be told, and forget it."""
        events, self.events = self.events, []
        return events


#: Returns a float in [0, 1).
Uniform = Callable[[], float]
