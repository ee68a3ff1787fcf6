"""The crew: as many worker processes as the node has slots, each behind its port.

A job that waits for another one's result lends its slot: another worker runs meanwhile, so that
nested jobs do not wait for each other for ever.

A dead worker is replaced at once; workers that die before they can take work are replaced with a
growing pause, so that a machine that cannot start processes is not kept busy trying.

Owned by the agent, which tells it what it hears of the ports.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from actorcloud.actor import ActorRef
from actorcloud.node.pace import MESSAGE_LIMIT

#: Seconds before the first replacement of a worker that could not start, doubled each time.
PAUSE_FIRST = 0.1

#: The longest of these pauses.
PAUSE_LIMIT = 10.0

#: Workers beyond the slots, for each slot, while jobs wait for other jobs: so deep may jobs nest.
LENT_LIMIT = 8

#: Starts the port of the worker of this number, after this many seconds; does not block.
StartPort = Callable[[int, float], None]

logger = logging.getLogger("actorcloud.node")


class Crew:
    """The ports that can take work, and how much each has.

    Args:
        slots: worker processes.
        start_port: starts one; its port says `Ready`.
    """

    def __init__(self, slots: int, start_port: StartPort) -> None:
        self.slots = slots
        self._start_port = start_port
        self._busy: dict[ActorRef[Any], int] = {}
        #: Workers whose job waits for another job: another worker may run meanwhile.
        self._lent: set[ActorRef[Any]] = set()
        #: Workers that begin nothing more.
        self._spent: set[ActorRef[Any]] = set()
        #: Workers that were told to end.
        self._dismissed: set[ActorRef[Any]] = set()
        self._alive = 0
        self._count = 0
        self._failures = 0

    def __repr__(self) -> str:
        return f"<Crew {len(self._busy)} of {self.slots} workers ready>"

    @property
    def wanted(self) -> int:
        """How many workers there are to be: one for each slot, and for each that was lent."""
        return self.slots + min(len(self._lent), self.slots * LENT_LIMIT)

    @property
    def is_busy(self) -> bool:
        """Whether no worker is without work."""
        return all(self._busy.values())

    @property
    def load(self) -> int:
        """How many jobs the workers have."""
        return sum(self._busy.values())

    def begin(self) -> None:
        """Start all workers."""
        for _ in range(self.slots):
            self._start(0.0)

    def ready(self, port: ActorRef[Any]) -> None:
        """A worker can take work."""
        self._failures = 0
        self._busy[port] = 0

    def handed(self, port: ActorRef[Any], jobs: int) -> None:
        """A worker was given work."""
        if port in self._busy:
            self._busy[port] += jobs

    def finished(self, port: ActorRef[Any], jobs: int = 1) -> None:
        """A worker has done some of it."""
        if port in self._busy:
            self._busy[port] -= jobs

    def gone(self, port: ActorRef[Any], why: str) -> None:
        """A worker is dead: start another, if it is wanted."""
        self._alive -= 1
        self._lent.discard(port)
        self._spent.discard(port)
        if port in self._dismissed:
            self._dismissed.discard(port)
            return
        if self._busy.pop(port, None) is not None:
            self._fill()
            return
        pause = min(PAUSE_FIRST * 2**self._failures, PAUSE_LIMIT)
        self._failures += 1
        logger.error("a worker process could not start (%s); the next try is in %g s", why, pause)
        self._start(pause)

    def spend(self, port: ActorRef[Any]) -> None:
        """This worker is on its way out: it gets no more work."""
        self._spent.add(port)

    def spend_all(self) -> None:
        """All workers are on their way out."""
        self._spent.update(self._busy)

    def lend(self, port: ActorRef[Any]) -> None:
        """The job of this worker waits for another one: its slot is another worker's meanwhile."""
        if port in self._busy:
            self._lent.add(port)
            self._fill()

    def reclaim(self, port: ActorRef[Any]) -> None:
        """The job of this worker goes on."""
        self._lent.discard(port)

    def dismiss(self) -> list[ActorRef[Any]]:
        """Give no more work to those without work that are not wanted any more, and return them."""
        count = self._staying - self.wanted
        idle = [port for port, jobs in self._busy.items() if jobs == 0] if count > 0 else []
        for port in idle[:count]:
            del self._busy[port]
            self._dismissed.add(port)
        return idle[:count]

    def free(self, batch: int) -> list[tuple[ActorRef[Any], int]]:
        """Return the workers that want work, the idlest first, and how many jobs each."""
        batch = min(batch, MESSAGE_LIMIT)
        # A worker gets its next batch while it does the second half of the last one.
        wanting = [
            (jobs, port)
            for port, jobs in self._busy.items()
            if jobs <= batch // 2 and jobs < batch and port not in self._lent and port not in self._spent
        ]
        wanting.sort(key=lambda entry: entry[0])
        return [(port, batch - jobs) for jobs, port in wanting]

    def tell_all(self, message: object) -> None:
        """Tell every port."""
        for port in self._busy:
            port.tell(message)

    @property
    def _staying(self) -> int:
        return self._alive - len(self._dismissed)

    def _fill(self) -> None:
        if self._staying < self.wanted:
            self._start(0.0)

    def _start(self, pause: float) -> None:
        self._count += 1
        self._alive += 1
        self._start_port(self._count, pause)
