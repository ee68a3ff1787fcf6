"""The store actor: answers, batches, feeds, the end, and what it cleans up."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actorcloud.actor import ActorDeadError, ActorRef, System
from actorcloud.base.errors import NoSpace, StoreLocked
from actorcloud.base.exits import Crash
from actorcloud.protocol.record import JobRecord, NewJob
from actorcloud.protocol.storestats import GetStoreStats
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Read, Refused, Values
from actorcloud.store import (
    Applied,
    Apply,
    Batch,
    Change,
    Engine,
    EngineFailed,
    Expect,
    Fed,
    Get,
    Got,
    LmdbEngine,
    MemoryDisk,
    MemoryEngine,
    Page,
    ReadPlan,
    Scan,
    StoreActor,
    Unresolved,
    WriterActor,
    encode_key,
    keys,
    pack_time,
)
from actorcloud.store import Refused as RefusedChange
from actorcloud.store import stored as header
from actorcloud.store.actor import Clean
from tests.store.local import REF, raw, run_of, size_of

DIGEST = b"f" * 16
WAIT = 30.0


class Probe:
    """Takes messages; a test waits for them in order."""

    def __init__(self) -> None:
        self._messages: queue.Queue[Any] = queue.Queue()

    def tell(self, message: object) -> None:
        self._messages.put(message)

    def next(self) -> Any:
        return self._messages.get(timeout=WAIT)

    def rest(self) -> list[Any]:
        return [self._messages.get_nowait() for _ in range(self._messages.qsize())]


class Gate:
    """Makes an engine's commits wait, or fail; counts them."""

    def __init__(self, *, shut: bool = False, after: bool = False) -> None:
        self._open = threading.Event()
        self._after = after
        self.arrived = threading.Semaphore(0)
        self.sizes: list[int] = []
        self.failures: list[Exception] = []
        if not shut:
            self._open.set()

    def open(self) -> None:
        self._open.set()

    def shut(self) -> None:
        self.arrived = threading.Semaphore(0)
        self._open.clear()

    def pass_through(self, commit: Callable[[], None], batch: Batch) -> None:
        self.sizes.append(len(batch.puts))
        if self.failures:
            raise self.failures.pop(0)
        if self._after:
            commit()
        self.arrived.release()
        assert self._open.wait(WAIT)
        if not self._after:
            commit()


class GatedMemory(MemoryEngine):
    def __init__(self, gate: Gate, disk: MemoryDisk | None = None) -> None:
        super().__init__(disk)
        self._gate = gate

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        self._gate.pass_through(lambda: MemoryEngine.commit(self, batch, epoch=epoch, expect=expect, new=new), batch)


class GatedLmdb(LmdbEngine):
    def __init__(self, gate: Gate, path: Path) -> None:
        super().__init__(path, map_bytes=64 << 20)
        self._gate = gate

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        self._gate.pass_through(lambda: LmdbEngine.commit(self, batch, epoch=epoch, expect=expect, new=new), batch)


@pytest.fixture
def system() -> Iterator[System]:
    system = System()
    yield system
    system.close()


@pytest.fixture
def start(system: System) -> Callable[..., ActorRef[Any]]:
    def start(engine: Engine, **options: Any) -> ActorRef[Any]:
        return StoreActor.options(system=system).start(engine, **options)

    return start


Start = Callable[..., ActorRef[Any]]


def key(name: object) -> bytes:
    return keys.user("test", encode_key(name))  # type: ignore[arg-type]


def put(number: int, name: object, value: bytes = raw(b"v"), **fields: Any) -> Commit:
    return Commit(number.to_bytes(16, "big"), 1, writes=((key(name), value),), **fields)


def add(ref: bytes, state: str = "queued", run: bytes = b"") -> Change:
    record = JobRecord(state, DIGEST, 1.0, run=run)  # type: ignore[arg-type]
    return Change(tag=("add", ref), expect=(Expect(ref, None),), records=((ref, record),))


def apply(store: ActorRef[Any], *changes: Change) -> list[RefusedChange | None]:
    probe = Probe()
    store.tell(Apply(changes, probe))
    answer = probe.next()
    assert isinstance(answer, Applied)
    assert [tag for tag, _ in answer.answers] == [change.tag for change in changes]
    return [refused for _, refused in answer.answers]


def count_items(store: ActorRef[Any], prefix: bytes) -> int:
    probe = Probe()
    store.tell(Scan(0, prefix, probe, limit=10_000))
    return len(probe.next().items)


def settled(store: ActorRef[Any], prefix: bytes, count: int) -> bool:
    """Ask until the cleaning has come so far; each question is a turn of the store."""
    return any(count_items(store, prefix) == count for _ in range(2_000))


# -- reading and writing --------------------------------------------------------------------------


def test_a_commit_is_read_by_whoever_asks_next(start: Start, make_engine: Callable[[], Engine]) -> None:
    store = start(make_engine())
    assert store.ask(put(1, "a", raw(b"x"))) == Committed(1, 1)
    answer = store.ask(Read((key("a"), key("b"))))
    assert isinstance(answer, Values)
    assert answer.values == ((1, raw(b"x")), None)
    assert answer.snapshot[1] == 1
    store.stop()


def test_a_store_that_was_stopped_can_be_opened_again(start: Start, make_engine: Callable[[], Engine]) -> None:
    first = start(make_engine())
    first.ask(put(1, "a"))
    first.stop()
    second = start(make_engine())
    assert second.ask(put(2, "b")) == Committed(2, 1)
    assert second.ask(put(1, "a")) == Committed(1, 1)
    second.stop()


def test_a_locked_store_is_refused_at_the_start(start: Start, tmp_path: Path) -> None:
    first = start(LmdbEngine(tmp_path / "s"))
    with pytest.raises(StoreLocked):
        start(LmdbEngine(tmp_path / "s"))
    first.stop()


def test_messages_that_break_the_rules_are_refused(start: Start) -> None:
    store = start(MemoryEngine())
    assert store.ask(Read((keys.record(REF),))).code == "bad-key"
    assert store.ask(Read((keys.once(REF, "x"),))).code == "bad-key"
    assert store.ask(Read((key("a"),), fence=(b"short", b""))).code == "bad-job-ref"
    assert store.ask(Commit(b"short", 1)).code == "transaction"
    assert store.ask(Commit(b"t" * 16, -1)).code == "transaction"
    assert store.ask(Commit(b"t" * 16, 1, fence=(b"short", b""))).code == "bad-job-ref"
    assert store.ask(Commit(b"t" * 16, 1, writes=((keys.record(REF), raw(b"")),))).code == "bad-key"
    assert store.ask(put(1, "a", raw(bytes(2 << 20)))).code == "value-too-large"
    assert store.ask(put(1, "a", b"")).code == "bad-value"
    assert store.ask(put(1, "a", b"\x04")).code == "bad-value"
    assert store.ask(put(2, "a")) == Committed(1, 1)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_manager_reads_and_pages(start: Start, *, reverse: bool) -> None:
    # Given
    store, probe = start(MemoryEngine()), Probe()
    refs = [bytes(15) + bytes((n,)) for n in range(1, 6)]
    wanted = [keys.record(ref) for ref in sorted(refs, reverse=reverse)]
    apply(store, *map(add, refs))
    # When
    store.tell(Get("g", (keys.record(refs[0]), keys.record(REF)), probe))
    store.tell(Scan("s", keys.RECORD, probe, limit=3, reverse=reverse))
    # Then
    got, page = probe.next(), probe.next()
    assert isinstance(got, Got)
    assert (got.tag, got.values[1], got.fed) == ("g", None, 1)
    assert isinstance(page, Page)
    assert ([found for found, _ in page.items], page.more) == (wanted[:3], True)
    store.tell(Scan("s", keys.RECORD, probe, after=page.items[-1][0], limit=3, reverse=reverse))
    last = probe.next()
    assert ([found for found, _ in last.items], last.more) == (wanted[3:], False)


# -- batches, and what may be told when -----------------------------------------------------------


def test_many_commits_share_an_fsync(start: Start, tmp_path: Path) -> None:
    # Given: the first commit holds the writer up.
    gate = Gate(shut=True)
    store = start(GatedLmdb(gate, tmp_path / "s"))
    first = store.ask(put(1, 1), block=False)
    assert gate.arrived.acquire(timeout=WAIT)
    # When
    others = [store.ask(put(number, number), block=False) for number in range(2, 101)]
    store.ask(Read((key(1),)))  # so that all of them have been taken
    gate.open()
    # Then: 99 transactions in one commit; each writes its value and its id, and all what their space has.
    assert [future.get(WAIT) for future in (first, *others)] == [Committed(number, 1) for number in range(1, 101)]
    assert gate.sizes == [3, 199]
    store.stop()


def test_reads_are_answered_from_durable_state_while_a_batch_is_in_flight(start: Start) -> None:
    gate = Gate(shut=True)
    store = start(GatedMemory(gate))
    flying = store.ask(put(1, "a"), block=False)
    assert gate.arrived.acquire(timeout=WAIT)
    assert store.ask(Read((key("a"),))).values == (None,)
    assert not flying.is_done()
    gate.open()
    assert flying.get(WAIT) == Committed(1, 1)


def test_a_commit_that_nobody_was_told_of_is_shown_to_nobody(start: Start) -> None:
    # Given: the engine has the commit, but the writer has not said so.
    gate, probe = Gate(shut=True, after=True), Probe()
    store = start(GatedMemory(gate), listener=probe)
    store.tell(Apply((add(REF),), probe))
    assert gate.arrived.acquire(timeout=WAIT)
    # When
    store.tell(Get("early", (keys.record(REF),), probe))
    reading = store.ask(Read((keys.user(REF, b"\x00"),)), block=False)
    store.ask(Commit(b"short", 1))  # answered at once: a turn has passed
    assert not reading.is_done()
    assert probe.rest() == []
    gate.open()
    # Then: the listener is fed before anybody is answered.
    fed, applied, got = probe.next(), probe.next(), probe.next()
    assert isinstance(fed, Fed)
    assert isinstance(applied, Applied)
    assert isinstance(got, Got)
    assert got.values[0] is not None
    assert reading.get(WAIT).values == (None,)


def test_a_conflict_with_a_batch_in_flight_is_told_after_it(start: Start) -> None:
    gate = Gate(shut=True)
    store = start(GatedMemory(gate))
    store.ask(put(1, "a"), block=False)
    assert gate.arrived.acquire(timeout=WAIT)
    late = store.ask(put(2, "b", reads=((key("a"), 0),)), block=False)
    store.ask(Read((key("a"),)))
    assert not late.is_done()
    gate.open()
    answer = late.get(WAIT)
    assert isinstance(answer, Conflict)
    assert answer.fresh == ((key("a"), (1, raw(b"v"))),)


def test_feeds_are_numbered_and_come_before_the_answers(start: Start) -> None:
    # Given
    probe = Probe()
    store = start(MemoryEngine(), listener=probe)
    store.tell(Apply((Change(tag=0, puts=((keys.function(DIGEST), b"code"),)),), probe))
    assert isinstance(probe.next(), Applied)
    # When
    store.tell(Apply((add(REF),), probe))
    first, applied = probe.next(), probe.next()
    store.ask(put(1, "no job here"))
    other = bytes(15) + b"\x01"
    store.ask(put(2, "a", jobs=(NewJob(other, DIGEST, b""),)))
    # Then
    second = probe.next()
    assert isinstance(applied, Applied)
    assert [(fed.number, [ref for ref, _ in fed.changes]) for fed in (first, second)] == [(1, [REF]), (2, [other])]
    assert (first.seq, second.seq) == (2, 4)


def test_a_full_disk_refuses_its_batch_and_judges_the_next_again(start: Start) -> None:
    # Given
    gate, probe = Gate(shut=True), Probe()
    store = start(GatedMemory(gate))
    gate.failures.append(NoSpace("the disk is full"))
    # When: one fails; the other had seen it in the overlay.
    store.tell(Apply((add(REF),), probe))
    lost = probe.next().answers[0][1]
    gate.open()
    # Then
    assert lost == RefusedChange("no-space", "the disk is full")
    assert store.ask(put(1, "a")) == Committed(1, 1)
    gate.failures.append(NoSpace("the disk is full"))
    assert store.ask(put(2, "b")) == Refused("no-space", "the disk is full")
    assert store.ask(put(2, "b")) == Committed(2, 1)


def test_too_many_waiting_commits_are_told_that_the_store_is_busy(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for one, and a half
    size = size_of(put(1, "a", raw(b"1234567")))
    monkeypatch.setattr("actorcloud.store.actor.PENDING_LIMIT_BYTES", 2 * size - 1)
    gate = Gate(shut=True)
    store = start(GatedMemory(gate))
    first = store.ask(put(1, "a", raw(b"1234567")), block=False)
    assert gate.arrived.acquire(timeout=WAIT)
    assert store.ask(put(2, "b", raw(b"1234567"))).code == "busy"
    # The manager's own changes never are.
    probe = Probe()
    store.tell(Apply((add(REF),), probe))
    gate.open()
    assert first.get(WAIT) == Committed(1, 1)
    assert probe.next().answers == ((("add", REF), None),)
    assert store.ask(put(2, "b", raw(b"1234567"))) == Committed(3, 1)


# -- the end --------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [EngineFailed("EIO"), RuntimeError("a bug")])
def test_a_writer_that_fails_ends_the_store(start: Start, error: Exception) -> None:
    gate = Gate()
    store = start(GatedMemory(gate))
    ended = store.monitor()
    gate.failures.append(error)
    with pytest.raises(ActorDeadError):
        store.ask(put(1, "a"))
    reason = ended.get(WAIT).reason
    assert isinstance(reason, Crash)
    assert reason.exception is error


def test_a_commit_that_the_engine_finds_again_is_a_commit(start: Start) -> None:
    class Forgetful(MemoryEngine):
        def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
            super().commit(batch, epoch=epoch, expect=expect, new=new)
            raise Unresolved("was that me?")

    assert start(Forgetful()).ask(put(1, "a")) == Committed(1, 1)


def test_a_store_that_was_killed_leaves_its_engine_to_the_next(start: Start, tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path / "s")
    first = start(engine)
    first.ask(put(1, "a"))
    ended = first.monitor()
    first.kill()
    ended.get(WAIT)
    second = start(engine)
    assert second.ask(put(2, "b")) == Committed(2, 1)
    second.stop()


def test_a_writer_of_somebody_else_is_linked(system: System, start: Start) -> None:
    engine = MemoryEngine()
    writer = WriterActor.options(system=system).start(engine)
    store = start(engine, writer=writer)
    assert store.ask(put(1, "a")) == Committed(1, 1)
    ended = store.monitor()
    writer.kill()
    ended.get(WAIT)


# -- cleaning up ----------------------------------------------------------------------------------


def fill(store: ActorRef[Any], ref: bytes, count: int) -> None:
    apply(store, add(ref, "running", run_of(1)))
    for first in range(0, count, 500):
        writes = tuple((keys.user(ref, encode_key(number)), raw(b"v")) for number in range(first, first + 500))
        assert isinstance(store.ask(Commit(os.urandom(16), 1, writes=writes)), Committed)
    once = ((keys.once(ref, "paid"), raw(b"v")),)
    assert isinstance(store.ask(Commit(os.urandom(16), 1, writes=once, fence=(ref, run_of(1)))), Committed)


def delete(store: ActorRef[Any], ref: bytes) -> None:
    change = Change(tag=0, expect=(Expect(ref, "running"),), records=((ref, None),), puts=((keys.garbage(ref), b""),))
    assert apply(store, change) == [None]


def test_a_deleted_jobs_keys_are_unreachable_at_once_and_gone_soon(start: Start) -> None:
    # Given
    gate = Gate()
    store = start(GatedMemory(gate))
    fill(store, REF, 2500)
    gate.sizes.clear()
    # When
    delete(store, REF)
    # Then
    assert store.ask(Read((keys.user(REF, encode_key(1)),))).code == "no-such-job"
    assert settled(store, keys.GARBAGE, 0)
    assert count_items(store, keys.USER) == count_items(store, keys.ONCE) == 0
    assert len(gate.sizes) >= 4


def test_the_collection_goes_on_after_a_restart(start: Start) -> None:
    # Given: a head that died right after the deletion was on disk.
    disk = MemoryDisk()
    gate = Gate(after=True)
    first = start(GatedMemory(gate, disk))
    fill(first, REF, 2500)
    other = bytes(15) + b"\x01"
    fill(first, other, 500)
    gate.shut()
    first.tell(Apply((Change(tag=0, records=((REF, None),), puts=((keys.garbage(REF), b""),)),), Probe()))
    assert gate.arrived.acquire(timeout=WAIT)
    ended = first.monitor()
    first.kill()
    gate.open()
    ended.get(WAIT)
    # When
    second = start(GatedMemory(gate, disk))
    # Then
    assert settled(second, keys.GARBAGE, 0)
    assert count_items(second, keys.job_space(REF)) == 0
    assert count_items(second, keys.job_space(other)) == 500


def test_what_is_a_day_old_is_swept(start: Start) -> None:
    # Given
    disk = MemoryDisk()
    old = {keys.commit_id(number.to_bytes(16, "big")): header.pack_commit_id(1.0, 1, 1) for number in range(1500)}
    tombs = {keys.tombstone(REF): pack_time(1.0), keys.tombstone(bytes(16)): pack_time(4e9)}
    disk.apply(Batch({name: header.pack(1, payload) for name, payload in (old | tombs).items()}, ()), 1)
    store = start(MemoryEngine(disk))
    recent = put(2000, "a")
    assert store.ask(recent) == Committed(2, 1)
    disk.apply(Batch({keys.commit_id(recent.txn): header.pack(2, header.pack_commit_id(1.0, 2, 1))}, ()), 2)
    # When
    store.tell(Clean(sweep=True))
    # Then: what was not there at the look before is kept, however old it seems: the clock may have jumped.
    assert settled(store, keys.COMMIT_ID, 1)
    assert settled(store, keys.TOMBSTONE, 1)
    store.tell(Clean(sweep=True))
    store.tell(Clean(sweep=True))
    assert settled(store, keys.COMMIT_ID, 0)


def test_the_engine_of_a_stopped_store_is_closed(start: Start, tmp_path: Path) -> None:
    engine = LmdbEngine(tmp_path / "s")
    start(engine).stop()
    with pytest.raises(EngineFailed, match="not open"):
        engine.read(ReadPlan())


def test_the_store_tells_how_it_is(start: Start) -> None:
    # Given
    store = start(MemoryEngine())
    store.ask(put(1, "a"))
    store.ask(put(2, "a", reads=((key("a"), 0),)))
    # When
    told = store.ask(GetStoreStats()).figures
    # Then
    assert (told.seq, told.commits, told.conflicts, told.batches, told.pending) == (1, 1, 1, 1, 0)
    assert told.entries == 3
