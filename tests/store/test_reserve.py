"""The room that is kept: what is refused when it is touched, and what is not."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor import System
from actorcloud.base.errors import NoSpace
from actorcloud.protocol.record import JobRecord, NewJob
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Refused
from actorcloud.store import Batch, Change, EngineStats, Expect, MemoryEngine, StoreActor, encode_key, keys
from actorcloud.store.change import Refused as RefusedChange
from actorcloud.store.reserve import LOOK_EVERY_BYTES, Reserve, room_of
from tests.store.local import REF, LocalStore, raw, run_of

GIB = 1 << 30


def stats(used: int = 0, limit: int = 1000, free: int | None = None, disk: int | None = None) -> EngineStats:
    return EngineStats(1, used, limit, free_bytes=free, disk_bytes=disk)


def test_a_map_is_used_to_85_percent() -> None:
    assert room_of(stats(used=849)) == (1, None)
    room, why = room_of(stats(used=850))
    assert room == 0
    assert "850 of 1000 bytes" in str(why)


def test_a_small_disk_keeps_five_percent() -> None:
    assert room_of(stats(limit=GIB, free=51, disk=1000)) == (1, None)
    room, why = room_of(stats(limit=GIB, free=50, disk=1000))
    assert room == 0
    assert "50 bytes are left, of which 50 are kept" in str(why)


def test_a_large_disk_keeps_half_a_gibibyte() -> None:
    assert room_of(stats(limit=1000 * GIB, free=GIB, disk=1000 * GIB)) == (GIB // 2, None)
    assert room_of(stats(limit=1000 * GIB, free=GIB // 2, disk=1000 * GIB))[1] is not None


class Disk:
    """How full it is, and how often that was looked at."""

    def __init__(self, used: int) -> None:
        self.used = used
        self.looks = 0

    def look(self) -> EngineStats:
        self.looks += 1
        return stats(self.used, limit=1000)


def test_it_is_looked_at_again_after_an_eighth_of_the_room() -> None:
    disk = Disk(used=50)
    reserve = Reserve(disk.look)
    assert [reserve.shortage(accepted) for accepted in (0, 1, 99)] == [None] * 3
    assert disk.looks == 1
    reserve.shortage(100)
    assert disk.looks == 2


def test_it_is_looked_at_each_time_while_it_is_short() -> None:
    disk = Disk(used=900)
    reserve = Reserve(disk.look)
    assert reserve.shortage(0) is not None
    disk.used = 0
    assert reserve.shortage(0) is None
    assert disk.looks == 2


def test_a_commit_that_found_no_space_has_it_looked_at() -> None:
    disk = Disk(used=0)
    reserve = Reserve(disk.look)
    reserve.shortage(0)
    disk.used = 900
    reserve.look_again()
    assert reserve.shortage(0) is not None


@given(used=st.integers(0, 2000), accepted=st.lists(st.integers(0, 300), max_size=30))
def test_the_reserve_is_never_overrun_by_more_than_a_look(used: int, accepted: list[int]) -> None:
    """What is accepted between two looks is at most an eighth of the room, and one commit."""
    disk = Disk(used)
    reserve, total = Reserve(disk.look), 0
    for size in accepted:
        if reserve.shortage(total) is None:
            total += size
            disk.used += size
    assert disk.used < max(used + 1, 850 + 300 + 850 // 8)


def test_looks_are_never_far_apart() -> None:
    looks: list[int] = []

    def look() -> EngineStats:
        looks.append(1)
        return stats(limit=1000 * GIB)

    reserve = Reserve(look)
    reserve.shortage(0)
    reserve.shortage(LOOK_EVERY_BYTES)
    assert len(looks) == 2


# -- what is refused ------------------------------------------------------------------------------


def key(name: str) -> bytes:
    return keys.user("test", encode_key(name))


def put(number: int, name: str, value: bytes = raw(b"v"), reads: tuple[tuple[bytes, int], ...] = ()) -> Commit:
    return Commit(number.to_bytes(16, "big"), 1, reads=reads, writes=((key(name), value),))


def short(store: LocalStore) -> LocalStore:
    store.sequencer.shortage = "the disk is full"
    return store


def test_in_a_shortage_what_grows_is_refused() -> None:
    # Given
    store = LocalStore()
    store.change(Change(tag=0, puts=((keys.function(b"f" * 16), b"code"),)))
    short(store)
    # Then
    assert store.ask(put(1, "a")) == Refused("no-space", "the disk is full")
    assert store.ask(Commit(b"t" * 16, 1, jobs=(NewJob(REF, b"f" * 16, b""),))) == Refused(
        "no-space", "the disk is full"
    )
    new = Change(tag=0, expect=(Expect(REF, None),), records=((REF, JobRecord("queued", b"f" * 16, 1.0)),))
    assert store.change(new) == RefusedChange("no-space", "the disk is full")


def test_in_a_shortage_deletions_and_the_ends_of_jobs_go_on() -> None:
    # Given
    store = LocalStore()
    store.add_job(REF, "running", run_of(1))
    store.ask(put(1, "a"))
    short(store)
    # Then
    assert isinstance(store.ask(Commit(b"d" * 16, 1, writes=((key("a"), None),))), Committed)
    done = JobRecord("done", b"f" * 16, 1.0, run=run_of(1))
    end = Change(
        tag=0,
        expect=(Expect(REF, "running", run_of(1)),),
        records=((REF, done),),
        puts=((keys.result(REF), bytes(100_000)),),
        writes=((keys.user(REF, b"\x00"), raw(b"x")),),
    )
    assert store.change(end) is None
    removal = Change(
        tag=0,
        expect=(Expect(REF, "done"),),
        records=((REF, None),),
        puts=((keys.garbage(REF), b""), (keys.tombstone(REF), b"1")),
    )
    assert store.change(removal) is None
    assert store.change(Change(tag=0, deletes=(keys.result(REF),))) is None


def test_in_a_shortage_what_was_committed_before_is_still_committed() -> None:
    store = LocalStore()
    first = store.ask(put(1, "a"))
    assert short(store).ask(put(1, "a")) == first


def test_in_a_shortage_a_conflict_is_a_conflict() -> None:
    store = LocalStore()
    store.ask(put(1, "a"))
    assert isinstance(short(store).ask(put(2, "a", reads=((key("a"), 0),))), Conflict)


def test_a_refused_commit_leaves_nothing_and_counts_for_nothing() -> None:
    store = LocalStore()
    store.ask(put(1, "a", raw(b"old")))
    before = store.sequencer.accepted_bytes
    short(store).ask(put(2, "a", raw(b"new")))
    assert store.sequencer.accepted_bytes == before > 0
    assert store.sequencer.durable == 1
    store.sequencer.shortage = None
    assert store.ask(put(2, "a", raw(b"new"))) == Committed(2, 1)


def test_what_does_not_grow_is_tried_again_without_what_does() -> None:
    # Given
    store = LocalStore()
    store.ask(put(1, "a"))
    deletion = Commit(b"d" * 16, 1, writes=((key("a"), None),))
    store.submit(deletion, put(2, "b"))
    store.sequencer.take()
    # When
    lost, again = store.sequencer.failed()
    # Then
    assert ([request.body for request in lost], [request.body for request in again]) == ([put(2, "b")], [deletion])


def test_what_does_not_grow_and_does_not_fit_either_is_lost() -> None:
    store = LocalStore()
    deletion = Commit(b"d" * 16, 1, writes=((key("a"), None),))
    store.submit(deletion)
    store.sequencer.take()
    lost, again = store.sequencer.failed()
    assert ([request.body for request in lost], again) == ([deletion], [])


class ScarceMemory(MemoryEngine):
    """An engine that is as full as the test says."""

    used = 900

    def stats(self) -> EngineStats:
        return stats(self.used)


def test_a_store_refuses_growth_until_there_is_room() -> None:
    engine = ScarceMemory()
    with contextlib.closing(System()) as system:
        store = StoreActor.options(system=system).start(engine)
        # Then
        assert store.ask(put(1, "a")).code == "no-space"
        assert store.ask(Commit(b"d" * 16, 1, writes=((key("a"), None),))) == Committed(1, 1)
        # When
        engine.used = 0
        # Then
        assert store.ask(put(1, "a")) == Committed(2, 1)


def test_a_store_whose_disk_was_full_looks_before_it_lets_anything_grow_again() -> None:
    # Given
    looks: list[int] = []

    class Full(MemoryEngine):
        def stats(self) -> EngineStats:
            looks.append(1)
            return super().stats()

        def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
            if new == 2:
                raise NoSpace
            super().commit(batch, epoch=epoch, expect=expect, new=new)

    commits = [Commit(bytes([n]) * 16, 1, writes=((keys.user("s", b"\x14"), raw(b"v")),)) for n in range(3)]
    with System() as system:
        store = StoreActor.options(system=system).start(Full())
        # When
        answers = [(type(store.ask(commit)), len(looks)) for commit in commits]
    # Then
    assert answers == [(Committed, 1), (Refused, 1), (Refused, 2)]
