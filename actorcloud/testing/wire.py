"""One simulated connection: bytes in order, an end that comes late or never, like TCP's.

Thread: the simulation's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Protocol

from actorcloud.net import Conn


class End(Protocol):
    """One of the two transports on a wire."""

    @property
    def name(self) -> str:
        """Of the peer."""
        ...

    def arrived(self, conn: Conn, frame: bytes) -> None:
        """A frame came in."""
        ...

    def lost(self, conn: Conn) -> None:
        """The connection is gone."""
        ...


class Air(Protocol):
    """What a wire passes through: the network."""

    def delay(self) -> float:
        """Return the time at which something sent now arrives."""
        ...

    def at(self, due: float, function: Callable[[], None]) -> None:
        """Call `function` at `due`."""
        ...

    def later(self, function: Callable[[], None]) -> float:
        """Call `function` after one random delay; returns when that is."""
        ...

    def is_partitioned(self, a: End, b: End) -> bool:
        """Tell whether nothing passes between the two."""
        ...

    def forget(self, wire: Wire) -> None:
        """A wire is of no use to either end any more."""
        ...


class Wire:
    """One connection between two transports: two queues, each in order. None in a queue is its end."""

    def __init__(self, air: Air, ends: tuple[End, End], conns: tuple[Conn, Conn]) -> None:
        self.ends = ends
        self._air = air
        self._conns = conns
        #: By receiving end: (due, frame).
        self._queues: tuple[deque[tuple[float, bytes | None]], deque[tuple[float, bytes | None]]] = (deque(), deque())
        self._is_snapped = False

    def put(self, source: End, frame: bytes | None) -> None:
        """`source` sends a frame, or closes its end."""
        if self._is_snapped:
            return
        end = 1 if source is self.ends[0] else 0
        queue = self._queues[end]
        due = max(self._air.delay(), queue[-1][0] if queue else 0.0)
        queue.append((due, frame))
        self._air.at(due, lambda: self._deliver(end, due))

    def snap(self) -> None:
        """Lose what is in flight, and let both ends learn of it, each in its time."""
        if not self._is_snapped:
            self._is_snapped = True
            self._air.forget(self)
            for queue in self._queues:
                queue.clear()
            for end, conn in zip(self.ends, self._conns, strict=True):
                self._air.later(lambda end=end, conn=conn: end.lost(conn))  # type: ignore[misc]  # mypy cannot see lambda defaults

    def move(self) -> None:
        """A partition was healed: what has waited arrives now."""
        for end in (0, 1):
            if self._queues[end]:
                self._air.later(lambda end=end: self._deliver(end, float("inf")))  # type: ignore[misc]  # as above

    def _deliver(self, end: int, up_to: float) -> None:
        queue = self._queues[end]
        while queue and queue[0][0] <= up_to and not self._is_snapped:
            if self._air.is_partitioned(*self.ends):
                return
            _, frame = queue.popleft()
            if frame is None:
                self._is_snapped = True
                self._air.forget(self)
                self.ends[end].lost(self._conns[end])
            else:
                self.ends[end].arrived(self._conns[end], frame)
