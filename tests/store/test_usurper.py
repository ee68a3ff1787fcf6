"""A store that another process has opened: the first one ends as soon as it sees what is not its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import ActorDeadError, ActorRef, System
from actorcloud.base.exits import Crash
from actorcloud.protocol.transaction import Commit, Committed, Read
from actorcloud.store import (
    Batch,
    EngineFailed,
    FencedOut,
    MemoryDisk,
    MemoryEngine,
    ReadPlan,
    ReadView,
    StoreActor,
    encode_key,
    keys,
)
from actorcloud.store.stored import pack
from tests.store.local import raw

KEY = keys.user("test", encode_key("a"))


@pytest.fixture
def disk() -> MemoryDisk:
    return MemoryDisk()


@pytest.fixture
def store(disk: MemoryDisk) -> Iterator[ActorRef[Any]]:
    system = System()
    try:
        store = StoreActor.options(system=system).start(MemoryEngine(disk))
        assert store.ask(Commit(b"1" * 16, 1, writes=((KEY, raw(b"first")),))) == Committed(1, 1)
        yield store
    finally:
        system.close()


class Behind(MemoryEngine):
    """Reads from a server that has not got the last commit."""

    is_behind = False

    def read(self, plan: ReadPlan) -> ReadView:
        view = super().read(plan)
        return view._replace(seq=view.seq - 1) if self.is_behind else view


def usurp(disk: MemoryDisk) -> None:
    other = MemoryEngine(disk)
    opened = other.open("other")
    other.commit(Batch({KEY: pack(2, b"other")}, ()), epoch=opened.epoch, expect=1, new=2)


# Were they answered, a conflict would bring values that are newer than the snapshot it names.
@pytest.mark.parametrize("message", [Commit(b"2" * 16, 1, None, ((KEY, 1),), ((KEY, raw(b"second")),)), Read((KEY,))])
def test_a_store_that_sees_commits_of_another_one_ends(store: ActorRef[Any], disk: MemoryDisk, message: Any) -> None:
    ended = store.monitor()
    usurp(disk)
    with pytest.raises(ActorDeadError):
        store.ask(message)
    reason = ended.get(60).reason
    assert isinstance(reason, Crash)
    assert isinstance(reason.exception, FencedOut)
    assert disk.get(KEY) == pack(2, b"other")


# Were they answered, the caller's own commit would be missing from what it reads.
@pytest.mark.parametrize("message", [Commit(b"2" * 16, 1, None, ((KEY, 1),), ((KEY, raw(b"second")),)), Read((KEY,))])
def test_a_store_that_reads_less_than_was_acknowledged_ends(disk: MemoryDisk, message: Any) -> None:
    # Given
    engine = Behind(disk)
    with System() as system:
        store = StoreActor.options(system=system).start(engine)
        assert store.ask(Commit(b"1" * 16, 1, writes=((KEY, raw(b"first")),))) == Committed(1, 1)
        ended = store.monitor()
        # When
        engine.is_behind = True
        # Then
        with pytest.raises(ActorDeadError):
            store.ask(message)
        reason = ended.get(60).reason
    assert isinstance(reason, Crash)
    assert isinstance(reason.exception, EngineFailed)
    assert "read at commit 0, but 1 was acknowledged" in str(reason.exception)
    assert disk.get(KEY) == pack(1, b"first")
