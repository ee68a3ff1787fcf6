r"""What may become of a job: the table of legal transitions, and the rules that choose among them.

::

            add                 place             end of a run
    (none) ----> queued ----------------> running ------------> done
                   ^  ^                      |  \-------------> failed      retries used up
                   |  \----------------------/   \------------> suspended   its process died too often
                   |    retry, lost, not run                        |
                   \------------------------------------------------/ resume

Pure: (record, event, now) -> record. A record is only ever changed by these functions; what they
return is one store commit, guarded by the state and run that they were given (design 6).

=========== ==================== ======================================================
a run ends  counts against       then
=========== ==================== ======================================================
done        nothing              done
failed      `retries`            queued again, or failed
timeout     `retries`            queued again, or failed
crashed     `CRASH_LIMIT`        queued again, or suspended
lost        `LOST_LIMIT`         queued again; from then on alone, and with its node the
                                 loss counts as a crash: this job may be what kills nodes
left        nothing              queued again: its node ended in order
=========== ==================== ======================================================
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from actorcloud.protocol.record import JobRecord, NewJob, StateName

#: Deaths of the process that ran it after which a job is suspended.
CRASH_LIMIT: Final = 3

#: Lost runs after which a job is dispatched alone.
LOST_LIMIT: Final = 3

#: (before, after); None is absence. Deletion, (any, None), is always legal.
LEGAL: Final[frozenset[tuple[StateName | None, StateName | None]]] = frozenset(
    {
        (None, "queued"),
        (None, "running"),  # added and placed in one commit
        ("queued", "running"),
        ("queued", "failed"),  # cancelled
        ("running", "queued"),
        ("running", "done"),
        ("running", "failed"),
        ("running", "suspended"),
        ("suspended", "queued"),
        ("suspended", "failed"),  # cancelled
    }
)


def is_legal(before: JobRecord | None, after: JobRecord | None) -> bool:
    """Tell whether one commit may take a job from `before` to `after`."""
    if after is None:
        return before is not None
    return (before and before.state, after.state) in LEGAL


def add(job: NewJob, now: float) -> JobRecord:
    """Return the record of a new job, queued; the store stamps its `order`."""
    return JobRecord("queued", job.function, now, 0, job.retries, job.timeout, job.key, changed_at=now)


def place(record: JobRecord, node: str, run: bytes, now: float) -> JobRecord:
    """Hand a queued job to `node` under a new `run`."""
    return replace(record, state="running", node=node, run=run, attempt=record.attempt + 1, changed_at=now)


def end(record: JobRecord, kind: str, now: float, *, head_lost: bool = False) -> JobRecord:
    """Return what a running job becomes when its run ends.

    Args:
        record: the job, running.
        kind: as in `protocol.node.DoneItem`, or "left".
        now: seconds since 1970.
        head_lost: the run was lost with the head, never the job's fault.
    """
    match kind:
        case "done":
            return replace(record, state="done", changed_at=now)
        case "failed" | "timeout":
            failures = record.failures + 1
            return replace(record, state=_again(failures <= record.retries), failures=failures, changed_at=now)
        case "crashed":
            return _crash(record, now)
        case "lost":
            if record.lost >= LOST_LIMIT and not head_lost:
                return _crash(replace(record, lost=record.lost + 1), now)
            return replace(record, state="queued", lost=record.lost + 1, changed_at=now)
        case "left":
            return replace(record, state="queued", changed_at=now)
    raise ValueError(f"a run cannot end as {kind!r}")


def unrun(record: JobRecord, now: float) -> JobRecord:
    """Take back a run that was never begun; it counts for nothing, not even as an attempt."""
    return replace(record, state="queued", attempt=record.attempt - 1, changed_at=now)


def cancel(record: JobRecord, now: float) -> JobRecord:
    """End a job that has not ended by itself."""
    return replace(record, state="failed", changed_at=now)


def goes_alone(record: JobRecord) -> bool:
    """Tell whether this job may share its node with no other."""
    return record.lost >= LOST_LIMIT


def _crash(record: JobRecord, now: float) -> JobRecord:
    crashes = record.crashes + 1
    state: StateName = "suspended" if crashes >= CRASH_LIMIT else "queued"
    return replace(record, state=state, crashes=crashes, changed_at=now)


def _again(retry: bool) -> StateName:  # noqa: FBT001  the one decision that this is about
    return "queued" if retry else "failed"
