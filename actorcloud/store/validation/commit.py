"""Whether a caller's commit counts.

Pure. In order:

1. within the limits, and only keys and ranges that callers may touch; else Refused.
2. its id is known: it was committed before; the same answer again.
3. its fence holds (the job is running this very run); else Fenced.
4. each job whose space it read or writes exists; else Refused.
5. each key it read is as it was read, absent ones absent, and each range as found; else Conflict.
6. its new jobs are new and their functions known; else Refused.
7. its atomic operations can be applied; else Refused, or Conflict where the caller wants to try again.

Reference: store-design 2.4, 2.8, 2.9; Kung and Robinson 1981.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from actorcloud.base.errors import ActorCloudError, ConditionFailed, JobConflict, NoSuchJob, TransactionError
from actorcloud.base.ids import JOB_REF_BYTES, JobRef
from actorcloud.protocol.border import check_fence, check_function, check_limits_of_job, check_refs
from actorcloud.protocol.record import Fence, JobRecord, NewJob
from actorcloud.protocol.transaction import TXN_ID_BYTES, Commit, Committed, Conflict, Fenced, Refused
from actorcloud.store import keys, stored
from actorcloud.store.validation.effect import effect_of
from actorcloud.store.validation.footprint import Touched, check_count, check_footprint, stamps_of, touched_by
from actorcloud.store.validation.verdict import Accepted
from actorcloud.store.view import Moment, View

#: Runs of one transaction's function; the back-off makes 30 s of them far fewer.
ATTEMPT_LIMIT = 1_000_000

_ID_BYTES = frozenset({TXN_ID_BYTES})

_encode = msgspec.msgpack.Encoder().encode


CommitVerdict = Accepted | Committed | Conflict | Fenced | Refused


def check_commit(commit: Commit) -> Touched | Refused:
    """Return what a message touches; refuse it if it breaks a limit, or touches keys that callers may not."""
    try:
        size = _check_limits(commit)
        _check_names(commit)
        touched = touched_by(commit, stamps_of(commit.fence), size)
    except ActorCloudError as error:
        return Refused(error.code, str(error))
    wanted = touched.keys
    wanted.add(keys.commit_id(commit.txn))
    if commit.fence is not None:
        wanted.add(keys.record(commit.fence[0]))
    for job in commit.jobs:
        wanted.update((keys.record(job.ref), keys.tombstone(job.ref), keys.function(job.function)))
        if job.key is not None:
            wanted.add(keys.job_key(job.key))
    return touched


def validate_commit(view: View, moment: Moment, commit: Commit, touched: Touched) -> CommitVerdict:
    """Judge a `commit`, of which the check has said what is `touched`."""
    known = view.value(keys.commit_id(commit.txn))
    if known is not None:
        return Committed(*stored.commit_id_of(stored.payload_of(known)))
    if commit.fence is not None and not _holds(view, commit.fence):
        return Fenced()
    for ref in touched.owners:
        if not (view.has_job(ref) or ref in {job.ref for job in commit.jobs}):
            return Refused(NoSuchJob.code, f"no job has the reference {JobRef(ref)}")
    elsewhere = commit.snapshot is not None and commit.snapshot[0] != moment.incarnation
    if elsewhere or not view.still_holds(commit.reads, commit.ranges):
        return view.conflict(moment, (key for key, _ in commit.reads), commit.ranges)
    refused = _refuse_jobs(view, commit.jobs) if commit.jobs else None
    if refused is not None:
        return refused
    effect = effect_of(view, moment.seq + 1, commit.writes, commit.atomics)
    if isinstance(effect, dict):
        return _accept_commit(moment, commit, effect)
    if isinstance(effect, ConditionFailed) and effect.retry:
        return msgspec.structs.replace(
            view.conflict(moment, (key for key, _ in commit.reads), commit.ranges), unmet=True
        )
    return Refused(effect.code, str(effect))


def _accept_commit(moment: Moment, commit: Commit, effect: dict[bytes, bytes | None]) -> Accepted:
    seq = moment.seq + 1
    writes: dict[bytes, bytes | None] = dict.fromkeys(map(keys.commit_id, commit.acked))
    writes[keys.commit_id(commit.txn)] = stored.pack(seq, stored.pack_commit_id(moment.now, seq, commit.attempt))
    records = []
    for job in commit.jobs:
        record = _new_record(job, moment.now, seq)
        records.append((job.ref, record))
        writes[keys.record(job.ref)] = stored.pack(seq, _encode(record))
        writes[keys.arguments(job.ref)] = stored.pack(seq, job.arguments)
        if job.key is not None:
            writes[keys.job_key(job.key)] = stored.pack(seq, job.ref)
    writes.update(effect)
    return Accepted(seq, writes, tuple(records), effect)


def _check_limits(commit: Commit) -> int:
    if len(commit.txn) != TXN_ID_BYTES or not _ID_BYTES.issuperset(map(len, commit.acked)):
        raise TransactionError(f"the id of a transaction has {TXN_ID_BYTES} bytes, not {commit.txn!r}")
    check_count(max(len(commit.jobs), len(commit.acked)))
    return check_footprint(commit, sum([len(job.arguments) for job in commit.jobs]) if commit.jobs else 0)


def _check_names(commit: Commit) -> None:
    if not 0 < commit.attempt <= ATTEMPT_LIMIT:
        raise TransactionError(f"attempt {commit.attempt} of one transaction; the limit is {ATTEMPT_LIMIT}")
    check_fence(commit.fence)
    if not commit.jobs:
        return
    check_refs(job.ref for job in commit.jobs)
    for job in commit.jobs:
        check_function(job.function)
        check_limits_of_job(job.retries, job.timeout)
        if job.key is not None:
            keys.job_key(job.key)


def _holds(view: View, fence: Fence) -> bool:
    record = view.record(fence[0])
    return record is not None and record.state == "running" and record.run == fence[1]


def _refuse_jobs(view: View, jobs: Iterable[NewJob]) -> Refused | None:
    refs: set[bytes] = set()
    names: set[str] = set()
    for job in jobs:
        if job.ref in refs or view.has_job(job.ref):
            return Refused(JobConflict.code, f"the reference {JobRef(job.ref)} names another job already")
        if view.value(keys.tombstone(job.ref)) is not None:
            return Refused(NoSuchJob.code, f"job {JobRef(job.ref)} was deleted and cannot be added again")
        named = None if job.key is None else view.value(keys.job_key(job.key))
        if named is not None:
            other = JobRef[object](stored.payload_of(named)[:JOB_REF_BYTES])
            return Refused(
                JobConflict.code,
                f"the key {job.key!r} names job {other} already: outside a transaction "
                "`add_job` gives that one, and adds none",
            )
        if job.key in names:
            return Refused(JobConflict.code, f"the key {job.key!r} names two jobs of this transaction")
        if view.value(keys.function(job.function)) is None:
            return Refused("need-function", job.function.hex())
        refs.add(job.ref)
        names.update((job.key,) if job.key is not None else ())
    return None


def _new_record(job: NewJob, now: float, seq: int) -> JobRecord:
    return JobRecord(
        state="queued",
        function=job.function,
        added_at=now,
        order=seq,
        retries=job.retries,
        timeout=job.timeout,
        key=job.key,
        changed_at=now,
    )
