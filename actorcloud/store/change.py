"""What the head's own actors say to the store actor; all in one process, never encoded.

::

    manager -- Apply(changes) -----> store      each change is a transaction of its own, in order
    manager <-- Fed(number, ...) --- store      every durable change of a job, before any answer
    manager <-- Applied(answers) --- store
    manager -- Get, Scan ----------> store      read the last durable state
    manager <-- Got, Page ---------- store

Keys are engine keys, made by `store.keys`; values are payloads, without the engine's header.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import Atomic, RangeEntry, ReadEntry, Write


class Recipient(Protocol):
    """Who gets an answer: an `ActorRef`, or a test."""

    def tell(self, message: object, /) -> object:
        """Take the message; never raises, never blocks."""
        ...


class Expect(msgspec.Struct, frozen=True, gc=False):
    """What a job's record must be for the change to count."""

    ref: bytes
    #: None: there must be no record.
    state: str | None
    #: None: any.
    run: bytes | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One transaction of the manager's: all of it, or none."""

    #: Repeated in the answer.
    tag: object
    expect: tuple[Expect, ...] = ()
    #: (ref, its new record, None to delete it). One that is expected absent gets the commit's number as `order`.
    records: tuple[tuple[bytes, JobRecord | None], ...] = ()
    puts: tuple[tuple[bytes, bytes], ...] = ()
    deletes: tuple[bytes, ...] = ()
    #: Keys that must exist, at the latest by this change's own puts.
    needs: tuple[bytes, ...] = ()
    #: Keys that must not exist.
    absent: tuple[bytes, ...] = ()
    #: What a user's transaction that goes along has read, and writes.
    reads: tuple[ReadEntry, ...] = ()
    writes: tuple[Write, ...] = ()
    ranges: tuple[RangeEntry, ...] = ()
    atomics: tuple[Atomic, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """Nothing of the change was written.

    `code`: "exists", "deleted" (a tombstone), "need-function" or "missing" (see `needs`),
    "no-such-job", "fenced" (another state or run), "conflict" (a read), or the `code` of an error.
    """

    code: str
    #: For people.
    text: str
    #: The record that did not meet the expectation, if there is one.
    record: JobRecord | None = None


class Apply(msgspec.Struct, frozen=True):
    """Make these changes; answered with one `Applied`."""

    changes: tuple[Change, ...]
    reply_to: Recipient


class Applied(msgspec.Struct, frozen=True):
    """Each change of an `Apply` by its tag, in order: None, it is durable; or why not."""

    answers: tuple[tuple[object, Refused | None], ...]


class Fed(msgspec.Struct, frozen=True):
    """The jobs that one durable batch changed: their records as they are now; None: deleted."""

    #: Counts from 1 for each start of the store actor, without gaps.
    number: int
    changes: tuple[tuple[bytes, JobRecord | None], ...]
    #: Number of the last commit in the batch.
    seq: int = 0


class Tidy(msgspec.Struct, frozen=True):
    """Throw away all that is to be thrown away, functions too; an ask, answered with None when that is done."""


class Get(msgspec.Struct, frozen=True):
    """Read these keys from the last durable state; answered with `Got`."""

    tag: object
    keys: tuple[bytes, ...]
    reply_to: Recipient


class Got(msgspec.Struct, frozen=True):
    """The payloads, in the order of the keys; None: absent."""

    tag: object
    values: tuple[bytes | None, ...]
    #: Of the last `Fed` whose changes these contain.
    fed: int


class Scan(msgspec.Struct, frozen=True):
    """Read the next items whose keys begin with `prefix`; answered with `Page`."""

    tag: object
    prefix: bytes
    reply_to: Recipient
    #: Only keys after this one, in the order that is wanted; empty: from the start of that.
    after: bytes = b""
    limit: int = 1000
    #: The largest key first.
    reverse: bool = False


class Page(msgspec.Struct, frozen=True):
    """Keys, in the order that was wanted, with their payloads."""

    tag: object
    items: tuple[tuple[bytes, bytes], ...]
    #: Whether there may be others after these.
    more: bool
    #: Of the last `Fed` whose changes these contain.
    fed: int
