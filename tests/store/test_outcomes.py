"""How a transaction ends: commit, fail, and unknown only where the head stays away."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest

from actorcloud.base.errors import ClosedCloud, CommitUnknown, HeadUnreachable, TransactionError, WireError
from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit as CommitMessage
from actorcloud.protocol.transaction import Committed, Conflict, NotCommitted, Refused, Status
from actorcloud.store import Abort, Commit, Fail, Transactions, encode_key, keys
from actorcloud.store.closed import ClosedIds
from tests.store.local import PICKLE, Clock, LocalStore, means, txn_of, txn_of_any


class TwoCopies:
    """A way to the store on which attempt 1 arrives twice; the answer to the first copy is told.

    Between the two the key "x", which the attempt has read as absent, is there for a moment.
    """

    def __init__(self, store: LocalStore, second: str = "at once") -> None:
        self.store = store
        self.second = second
        self.copy: CommitMessage | None = None
        self.late: list[Message] = []
        self._ids = itertools.count(1 << 100)

    def ask(self, message: Message) -> Message:
        if isinstance(message, CommitMessage) and message.attempt == 1:
            self._put("x")
            answer = self.store.ask(message)
            assert isinstance(answer, Conflict)
            self._put(None)
            self.copy = message
            if self.second == "at once":
                assert isinstance(self.store.ask(message), Committed)
            return answer
        answer = self.store.ask(message)
        if isinstance(message, Status) and self.second == "after the status":
            assert self.copy is not None
            self.late.append(self.store.ask(self.copy))
        return answer

    def client(self) -> Transactions:
        return Transactions(self.ask, PICKLE, means(Clock()))

    def _put(self, value: object) -> None:
        writes = ((self._key(), None if value is None else PICKLE.dumps(1)),)
        self.store.ask(CommitMessage(next(self._ids).to_bytes(16, "big"), 1, writes=writes))

    def _key(self) -> bytes:
        return keys.user("s", encode_key("x"))


def claim(then: Callable[[], object]) -> Callable[[], object]:
    """Write if "x" is absent, do `then` if it is there."""

    def work() -> object:
        txn = txn_of_any()
        if txn.attempt > 1:
            return then()
        txn.fetch("s", "x")
        txn.store("s", "claimed", f"by attempt {txn.attempt}")
        return f"attempt {txn.attempt}"

    return work


def abort() -> None:
    raise Abort("taken")


def fail() -> None:
    raise ZeroDivisionError


def leave() -> None:
    sys.exit("taken")


def write() -> str:
    txn_of_any().store("s", "claimed", "by attempt 2")
    return "attempt 2"


# -- the attempt that was committed ---------------------------------------------------------------


@pytest.mark.parametrize("then", [write, abort, fail, leave, lambda: "nothing to write"])
def test_if_a_late_copy_of_attempt_1_was_committed_its_value_is_returned(
    store: LocalStore, then: Callable[[], object]
) -> None:
    # When
    outcome = TwoCopies(store).client().mutate(claim(then))
    # Then
    assert outcome == Commit("attempt 1")
    assert store.client().fetch("s", "claimed") == "by attempt 1"


@pytest.mark.parametrize(("then", "error"), [(abort, None), (fail, ZeroDivisionError), (leave, SystemExit)])
def test_what_was_said_to_have_failed_is_never_committed(
    store: LocalStore, then: Callable[[], object], error: type[BaseException] | None
) -> None:
    # Given
    line = TwoCopies(store, "after the status")
    # When
    if error is None:
        assert line.client().mutate(claim(then)) == Fail("taken")
    else:
        with pytest.raises(error):
            line.client().mutate(claim(then))
    # Then
    (late,) = line.late
    assert isinstance(late, Refused)
    assert "given up by its caller" in late.text
    assert store.client().fetch("s", "claimed") is None


def test_a_first_attempt_that_aborts_asks_for_nothing(store: LocalStore, client: Transactions) -> None:
    assert client.mutate(abort) == Fail("taken")
    assert store.asked == []


def test_an_abort_is_told_only_when_it_is_known_that_nothing_was_committed(store: LocalStore) -> None:
    line = TwoCopies(store)

    def ask(message: Message) -> Message:
        if isinstance(message, Status):
            raise HeadUnreachable
        return line.ask(message)

    with pytest.raises(CommitUnknown):
        Transactions(ask, PICKLE, means(Clock())).mutate(claim(abort))


@pytest.mark.parametrize("lost", [1, 3])
def test_a_lost_answer_to_the_last_question_is_asked_for_again(store: LocalStore, lost: int) -> None:
    line = TwoCopies(store)
    left = [lost]

    def ask(message: Message) -> Message:
        answer = line.ask(message)
        if isinstance(message, Status) and left[0]:
            left[0] -= 1
            raise ConnectionResetError
        return answer

    assert Transactions(ask, PICKLE, means(Clock())).mutate(claim(abort)) == Commit("attempt 1")


def test_a_refused_commit_of_which_a_copy_was_accepted_is_a_commit(store: LocalStore) -> None:
    def ask(message: Message) -> Message:
        if isinstance(message, CommitMessage):
            store.ask(message)
            return Refused("no-space", "the disk is full")
        return store.ask(message)

    outcome = Transactions(ask, PICKLE, means(Clock())).mutate(write)
    assert outcome == Commit("attempt 2")


def test_closing_the_cloud_under_a_commit_leaves_it_unknown(store: LocalStore) -> None:
    def ask(message: Message) -> Message:
        raise ClosedCloud

    with pytest.raises(CommitUnknown):
        Transactions(ask, PICKLE, means(Clock())).mutate(write)


def test_a_store_that_answers_nonsense_is_an_error(store: LocalStore) -> None:
    def ask(message: Message) -> Message:
        return Committed(1, 77) if isinstance(message, CommitMessage) else NotCommitted()

    with pytest.raises(WireError, match="attempt 77"):
        Transactions(ask, PICKLE, means(Clock())).mutate(write)


def test_the_ids_of_which_it_was_said_that_they_are_not_committed_are_bounded() -> None:
    closed = ClosedIds(limit=2)
    for txn in (b"1", b"2", b"3"):
        closed.add(txn)
    assert len(closed) == 2
    assert [txn in closed for txn in (b"1", b"2", b"3")] == [False, True, True]


def test_a_status_is_told_when_what_it_rests_on_is_durable() -> None:
    # Given
    store = LocalStore()
    commit = CommitMessage(b"t" * 16, 3, writes=((TwoCopies(store)._key(), PICKLE.dumps(1)),))
    # When
    answers = store.submit(commit, Status(commit.txn))
    assert answers == []
    store.land()
    # Then
    assert answers == [Committed(1, 3), Committed(1, 3)]
    assert store.submit(Status(b"u" * 16)) == [NotCommitted()]
    assert isinstance(store.ask(Status(b"short")), Refused)


# -- on_commit, now, rand -------------------------------------------------------------------------


def test_what_on_commit_was_given_is_called_once_after_the_commit(store: LocalStore) -> None:
    # Given
    client = TwoCopies(store, "never").client()
    called: list[object] = []

    def work() -> None:
        txn = txn_of(client)
        attempt = txn.attempt
        txn.fetch("s", "x")
        txn.store("s", "done", attempt)
        txn.on_commit(lambda: called.append((attempt, client.fetch("s", "done"))))
        txn.on_commit(lambda: called.append(client.mutate(lambda: txn_of(client).attempt)))

    # When
    client.mutate(work)
    # Then
    assert called == [(3, 3), Commit(1)]


@pytest.mark.parametrize("then", [abort, fail])
def test_on_commit_is_not_for_transactions_that_fail(client: Transactions, then: Callable[[], object]) -> None:
    called: list[int] = []

    def work() -> None:
        txn_of(client).on_commit(lambda: called.append(1))
        then()

    with suppress(ZeroDivisionError):
        client.mutate(work)
    assert called == []


def test_on_commit_is_not_for_outcomes_that_are_unknown(store: LocalStore) -> None:
    def ask(message: Message) -> Message:
        raise HeadUnreachable

    called: list[int] = []

    def work() -> None:
        txn_of_any().on_commit(lambda: called.append(1))
        write()

    with pytest.raises(CommitUnknown):
        Transactions(ask, PICKLE, means(Clock())).mutate(work)
    assert called == []


def test_what_on_commit_raises_is_logged_for_the_transaction_is_committed(
    client: Transactions, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[int] = []

    def work() -> str:
        txn_of(client).on_commit(fail)
        txn_of(client).on_commit(lambda: called.append(1))
        return "done"

    with caplog.at_level(logging.ERROR):
        assert client.mutate(work) == Commit("done")
    assert called == [1]
    assert "is committed, but" in caplog.text


def test_now_and_rand_are_the_same_for_all_attempts(store: LocalStore) -> None:
    clock = Clock()
    client = Transactions(TwoCopies(store, "never").ask, PICKLE, means(clock))
    seen: list[tuple[float, float, bytes]] = []

    def work() -> None:
        txn = txn_of(client)
        seen.append((txn.now, txn.rand.random(), txn.id))
        txn.fetch("s", "x")
        txn.store("s", "done", True)
        clock.sleep(1.0)

    client.mutate(work)
    client.mutate(work)
    # Then: each took three.
    first, other = set(seen[:3]), set(seen[3:])
    assert (len(seen), len(first), len(other)) == (6, 1, 1)
    assert seen[3][0] >= seen[0][0] + 3.0
    assert seen[3][1] != seen[0][1]


def test_a_deadline_that_passes_is_an_error_also_where_the_store_was_asked_what_became_of_it(
    store: LocalStore,
) -> None:
    def ask(message: Message) -> Message:
        return Conflict((b"", 0)) if isinstance(message, CommitMessage) else store.ask(message)

    with pytest.raises(TransactionError, match="kept changing"):
        Transactions(ask, PICKLE, means(Clock())).mutate(write, timeout=0.2)
    assert isinstance(store.asked[-1], Status)
