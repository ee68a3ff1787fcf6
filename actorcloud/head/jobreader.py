"""The jobs of a store that no head has: their records and outcomes, as they are on disk.

None of them runs. One that is said to be running did when its head ended, and goes on with the next head.

Thread: any. Blocks: each call, until the store actor has answered.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from actorcloud.actor import ActorRef
from actorcloud.base.errors import NoSuchJob, StoreError
from actorcloud.base.ids import JobRef
from actorcloud.protocol.job import GetJob, JobDetail, JobList, ListJobs
from actorcloud.protocol.record import SETTLED, JobRecord, Outcome
from actorcloud.store import Get, Got, Page, Scan, keys

T = TypeVar("T")

#: Records in a page.
_PAGE = 2_000

#: Seconds that the store may take for one answer.
_TIMEOUT = 60.0

_record = msgspec.msgpack.Decoder(JobRecord)
_outcome = msgspec.msgpack.Decoder(Outcome)


class JobReader:
    """Answers what the job manager would, of the questions that change nothing.

    Args:
        store: the store actor.
    """

    def __init__(self, store: ActorRef[Any]) -> None:
        self._store = store

    def detail(self, request: GetJob) -> JobDetail:
        """Return the record of a job, and its outcome where it has one.

        Raises:
            NoSuchJob: there is none.
        """
        box = _Box()
        self._store.tell(Get(0, (keys.record(request.ref), keys.result(request.ref)), box))
        record, outcome = box.take(Got).values
        if record is None:
            raise NoSuchJob(f"there is no job {JobRef[Any](request.ref)}: it was deleted, or never added here")
        found = _record.decode(record)
        has_outcome = outcome is not None and found.state in SETTLED
        return JobDetail(request.ref, found, _outcome.decode(outcome or b"") if has_outcome else None)

    def jobs(self, request: ListJobs) -> JobList:
        """Return jobs, the newest first; of a state in which there are fewer, all records are read."""
        found: list[tuple[bytes, JobRecord]] = []
        for ref, record in self._records(request.after):
            if len(found) >= request.limit:
                break
            if request.state in {None, record.state}:
                found.append((ref, record))
        return JobList(tuple(found))

    def _records(self, after: bytes) -> Iterator[tuple[bytes, JobRecord]]:
        start, more = keys.RECORD + after if after else b"", True
        while more:
            box = _Box()
            self._store.tell(Scan(0, keys.RECORD, box, after=start, limit=_PAGE, reverse=True))
            page = box.take(Page)
            yield from ((keys.ref_of(key), _record.decode(value)) for key, value in page.items)
            start, more = page.items[-1][0] if page.items else b"", page.more


class _Box:
    """Where an answer of the store actor goes."""

    def __init__(self) -> None:
        self._answers: queue.SimpleQueue[object] = queue.SimpleQueue()

    def tell(self, message: object, /) -> None:
        """See `store.Recipient`."""
        self._answers.put(message)

    def take(self, kind: type[T]) -> T:
        """Return the answer, which is of this class."""
        try:
            answer = self._answers.get(timeout=_TIMEOUT)
        except queue.Empty:
            raise StoreError(f"the store has not answered for {_TIMEOUT:g} s") from None
        assert isinstance(answer, kind)
        return answer
