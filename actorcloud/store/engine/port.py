"""The port of the engines: an ordered map of bytes with whole-batch commits.

::

    open() -> Opened(incarnation, epoch, seq)        the only writer from now on
    read(plan) -> ReadView                           ONE snapshot, its seq from the same snapshot
    commit(batch, epoch, expect, new)                all or nothing, and durable when it returns
    resolve(epoch, expect, new) -> bool              after Unresolved: was it applied?
    renew()                                          still the only writer, where that is a lease
    backup(dest), check(level) -> Report             for whoever administers a store

Engines never interpret keys (but their own, prefix 00) or values. No cursor, transaction or
callback crosses the port; `expect` and `new` make a commit idempotent, `epoch` fences an engine
that was opened elsewhere after us. One conformance suite runs against each engine.

Thread: `read`, `backup` and `check` from any thread; `commit`, `resolve` and `renew` always from
one and the same.

Reference: store-design 3.1.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from actorcloud.base.errors import StoreError


class FencedOut(StoreError):
    """Another process has opened this store after us: only that one may write."""

    code = "fenced-out"
    is_outage = True


class Unresolved(StoreError):
    """The engine cannot tell whether a commit was applied; ask `resolve`, or open it anew."""

    code = "unresolved"
    is_outage = True


class EngineFailed(StoreError):
    """The engine may not go on; what is in its file decides after the next open."""

    code = "engine-failed"


#: So often in the time of a lease it is renewed: two tries may fail.
RENEWALS = 3


class EngineCaps(NamedTuple):
    """What an engine can take."""

    #: Bytes.
    key_limit: int
    #: Bytes.
    value_limit: int
    #: Whether other machines could open it.
    shared: bool
    #: Seconds after which others may open it, unless it is renewed or written to; 0: as long as the process lives.
    lease: float = 0.0


class Opened(NamedTuple):
    """What `open` found."""

    #: 16 random bytes, renewed when the store is created or restored.
    incarnation: bytes
    #: Goes up at each open.
    epoch: int
    #: Number of the last commit.
    seq: int


class Scan(NamedTuple):
    """The first `limit` items with lo <= key < hi; the last ones, from the end on, if `reverse`.

    The two bounds of bytes are leave, not duty, to return less: whoever asks tells by the sizes of
    what came whether there may be more.
    """

    lo: bytes
    hi: bytes
    limit: int
    reverse: bool = False
    #: The item with which keys and values reach this many bytes may be the last.
    limit_bytes: int | None = None
    #: Only so many first bytes of each value are wanted; there may be more.
    value_bytes: int | None = None


class ReadPlan(NamedTuple):
    """All that one read wants."""

    keys: Collection[bytes] = ()
    scans: Sequence[Scan] = ()


class ReadView(NamedTuple):
    """What was there, all at one moment."""

    #: Number of the last commit it contains.
    seq: int
    #: Each key of the plan; None: absent.
    values: dict[bytes, bytes | None]
    #: One list for each scan, in the order of the keys; the other way round where it is `reverse`.
    scans: list[list[tuple[bytes, bytes]]]


class Batch(NamedTuple):
    """Changes that are applied together; no key is in both."""

    puts: Mapping[bytes, bytes]
    deletes: Collection[bytes]


class EngineStats(NamedTuple):
    """How full an engine is."""

    #: Keys, its own included.
    entries: int
    #: Bytes in use; what was deleted is not.
    used_bytes: int
    #: Bytes it may grow to.
    limit_bytes: int
    #: Slots for readers that have been in use at once; 0 where there are none.
    readers: int = 0
    #: Bytes that can be written until the disk is full, room of its own that was freed included; None: it has no disk.
    free_bytes: int | None = None
    #: Size of the disk.
    disk_bytes: int | None = None


#: `quick`: what can be told without reading all; `full`: every page.
CheckLevel = Literal["quick", "full"]


class Report(NamedTuple):
    """What a check has found."""

    level: CheckLevel
    #: A line for people each; empty: the store is sound.
    problems: tuple[str, ...]
    #: How much was looked at.
    checked_bytes: int


class Engine(Protocol):
    """See the module."""

    caps: EngineCaps

    def open(self, owner: str) -> Opened:
        """Become the only writer.

        Args:
            owner: who opens it, for the error of the next one.

        Raises:
            StoreLocked: another process has it open.
            NotAStore: there is something else.
            StoreTooNew: a newer actorcloud wrote it.
            StoreDamaged: it cannot be trusted.
        """
        ...

    def read(self, plan: ReadPlan) -> ReadView:
        """Return what the plan asks for, of durable state only."""
        ...

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        """Apply the batch if the store is at commit `expect` of `epoch`; then it is at `new`.

        Raises:
            FencedOut: another one has opened the store.
            NoSpace: nothing was applied, and the engine can go on.
            Unresolved: ask `resolve`.
            EngineFailed: the process must end.

        Blocks: until it is on disk.
        """
        ...

    def resolve(self, *, epoch: int, expect: int, new: int) -> bool:
        """Tell whether an `Unresolved` commit was applied; if not, it never will be.

        Raises:
            FencedOut: another one has opened the store.
            EngineFailed: it cannot be told before the next open.
        """
        ...

    def renew(self) -> None:
        """Stay the only writer for another `caps.lease` seconds; nothing where that is 0.

        Raises:
            FencedOut: another one has opened the store.
            EngineFailed: the process must end.
        """
        ...

    def backup(self, dest: str | os.PathLike[str]) -> None:
        """Write what is durable now into a store of its own, and check that one; commits go on meanwhile.

        Also of a store that this object has not opened, and another process may have.

        Args:
            dest: a directory that is empty, or is made.

        Raises:
            NotAStore: there is something in it.
            NoSpace: it does not fit; what was written is removed.
            StoreDamaged: the copy is not sound, and has been removed.
        """
        ...

    def check(self, level: CheckLevel) -> Report:
        """Look for damage, without changing anything; an unsound store is a report, not an error.

        One that this object has not opened is locked meanwhile.

        Raises:
            StoreLocked: another process has it.
            NoSpace: it needs room for a copy.
        """
        ...

    def close(self) -> None:
        """Leave the store in order; safe to call twice."""
        ...

    def stats(self) -> EngineStats:
        """Return how full it is; readers that are dead are forgotten."""
        ...
