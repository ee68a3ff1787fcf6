"""Which queued job goes to which node: pure, no clock, no I/O.

A node says how many jobs it wants to hold (its capacity); what it holds is known here by reference,
so that freeing is idempotent and a credit is neither lost nor made twice. Jobs go in queue order to
the least loaded node. Re-queued jobs go before new ones. A job that must go alone waits for a node
that is kept empty for it, and has it to itself as long as another node takes ordinary jobs: it may be
waiting for one of them.

Owned by the scheduler. After a kill -9 of the head it is made anew from the records and the nodes'
inventories.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable

#: A placed job: (ref, node).
Assignment = tuple[bytes, str]


class Seat:
    """What is known of one node."""

    __slots__ = ("alone", "capacity", "held", "is_open", "reserved", "slots")

    def __init__(self, slots: int, capacity: int) -> None:
        self.slots = slots
        self.capacity = capacity
        self.held: set[bytes] = set()
        #: Takes new jobs; False while the node does not answer.
        self.is_open = True
        #: Kept for the jobs that go alone.
        self.reserved = False
        #: The job that has this node to itself, while it is held.
        self.alone: bytes | None = None

    @property
    def load(self) -> float:
        """Jobs held for each worker."""
        return len(self.held) / max(self.slots, 1)

    @property
    def has_room(self) -> bool:
        """Whether an ordinary job may be placed here."""
        return self.is_open and not self.reserved and len(self.held) < self.capacity


class Placement:
    """The queue and the seats."""

    def __init__(self) -> None:
        self.seats: dict[str, Seat] = {}
        self._where: dict[bytes, str] = {}
        self._again: OrderedDict[bytes, None] = OrderedDict()
        self._fresh: OrderedDict[bytes, None] = OrderedDict()
        self._alone: OrderedDict[bytes, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Placement {self.queued} queued, {len(self._where)} placed on {len(self.seats)} nodes>"

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return len(self._again) + len(self._fresh) + len(self._alone)

    def where(self, ref: bytes) -> str | None:
        """Return the node on which a job was placed, or None."""
        return self._where.get(ref)

    # -- jobs -------------------------------------------------------------------------------------

    def enqueue(self, refs: Iterable[bytes], *, again: bool = False, alone: bool = False) -> None:
        """Let these wait: at the end, or with `again` before all new ones. A placed job is freed first."""
        queue = self._alone if alone else self._again if again else self._fresh
        for ref in refs:
            self.withdraw(ref)
            queue[ref] = None

    def withdraw(self, ref: bytes) -> None:
        """Forget a job, queued or placed; unknown ones are ignored."""
        for queue in (self._fresh, self._again, self._alone):
            if ref in queue:
                del queue[ref]
                return
        node = self._where.pop(ref, None)
        if node is not None:
            self.seats[node].held.discard(ref)

    def adopt(self, ref: bytes, node: str) -> None:
        """Note that `node` holds this job already."""
        self.withdraw(ref)
        if node in self.seats:
            self.seats[node].held.add(ref)
            self._where[ref] = node

    # -- nodes ------------------------------------------------------------------------------------

    def seat(self, node: str, slots: int, capacity: int) -> None:
        """Add a node that holds nothing yet; it takes jobs from now on."""
        self.seats[node] = Seat(slots, capacity)

    def resize(self, node: str, capacity: int) -> None:
        """Let a node hold this many; what it holds beyond stays."""
        if node in self.seats:
            self.seats[node].capacity = capacity

    def open(self, node: str) -> None:
        """Place jobs on this node again."""
        if node in self.seats:
            self.seats[node].is_open = True

    def close(self, node: str) -> None:
        """Place no more jobs on this node; it keeps what it holds."""
        if node in self.seats:
            self.seats[node].is_open = False

    def remove(self, node: str) -> None:
        """Forget a node and what it held; the manager says what becomes of those jobs."""
        seat = self.seats.pop(node, None)
        for ref in seat.held if seat else ():
            self._where.pop(ref, None)

    # -- the decision -----------------------------------------------------------------------------

    def assign(self) -> list[Assignment]:
        """Place as many queued jobs as there is room for, and return them in queue order."""
        placed = self._assign_alone()
        if not self._again and not self._fresh:
            return placed
        room = [(seat.load, name) for name, seat in self.seats.items() if seat.has_room]
        heapq.heapify(room)
        while room and (queue := self._again or self._fresh):
            name = room[0][1]
            ref, _ = queue.popitem(last=False)
            placed.append(self._put(ref, name))
            seat = self.seats[name]
            if seat.has_room:
                heapq.heapreplace(room, (seat.load, name))
            else:
                heapq.heappop(room)
        return placed

    def _assign_alone(self) -> list[Assignment]:
        placed: list[Assignment] = []
        for seat in self.seats.values():
            if seat.alone not in seat.held:
                seat.alone = None
        if not self._alone:
            self._release()
        while self._alone:
            seats = {name: seat for name, seat in self.seats.items() if seat.is_open and seat.capacity > 0}
            free = next((name for name, seat in seats.items() if not seat.held), None)
            if free is None:
                self._reserve(seats)
                return placed
            self._release()
            taken = sum(seat.alone is not None for seat in seats.values())
            if taken and taken + 1 >= len(seats):
                # One node stays for the others: such a job may be waiting for one of them.
                return placed
            ref, _ = self._alone.popitem(last=False)
            self.seats[free].alone = ref
            self._release()
            placed.append(self._put(ref, free))
        return placed

    def _release(self) -> None:
        """Let the nodes that run empty take jobs again, and those that run a job alone, if there is no other."""
        others = sum(seat.is_open and seat.capacity > 0 and seat.alone is None for seat in self.seats.values())
        for seat in self.seats.values():
            seat.reserved = seat.alone is not None and others > 0

    def _reserve(self, seats: dict[str, Seat]) -> None:
        # One node at a time runs empty, so that the others go on with ordinary work.
        self._release()
        ordinary = [seat for seat in seats.values() if seat.alone is None]
        if ordinary and not any(seat.reserved for seat in seats.values()):
            min(ordinary, key=lambda seat: len(seat.held)).reserved = True

    def _put(self, ref: bytes, node: str) -> Assignment:
        self.seats[node].held.add(ref)
        self._where[ref] = node
        return ref, node
