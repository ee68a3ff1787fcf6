"""A job with very many keys is deleted while others commit: each waits for the batch that is being written only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actorcloud.actor import ActorRef, Future, System
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
    Tidy,
    encode_key,
    keys,
    stored,
)
from actorcloud.store.janitor import SWEEP_KEYS
from tests.store.local import REF, raw
from tests.store.test_actor import Probe

#: Keys of one commit that makes the job.
PORTION = 10_000


class WatchedLmdb(LmdbEngine):
    """Shows each batch before it is written."""

    shown: list[Batch]
    show: Callable[[], None]

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        self.shown.append(batch)
        self.show()
        super().commit(batch, epoch=epoch, expect=expect, new=new)


def make_job(path: Path, count: int) -> WatchedLmdb:
    """Make a store with a job that has so many keys."""
    engine = WatchedLmdb(path)
    engine.shown = []
    engine.show = lambda: None
    epoch = engine.open("maker").epoch
    record = msgspec.msgpack.encode(JobRecord("done", b"f" * 16, 1.0))
    for seq, start in enumerate(range(0, count, PORTION)):
        puts = {keys.user(REF, encode_key(n)): stored.pack(1, raw(b"value")) for n in range(start, start + PORTION)}
        puts[keys.record(REF)] = stored.pack(1, record)
        engine.commit(Batch(puts, ()), epoch=epoch, expect=seq, new=seq + 1)
    engine.close()
    engine.shown.clear()
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
    """Commits, each to a key of its own among a hundred."""

    def __init__(self, store: ActorRef[Any]) -> None:
        self._store = store
        self._count = 0

    def send(self) -> tuple[bytes, Future[Any]]:
        """Return what is written, and the answer to come."""
        self._count += 1
        key = keys.user("others", encode_key(self._count % 100))
        commit = Commit(self._count.to_bytes(16, "big"), 1, writes=((key, raw(b"v")),))
        return key, self._store.ask(commit, block=False)

    def commit(self) -> float:
        """Return how many seconds it took."""
        began = time.perf_counter()
        _, answer = self.send()
        assert isinstance(answer.get(30), Committed)
        return time.perf_counter() - began


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[len(seconds) * 99 // 100]


def delete_beside_others(path: Path, count: int) -> tuple[list[float], list[float]]:
    """Delete a job of so many keys; return how long others' commits took before, and meanwhile."""
    engine = make_job(path, count)
    with contextlib.closing(System()) as system:
        store = StoreActor.options(system=system).start(engine)
        client = Client(store)
        before = [client.commit() for _ in range(200)]
        # When
        delete(store)
        during = []
        while not is_gone(engine):
            during.append(client.commit())
    return before, during


def test_others_commit_while_a_large_job_is_deleted(tmp_path: Path) -> None:
    # Given: who commits while a batch of the deletion is being written; whichever thread is slow, that is the order
    engine = make_job(tmp_path / "store", 20 * SWEEP_KEYS)
    with contextlib.closing(System()) as system:
        store = StoreActor.options(system=system).start(engine)
        client = Client(store)
        sent: list[tuple[int, bytes, Future[Any]]] = []

        def show() -> None:
            if len(engine.shown[-1].deletes) >= SWEEP_KEYS:
                sent.append((len(engine.shown), *client.send()))

        engine.show = show
        # When
        delete(store)
        store.ask(Tidy())
        # Then
        assert is_gone(engine)
        assert len(sent) == 20
        for at, key, answer in sent:
            assert isinstance(answer.get(30), Committed)
            assert key in engine.shown[at].puts, "it waited for more than the batch that was being written"
        assert max(len(batch.deletes) for batch in engine.shown) <= SWEEP_KEYS + 1


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_others_are_hardly_slower_while_a_million_keys_are_deleted(tmp_path: Path) -> None:
    before, during = delete_beside_others(tmp_path / "store", 1_000_000)
    print(f"p99 {p99(before) * 1e3:.1f} ms before, {p99(during) * 1e3:.1f} ms meanwhile")
    # The floor is the noise of a busy machine.
    assert p99(during) < max(3 * p99(before), 0.1)
