"""A job with very many keys is deleted while others commit: nobody waits for more than two of its batches."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actorcloud.actor import ActorRef, System
from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import Commit, Committed
from actorcloud.store import (
    Applied,
    Apply,
    Batch,
    Change,
    EngineScan,
    Expect,
    LmdbEngine,
    ReadPlan,
    StoreActor,
    encode_key,
    keys,
    stored,
)
from actorcloud.store.janitor import SWEEP_KEYS
from tests.store.local import REF, raw
from tests.store.test_actor import Probe

#: Keys of one commit that makes the job.
PORTION = 10_000


class CountingLmdb(LmdbEngine):
    """Counts commits, and how many keys each deleted."""

    deletes: list[int]

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        super().commit(batch, epoch=epoch, expect=expect, new=new)
        self.deletes.append(len(batch.deletes))


def make_job(path: Path, count: int) -> CountingLmdb:
    """Make a store with a job that has so many keys."""
    engine = CountingLmdb(path)
    engine.deletes = []
    epoch = engine.open("maker").epoch
    record = msgspec.msgpack.encode(JobRecord("done", b"f" * 16, 1.0))
    for seq, start in enumerate(range(0, count, PORTION)):
        puts = {keys.user(REF, encode_key(n)): stored.pack(1, raw(b"value")) for n in range(start, start + PORTION)}
        puts[keys.record(REF)] = stored.pack(1, record)
        engine.commit(Batch(puts, ()), epoch=epoch, expect=seq, new=seq + 1)
    engine.close()
    engine.deletes.clear()
    return engine


def delete(store: ActorRef[Any]) -> None:
    probe = Probe()
    change = Change(tag=0, expect=(Expect(REF, "done"),), records=((REF, None),), puts=((keys.garbage(REF), b""),))
    store.tell(Apply((change,), probe))
    assert isinstance(probe.next(), Applied)


def is_gone(engine: LmdbEngine) -> bool:
    prefix = keys.job_space(REF)
    return engine.read(ReadPlan((), (EngineScan(prefix, keys.after_prefix(prefix), 1),))).scans[0] == []


class Client:
    """Commits one after the other, and notes how long that takes: in seconds, and in batches of the engine."""

    def __init__(self, store: ActorRef[Any], engine: CountingLmdb) -> None:
        self._store = store
        self._engine = engine
        self._count = 0

    def commit(self) -> tuple[float, int]:
        self._count += 1
        key = keys.user("others", encode_key(self._count % 100))
        began, batches = time.perf_counter(), len(self._engine.deletes)
        answer = self._store.ask(Commit(self._count.to_bytes(16, "big"), 1, writes=((key, raw(b"v")),)))
        assert isinstance(answer, Committed)
        return time.perf_counter() - began, len(self._engine.deletes) - batches


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


def delete_beside_others(path: Path, count: int) -> tuple[list[float], list[float]]:
    """Delete a job of so many keys; return how long others' commits took before, and meanwhile."""
    engine = make_job(path, count)
    with contextlib.closing(System()) as system:
        store = StoreActor.options(system=system).start(engine)
        client = Client(store, engine)
        before = [client.commit()[0] for _ in range(200)]
        # When
        delete(store)
        during = []
        while not is_gone(engine):
            during.append(client.commit())
        # Then: one batch was in flight, the next has the commit; a third may have landed before the answer was seen.
        assert len(during) >= count // SWEEP_KEYS // 3
        assert max(batches for _, batches in during) <= 3
        assert max(engine.deletes) <= SWEEP_KEYS + 1
    return before, [seconds for seconds, _ in during]


@pytest.mark.slow
def test_others_commit_while_a_large_job_is_deleted(tmp_path: Path) -> None:
    delete_beside_others(tmp_path / "store", 50_000)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_others_are_hardly_slower_while_a_million_keys_are_deleted(tmp_path: Path) -> None:
    before, during = delete_beside_others(tmp_path / "store", 1_000_000)
    print(f"p99 {p99(before) * 1e3:.1f} ms before, {p99(during) * 1e3:.1f} ms meanwhile")
    # The floor is the noise of a busy machine.
    assert p99(during) < max(3 * p99(before), 0.1)
