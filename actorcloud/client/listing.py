"""Jobs that are found again, page by page.

Thread: any.
"""

from __future__ import annotations

from collections.abc import Iterator

from actorcloud.client.session import Session
from actorcloud.protocol.job import BATCH_LIMIT, JobList, ListJobs
from actorcloud.protocol.record import JobRecord


def listed(session: Session, state: str | None, limit: int) -> Iterator[tuple[bytes, JobRecord]]:
    """Yield the jobs of a state, None for all, with their records: the newest first, at most `limit`.

    Blocks: for an answer of the head, once for each page.
    """
    after, left = b"", limit
    while left > 0:
        items = session.call(ListJobs(state, min(left, BATCH_LIMIT), after), JobList).items
        if not items:
            return
        yield from items
        after, left = items[-1][0], left - len(items)
