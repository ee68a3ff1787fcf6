"""What waits to be judged: in the order of its coming, but for what is parked behind somebody's turn.

Pure. A thin layer of `Tickets` under the queue of requests: without tickets it is that queue.

Reference: store-design 2.6.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import cast

import msgspec

from actorcloud.protocol.transaction import Commit
from actorcloud.store.sequencer import Answer, Request
from actorcloud.store.tickets import Tickets


class Intake:
    """See the module. Owned by the store actor; all times are seconds that never go back."""

    def __init__(self) -> None:
        self.tickets = Tickets()
        self._pending: deque[Request] = deque()
        #: Were parked, and are judged next.
        self._unparked: deque[Request] = deque()

    def __len__(self) -> int:
        return len(self._pending) + len(self._unparked) + self.tickets.parked

    def append(self, request: Request) -> None:
        """Take in a request."""
        self._pending.append(request)

    def put_back(self, requests: Iterable[Request]) -> None:
        """Take requests back that are to be judged again, before all others."""
        self._pending.extendleft(requests)

    def take(self, room: int, now: float) -> list[Request]:
        """Return at most `room` requests to judge now."""
        if not (self.tickets or self._unparked):
            return [self._pending.popleft() for _ in range(min(len(self._pending), room))]
        self._release(now)
        requests = [self._unparked.popleft() for _ in range(min(len(self._unparked), room))]
        while self._pending and len(requests) < room:
            request = self._pending.popleft()
            if not isinstance(request.body, Commit) or self.tickets.admits(request, now):
                requests.append(request)
        return requests

    def told(self, commit: Commit, verdict: Answer, now: float) -> Answer:
        """Take note of what is told about a commit; return it, with word of a ticket.

        Not needed where the commit asks for none and there are none.
        """
        has_ticket = self.tickets.told(commit, verdict, now)
        return msgspec.structs.replace(verdict, has_ticket=True) if has_ticket else verdict  # type: ignore[type-var]

    def end(self, txn: bytes, now: float) -> None:
        """A transaction needs its turn no more."""
        self.tickets.end(txn, now)

    def look(self, now: float) -> None:
        """End the turns that are over."""
        self.tickets.expire(now)

    def due(self, now: float, room: int) -> float | None:
        """Return when `look` and then `take` are to be called; None: not before something comes, or lands."""
        if not (self.tickets or self.tickets.parked or self._unparked):
            return None
        self._release(now)
        return now if self._unparked and room > 0 else self.tickets.due

    def _release(self, now: float) -> None:
        self._unparked.extend(cast("list[Request]", self.tickets.take_released(now)))
