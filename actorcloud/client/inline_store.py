"""The store of `workers=0`: a dict, for as long as the process lives.

It answers the messages of `protocol.transaction` as the head's store does, one at a time. Nothing
is durable; a person steps through this with a debugger.

Thread: the caller holds the inline head's lock.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from actorcloud.base.errors import NoSuchJob, WireError
from actorcloud.base.ids import JOB_REF_BYTES, JobRef
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Fence, NewJob
from actorcloud.protocol.transaction import (
    Commit,
    Committed,
    Conflict,
    Fenced,
    Found,
    Read,
    ReadEntry,
    Refused,
    Values,
    Write,
)
from actorcloud.store import keys


class InlineStore:
    """Keys, values, and the number of the commit that wrote each.

    Args:
        has_job: whether there is a job of this reference.
        holds: whether this run is its job's current one.
        add_job: adds a job; the function is known.
    """

    def __init__(
        self, has_job: Callable[[bytes], bool], holds: Callable[[Fence], bool], add_job: Callable[[NewJob], None]
    ) -> None:
        #: Number of the last commit.
        self.seq = 0
        self._has_job = has_job
        self._holds = holds
        self._add_job = add_job
        self._incarnation = os.urandom(16)
        self._found: dict[bytes, tuple[int, bytes]] = {}

    def answer(self, message: Message) -> Message:
        """Return the answer to a Read or a Commit."""
        match message:
            case Read(wanted, _, reads):
                return self._owned((*wanted, *dict(reads))) or self._read(wanted, reads)
            case Commit():
                return self._owned((*dict(message.reads), *dict(message.writes))) or self._commit(message)
        raise WireError(f"the store does not know {message!r}")

    def put(self, writes: Iterable[Write]) -> None:
        """Apply writes as one commit."""
        self.seq += 1
        for key, value in writes:
            if value is None:
                self._found.pop(key, None)
            else:
                self._found[key] = (self.seq, value)

    def forget(self, ref: bytes) -> None:
        """Delete everything that a job keys."""
        for key in [key for key in self._found if _owner(key) == ref]:
            del self._found[key]

    def _read(self, wanted: tuple[bytes, ...], reads: tuple[ReadEntry, ...]) -> Values | Conflict:
        if not self._still_holds(reads):
            return self._conflict((*dict(reads), *wanted))
        return Values((self._incarnation, self.seq), tuple(self._found.get(key) for key in wanted))

    def _commit(self, commit: Commit) -> Committed | Conflict | Fenced:
        if commit.fence is not None and not self._holds(commit.fence):
            return Fenced()
        if not self._still_holds(commit.reads):
            return self._conflict(dict(commit.reads))
        self.put(commit.writes)
        for job in commit.jobs:
            self._add_job(job)
        return Committed(self.seq, commit.attempt)

    def _owned(self, wanted: Iterable[bytes]) -> Refused | None:
        for owner in filter(None, map(_owner, wanted)):
            if not self._has_job(owner):
                return Refused(NoSuchJob.code, f"there is no job {JobRef[object](owner)}: it was deleted, or never was")
        return None

    def _still_holds(self, reads: tuple[ReadEntry, ...]) -> bool:
        return all(self._found.get(key, (0, b""))[0] == seq for key, seq in reads)

    def _conflict(self, wanted: Iterable[bytes]) -> Conflict:
        fresh: tuple[tuple[bytes, Found], ...] = tuple((key, self._found.get(key)) for key in wanted)
        return Conflict((self._incarnation, self.seq), fresh)


def _owner(key: bytes) -> bytes | None:
    """Return the job that owns an engine key, None where a space's name does."""
    space = keys.job_space(bytes(JOB_REF_BYTES))[:-JOB_REF_BYTES]
    return key[len(space) : len(space) + JOB_REF_BYTES] if key.startswith(space) else None
