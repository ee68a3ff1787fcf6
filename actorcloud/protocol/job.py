"""Between clients and the job manager (tags 60-99).

Every request is an ask to the actor named "jobs", those about nodes to "nodes". Requests that
change something are idempotent: a client whose head restarted sends them again as they are.

`Await` is a streaming ask: its answers are `Outcomes`, as jobs end, until each of its references
has been answered. A job's own requests carry its fence.

History: version 1, the first.
"""

from __future__ import annotations

import msgspec

from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Fence, JobRecord, Outcome
from actorcloud.protocol.transaction import Atomic, RangeEntry, ReadEntry, Write

#: The name under which the manager is registered on the head.
JOBS = "jobs"

#: The name under which the store actor is registered on the head.
STORE = "store"

#: Jobs in one AddJobs, references in one Await.
BATCH_LIMIT = 4096

#: Bytes of the fingerprint of a job that has a key, at most.
FINGERPRINT_LIMIT_BYTES = 64

#: Bytes of one job's arguments, of a function or of a result.
PAYLOAD_LIMIT_BYTES = 16 * 1024 * 1024


class AddJobs(Message, tag=60, frozen=True):
    """Add jobs that share function and options; answered by `Added` once durable, or `NeedFunction`.

    Without jobs, it brings the function alone: for a transaction that adds jobs.
    """

    function: bytes
    #: The pickled function, where the client does not know that the head has it; else empty.
    code: bytes
    #: (ref, pickled arguments) of each, at most `BATCH_LIMIT`.
    jobs: tuple[tuple[bytes, bytes], ...]
    retries: int = 0
    timeout: float | None = None
    #: Only with a single job.
    key: str | None = None
    fence: Fence | None = None
    #: Only with a key: what tells the client whether the key is used for the same again; opaque here.
    fingerprint: bytes = b""


class Added(Message, tag=61, frozen=True):
    """The jobs are durable; `refs` in the order asked, another's where `key` already named one."""

    refs: tuple[bytes, ...]
    #: That of another's, where `key` already named one; empty: not known.
    fingerprint: bytes = b""


class NeedFunction(Message, tag=62, frozen=True):
    """Nothing was added: the head does not have this function; send it along."""

    function: bytes


class Await(Message, tag=63, frozen=True):
    """Tell me how these end, at most `BATCH_LIMIT`."""

    refs: tuple[bytes, ...]


class Outcomes(Message, tag=64, frozen=True):
    """These have ended; an outcome of None: there is no such job."""

    items: tuple[tuple[bytes, Outcome | None], ...]


class GetJob(Message, tag=65, frozen=True):
    """What is known of one job?"""

    ref: bytes


class JobDetail(Message, tag=66, frozen=True):
    """The record of a job, and its outcome where it has one."""

    ref: bytes
    record: JobRecord
    outcome: Outcome | None = None


class CancelJob(Message, tag=67, frozen=True):
    """Kill it and keep its record; answered by `Answer`, False if it had already ended."""

    ref: bytes
    fence: Fence | None = None


class DeleteJob(Message, tag=68, frozen=True):
    """Kill it and forget it; answered by `Answer`."""

    ref: bytes
    fence: Fence | None = None


class Answer(Message, tag=69, frozen=True):
    """Whether the request changed something."""

    changed: bool


class ListJobs(Message, tag=70, frozen=True):
    """Jobs by their references, the newest first."""

    #: A StateName, or None for all.
    state: str | None = None
    limit: int = 100
    #: Only those after this reference in that order, older ones; empty: from the newest on.
    after: bytes = b""


class JobList(Message, tag=71, frozen=True):
    """The answer to `ListJobs`."""

    items: tuple[tuple[bytes, JobRecord], ...]


class GetInfo(Message, tag=72, frozen=True):
    """Statistics of jobs and nodes."""


class NodeLine(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node as people see it."""

    name: str
    #: "up", "suspect", or "away": it has jobs, and has not come back since this head started.
    state: str
    #: Worker processes; of one that is away they are not known, and 0.
    slots: int
    #: Jobs it holds.
    held: int
    #: What it told of itself: versions, cpus.
    facts: dict[str, str]


class Info(Message, tag=73, frozen=True):
    """The answer to `GetInfo`."""

    #: Jobs not yet final, by state.
    live: dict[str, int]
    #: Jobs ended since this head started, by state.
    ended: dict[str, int]
    nodes: tuple[NodeLine, ...]
    #: Seconds since this head started.
    uptime: float
    version: str
    #: Number of the last batch that changed jobs, since this head started; of commits `StoreFigures` tells.
    batches: int = 0


class AddNode(Message, tag=74, frozen=True):
    """Dial a listening node; answered by `NodeAdded` when it has joined."""

    host: str
    port: int
    fence: Fence | None = None


class NodeAdded(Message, tag=75, frozen=True):
    """The node has joined under this name."""

    name: str


class RemoveNode(Message, tag=76, frozen=True):
    """Let a node go: its jobs are queued again; answered by `Answer`."""

    name: str
    fence: Fence | None = None


class FinishJob(Message, tag=77, frozen=True):
    """Finish with a transaction (`on_done`): the outcome and these writes are one commit.

    Answered by `Finished`, or by the transaction's `Conflict`: run the functions again.
    """

    fence: Fence
    outcome: Outcome
    #: As in `transaction.Commit`.
    reads: tuple[ReadEntry, ...]
    writes: tuple[Write, ...]
    ranges: tuple[RangeEntry, ...] = ()
    atomics: tuple[Atomic, ...] = ()


class Finished(Message, tag=78, frozen=True):
    """`stored`: that run's finish is durable. Else it was refused: another run is current."""

    stored: bool
