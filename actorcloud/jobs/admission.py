"""Adding jobs: from the ask to the durable answer.

A job is placed before it is added, so that `queued` and `running` can share a commit: the
scheduler answers a `Place` at once, with a node for as many as there is room for. The records, the
arguments and, where the client sent it, the function go in one change, guarded by their absence.

Adding is idempotent: a client that lost the answer sends the same references again. The change is
then refused, the records are read, and what is the same job already counts as added (design 6,
"the same id with other content, or after delete_job, is refused").
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actorcloud.base.errors import JobConflict, NoSuchJob, from_code
from actorcloud.base.ids import JOB_REF_BYTES, JobRef
from actorcloud.jobs import transition
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.message import Place, Placed, Queue, Withdraw
from actorcloud.jobs.reply import Reply
from actorcloud.protocol.job import Added, AddJobs, NeedFunction
from actorcloud.protocol.record import JobRecord, NewJob
from actorcloud.store import Change, Expect, Refused, keys


class _Batch(msgspec.Struct):
    """One AddJobs on its way."""

    request: AddJobs
    reply: Reply
    #: Still to be added; shrinks when some turn out to exist.
    jobs: dict[bytes, bytes]


class Admission:
    """Adds jobs. One of the parts of the manager."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._count = 0
        self._batches: dict[int, _Batch] = {}
        #: References asked for and not yet fed; the scheduler has them already.
        self.adding: set[bytes] = set()

    def add(self, request: AddJobs, reply: Reply) -> None:
        """Begin; `reply` gets `Added`, `NeedFunction` or an error."""
        batch = _Batch(request, reply, dict(request.jobs))
        if request.key is None and not self._desk.ledger.live.keys().isdisjoint(batch.jobs):
            # Sent again, since its answer was lost with another head: these have a place, or wait for one.
            self._find_present(batch)
        else:
            self._place(batch)

    def placed(self, message: Placed) -> None:
        """Go on with a batch now that it is known what has a node."""
        batch = self._batches.pop(message.batch or 0)
        desk, request, now = self._desk, batch.request, self._desk.now()
        records = []
        for ref in batch.jobs:
            new = NewJob(ref, request.function, b"", request.retries, request.timeout, request.key)
            record = transition.add(new, now)
            node = message.nodes.get(ref)
            records.append((ref, transition.place(record, node, desk.new_run(), now) if node else record))
            desk.arguments.keep(ref, batch.jobs[ref])
        desk.commits.stage(self._change(batch, records), lambda refused: self._answered(batch, refused))

    def _place(self, batch: _Batch) -> None:
        self._count += 1
        self._batches[self._count] = batch
        self.adding.update(batch.jobs)
        self._desk.scheduler.tell(Place(self._count, tuple(batch.jobs)))

    def _change(self, batch: _Batch, records: list[tuple[bytes, JobRecord]]) -> Change:
        request = batch.request
        puts = [(keys.arguments(ref), arguments) for ref, arguments in batch.jobs.items()]
        absent = [keys.tombstone(ref) for ref in batch.jobs]
        expect = [Expect(ref, None, None) for ref in batch.jobs]
        if request.code:
            puts.append((keys.function(request.function), request.code))
        if request.key is not None:
            puts.append((keys.job_key(request.key), records[0][0] + request.fingerprint))
            absent.append(keys.job_key(request.key))
        if request.fence is not None:
            expect.append(Expect(request.fence[0], "running", request.fence[1]))
        return Change(
            tag=self._desk.commits.tag(),
            expect=tuple(expect),
            records=tuple(records),
            puts=tuple(puts),
            needs=(keys.function(request.function),),
            absent=tuple(absent),
        )

    def _answered(self, batch: _Batch, refused: Refused | None) -> None:
        if refused is None:
            batch.reply.set(Added(tuple(ref for ref, _ in batch.request.jobs)))
            return
        self._forget(batch)
        if refused.code == "need-function":
            batch.reply.set(NeedFunction(batch.request.function))
        elif batch.request.key is not None:
            self._find_key(batch, refused)
        elif refused.code in {"exists", "deleted"}:
            self._find_present(batch)
        else:
            batch.reply.set_exception(from_code(refused.code, refused.text))

    def _forget(self, batch: _Batch) -> None:
        desk = self._desk
        self.adding.difference_update(batch.jobs)
        desk.scheduler.tell(Withdraw(tuple(batch.jobs)))
        for ref in batch.jobs:
            desk.arguments.take(ref)
            desk.early.pop(ref, None)
            record = desk.ledger.live.get(ref)
            if record is not None and record.state == "queued":
                # It was there before, and has just lost its place.
                desk.scheduler.tell(Queue((ref,), again=True, alone=transition.goes_alone(record)))

    def _find_key(self, batch: _Batch, refused: Refused) -> None:
        # The name may stand for another job, or for this very one, added by a lost request.
        def found(values: Sequence[bytes | None]) -> None:
            if values[0] is not None:
                named = values[0]
                batch.reply.set(Added((named[:JOB_REF_BYTES],), named[JOB_REF_BYTES:]))
            else:
                batch.reply.set_exception(from_code(refused.code, refused.text))

        self._desk.commits.read([keys.job_key(batch.request.key or "")], found)

    def _find_present(self, batch: _Batch) -> None:
        refs = list(batch.jobs)
        asked = [key(ref) for ref in refs for key in (keys.arguments, keys.tombstone)]

        def found(values: Sequence[bytes | None]) -> None:
            for index, ref in enumerate(refs):
                present, deleted = values[2 * index], values[2 * index + 1]
                if deleted is not None:
                    batch.reply.set_exception(NoSuchJob(f"job {JobRef(ref)} was deleted and cannot be added again"))
                    return
                if present is not None and present != batch.jobs[ref]:
                    text = f"job {JobRef(ref)} was added before with other arguments"
                    batch.reply.set_exception(JobConflict(text))
                    return
                if present is not None:
                    del batch.jobs[ref]
            if batch.jobs:
                self._place(batch)
            else:
                batch.reply.set(Added(tuple(refs)))

        self._desk.commits.read(asked, found)
