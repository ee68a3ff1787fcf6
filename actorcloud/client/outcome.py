"""From what the head tells of a job to what its owner sees: a state, a value, an error. Pure.

Thread: any; values are unpickled by whoever asks for them, never by the thread that delivers
answers: a user's `__setstate__` may take its time.
"""

from __future__ import annotations

from typing import Any

from actorcloud.base.codec import load_value
from actorcloud.base.errors import JobSuspended, NoSuchJob, ResultUnreadable
from actorcloud.base.failure import load_error
from actorcloud.base.ids import JobRef, NodeRef
from actorcloud.base.states import Crashed, Done, Failed, JobError, JobState, Queued, Running, Suspended
from actorcloud.protocol.job import JobDetail
from actorcloud.protocol.record import JobRecord, Outcome

#: Where a head that kept the state lost the words; it never should.
_UNTOLD = JobError("RemoteError", "the head kept no text of this failure", "")


def state_of(detail: JobDetail) -> JobState:
    """Return the state that a record and its outcome stand for."""
    record = detail.record
    match record.state:
        case "queued":
            return Queued()
        case "running":
            return Running(NodeRef(record.node))
        case "done":
            return Done()
        case "failed":
            return Failed((detail.outcome and detail.outcome.error) or _UNTOLD)
        case "suspended":
            return Suspended(why_of(record))


def why_of(record: JobRecord) -> Crashed:
    """Return why a job of this record is suspended."""
    return Crashed(record.crashes)


def value_of(ref: bytes, outcome: Outcome | None) -> Any:
    """Return the value of a job that ended.

    Args:
        ref: names it in errors.
        outcome: as told by the head; None: there is no such job.

    Raises:
        NoSuchJob: if there is none.
        ResultUnreadable: if its value cannot be unpickled here.
        Exception: what the job raised; `JobSuspended` (whose `why` the caller has to find out),
            `JobCancelled` or `JobTimeout` if that is how it ended.
    """
    if outcome is not None and outcome.state == "done":
        try:
            return load_value(outcome.value)
        except ResultUnreadable as error:
            # Here, not as an argument: naming a job costs as much as reading a small result.
            error.add_note(f"(the result of job {JobRef[Any](ref)})")
            raise
    raise error_of(ref, outcome)


def error_of(ref: bytes, outcome: Outcome | None) -> Exception:
    """Return the error to raise for a job that did not end well."""
    name = JobRef[Any](ref)
    if outcome is None:
        return NoSuchJob(f"there is no job {name}: it was deleted, or never added here")
    if outcome.state == "suspended":
        told = f": {outcome.error.message}" if outcome.error else ""
        return JobSuspended(f"job {name} is suspended{told}")
    error = load_error(outcome.value, outcome.error or _UNTOLD, outcome.code)
    error.add_note(f"(raised by job {name})")
    return error
