"""Adding jobs one by one without waiting: what is submitted while a commit is under way goes together.

::

    submit, submit, submit ... --> gathered, by function and options
                                       |  at most ADDS_IN_FLIGHT AddJobs unacknowledged
                                       v
                       AddJobs --> Added --> Await --> the futures' outcomes
                                     |
                                     +--> the next AddJobs, with all that has gathered

The first job of an idle client leaves at once; under load, batches grow by themselves, without a
timer or a thread.

Thread: `submit` on any; the rest on the thread that delivers answers. One leaf lock guards what has
gathered; nothing is called while it is held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from actorcloud.base.errors import ClosedCloud
from actorcloud.base.ids import JobRef
from actorcloud.client.adding import CHUNK_JOBS, CHUNK_LIMIT_BYTES, AddRequest
from actorcloud.client.future import JobFuture
from actorcloud.client.options import JobOptions
from actorcloud.client.session import Question, Session
from actorcloud.client.waiting import AwaitRequest, Item, describe, read
from actorcloud.protocol.job import CancelJob
from actorcloud.protocol.record import Outcome

#: AddJobs unacknowledged. With two, batches are half as large and the head is busier with messages than
#: with jobs: 64 no-op jobs in flight, 4,800 a second against 5,300.
ADDS_IN_FLIGHT = 1

#: Jobs gathered and not yet sent; who submits faster than the head commits waits here.
GATHERED_LIMIT = 16 * CHUNK_JOBS


class _Batch(msgspec.Struct, gc=False):
    """Jobs that go in one AddJobs."""

    function: tuple[bytes, bytes]
    options: JobOptions
    items: list[tuple[bytes, bytes]]
    futures: dict[bytes, JobFuture[Any]]
    room: int = CHUNK_LIMIT_BYTES


class Submitter:
    """Adds jobs in the background and keeps their futures."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._gathered: list[_Batch] = []
        self._waiting = 0
        self._in_flight = 0
        # Whoever removes a future from here, and nobody else, settles it.
        self._pending: set[JobFuture[Any]] = set()
        self._unacknowledged: set[JobFuture[Any]] = set()
        #: Those that were answered are dropped with the next.
        self._cancels: deque[Question] = deque()

    def submit(self, function: tuple[bytes, bytes], arguments: bytes, options: JobOptions) -> JobFuture[Any]:
        """Add a job soon.

        Blocks: only while `GATHERED_LIMIT` jobs wait to be sent.
        """
        if self._waiting >= GATHERED_LIMIT:
            self._session.wait(
                lambda: self._waiting < GATHERED_LIMIT // 2,
                about=lambda: "the head to take submitted jobs",
            )
        future = self._future(self._session.refs.make())
        self._unacknowledged.add(future)
        with self._lock:
            batch = self._batch_for(function, options, len(arguments))
            batch.items.append((future.ref.raw, arguments))
            batch.futures[future.ref.raw] = future
            self._waiting += 1
            due = self._next()
        self._send(due)
        return future

    def attach(self, ref: bytes) -> JobFuture[Any]:
        """Return a future of a durable job."""
        future = self._future(ref)
        self._await({ref: future})
        return future

    def wait_durable(self, timeout: float) -> None:
        """Wait until every submitted job is durable, or could not be added, and every cancelled one is.

        Raises:
            ResultTimeout: after `timeout` seconds.
        """
        self._session.wait(
            lambda: not self._unacknowledged and all(cancel.finished for cancel in tuple(self._cancels)),
            timeout,
            about=lambda: f"{len(self._unacknowledged)} submitted jobs and {len(self._cancels)} ends to be durable",
        )

    def wait_added(self, refs: Iterable[bytes]) -> None:
        """Wait until those of `refs` that were submitted here are durable, or could not be added."""
        if not self._unacknowledged:
            return
        wanted = set(refs)
        mine = [future for future in tuple(self._unacknowledged) if future.ref.raw in wanted]
        if mine:
            self._session.wait(
                lambda: self._unacknowledged.isdisjoint(mine),
                about=lambda: f"{len(mine)} submitted jobs to be durable",
                refs=lambda: [future.ref for future in mine],
            )

    def close(self) -> None:
        """End the futures whose jobs are still on their way."""
        error = ClosedCloud("this Cloud was closed before the job ended; its JobRef is still good")
        self._fail(list(self._pending), error)

    def _future(self, ref: bytes) -> JobFuture[Any]:
        future: JobFuture[Any] = JobFuture(JobRef(ref), self)
        self._pending.add(future)
        return future

    # -- what futures ask of their owner ---------------------------------------------------------------

    def wait_done(self, future: JobFuture[Any], timeout: float | None) -> None:
        """See `future.Owner`."""
        raw = future.ref.raw
        self._session.wait(future.done, timeout, about=lambda: describe([raw]), refs=lambda: [future.ref])

    def cancel(self, future: JobFuture[Any]) -> bool:
        """See `future.Owner`."""
        if not self._take(future):
            return future.cancelled()
        future.cancel_here()
        # One that is not durable yet is cancelled by `_added`: the head would not know it.
        if future not in self._unacknowledged:
            self._tell_cancel(future.ref.raw)
        self._session.head.wake()
        return True

    def read(self, ref: bytes, outcome: Outcome | None) -> Any:
        """See `future.Owner`."""
        return read(self._session, ref, outcome)

    # -- sending -------------------------------------------------------------------------------------

    def _batch_for(self, function: tuple[bytes, bytes], options: JobOptions, size: int) -> _Batch:
        # The last batch alone may grow: jobs stay in the order in which they were submitted.
        last = self._gathered[-1] if self._gathered else None
        fits = last is not None and len(last.items) < CHUNK_JOBS and size <= last.room
        if last is None or not fits or last.function[0] != function[0] or last.options != options:
            last = _Batch(function, options, [], {})
            self._gathered.append(last)
        last.room -= size
        return last

    def _next(self) -> _Batch | None:
        if not self._gathered or self._in_flight >= ADDS_IN_FLIGHT:
            return None
        self._in_flight += 1
        batch = self._gathered.pop(0)
        self._waiting -= len(batch.items)
        return batch

    def _send(self, batch: _Batch | None) -> None:
        if batch is None:
            return
        request = AddRequest(
            self._session, batch.function, batch.items, batch.options, lambda done: self._added(done, batch)
        )
        self._session.open(request)

    def _added(self, request: AddRequest, batch: _Batch) -> None:
        with self._lock:
            self._in_flight -= 1
            due = self._next()
        self._send(due)
        futures = batch.futures
        self._unacknowledged.difference_update(futures.values())
        if request.error is not None:
            self._fail(futures.values(), request.error)
            return
        for future in futures.values():
            if future.cancelled():
                self._tell_cancel(future.ref.raw)
        self._await(futures)

    # -- the end of a future ---------------------------------------------------------------------------

    def _await(self, futures: dict[bytes, JobFuture[Any]]) -> None:
        def settle(items: list[Item]) -> None:
            for ref, outcome in items:
                future = futures[ref]
                if self._take(future):
                    future.set_result(outcome)

        request = AwaitRequest(list(futures), settle, lambda error: self._fail(futures.values(), error))
        self._session.open(request)

    def _fail(self, futures: Iterable[JobFuture[Any]], error: Exception) -> None:
        for future in futures:
            if self._take(future):
                future.set_exception(error)

    def _tell_cancel(self, ref: bytes) -> None:
        cancel = Question(CancelJob(ref, self._session.fence))
        while self._cancels and self._cancels[0].finished:
            self._cancels.popleft()
        self._cancels.append(cancel)
        self._session.open(cancel)

    def _take(self, future: JobFuture[Any]) -> bool:
        try:
            self._pending.remove(future)
        except KeyError:
            return False
        return True
