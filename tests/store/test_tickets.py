"""Tickets: who has conflicted often gets a turn."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.protocol.transaction import Atomic, AtomicStep, Commit, Committed, Conflict, RangeEntry, Refused
from actorcloud.store import encode_key, keys
from actorcloud.store.intake import Intake
from actorcloud.store.sequencer import Request, check
from actorcloud.store.tickets import (
    FOOTPRINT_LIMIT,
    HOLD_LEAST,
    HOLD_MOST,
    HOLDERS_LIMIT,
    PARK_SECONDS,
    PARKED_LIMIT,
    QUEUE_LIMIT,
    Tickets,
)
from actorcloud.store.validation import Touched

CONFLICT = Conflict((b"", 0))


def key(name: object) -> bytes:
    return keys.user("s", encode_key(name))  # type: ignore[arg-type]


def commit(txn: object, *names: object, ticket: float | None = None, **fields: Any) -> Commit:
    """Return a commit that reads and writes these keys."""
    read = tuple((key(name), 1) for name in names)
    writes = tuple((key(name), b"\0v") for name in names)
    return Commit(repr(txn).encode().ljust(16), 7, reads=read, writes=writes, ticket=ticket, **fields)


def request(body: Commit) -> Request:
    touched = check(body)
    assert isinstance(touched, Touched)
    return Request(body, touched, lambda _: None)


def hold(tickets: Tickets, txn: object, *names: object, pace: float = 0.0, now: float = 0.0) -> Commit:
    """Have a transaction conflict, which gives it its turn if nobody is before it."""
    body = commit(txn, *names, ticket=pace)
    assert tickets.told(body, CONFLICT, now)
    return body


# -- a turn ---------------------------------------------------------------------------------------


def test_the_commits_of_others_wait_while_somebody_has_a_turn_and_its_own_do_not() -> None:
    # Given
    tickets = Tickets()
    mine = hold(tickets, "me", "hot")
    others = [request(commit(number, "hot", "cold")) for number in range(3)]
    # When
    assert not any(tickets.admits(other, 0.01) for other in others)
    assert tickets.admits(request(commit("cool", "cold")), 0.01)
    assert tickets.admits(request(mine), 0.02)
    assert tickets.take_released(0.02) == []
    tickets.told(mine, Committed(1, 7), 0.03)
    # Then
    assert tickets.take_released(0.03) == others
    assert (len(tickets), tickets.parked, tickets.due) == (0, 0, None)


def test_only_what_writes_where_the_holder_reads_is_parked() -> None:
    tickets = Tickets()
    tickets.told(
        Commit(b"m" * 16, 7, reads=((key("a"), 1),), ranges=(RangeEntry(key("p"), key("q"), 0, b""),), ticket=0.0),
        CONFLICT,
        0.0,
    )
    reads = Commit(b"r" * 16, 1, reads=((key("a"), 1),), writes=((key("b"), None),))
    assert tickets.admits(request(reads), 0.0)
    adds = Commit(b"+" * 16, 1, atomics=(Atomic(key("a"), (AtomicStep("add", b"\3\1"),)),))
    assert not tickets.admits(request(adds), 0.0)
    assert not tickets.admits(request(commit("w", "a")), 0.0)
    assert not tickets.admits(request(commit("w", "pea")), 0.0)
    assert tickets.admits(request(commit("w", "q")), 0.0)


@pytest.mark.parametrize("verdict", [Committed(1, 7), Refused("no-space", "full")])
def test_a_turn_ends_with_the_transaction(verdict: object) -> None:
    tickets = Tickets()
    mine = hold(tickets, "me", "hot")
    assert not tickets.told(mine, verdict, 0.0)
    assert tickets.holders == 0


def test_who_waits_for_a_condition_has_no_turn_and_keeps_none() -> None:
    tickets = Tickets()
    unmet = Conflict((b"", 0), unmet=True)
    assert not tickets.told(commit("me", "hot", ticket=0.0), unmet, 0.0)
    mine = hold(tickets, "me", "hot")
    assert not tickets.told(mine, unmet, 0.0)
    assert tickets.admits(request(commit("other", "hot")), 0.0)


def test_a_transaction_that_was_given_up_has_no_turn() -> None:
    tickets = Tickets()
    mine = hold(tickets, "me", "hot")
    tickets.end(mine.txn, 0.0)
    tickets.end(b"nobody" + bytes(10), 0.0)
    assert (tickets.holders, len(tickets)) == (0, 0)


# -- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace", "seconds"),
    [(0.0, HOLD_LEAST), (0.1, 0.2), (30.0, HOLD_MOST), (-1.0, HOLD_MOST), (float("nan"), HOLD_MOST)],
)
def test_a_turn_lasts_for_two_attempts(pace: float, seconds: float) -> None:
    tickets = Tickets()
    hold(tickets, "me", "hot", pace=pace, now=10.0)
    assert tickets.due == pytest.approx(10.0 + seconds)


def test_the_turn_of_a_holder_that_died_is_over_in_time_and_the_next_one_has_its() -> None:
    # Given
    tickets = Tickets()
    hold(tickets, "dead", "hot", pace=0.1)
    hold(tickets, "next", "hot", pace=0.1)
    parked = [request(commit("next", "hot", ticket=0.1)), request(commit("plain", "hot"))]
    assert not any(tickets.admits(one, 0.1) for one in parked)
    # When
    tickets.expire(0.19)
    assert tickets.take_released(0.19) == []
    tickets.expire(0.2)
    # Then: who has no ticket was parked for that turn alone, and comes before the next one's.
    assert tickets.take_released(0.2) == [parked[1], parked[0]]
    assert (tickets.holders, len(tickets)) == (1, 1)


def test_conflicts_in_a_turn_make_it_longer_but_not_for_ever() -> None:
    tickets = Tickets()
    mine = hold(tickets, "me", "hot", pace=0.2)
    for now in (0.3, 0.6, 0.9):
        assert tickets.told(mine, CONFLICT, now)
    assert tickets.due == HOLD_MOST
    tickets.expire(HOLD_MOST)
    assert tickets.holders == 0


def test_nobody_is_parked_for_ever() -> None:
    # Given somebody who is always behind others
    tickets = Tickets()
    hold(tickets, "first", "hot", pace=HOLD_MOST)
    waits = request(commit("waits", "hot", ticket=0.0))
    assert not tickets.admits(waits, 0.5)
    for number in range(4):
        hold(tickets, number, "hot", now=0.5)
    # Then
    assert tickets.take_released(0.5 + PARK_SECONDS - 0.01) == []
    assert tickets.take_released(0.5 + PARK_SECONDS) == [waits]


# -- order ----------------------------------------------------------------------------------------


def test_turns_come_in_the_order_of_the_tickets() -> None:
    tickets = Tickets()
    waiting = [hold(tickets, number, "hot") for number in range(3)]
    own = [request(body) for body in waiting[1:]]
    assert not any(tickets.admits(one, 0.0) for one in own)
    for body, expected in zip(waiting, [*own, None], strict=True):
        tickets.told(body, Committed(1, 7), 0.0)
        assert tickets.take_released(0.0) == ([] if expected is None else [expected])


def test_turns_of_which_none_touches_another_are_at_the_same_time() -> None:
    tickets = Tickets()
    for names in (("a", "b"), ("c",), ("b", "d"), ("d",), ("e",)):
        hold(tickets, names, *names)
    # The third waits for the first; the fourth would be free, but the third is before it.
    assert tickets.holders == 3
    tickets.end(commit(("a", "b")).txn, 0.0)
    assert tickets.holders == 3
    tickets.end(commit(("b", "d")).txn, 0.0)
    assert tickets.holders == 3


def test_a_holder_that_reads_something_else_the_next_time_has_that_reserved() -> None:
    tickets = Tickets()
    hold(tickets, "me", "a")
    hold(tickets, "other", "c")
    tickets.told(commit("me", "b", ticket=0.0), CONFLICT, 0.0)
    assert tickets.admits(request(commit("w", "a")), 0.0)
    assert not tickets.admits(request(commit("w", "b")), 0.0)
    # But not what another one has.
    tickets.told(commit("me", "c", ticket=0.0), CONFLICT, 0.0)
    assert not tickets.admits(request(commit("w", "b")), 0.0)


# -- bounds ---------------------------------------------------------------------------------------


def test_there_are_so_many_turns_at_a_time() -> None:
    tickets = Tickets()
    for number in range(HOLDERS_LIMIT + 5):
        hold(tickets, number, number)
    assert (tickets.holders, len(tickets)) == (HOLDERS_LIMIT, HOLDERS_LIMIT + 5)


def test_there_are_so_many_tickets() -> None:
    tickets = Tickets()
    for number in range(QUEUE_LIMIT):
        hold(tickets, number, "hot")
    assert not tickets.told(commit("late", "hot", ticket=0.0), CONFLICT, 0.0)
    assert not tickets.told(commit("late", "hot"), CONFLICT, 0.0)
    assert len(tickets) == QUEUE_LIMIT


def test_so_many_commits_are_parked() -> None:
    tickets = Tickets()
    hold(tickets, "me", "hot")
    parked = [tickets.admits(request(commit(number, "hot")), 0.0) for number in range(PARKED_LIMIT + 3)]
    assert parked == [False] * PARKED_LIMIT + [True] * 3


def test_a_transaction_that_reads_very_much_gets_no_ticket() -> None:
    tickets = Tickets()
    names = range(FOOTPRINT_LIMIT + 1)
    assert not tickets.told(commit("big", *names, ticket=0.0), CONFLICT, 0.0)
    # Nor does one that has a turn keep all of what it has come to read.
    hold(tickets, "me", "hot")
    tickets.told(commit("me", *names, ticket=0.0), CONFLICT, 0.0)
    assert tickets.admits(request(commit("w", 3)), 0.0)


# -- the queue of requests ------------------------------------------------------------------------


def test_without_tickets_all_go_in_order() -> None:
    intake = Intake()
    requests = [request(commit(number, "hot")) for number in range(5)]
    for one in requests:
        intake.append(one)
    assert intake.take(3, 0.0) == requests[:3]
    intake.put_back(reversed(requests[1:3]))
    assert len(intake) == 4
    assert intake.take(9, 0.0) == requests[1:]
    assert intake.due(0.0, 9) is None


def test_who_is_released_goes_before_others_as_far_as_there_is_room() -> None:
    # Given
    intake = Intake()
    mine = commit("me", "hot", ticket=0.0)
    assert intake.told(mine, CONFLICT, 0.0) == Conflict((b"", 0), has_ticket=True)
    parked = [request(commit(number, "hot")) for number in range(4)]
    for one in parked:
        intake.append(one)
    assert intake.take(9, 0.0) == []
    assert len(intake) == 4
    # When
    assert intake.told(mine, Committed(1, 7), 0.01) == Committed(1, 7)
    late = request(commit("late", "cold"))
    intake.append(late)
    # Then
    assert intake.due(0.01, 0) is None
    assert intake.due(0.01, 3) == 0.01
    assert intake.take(3, 0.01) == parked[:3]
    assert intake.take(3, 0.01) == [parked[3], late]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["commit", "conflict", "done", "expire"]),
        st.integers(0, 5),
        st.sets(st.integers(0, 3), min_size=1, max_size=2),
        st.sampled_from([0.0, 0.02, 0.3, 3.0]),
    ),
    max_size=40,
)


@given(EVENTS)
def test_no_two_turns_have_a_key_in_common_and_nobody_is_forgotten(
    events: list[tuple[str, int, set[int], float]],
) -> None:
    tickets = Tickets()
    now = 0.0
    waiting: set[int] = set()
    for what, txn, names, seconds in events:
        now += seconds
        body = commit(txn, *names, ticket=0.01)
        if what == "commit":
            one = request(body)
            if not tickets.admits(one, now):
                waiting.add(id(one))
        elif what == "expire":
            tickets.expire(now)
        else:
            tickets.told(body, CONFLICT if what == "conflict" else Committed(1, 1), now)
        waiting.difference_update(map(id, tickets.take_released(now)))
        # Then
        reserved = [key for ticket in tickets._holders.values() for key in ticket.footprint.keys]
        assert len(reserved) == len(set(reserved))
        assert tickets._holders.keys() <= tickets._queue.keys()
        assert tickets.parked == len(waiting)
        assert not waiting or tickets.due is not None
    # When all time is over
    tickets.expire(now + 100.0)
    tickets.take_released(now + 100.0)
    assert tickets.parked == 0
