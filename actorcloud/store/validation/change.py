"""Whether a change of the manager's counts: judged against what it expects.

Pure. In order: each record is as expected; keys are present or absent as wanted; what a user's
transaction that goes along (`on_done`) has read still holds, and the jobs whose spaces it touches exist.
"""

from __future__ import annotations

import msgspec

from actorcloud.base.errors import BadKey, ConditionFailed, NoSuchJob
from actorcloud.base.ids import JobRef
from actorcloud.protocol.record import JobRecord
from actorcloud.store import change as own
from actorcloud.store import keys, stored
from actorcloud.store.validation.effect import effect_of
from actorcloud.store.validation.footprint import Touched, touched_by
from actorcloud.store.validation.verdict import Accepted
from actorcloud.store.view import Moment, View

ChangeVerdict = Accepted | own.Refused

_encode = msgspec.msgpack.Encoder().encode


def check_change(change: own.Change) -> Touched | own.Refused:
    """Return what a change touches; refuse it if its user's part touches keys that callers may not."""
    try:
        touched = _touched(change)
    except BadKey as error:
        return own.Refused(error.code, str(error))
    touched.keys.update((keys.record(expect.ref) for expect in change.expect), change.needs, change.absent)
    return touched


def validate_change(view: View, moment: Moment, change: own.Change, touched: Touched) -> ChangeVerdict:
    """Judge a `change`, of which the check has said what is `touched`."""
    return (
        _refuse_expectation(view, change)
        or _refuse_presence(view, change)
        or _refuse_user(view, change, touched)
        or _apply(view, moment.seq + 1, change)
    )


def _apply(view: View, seq: int, change: own.Change) -> ChangeVerdict:
    effect = effect_of(view, seq, change.writes, change.atomics)
    if isinstance(effect, dict):
        return _accept_change(seq, change, effect)
    if isinstance(effect, ConditionFailed) and effect.retry:
        return own.Refused("conflict", str(effect))
    return own.Refused(effect.code, str(effect))


def _accept_change(seq: int, change: own.Change, effect: dict[bytes, bytes | None]) -> Accepted:
    writes: dict[bytes, bytes | None] = {key: stored.pack(seq, payload) for key, payload in change.puts}
    new = {expect.ref for expect in change.expect if expect.state is None}
    records: list[tuple[bytes, JobRecord | None]] = []
    for ref, given in change.records:
        record = msgspec.structs.replace(given, order=seq) if given is not None and ref in new else given
        writes[keys.record(ref)] = None if record is None else stored.pack(seq, _encode(record))
        records.append((ref, record))
    writes.update(effect)
    writes.update(dict.fromkeys(change.deletes))
    return Accepted(seq, writes, tuple(records), effect)


def _refuse_expectation(view: View, change: own.Change) -> own.Refused | None:
    for expect in change.expect:
        record = view.record(expect.ref)
        if expect.state is None:
            if record is not None:
                return own.Refused("exists", f"job {JobRef(expect.ref)} exists already", record)
        elif record is None:
            return own.Refused(NoSuchJob.code, f"no job has the reference {JobRef(expect.ref)}")
        elif record.state != expect.state or (expect.run is not None and expect.run != record.run):
            text = f"job {JobRef(expect.ref)} is {record.state}, or it is another run"
            return own.Refused("fenced", text, record)
    return None


def _refuse_presence(view: View, change: own.Change) -> own.Refused | None:
    for key in change.absent:
        if view.value(key) is not None:
            if key[:1] == keys.TOMBSTONE:
                return own.Refused("deleted", f"job {JobRef(keys.ref_of(key))} was deleted")
            return own.Refused("exists", f"the key {key.hex()} exists already")
    brought = {key for key, _ in change.puts}
    for key in change.needs:
        if key not in brought and view.value(key) is None:
            if key[:1] == keys.FUNCTION:
                return own.Refused("need-function", key[1:].hex())
            return own.Refused("missing", f"the key {key.hex()} does not exist")
    return None


def _refuse_user(view: View, change: own.Change, touched: Touched) -> own.Refused | None:
    for ref in touched.owners:
        if not view.has_job(ref):
            return own.Refused(NoSuchJob.code, f"no job has the reference {JobRef(ref)}")
    if not view.still_holds(change.reads, change.ranges):
        return own.Refused("conflict", "what the transaction read has changed since")
    return None


def _touched(change: own.Change) -> Touched:
    # Nearly all changes are the manager's alone, and have a thousand jobs in them.
    if not (change.reads or change.ranges or change.writes or change.atomics):
        return Touched(set(), set())
    return touched_by(change, {expect.ref for expect in change.expect})
