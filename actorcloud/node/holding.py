r"""What a node holds: jobs that wait here, jobs at workers, ends that the head has not answered.

::

    take -> waiting --hand--> at a worker --end--> done --answer--> forgotten
                ^                  |
                \-----return------/        never begun

Pure. Owned by the agent; after a kill -9 of the node all of it is gone with the workers, and the
head, whose records name this node, gives the jobs to others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Hashable, Iterable

from actorcloud.protocol.node import DoneItem, RunItem
from actorcloud.protocol.record import Fence, Outcome

#: Bytes of ends kept for the head; beyond, the node wants no more jobs.
DONE_LIMIT_BYTES = 64 * 1024 * 1024


class Holding:
    """Jobs by (ref, run)."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[Fence, RunItem] = OrderedDict()
        self.at_worker: dict[Fence, tuple[RunItem, Hashable]] = {}
        self.done: dict[Fence, DoneItem] = {}
        self._done_bytes = 0

    def __repr__(self) -> str:
        return f"<Holding {len(self.waiting)} waiting, {len(self.at_worker)} at workers, {len(self.done)} done>"

    @property
    def count(self) -> int:
        """How many jobs are held that have not ended."""
        return len(self.waiting) + len(self.at_worker)

    @property
    def is_full(self) -> bool:
        """Whether the ends that the head has not answered fill the memory allowed for them."""
        return self._done_bytes >= DONE_LIMIT_BYTES

    def __contains__(self, run: Fence) -> bool:
        return run in self.waiting or run in self.at_worker or run in self.done

    def take(self, items: Iterable[RunItem]) -> None:
        """Accept jobs; one that is held already is not taken twice."""
        for item in items:
            run = (item.ref, item.run)
            if run not in self:
                self.waiting[run] = item

    def hand(self, worker: Hashable, count: int, ready: Container[bytes]) -> tuple[RunItem, ...]:
        """Give up to `count` waiting jobs, in order, whose functions are `ready`, to a worker."""
        given: list[RunItem] = []
        held_back: list[tuple[Fence, RunItem]] = []
        while self.waiting and len(given) < count:
            run, item = self.waiting.popitem(last=False)
            if item.function in ready:
                self.at_worker[run] = (item, worker)
                given.append(item)
            else:
                held_back.append((run, item))
        for run, item in reversed(held_back):
            self.waiting[run] = item
            self.waiting.move_to_end(run, last=False)
        return tuple(given)

    def give_back(self, runs: Iterable[Fence]) -> None:
        """Let jobs that a worker did not begin wait again, before all others, in their order."""
        for run in reversed(tuple(runs)):
            entry = self.at_worker.pop(run, None)
            if entry is not None:
                self.waiting[run] = entry[0]
                self.waiting.move_to_end(run, last=False)

    def at(self, worker: Hashable) -> tuple[Fence, ...]:
        """Return the runs that were handed to a worker, in order."""
        return tuple(run for run, (_, holder) in self.at_worker.items() if holder == worker)

    def surplus(self, wanted: int) -> tuple[Fence, ...]:
        """Forget and return the last of those that wait, so that at most `wanted` are held."""
        count = len(self.waiting) + len(self.at_worker) - wanted
        return tuple(self.waiting.popitem()[0] for _ in range(min(max(count, 0), len(self.waiting))))

    def drop(self, run: Fence) -> None:
        """Forget a job that will not be run, or was killed by order."""
        self.waiting.pop(run, None)
        self.at_worker.pop(run, None)

    def end(self, item: DoneItem) -> bool:
        """Keep an end for the head; False if the job was not held (it was killed meanwhile)."""
        run = (item.ref, item.run)
        if self.at_worker.pop(run, None) is None:
            return False
        self._keep(item)
        return True

    def answered(self, runs: Iterable[Fence]) -> None:
        """Forget ends that the head has answered."""
        for run in runs:
            item = self.done.pop(run, None)
            if item is not None:
                self._done_bytes -= _weight(item)

    def held(self) -> tuple[Fence, ...]:
        """Return the runs not ended."""
        return (*self.waiting, *self.at_worker)

    def give_up(self) -> list[DoneItem]:
        """End all jobs that have not ended as lost, for the head to hear when it is back; return these ends."""
        lost = [DoneItem(ref, run, "lost", Outcome("failed")) for ref, run in self.held()]
        self.waiting.clear()
        self.at_worker.clear()
        for item in lost:
            self._keep(item)
        return lost

    def _keep(self, item: DoneItem) -> None:
        self.done[item.ref, item.run] = item
        self._done_bytes += _weight(item)


def _weight(item: DoneItem) -> int:
    return 256 + len(item.outcome.value) + len(item.outcome.output)
