"""Whether the records of a store make sense: what an engine's own check cannot see.

Engine-neutral, over `read`: each key is one of ours and its value has the form of all values; each job
has its function and its arguments, and an outcome if it has ended; what belongs to a job belongs to
one that exists, or whose keys are being collected; each space has what was counted (`census`).

Reference: fsck's passes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec

from actorcloud.base.ids import JOB_REF_BYTES, JobRef
from actorcloud.protocol.record import FINAL, JobRecord
from actorcloud.store import keys, stored
from actorcloud.store.engine import ReadPlan
from actorcloud.store.maintenance.bulk import Bulk
from actorcloud.store.maintenance.census import Census

#: Problems that are told; a store with so many is beyond repair by hand.
PROBLEM_LIMIT = 100

_PREFIXES = {entry.prefix: entry.name for entry in keys.REGISTRY}

#: What belongs to one job, under its reference.
_OF_JOBS = {keys.ARGUMENTS: "arguments", keys.RESULT: "a result"}

_record = msgspec.msgpack.Decoder(JobRecord)

#: (key, stored value).
Item = tuple[bytes, bytes]


def find_problems(bulk: Bulk) -> tuple[str, ...]:
    """Return a line for each problem, at most `PROBLEM_LIMIT`; none: the records are sound."""
    return tuple(itertools.islice(_problems(bulk), PROBLEM_LIMIT))


def _problems(bulk: Bulk) -> Iterator[str]:
    found = Census(bulk)
    for items in bulk.chunks():
        whole = []
        for item in items:
            problem = _problem_of_form(item, bulk.seq)
            if problem is None:
                whole.append(item)
            else:
                yield problem
        yield from _missing(bulk, whole)
        yield from map(str, found.look(items))
    yield from map(str, found.end())


def _problem_of_form(item: Item, seq: int) -> str | None:
    key, value = item
    if key[:1] not in _PREFIXES:
        return f"the key {key[:32].hex()} begins with no known prefix"
    if len(value) < stored.HEADER_BYTES:
        return f"the value of {_named(key)} has {len(value)} bytes, and no header"
    if stored.seq_of(value) > seq:
        return f"{_named(key)} was written by commit {stored.seq_of(value)}, but the store is at {seq}"
    if key[:1] == keys.RECORD:
        try:
            _record.decode(stored.payload_of(value))
        except msgspec.DecodeError as error:
            return f"{_named(key)} cannot be read: {error}"
    return None


def _missing(bulk: Bulk, items: list[Item]) -> Iterator[str]:
    wanted = [(key, *need) for key, value in items for need in _needs(key, value)]
    there = bulk.engine.read(ReadPlan({name for _, names, _ in wanted for name in names})).values
    for key, names, text in wanted:
        if all(there[name] is None for name in names):
            yield f"{_named(key)} {text}"


def _needs(key: bytes, value: bytes) -> Iterator[tuple[tuple[bytes, ...], str]]:
    """Yield (keys, text): one of the keys must exist."""
    ref = keys.ref_of(key)
    if key[:1] == keys.RECORD:
        record = _record.decode(stored.payload_of(value))
        yield (keys.function(record.function),), "lacks its function"
        yield (keys.arguments(ref),), "lacks its arguments"
        if record.state in FINAL:
            yield (keys.result(ref),), f"is {record.state} and lacks its outcome"
    elif key[:1] in _OF_JOBS:
        yield (keys.record(ref),), f"has {_OF_JOBS[key[:1]]} and no record"
    elif key[:1] == keys.JOB_KEY:
        yield (keys.record(stored.payload_of(value)[:JOB_REF_BYTES]),), "names a job that is not there"
    elif key[:1] == keys.ONCE:
        yield (keys.record(ref), keys.garbage(ref)), "belongs to a job that is not there"
    elif key[:1] == keys.USER and (owner := keys.owner_of(key, ())) is not None:
        yield (keys.record(owner), keys.garbage(owner)), "belongs to a job that is not there"


def _named(key: bytes) -> str:
    if key[:1] == keys.RECORD or key[:1] in _OF_JOBS:
        return f"job {JobRef[object](keys.ref_of(key))}" if len(key) == len(keys.record(bytes(16))) else key.hex()
    return f"the {_PREFIXES[key[:1]]} key {key[1:33].hex()}"
