"""Whether a commit counts, and what it writes.

Pure: (view, moment, request) -> verdict. The view is the newest state, with everything accepted
before; the moment's number plus one is the commit's own, if it is accepted. In order:

1. within the limits, and only keys that callers may touch; else Refused.
2. its id is known: it was committed before; the same answer again.
3. its fence holds (the job is running this very run); else Fenced.
4. each job whose space it read or writes exists; else Refused.
5. each key it read is as it was read, absent ones absent; else Conflict.
6. its new jobs are new and their functions known; else Refused.

All reads hold at the commit's own place in the order, so the transaction is as good as run there.
A refused request contributes nothing. Changes of the manager's are judged alike, against what
they expect.

Reference: store-design 2.4, 2.8, 2.9; Kung and Robinson 1981.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from actorcloud.base.errors import ActorCloudError, BadKey, JobConflict, NoSuchJob, TransactionError, ValueTooLarge
from actorcloud.base.ids import JobRef
from actorcloud.protocol.border import check_fence, check_function, check_limits_of_job, check_refs
from actorcloud.protocol.record import Fence, JobRecord, NewJob
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    ENTRY_LIMIT,
    TXN_ID_BYTES,
    VALUE_LIMIT_BYTES,
    Commit,
    Committed,
    Conflict,
    Fenced,
    ReadEntry,
    Refused,
    Write,
)
from actorcloud.store import change as own
from actorcloud.store import keys, stored
from actorcloud.store.view import Moment, View

#: Runs of one transaction's function; the back-off makes 30 s of them far fewer.
ATTEMPT_LIMIT = 1_000_000

_encode = msgspec.msgpack.Encoder().encode


class Accepted(NamedTuple):
    """A request that counts."""

    #: Its number.
    seq: int
    #: key -> stored value; None: deleted.
    writes: dict[bytes, bytes | None]
    #: The jobs it changes.
    records: tuple[tuple[bytes, JobRecord | None], ...] = ()


CommitVerdict = Accepted | Committed | Conflict | Fenced | Refused
ChangeVerdict = Accepted | own.Refused


# -- commits of callers ---------------------------------------------------------------------------


def check_commit(commit: Commit) -> Refused | None:
    """Refuse a message that breaks a limit, or touches keys that callers may not."""
    try:
        _check_limits(commit)
        _check_names(commit)
        _owners((*commit.reads, *commit.writes), _stamps(commit.fence))
    except ActorCloudError as error:
        return Refused(error.code, str(error))
    return None


def keys_of_commit(commit: Commit) -> set[bytes]:
    """Return the engine keys on which the verdict on a checked `commit` depends."""
    wanted = {keys.commit_id(commit.txn), *(key for key, _ in commit.reads)}
    wanted.update(map(keys.record, _owners((*commit.reads, *commit.writes), _stamps(commit.fence))))
    if commit.fence is not None:
        wanted.add(keys.record(commit.fence[0]))
    for job in commit.jobs:
        wanted.update((keys.record(job.ref), keys.tombstone(job.ref), keys.function(job.function)))
        if job.key is not None:
            wanted.add(keys.job_key(job.key))
    return wanted


def validate_commit(view: View, moment: Moment, commit: Commit) -> CommitVerdict:
    """Judge a checked `commit`."""
    known = view.found(keys.commit_id(commit.txn))
    if known is not None:
        return Committed(*stored.commit_id_of(known[1]))
    if commit.fence is not None and not _holds(view, commit.fence):
        return Fenced()
    new = {job.ref for job in commit.jobs}
    for ref in _owners((*commit.reads, *commit.writes), _stamps(commit.fence)) - new:
        if not view.has_job(ref):
            return Refused(NoSuchJob.code, f"no job has the reference {JobRef(ref)}")
    elsewhere = commit.snapshot is not None and commit.snapshot[0] != moment.incarnation
    if elsewhere or not view.still_holds(commit.reads):
        return view.conflict(moment, (key for key, _ in commit.reads))
    return _refuse_jobs(view, commit.jobs) or _accept_commit(moment, commit)


def _accept_commit(moment: Moment, commit: Commit) -> Accepted:
    seq = moment.seq + 1
    writes: dict[bytes, bytes | None] = {keys.commit_id(txn): None for txn in commit.acked}
    writes[keys.commit_id(commit.txn)] = stored.pack(seq, stored.pack_commit_id(moment.now, seq, commit.attempt))
    records = tuple((job.ref, _new_record(job, moment.now, seq)) for job in commit.jobs)
    for job, (ref, record) in zip(commit.jobs, records, strict=True):
        writes[keys.record(ref)] = stored.pack(seq, _encode(record))
        writes[keys.arguments(ref)] = stored.pack(seq, job.arguments)
        if job.key is not None:
            writes[keys.job_key(job.key)] = stored.pack(seq, ref)
    _add_user_writes(writes, seq, commit.writes)
    return Accepted(seq, writes, records)


def _check_limits(commit: Commit) -> None:
    if len(commit.txn) != TXN_ID_BYTES or any(len(txn) != TXN_ID_BYTES for txn in commit.acked):
        raise TransactionError(f"the id of a transaction has {TXN_ID_BYTES} bytes, not {commit.txn!r}")
    count = max(len(commit.reads), len(commit.writes), len(commit.jobs), len(commit.acked))
    if count > ENTRY_LIMIT:
        raise TransactionError(f"{count} entries in one transaction; the limit is {ENTRY_LIMIT}: split it")
    size = sum(len(key) + len(value or b"") for key, value in commit.writes)
    size += sum(len(key) for key, _ in commit.reads) + sum(len(job.arguments) for job in commit.jobs)
    if size > COMMIT_LIMIT_BYTES:
        raise TransactionError(f"{size} bytes in one transaction; the limit is {COMMIT_LIMIT_BYTES}: split it")
    largest = max((len(value or b"") for _, value in commit.writes), default=0)
    if largest > VALUE_LIMIT_BYTES:
        raise ValueTooLarge(f"a value has {largest} bytes; the limit is {VALUE_LIMIT_BYTES}: keep it in a file")


def _check_names(commit: Commit) -> None:
    if not 0 < commit.attempt <= ATTEMPT_LIMIT:
        raise TransactionError(f"attempt {commit.attempt} of one transaction; the limit is {ATTEMPT_LIMIT}")
    check_fence(commit.fence)
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
        if job.key is not None and (job.key in names or view.value(keys.job_key(job.key)) is not None):
            return Refused(JobConflict.code, f"the key {job.key!r} names another job already")
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


# -- changes of the manager's ---------------------------------------------------------------------


def check_change(change: own.Change) -> own.Refused | None:
    """Refuse a change whose user's part touches keys that callers may not."""
    try:
        _owners_of(change)
    except BadKey as error:
        return own.Refused(error.code, str(error))
    return None


def keys_of_change(change: own.Change) -> set[bytes]:
    """Return the engine keys on which the verdict on a checked `change` depends."""
    wanted = {keys.record(expect.ref) for expect in change.expect}
    wanted.update(change.needs, change.absent, (key for key, _ in change.reads))
    wanted.update(map(keys.record, _owners_of(change)))
    return wanted


def validate_change(view: View, moment: Moment, change: own.Change) -> ChangeVerdict:
    """Judge a checked `change`."""
    return (
        _refuse_expectation(view, change)
        or _refuse_presence(view, change)
        or _refuse_user(view, change)
        or _accept_change(moment.seq + 1, change)
    )


def _accept_change(seq: int, change: own.Change) -> Accepted:
    writes: dict[bytes, bytes | None] = {key: stored.pack(seq, payload) for key, payload in change.puts}
    new = {expect.ref for expect in change.expect if expect.state is None}
    records: list[tuple[bytes, JobRecord | None]] = []
    for ref, given in change.records:
        record = msgspec.structs.replace(given, order=seq) if given is not None and ref in new else given
        writes[keys.record(ref)] = None if record is None else stored.pack(seq, _encode(record))
        records.append((ref, record))
    _add_user_writes(writes, seq, change.ops)
    writes.update(dict.fromkeys(change.deletes))
    return Accepted(seq, writes, tuple(records))


def _refuse_expectation(view: View, change: own.Change) -> own.Refused | None:
    for expect in change.expect:
        record = view.record(expect.ref)
        if expect.state is None:
            if record is not None:
                return own.Refused("exists", f"job {JobRef(expect.ref)} exists already", record)
        elif record is None:
            return own.Refused(NoSuchJob.code, f"no job has the reference {JobRef(expect.ref)}")
        elif record.state != expect.state or (expect.run is not None and expect.run != record.run):
            text = f"job {JobRef(expect.ref)} is {record.state}, or it is another run"
            return own.Refused("fenced", text, record)
    return None


def _refuse_presence(view: View, change: own.Change) -> own.Refused | None:
    for key in change.absent:
        if view.value(key) is not None:
            if key[:1] == keys.TOMBSTONE:
                return own.Refused("deleted", f"job {JobRef(keys.ref_of(key))} was deleted")
            return own.Refused("exists", f"the key {key.hex()} exists already")
    brought = {key for key, _ in change.puts}
    for key in change.needs:
        if key not in brought and view.value(key) is None:
            if key[:1] == keys.FUNCTION:
                return own.Refused("need-function", key[1:].hex())
            return own.Refused("missing", f"the key {key.hex()} does not exist")
    return None


def _refuse_user(view: View, change: own.Change) -> own.Refused | None:
    for ref in _owners_of(change):
        if not view.has_job(ref):
            return own.Refused(NoSuchJob.code, f"no job has the reference {JobRef(ref)}")
    if not view.still_holds(change.reads):
        return own.Refused("conflict", "what the transaction read has changed since")
    return None


# -- both -----------------------------------------------------------------------------------------


def _owners(entries: Iterable[ReadEntry | Write], stamps: Iterable[bytes]) -> set[bytes]:
    known = frozenset(stamps)
    owners = {keys.owner_of(entry[0], known) for entry in entries}
    return {owner for owner in owners if owner is not None}


def _owners_of(change: own.Change) -> set[bytes]:
    # Nearly all changes are the manager's alone, and have a thousand jobs in them.
    if not change.reads and not change.ops:
        return set()
    return _owners((*change.reads, *change.ops), {expect.ref for expect in change.expect})


def _stamps(fence: Fence | None) -> tuple[bytes, ...]:
    return () if fence is None else (fence[0],)


def _add_user_writes(writes: dict[bytes, bytes | None], seq: int, users: Iterable[Write]) -> None:
    for key, value in users:
        writes[key] = None if value is None else stored.pack(seq, value)
