"""Questions about jobs: answered from durable state only, so that what was told stays true.

Live jobs are answered from the ledger, ended ones from the store.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from actorcloud.base.errors import NoSuchJob
from actorcloud.base.ids import JobRef
from actorcloud.base.version import VERSION
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.loading import PAGE
from actorcloud.jobs.reply import Reply
from actorcloud.jobs.waiters import Stream
from actorcloud.protocol.job import Await, GetJob, Info, JobDetail, JobList, ListJobs, NodeLine
from actorcloud.protocol.record import SETTLED, JobRecord, Outcome
from actorcloud.store import Page, keys

#: Jobs in one answer to `ListJobs`.
LIST_LIMIT = 10_000

_record = msgspec.msgpack.Decoder(JobRecord)
_outcome = msgspec.msgpack.Decoder(Outcome)


class _Listing(msgspec.Struct):
    """One ListJobs on its way."""

    request: ListJobs
    reply: Reply
    limit: int
    items: list[tuple[bytes, JobRecord]]


class Query:
    """Answers questions. One of the parts of the manager."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def detail(self, request: GetJob, reply: Reply) -> None:
        """Answer with the job's record and outcome."""
        ref = request.ref

        def found(values: Sequence[bytes | None]) -> None:
            if values[0] is None:
                reply.set_exception(NoSuchJob(f"there is no job {JobRef(ref)}: it was deleted, or never added here"))
                return
            record = _record.decode(values[0])
            outcome = _outcome.decode(values[1]) if values[1] is not None and record.state in SETTLED else None
            reply.set(JobDetail(ref, record, outcome))

        live = self._desk.ledger.live.get(ref)
        if live is not None and live.state not in SETTLED:
            reply.set(JobDetail(ref, live))
        else:
            self._desk.commits.read([keys.record(ref), keys.result(ref)], found)

    def wait(self, request: Await, stream: Stream, adding: Container[bytes]) -> None:
        """Register a waiter; what has ended already is answered at once.

        Args:
            request: whose references may be on their way to the store, sent just before.
            stream: where the outcomes go.
            adding: references of jobs that are not yet durable.
        """
        self._desk.waiters.add(stream, request.refs)
        live = self._desk.ledger.live
        open_ = [ref for ref in request.refs if ref not in adding]
        self.settle([ref for ref in open_ if ref not in live or live[ref].state in SETTLED])

    def list_jobs(self, request: ListJobs, reply: Reply) -> None:
        """Answer with jobs by their references, the newest first, at most `LIST_LIMIT`."""
        limit = min(max(request.limit, 0), LIST_LIMIT)
        if request.state == "running":
            # They are few, and all that wait are newer.
            running = sorted(self._desk.ledger.running().items(), reverse=True)
            items = [item for item in running if not request.after or item[0] < request.after]
            reply.set(JobList(tuple(items[:limit])))
        else:
            self._scan(_Listing(request, reply, limit, []), request.after)

    def scanned(self, message: Page) -> None:
        """Go on with a listing."""
        listing = message.tag
        if not isinstance(listing, _Listing):
            return
        for key, value in message.items:
            record = _record.decode(value)
            if listing.request.state in {None, record.state} and len(listing.items) < listing.limit:
                listing.items.append((keys.ref_of(key), record))
        if message.more and len(listing.items) < listing.limit:
            self._scan(listing, message.items[-1][0][1:])
        else:
            listing.reply.set(JobList(tuple(listing.items)))

    def info(self, nodes: tuple[NodeLine, ...], uptime: float) -> Info:
        """Return the statistics of jobs and nodes."""
        ledger = self._desk.ledger
        live = {state: ledger.counts[state] for state in ("queued", "running", "suspended")}
        ended = {state: ledger.ended[state] for state in ("done", "failed")}
        return Info(live, ended, nodes, uptime, VERSION, ledger.number)

    def _scan(self, listing: _Listing, after: bytes) -> None:
        start = keys.RECORD + after if after else b""
        size = PAGE if listing.request.state is not None else min(PAGE, listing.limit)
        self._desk.commits.scan(listing, keys.RECORD, start, size, reverse=True)

    def settle(self, refs: list[bytes]) -> None:
        """Tell the waiters of these jobs what the store says, as far as they have ended."""
        if not refs:
            return
        asked = [key(ref) for ref in refs for key in (keys.record, keys.result)]

        def found(values: Sequence[bytes | None]) -> None:
            for index, ref in enumerate(refs):
                record, outcome = values[2 * index], values[2 * index + 1]
                if record is None:
                    self._desk.waiters.settle(ref, None)
                elif outcome is not None and _record.decode(record).state in SETTLED:
                    self._desk.waiters.settle(ref, _outcome.decode(outcome))

        self._desk.commits.read(asked, found)
