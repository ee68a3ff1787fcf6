"""Tickets at the store actor: turns, their end by the clock, and how many may wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import ActorRef, Future, System
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.storestats import GetStoreStats
from actorcloud.protocol.transaction import (
    Atomic,
    AtomicStep,
    Commit,
    Committed,
    Conflict,
    NotCommitted,
    Refused,
    Status,
)
from actorcloud.store import MemoryEngine, StoreActor, actor, encode_key, keys, tickets
from tests.store.local import size_of

KEY, COLD = (keys.user("s", encode_key(name)) for name in ("hot", "cold"))
WAIT = 30.0

#: Seconds of a turn that no machine is too busy for.
LONG = 60.0


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ActorRef[Any]]:
    # Turns end by the clock only where a test wants them to.
    monkeypatch.setattr(tickets, "HOLD_MOST", LONG)
    monkeypatch.setattr(tickets, "PARK_SECONDS", LONG)
    system = System()
    ref = StoreActor.options(system=system).start(MemoryEngine())
    yield ref
    ref.stop()
    system.close()


def commit(number: int, *, seen: int = 0, ticket: float | None = None, key: bytes = KEY) -> Commit:
    read = ((KEY, seen),)
    return Commit(number.to_bytes(16, "big"), 1, reads=read, writes=((key, b"\0v"),), ticket=ticket)


def ask(store: ActorRef[Any], message: object) -> Future[Any]:
    future: Future[Any] = store.ask(message, block=False)
    return future


def lose(store: ActorRef[Any], number: int, pace: float = LONG) -> Conflict:
    """Conflict, and get the turn."""
    answer = store.ask(commit(number, seen=99, ticket=pace))
    assert isinstance(answer, Conflict)
    return answer


def test_in_its_turn_a_transaction_wins_against_all_that_came_before_it(store: ActorRef[Any]) -> None:
    # Given
    answer = lose(store, 1)
    assert answer.has_ticket
    rivals = [ask(store, commit(number)) for number in range(2, 6)]
    elsewhere = store.ask(commit(9, key=COLD))
    assert isinstance(elsewhere, Committed)
    # When
    mine = store.ask(commit(1, ticket=LONG))
    # Then
    assert isinstance(mine, Committed)
    assert all(isinstance(rival.get(timeout=WAIT), Conflict) for rival in rivals)


def test_the_turn_of_a_silent_holder_ends_by_the_clock(store: ActorRef[Any]) -> None:
    lose(store, 1, pace=0.0)
    assert isinstance(ask(store, commit(2)).get(timeout=WAIT), Committed)


def test_who_gives_up_gives_up_its_turn(store: ActorRef[Any]) -> None:
    # Given
    lose(store, 1)
    rival = ask(store, commit(2))
    # When
    assert store.ask(Status(commit(1).txn)) == NotCommitted()
    # Then
    assert isinstance(rival.get(timeout=WAIT), Committed)
    late = store.ask(commit(1, ticket=LONG))
    assert isinstance(late, Refused)


def test_parked_commits_count_as_waiting_and_more_are_refused(
    store: ActorRef[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(actor, "PENDING_LIMIT", 3)
    lose(store, 1)
    parked = [ask(store, commit(number)) for number in range(2, 5)]
    # When
    refused = store.ask(commit(5, key=COLD))
    # Then
    assert isinstance(refused, Refused)
    assert (refused.code, refused.text.split()[0]) == ("busy", "3")
    assert isinstance(store.ask(Status(b"?" * 16)), NotCommitted)
    # When: a Status is not refused for those, but it has a bound of its own.
    monkeypatch.setattr(actor, "PENDING_LIMIT", 1)
    busy = store.ask(Status(b"!" * 16))
    assert isinstance(busy, Refused)
    assert busy.code == "busy"
    monkeypatch.setattr(actor, "PENDING_LIMIT", 100)
    # Then: what was parked goes on.
    store.ask(Status(commit(1).txn))
    verdicts = [one.get(timeout=WAIT) for one in parked]
    assert [type(verdict) for verdict in verdicts].count(Committed) == 1


def test_the_bytes_of_what_waits_are_bounded(store: ActorRef[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    # Room for one, and a half
    monkeypatch.setattr(actor, "PENDING_LIMIT_BYTES", 3 * size_of(commit(2)) - 1)
    lose(store, 1)
    parked = [ask(store, commit(number)) for number in (2, 3)]
    # Then
    refused = store.ask(commit(4))
    assert isinstance(refused, Refused)
    assert refused.code == "busy"
    store.ask(Status(commit(1).txn))
    assert [type(one.get(timeout=WAIT)) for one in parked] == [Committed, Conflict]
    assert isinstance(store.ask(commit(5, key=COLD)), Conflict)


@pytest.mark.parametrize(
    "brought",
    [
        {"atomics": (Atomic(COLD, (AtomicStep("set", b"\0" + b"v" * 99),)),)},
        {"atomics": (Atomic(COLD, (AtomicStep("compare_and_set", b"\0", b"\0" + b"v" * 99),)),)},
        {"jobs": (NewJob(bytes(16), bytes(16), b"v" * 100),)},
        {"writes": ((keys.user("s", encode_key("v" * 99)), b"\0"),)},
    ],
    ids=["operand", "expected", "arguments", "key"],
)
def test_all_that_a_waiting_commit_brings_is_counted(
    store: ActorRef[Any], monkeypatch: pytest.MonkeyPatch, brought: dict[str, Any]
) -> None:
    # Given: nobody waits, and this one alone brings too much
    monkeypatch.setattr(actor, "PENDING_LIMIT_BYTES", 99)
    # When
    refused = store.ask(Commit(bytes(16), 1, **brought))
    # Then
    assert isinstance(refused, Refused)
    assert refused.code == "busy"
    assert store.ask(GetStoreStats()).figures.busy == 1
