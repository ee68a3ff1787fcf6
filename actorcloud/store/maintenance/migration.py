"""Bringing an older store up to the format of this release, when it is opened.

::

    open --> fmt is ours? ----------------------------------------> go on
             older: a verified backup, then
             00 migrating = (2, "")     one commit
             a thousand records each    changes and 00 migrating = (2, last key): one commit
             fmt = 2, no 00 migrating   one commit, and on to 3

A step may be killed at any moment: the next open goes on behind the last key that was committed. No
backup is made then, since the one that was made first is the store as it was.

Engine-neutral: over `read` and `commit`. A step that changes keys puts them under prefixes which it
does not look through.

Reference: store-design 2.13; SQLite's user_version; Khepri's machine versions.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from actorcloud.base.errors import NotAStore, StoreDamaged
from actorcloud.base.version import VERSION
from actorcloud.store import keys
from actorcloud.store.engine import Engine, Opened, ReadPlan
from actorcloud.store.format import FORMAT, FORMAT_MAJOR, FormatRecord, check_format, pack_format
from actorcloud.store.maintenance.bulk import Bulk
from actorcloud.store.stored import pack_value, seq_of, value_of

logger = logging.getLogger("actorcloud.store")

MIGRATING = keys.meta("migrating")

#: There while an import goes on: a store that has it is half a store.
UNFINISHED = keys.meta("unfinished")


class Step(NamedTuple):
    """From one format to the next."""

    #: The format that it leads to.
    major: int
    #: Whose records it changes, ascending.
    prefixes: tuple[bytes, ...]
    #: (key, stored value) -> what to write instead; None: delete that key. Empty: it stays as it is.
    change: Callable[[bytes, bytes], Mapping[bytes, bytes | None]]


def _name_codec(key: bytes, value: bytes) -> Mapping[bytes, bytes | None]:
    return {key: pack_value(seq_of(value), value_of(value))}


#: All there are, ascending. Format 1 is the first.
STEPS: tuple[Step, ...] = (Step(2, (keys.USER, keys.ONCE), _name_codec),)


class Plan(NamedTuple):
    """What to do with an older store."""

    #: (engine, format) -> makes a verified backup first; None: there is none.
    backup: Callable[[Engine, int], object] | None = None
    #: That are known.
    steps: Sequence[Step] = STEPS
    #: The format that is wanted.
    major: int = FORMAT_MAJOR


PLAN_DEFAULT = Plan()


class Progress(msgspec.Struct, frozen=True, array_like=True):
    """How far a migration has come."""

    #: The format that the step leads to.
    major: int
    #: The last key that it has seen.
    after: bytes = b""


def prepare(engine: Engine, opened: Opened, owner: str, plan: Plan = PLAN_DEFAULT) -> Opened:
    """See to it that an opened store is whole and of our format.

    Args:
        engine: opened just now. If anything had to be written it is opened anew: so another thread may write.
        opened: what `open` said.
        owner: as for `open`.
        plan: what to do with an older one.

    Returns:
        What `open` said last.

    Raises:
        StoreDamaged: an import into it was not finished.
        StoreTooNew, NotAStore: its format cannot be had.
        NoSpace, EngineFailed: as the engine says; a later open goes on.

    Blocks: while records are changed.
    """
    found = engine.read(ReadPlan([FORMAT, MIGRATING, UNFINISHED])).values
    if found[UNFINISHED] is not None:
        raise StoreDamaged("an import into this store was not finished: import again")
    raw = found[FORMAT]
    # A disk in memory has no record: it never outlives a release.
    record = FormatRecord() if raw is None else check_format("the store is one", raw, plan.major)
    if record.major == plan.major and found[MIGRATING] is None:
        return opened
    todo = _steps(record.major, plan)
    bulk = Bulk(engine, opened)
    at = _begin(bulk, record.major, plan, found[MIGRATING])
    for step in todo:
        record = _run(bulk, step, at if at.major == step.major else Progress(step.major), record)
        # The next step begins with the end of this one: that only its backup is made, and not another.
        following = [] if step is todo[-1] else [(MIGRATING, _pack(Progress(step.major + 1)))]
        bulk.commit({FORMAT: pack_format(record), **dict(following)}, [] if following else [MIGRATING])
    engine.close()
    return engine.open(owner)


def format_of(bulk: Bulk) -> FormatRecord:
    """Return the format record of an opened store."""
    raw = bulk.get(FORMAT)
    return FormatRecord() if raw is None else check_format("the store is one", raw)


def _begin(bulk: Bulk, old: int, plan: Plan, found: bytes | None) -> Progress:
    if found is not None:
        at = msgspec.msgpack.decode(found, type=Progress)
        logger.warning("going on with the migration of the store to format %d", at.major)
        return at
    logger.warning("migrating the store from format %d to %d", old, plan.major)
    if plan.backup is not None:
        plan.backup(bulk.engine, old)
    at = Progress(old + 1)
    bulk.commit({MIGRATING: _pack(at)})
    return at


def _steps(old: int, plan: Plan) -> list[Step]:
    new, known = plan.major, {step.major: step for step in plan.steps}
    missing = [major for major in range(old + 1, new + 1) if major not in known]
    if missing:
        raise NotAStore(
            f"the store has format {old}, from which this actorcloud ({VERSION}) knows no way to format {new}: "
            "open it with an older release first"
        )
    return [known[major] for major in range(old + 1, new + 1)]


def _run(bulk: Bulk, step: Step, at: Progress, record: FormatRecord) -> FormatRecord:
    for prefix in step.prefixes:
        if at.after >= keys.after_prefix(prefix):
            continue
        for items in bulk.chunks(prefix, at.after if at.after.startswith(prefix) else b""):
            writes: dict[bytes, bytes | None] = {}
            for key, value in items:
                writes.update(step.change(key, value))
            puts = {key: value for key, value in writes.items() if value is not None}
            puts[MIGRATING] = _pack(Progress(step.major, items[-1][0]))
            bulk.commit(puts, [key for key, value in writes.items() if value is None])
    return msgspec.structs.replace(record, major=step.major, created_by=VERSION)


def _pack(at: Progress) -> bytes:
    return msgspec.msgpack.encode(at)
