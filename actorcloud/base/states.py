"""The states of a job, as users see them.

::

    queued -> running -> done | failed | suspended
    suspended -> queued                               on resume

Frozen, and made for `match`::

    match cloud.status(ref):
        case Running(where): ...
        case Failed(error): print(error.traceback)

Reference: Joe Armstrong's cloud of 2009: `queued | {running, Where} | done | {suspended, Why}`.
"""

from __future__ import annotations

import msgspec

from actorcloud.base.ids import NodeRef


class JobError(msgspec.Struct, frozen=True, array_like=True):
    """What a job raised, as text."""

    #: Name of the exception's class.
    type: str
    message: str
    #: The formatted remote traceback, ending in the user's line.
    traceback: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class Crashed(msgspec.Struct, frozen=True, tag="crashed"):
    """Why a job is suspended: the process that ran it died, `times` times."""

    times: int

    def __str__(self) -> str:
        return f"crashed({self.times} times)"


#: What `Suspended.why` may hold.
Why = Crashed


class Queued(msgspec.Struct, frozen=True):
    """The job waits for a node."""

    def __str__(self) -> str:
        return "queued"


class Running(msgspec.Struct, frozen=True):
    """The job was handed to a node."""

    where: NodeRef

    def __str__(self) -> str:
        return f"running on {self.where}"


class Done(msgspec.Struct, frozen=True):
    """The job has a result."""

    def __str__(self) -> str:
        return "done"


class Failed(msgspec.Struct, frozen=True):
    """The job raised, timed out or was cancelled, and has no retries left."""

    error: JobError

    def __str__(self) -> str:
        return f"failed: {self.error}"


class Suspended(msgspec.Struct, frozen=True):
    """The job will not run until something changes."""

    why: Why

    def __str__(self) -> str:
        return f"suspended: {self.why}"


#: What `cloud.status` returns.
JobState = Queued | Running | Done | Failed | Suspended
