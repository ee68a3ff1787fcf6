"""A disk that stands still: so many commits wait, the next ones are told that the store is busy, and all goes on."""

from __future__ import annotations

import threading
from typing import Any

from actorcloud.actor import Future, System
from actorcloud.protocol.transaction import Commit, Committed, Read, Refused, Values
from actorcloud.store import Batch, MemoryEngine, StoreActor, encode_key, keys
from actorcloud.store.actor import PENDING_LIMIT
from actorcloud.store.sequencer import BATCH_REQUESTS

WAIT = 30.0


class HeldEngine(MemoryEngine):
    """Whose commits wait for the gate to open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.is_held = threading.Event()

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        self.is_held.set()
        assert self.gate.wait(WAIT)
        super().commit(batch, epoch=epoch, expect=expect, new=new)


def commit(number: int) -> Commit:
    return Commit(number.to_bytes(16, "big"), 1, writes=((keys.user("s", encode_key(number)), b"\0v"),))


def test_ten_thousand_commits_wait_and_the_next_is_refused_as_busy() -> None:
    # Given a batch on its way to the disk, and one that gathers
    system, engine = System(), HeldEngine()
    store = StoreActor.options(system=system).start(engine)
    waiting: list[Future[Any]] = [store.ask(commit(1), block=False)]
    assert engine.is_held.wait(WAIT)
    count = 1 + BATCH_REQUESTS + PENDING_LIMIT
    waiting += [store.ask(commit(number), block=False) for number in range(2, count + 1)]
    # When
    refused = [store.ask(commit(count + extra), timeout=WAIT) for extra in range(1, 4)]
    # Then: reads are answered, and no answer has come that is not durable.
    assert [answer.code for answer in refused if isinstance(answer, Refused)] == ["busy"] * 3
    assert f"{PENDING_LIMIT} commits wait" in refused[0].text
    assert isinstance(store.ask(Read((keys.user("s", encode_key(1)),)), timeout=WAIT), Values)
    assert not any(future.is_done() for future in waiting)
    # When
    engine.gate.set()
    # Then
    assert [future.get(WAIT) for future in waiting] == [Committed(number, 1) for number in range(1, count + 1)]
    assert store.ask(commit(count + 1), timeout=WAIT) == Committed(count + 1, 1)
    store.stop()
    system.close()
