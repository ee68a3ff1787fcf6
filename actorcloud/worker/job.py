"""The job that runs, seen from inside, and the end that its `on_done` functions give it.

The stamp (job, run) is bound here, when the job starts: every change that the job asks for carries
it, also from a thread that outlives the job (design 6.1, rule 3).

Thread: the main thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from actorcloud.base.ids import JobRef
from actorcloud.client import CurrentJob, fill
from actorcloud.protocol.node import RunItem
from actorcloud.protocol.record import Fence, Outcome
from actorcloud.worker.backlog import fence_of
from actorcloud.worker.link import JobHead, Link
from actorcloud.worker.runner import failed

if TYPE_CHECKING:
    from actorcloud.client import Cloud


class End(msgspec.Struct, frozen=True, gc=False):
    """How a run ended, as `Finished` tells it."""

    #: As in `DoneItem`: "done", "failed" or "lost".
    kind: str
    outcome: Outcome
    #: The head has it already.
    stored: bool = False


@contextmanager
def current_job(item: RunItem, link: Link) -> Iterator[CurrentJob[Cloud]]:
    """Within this block `actorcloud.current()` is the job of `item`, for all threads; then its handle is closed."""
    job: CurrentJob[Cloud] = CurrentJob(JobRef(item.ref), item.attempt, lambda: _open_cloud(fence_of(item), link))
    fill(job)
    try:
        yield job
    finally:
        if job.has_cloud:
            job.cloud.room.close()
        fill(None)


def finish(job: CurrentJob[Cloud], outcome: Outcome) -> End:
    """Commit what `on_done` staged together with the outcome, where there is something."""
    if outcome.state != "done" or not job.staged:
        return End(outcome.state, outcome)
    from actorcloud.client import finish_job  # noqa: PLC0415  few jobs need it

    try:
        # After the finish this run may add nothing more.
        job.cloud.room.flush()
        stored = finish_job(job.cloud, outcome, job.staged)
    except BaseException as error:  # noqa: BLE001  whatever the job's own functions raise is its outcome
        return End("failed", failed(error))
    return End("done" if stored else "lost", outcome, stored)


def _open_cloud(fence: Fence, link: Link) -> Cloud:
    from actorcloud.client import Cloud  # noqa: PLC0415  50 ms that a job without calls does not need

    return Cloud.over(JobHead(link), fence=fence)
