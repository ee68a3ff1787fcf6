"""Who wants a store tidy hears when it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from actorcloud.actor import System
from actorcloud.store import (
    Batch,
    EngineScan,
    EngineStats,
    Get,
    MemoryDisk,
    MemoryEngine,
    ReadPlan,
    ReadView,
    StoreActor,
    Tidy,
    keys,
    stored,
)
from actorcloud.store.actor import Clean

WAIT = 30.0


class SlowReads(MemoryEngine):
    """Reads wait until they may go on."""

    def __init__(self, disk: MemoryDisk) -> None:
        super().__init__(disk)
        self.may_read = threading.Event()
        self.may_read.set()
        self.arrived = threading.Event()

    def read(self, plan: ReadPlan) -> ReadView:
        self.arrived.set()
        assert self.may_read.wait(WAIT)
        return super().read(plan)


@pytest.fixture
def system() -> Iterator[System]:
    with System() as system:
        yield system


def left(disk: MemoryDisk, prefix: bytes) -> int:
    return len(disk.scan(EngineScan(prefix, keys.after_prefix(prefix), 1 << 30)))


def test_who_wants_it_tidy_is_answered_when_it_is(system: System) -> None:
    # Given: much to throw away, and a store that is busy.
    disk = MemoryDisk()
    code = {keys.function(number.to_bytes(16, "big")): stored.pack(1, b"code") for number in range(2500)}
    disk.apply(Batch(code, ()), 1)
    engine = SlowReads(disk)
    store = StoreActor.options(system=system).start(engine)
    store.ask(Tidy(), timeout=WAIT)
    assert left(disk, keys.FUNCTION) == 0
    disk.apply(Batch(code, ()), disk.seq)
    engine.arrived.clear()
    engine.may_read.clear()
    store.tell(Get(0, (b"k",), store))
    assert engine.arrived.wait(WAIT)
    # When: it finds nothing to clean up right after it was asked.
    tidy = store.ask(Tidy(), block=False)
    store.tell(Clean())
    engine.may_read.set()
    # Then
    tidy.get(WAIT)
    assert left(disk, keys.FUNCTION) == 0


def test_each_look_for_what_has_aged_is_one_for_readers_that_died(system: System) -> None:
    # Given: an engine forgets them when it tells how full it is
    looks: list[int] = []

    class Counting(MemoryEngine):
        def stats(self) -> EngineStats:
            looks.append(1)
            return super().stats()

    store = StoreActor.options(system=system).start(Counting())
    # When
    store.tell(Clean(sweep=True))
    store.ask(Tidy())
    # Then
    assert looks == [1]
