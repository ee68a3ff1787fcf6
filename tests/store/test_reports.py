"""What crash reports, logs and `info` tell of the store's actors: no key and no value of a user."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import ActorDeadError, ActorRef, System, debug
from actorcloud.base.errors import StoreUnreachable
from actorcloud.base.exits import Crash
from actorcloud.protocol.transaction import Commit, Committed, Read
from actorcloud.store import (
    Batch,
    FencedOut,
    MemoryEngine,
    ReadPlan,
    ReadView,
    StoreActor,
    Unresolved,
    encode_key,
    keys,
)
from tests.store.local import raw

WAIT = 30.0
KEY = keys.user("hushed", encode_key("hushed"))


class Troubled(MemoryEngine):
    """Commits when it may, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()
        self.has_come = threading.Event()
        self.commits: Exception | None = None
        self.reads: Exception | None = None
        self.may_go_on.set()

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        self.has_come.set()
        assert self.may_go_on.wait(WAIT)
        if self.commits is not None:
            raise self.commits
        super().commit(batch, epoch=epoch, expect=expect, new=new)

    def read(self, plan: ReadPlan) -> ReadView:
        if self.reads is not None:
            raise self.reads
        return super().read(plan)


@pytest.fixture
def engine() -> Troubled:
    return Troubled()


@pytest.fixture
def store(engine: Troubled) -> Iterator[ActorRef[Any]]:
    with System() as system:
        yield StoreActor.options(system=system).start(engine)


def put(number: int) -> Commit:
    return Commit(number.to_bytes(16, "big"), 1, writes=((KEY, raw(b"secret")),))


OUTAGES = [FencedOut("it is gone"), Unresolved("it is gone"), StoreUnreachable("it is gone")]


@pytest.mark.parametrize(
    ("at", "error"),
    # Of a commit that is unresolved the store says itself what it makes of it.
    [("commits", FencedOut("it is gone")), ("commits", RuntimeError("it is gone"))]
    + [("reads", error) for error in (*OUTAGES, RuntimeError("it is gone"))],
)
def test_no_key_and_no_value_is_shown_when_a_store_ends(
    store: ActorRef[Any], engine: Troubled, caplog: pytest.LogCaptureFixture, error: Exception, at: str
) -> None:
    # Given
    debug.log(store)
    assert store.ask(put(1)) == Committed(1, 1)
    ended = store.monitor()
    # When
    setattr(engine, at, error)
    with pytest.raises(ActorDeadError):
        store.ask(put(2) if at == "commits" else Read((KEY,)))
    assert isinstance(ended.get(WAIT).reason, Crash)
    # Then
    told = "".join(f"{vars(record)} {record.exc_text}" for record in caplog.records)
    assert "it is gone" in told
    assert at != "commits" or "Write(flight=InFlight(batch=Batch(puts=<dict of " in told
    assert "hushed" not in told
    assert "secret" not in told
    # An outage is no mistake that somebody would look for in the code.
    assert ("Traceback" in caplog.text) is isinstance(error, RuntimeError)


def test_no_key_and_no_value_is_shown_in_what_a_store_does_now(store: ActorRef[Any], engine: Troubled) -> None:
    # Given
    engine.may_go_on.clear()
    (writer,) = store.info("links")
    # When
    commit = store.ask(put(1), block=False)
    assert engine.has_come.wait(WAIT)
    told = repr((writer.info("current_message"), debug.get_status(store).status))
    engine.may_go_on.set()
    # Then
    assert commit.get(WAIT) == Committed(1, 1)
    assert "Write(flight=" in told
    assert "'_pending_bytes': " in told
    assert "hushed" not in told
    assert "secret" not in told
