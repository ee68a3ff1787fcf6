"""What a request to the job manager must be beyond its shape. Pure; see `protocol.border`."""

from __future__ import annotations

from actorcloud.base.errors import JobConflict, TransactionError
from actorcloud.protocol.border import check_fence, check_function, check_limits_of_job, check_refs
from actorcloud.protocol.job import BATCH_LIMIT, FINGERPRINT_LIMIT_BYTES, AddJobs, Await, FinishJob
from actorcloud.store import check_footprint, keys


def check(request: object) -> None:
    """Refuse a request whose parts cannot be what they stand for.

    Raises:
        BadJobRef, BadKey, ConfigError, JobConflict, TransactionError: naming what is wrong.
    """
    ref = getattr(request, "ref", None)
    check_refs(() if ref is None else (ref,))
    check_fence(getattr(request, "fence", None))
    match request:
        case AddJobs():
            _check_add(request)
        case Await(refs):
            check_refs(refs)
            if len(refs) > BATCH_LIMIT:
                raise JobConflict(f"{len(refs)} references in one request; it takes {BATCH_LIMIT}")
        case FinishJob():
            if request.outcome.state != "done":
                raise TransactionError(f"a transaction finishes a job as done, not as {request.outcome.state}")
            check_footprint(request)


def _check_add(request: AddJobs) -> None:
    refs = [ref for ref, _ in request.jobs]
    check_refs(refs)
    # None at all: the function alone, for a transaction that adds jobs.
    if len(refs) > BATCH_LIMIT or not (refs or request.code):
        raise JobConflict(f"{len(refs)} jobs in one request; it takes 1 to {BATCH_LIMIT}")
    if len(set(refs)) != len(refs):
        raise JobConflict("a job reference stands twice in one request")
    if request.key is not None:
        keys.job_key(request.key)
        if len(refs) != 1:
            raise JobConflict(f"the key {request.key!r} can name one job, not {len(refs)}")
    if len(request.fingerprint) > FINGERPRINT_LIMIT_BYTES:
        raise JobConflict(f"a fingerprint of {len(request.fingerprint)} bytes; the limit is {FINGERPRINT_LIMIT_BYTES}")
    check_limits_of_job(request.retries, request.timeout)
    check_function(request.function, request.code)
