"""The end of a job that used `on_done`: its outcome and the staged writes are one commit.

For the worker: it has run the job's function, and now runs what the job staged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actorcloud.base.errors import WireError
from actorcloud.client.cloud import Cloud
from actorcloud.protocol.job import Finished, FinishJob
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Outcome
from actorcloud.protocol.transaction import Conflict


def finish_job(cloud: Cloud, outcome: Outcome, staged: Sequence[Callable[[], object]]) -> bool:
    """Commit the end of a job together with what `on_done` staged.

    Args:
        cloud: the job's own.
        outcome: what its function returned.
        staged: run in order as one transaction, again whenever what they read has changed.

    Returns:
        False if another run of the job is current: this one counts for nothing.

    Raises:
        Abort: as a staged function raised it; nothing is written.
        Exception: what else one raised.

    Blocks: for one durable commit.
    """
    from actorcloud.store import called, run_callbacks  # noqa: PLC0415  most jobs never need it

    room = cloud.room
    fence = room.session.fence
    assert fence is not None

    def run() -> None:
        for fun in staged:
            called(fun)

    while True:
        part = room.transactions.stage(run)
        finish = FinishJob(fence, outcome, part.reads, part.writes, part.ranges, part.atomics)
        answer = room.session.call(finish, Message)
        match answer:
            case Finished(stored):
                if stored:
                    run_callbacks(part.callbacks)
                return stored
            case Conflict():
                continue
        raise WireError(f"the head answered FinishJob with {answer!r}")
