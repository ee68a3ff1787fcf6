"""Fairness: who has conflicted often gets a turn in which others do not write where it reads.

Pure. One key that all want is won by whoever is quickest, and some transaction may lose again and
again. After a few conflicts its commits say `ticket`; then::

    conflict --> in the queue --> holds: its footprint is reserved --> committed, or time is over
                     |                         |
    its commits      parked                    judged at once
    those of others  judged                    parked, if they write into the footprint, until the turn ends

Tickets are given in order. All that a turn needs is reserved at once or not at all, so none waits for
another in a circle. A parked commit is not refused: it is judged when the turn ends, or after
`PARK_SECONDS`. Whether a commit counts is decided by the validation alone: a turn that ends too
early, as its holder is slow or dead, costs time and nothing else.

Reference: store-design 2.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from actorcloud.protocol.transaction import Commit, Conflict

#: Seconds that a turn lasts, as a multiple of what one attempt takes: one to read, one to commit.
HOLD_FACTOR = 2.0

#: Seconds of the shortest turn: a pause of the interpreter is not to end it.
HOLD_LEAST = 0.05

#: Seconds after which a turn is over, whatever its holder says.
HOLD_MOST = 1.0

#: Turns at a time, of footprints that have no key in common.
HOLDERS_LIMIT = 64

#: Transactions that wait for their turn; more go on as if there were no tickets.
QUEUE_LIMIT = 256

#: Keys and ranges of a footprint; a transaction with more gets no ticket.
FOOTPRINT_LIMIT = 100

#: Commits that are parked; more are judged at once.
PARKED_LIMIT = 1_000

#: Seconds after which a parked commit is judged all the same.
PARK_SECONDS = 2.0


class Parkable(Protocol):
    """What can be parked: a request of the sequencer."""

    @property
    def body(self) -> Any:  # noqa: ANN401  a Commit, where it matters
        """What is asked."""
        ...


class Footprint(NamedTuple):
    """What a transaction reads and writes."""

    keys: frozenset[bytes]
    #: lo <= key < hi.
    ranges: tuple[tuple[bytes, bytes], ...] = ()

    def has(self, key: bytes) -> bool:
        """Tell whether a key is in it."""
        return key in self.keys or any(lo <= key < hi for lo, hi in self.ranges)

    @property
    def size(self) -> int:
        """Keys and ranges."""
        return len(self.keys) + len(self.ranges)


class _Taken:
    """Footprints together."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()
        self._ranges: list[tuple[bytes, bytes]] = []

    def add(self, footprint: Footprint) -> None:
        self._keys |= footprint.keys
        self._ranges += footprint.ranges

    def meets(self, footprint: Footprint) -> bool:
        """Tell whether a key is in both."""
        return (
            not self._keys.isdisjoint(footprint.keys)
            or any(lo <= key < hi for lo, hi in footprint.ranges for key in self._keys)
            or any(lo <= key < hi for lo, hi in self._ranges for key in footprint.keys)
            or any(lo < end and start < hi for lo, hi in self._ranges for start, end in footprint.ranges)
        )


class _Ticket:
    """A transaction in the queue; with `until` it holds."""

    def __init__(self, footprint: Footprint, seconds: float) -> None:
        self.footprint = footprint
        self.seconds = seconds
        self.until: float | None = None
        self.ends = 0.0


class _Parked(NamedTuple):
    request: Parkable
    until: float
    #: The turn that it waits for to end.
    behind: bytes


class Tickets:
    """See the module. Owned by the store actor."""

    def __init__(self) -> None:
        #: In the order of their coming, holders included.
        self._queue: dict[bytes, _Ticket] = {}
        self._holders: dict[bytes, _Ticket] = {}
        self._parked: list[_Parked] = []

    def __len__(self) -> int:
        return len(self._queue)

    def __repr__(self) -> str:
        return f"<Tickets: {len(self._queue)}, {len(self._holders)} hold, {len(self._parked)} parked>"

    @property
    def parked(self) -> int:
        """How many commits are parked."""
        return len(self._parked)

    @property
    def holders(self) -> int:
        """How many turns there are just now."""
        return len(self._holders)

    @property
    def due(self) -> float | None:
        """When `expire` is to be called next, in seconds of the clock; None: nothing is reserved or parked."""
        moments = [ticket.until for ticket in self._holders.values() if ticket.until is not None]
        moments += [parked.until for parked in self._parked]
        return min(moments, default=None)

    def admits(self, request: Parkable, now: float) -> bool:
        """Tell whether a commit is to be judged now; if not, it is parked here.

        Args:
            request: for a checked commit.
            now: seconds that never go back.
        """
        if not self._holders:
            return True
        commit: Commit = request.body
        behind = None if commit.txn in self._holders else self._holder_of(commit)
        if behind is None or len(self._parked) >= PARKED_LIMIT:
            return True
        if commit.ticket is not None:
            self._enqueue(commit)
        self._parked.append(_Parked(request, now + PARK_SECONDS, behind))
        return False

    def told(self, commit: Commit, verdict: object, now: float) -> bool:
        """Take note of what is told about a commit; tells whether its transaction has a ticket."""
        if not isinstance(verdict, Conflict):
            self.end(commit.txn, now)
            return False
        if verdict.unmet:
            # It waits for what others are to do: a turn would keep them from it.
            self.end(commit.txn, now)
        if commit.ticket is None or verdict.unmet:
            return False
        ticket = self._holders.get(commit.txn)
        if ticket is not None:
            self._renew(ticket, footprint_of(commit), now)
        elif self._enqueue(commit):
            self._grant(now)
        return commit.txn in self._queue

    def end(self, txn: bytes, now: float) -> None:
        """The transaction has ended, well or not."""
        if self._queue.pop(txn, None) is not None:
            self._holders.pop(txn, None)
            self._grant(now)

    def expire(self, now: float) -> None:
        """End the turns whose time is over."""
        for txn, ticket in list(self._holders.items()):
            if ticket.until is not None and ticket.until <= now:
                self.end(txn, now)

    def take_released(self, now: float) -> list[Parkable]:
        """Return the parked commits that are to be judged now: those of others first, then those whose turn it is."""
        if not self._parked:
            return []
        others, mine, rest = [], [], []
        for parked in self._parked:
            txn = parked.request.body.txn
            if txn in self._holders:
                mine.append(parked.request)
            elif parked.until <= now or (parked.behind not in self._holders and txn not in self._queue):
                others.append(parked.request)
            else:
                rest.append(parked)
        self._parked = rest
        return others + mine

    def _enqueue(self, commit: Commit) -> bool:
        """Give a ticket, where there is room; tells whether it is a new one."""
        known, footprint = self._queue.get(commit.txn), footprint_of(commit)
        if footprint.size > FOOTPRINT_LIMIT:
            return False
        if known is not None:
            known.footprint = footprint
        elif len(self._queue) < QUEUE_LIMIT:
            self._queue[commit.txn] = _Ticket(footprint, _seconds(commit.ticket))
            return True
        return False

    def _grant(self, now: float) -> None:
        """Give turns, in order, to those whose whole footprint is free."""
        taken = _Taken()
        for ticket in self._holders.values():
            taken.add(ticket.footprint)
        for txn, ticket in self._queue.items():
            if len(self._holders) >= HOLDERS_LIMIT:
                return
            if ticket.until is None:
                if not taken.meets(ticket.footprint):
                    ticket.until, ticket.ends = now + ticket.seconds, now + HOLD_MOST
                    self._holders[txn] = ticket
                # One that waits keeps its place before those behind it.
                taken.add(ticket.footprint)

    def _renew(self, ticket: _Ticket, footprint: Footprint, now: float) -> None:
        ticket.until = min(now + ticket.seconds, ticket.ends)
        taken = _Taken()
        for other in self._holders.values():
            if other is not ticket:
                taken.add(other.footprint)
        if footprint.size <= FOOTPRINT_LIMIT and not taken.meets(footprint):
            ticket.footprint = footprint

    def _holder_of(self, commit: Commit) -> bytes | None:
        for txn, ticket in self._holders.items():
            if any(ticket.footprint.has(key) for key in _written(commit)):
                return txn
        return None


def footprint_of(commit: Commit) -> Footprint:
    """Return what a commit has read and would write."""
    keys = frozenset((*(read[0] for read in commit.reads), *_written(commit)))
    return Footprint(keys, tuple((entry.lo, entry.hi) for entry in commit.ranges))


def _written(commit: Commit) -> Iterator[bytes]:
    yield from (write[0] for write in commit.writes)
    yield from (atomic.key for atomic in commit.atomics)


def _seconds(pace: float | None) -> float:
    # Whatever a peer says, also NaN.
    if pace is None or not 0.0 <= pace <= HOLD_MOST:
        return HOLD_MOST
    return min(max(HOLD_FACTOR * pace, HOLD_LEAST), HOLD_MOST)
