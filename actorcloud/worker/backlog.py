"""Jobs that this worker was given and has not begun.

Taking the next one and giving some back are one step each, under one lock: a job is begun here, or
revoked, never both (design 6.1, rule 13).

Thread: the reader adds and revokes, the main thread takes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence

from actorcloud.protocol.node import RunItem
from actorcloud.protocol.record import Fence


class Backlog:
    """A queue whose entries can be taken back. Bounded by the credit that the agent grants itself."""

    def __init__(self) -> None:
        self._items: deque[RunItem] = deque()
        self._lock = threading.Lock()  # guards what follows
        self._closed = False
        self._is_taker_asleep = False
        #: Released to wake who takes; a bare lock costs a third of a condition, and this is done for every job.
        self._filled = threading.Lock()
        self._filled.acquire()

    def add(self, items: Sequence[RunItem]) -> list[Fence]:
        """Queue jobs; returns those that will not be begun, because this worker has begun its last."""
        with self._lock:
            if self._closed:
                return [fence_of(item) for item in items]
            self._items.extend(items)
            is_asleep, self._is_taker_asleep = self._is_taker_asleep, False
        if is_asleep:
            self._filled.release()
        return []

    def take(self) -> RunItem:
        """Return the next job. Blocks: until there is one."""
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                self._is_taker_asleep = True
            self._filled.acquire()

    def revoke(self, runs: Iterable[Fence]) -> list[Fence]:
        """Give back what has not begun of these runs."""
        wanted = set(runs)
        with self._lock:
            given_back = [fence_of(item) for item in self._items if fence_of(item) in wanted]
            if given_back:
                self._items = deque(item for item in self._items if fence_of(item) not in wanted)
            return given_back

    def close(self) -> list[Fence]:
        """Begin nothing more; returns what was queued."""
        with self._lock:
            self._closed = True
            given_back = [fence_of(item) for item in self._items]
            self._items.clear()
            return given_back

    def __len__(self) -> int:
        return len(self._items)


def fence_of(item: RunItem) -> Fence:
    """Return the stamp of a run."""
    return item.ref, item.run
