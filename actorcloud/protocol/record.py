"""What the store keeps of a job.

Three records under three keys, so that a transition rewrites only the small one: the `JobRecord`
(its state), the arguments (never change) and the `Outcome` (written once, with the final state).

History: version 1, the first.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from actorcloud.base.states import JobError

#: The states as stored and sent; `base.states` has them as users see them.
StateName = Literal["queued", "running", "done", "failed", "suspended"]

#: States that no transition but deletion leaves.
FINAL: frozenset[str] = frozenset({"done", "failed"})

#: States in which a job has an outcome to tell; it may leave "suspended" again.
SETTLED: frozenset[str] = FINAL | {"suspended"}

#: (job, run): who may commit for a job. `run` is compared for equality only.
Fence = tuple[bytes, bytes]


class JobRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state of a job and what decided it."""

    state: StateName
    #: Digest under which the function is stored.
    function: bytes
    #: Seconds since 1970.
    added_at: float
    #: Place in the queue: the number of the commit that added it, stamped by the store.
    order: int = 0
    #: Re-runs allowed after an exception or a timeout.
    retries: int = 0
    #: Seconds one run may take.
    timeout: float | None = None
    #: The user's own name for it.
    key: str | None = None
    #: The run that may commit and finish: 16 bytes, head incarnation and counter; empty before the first.
    run: bytes = b""
    #: Where that run is, or was.
    node: str = ""
    #: Runs started so far: the attempt that people see.
    attempt: int = 0
    #: Runs that ended in an exception or a timeout; against `retries`.
    failures: int = 0
    #: Runs whose process died; three suspend the job.
    crashes: int = 0
    #: Runs lost with their node or head; they count for nothing until there are three.
    lost: int = 0
    #: Seconds since 1970 of the last transition.
    changed_at: float = 0.0


class NewJob(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A job to add inside a transaction."""

    ref: bytes
    function: bytes
    arguments: bytes
    retries: int = 0
    timeout: float | None = None
    key: str | None = None


class Outcome(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a job ended, as stored and as sent to whoever waits."""

    #: "done", "failed" or "suspended".
    state: StateName
    #: The pickled value; of a failure the pickled exception, empty where it could not be pickled.
    value: bytes = b""
    #: Set unless done.
    error: JobError | None = None
    #: `ActorCloudError.code` when the failure is ours ("job-cancelled", "job-timeout"); else empty.
    code: str = ""
    #: The tail of what the run printed.
    output: bytes = b""
