"""The callers' half: outcomes, conflicts, a way to the store that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Context

import pytest
from msgspec.structs import replace

from actorcloud.base.errors import (
    BadKey,
    CommitUnknown,
    HeadUnreachable,
    NestedTransaction,
    NoSuchJob,
    NotInTransaction,
    TransactionError,
    ValueTooLarge,
)
from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit as CommitMessage
from actorcloud.protocol.transaction import Conflict, NotCommitted, Read, Refused
from actorcloud.store import Abort, Commit, Fail, Transaction, Transactions
from actorcloud.store.caller.transaction import Restart
from tests.store.local import FENCE, JOB, PICKLE, REF, Clock, LocalStore, means, run_of, txn_of, txn_of_any
from tests.store.local import put_value as put


def interfere(store: LocalStore, times: int, key: str = "n") -> None:
    """Change `key` just before each of the next `times` commits."""
    other = Transactions(LocalStore.ask.__get__(store), PICKLE, means(Clock()))
    left = [times]

    def before(message: Message) -> None:
        if isinstance(message, CommitMessage) and left[0]:
            left[0] -= 1
            store.before = lambda _: None
            other._means = other._means._replace(randbytes=lambda n: (1000 + left[0]).to_bytes(n, "big"))
            put(other, key, f"interfered {left[0]}")
            store.before = before

    store.before = before


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.fetch("s", "k"),
        lambda client: client.mutate(lambda: txn_of(client).fetch("s", "k")),
        lambda client: put(client, "k", 1),
    ],
    ids=["alone", "inside", "commit"],
)
def test_an_answer_that_is_none_is_never_taken_for_one(ask: Callable[[Transactions], object]) -> None:
    client = Transactions(lambda _: NotCommitted(), PICKLE, means(Clock()))
    with pytest.raises(TypeError, match="the store answered"):
        ask(client)


# -- outcomes -------------------------------------------------------------------------------------


def test_what_the_function_returns_is_the_commits_value(store: LocalStore, client: Transactions) -> None:
    def transfer() -> int:
        txn = txn_of(client)
        txn.store("s", "a", 1)
        return 42

    assert client.mutate(transfer) == Commit(42)
    assert client.fetch("s", "a") == 1


def test_abort_is_a_fail_and_writes_nothing(store: LocalStore, client: Transactions) -> None:
    def fail() -> None:
        txn_of(client).store("s", "a", 1)
        raise Abort("too poor")

    outcome = client.mutate(fail)
    assert outcome == Fail("too poor")
    assert not outcome
    with pytest.raises(TransactionError, match="too poor"):
        _ = outcome.value
    assert client.fetch("s", "a", "none") == "none"


def test_a_bug_in_the_function_rolls_back_and_is_raised_as_it_is(client: Transactions) -> None:
    def bug() -> None:
        txn_of(client).store("s", "a", 1)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client.mutate(bug)
    assert client.fetch("s", "a") is None
    assert client.current() is None


def test_a_commit_is_true_whatever_its_value() -> None:
    assert [bool(outcome) for outcome in (Commit(0), Commit(None), Fail(1))] == [True, True, False]


def test_reading_needs_no_commit(store: LocalStore, client: Transactions) -> None:
    put(client, "a", 1)
    store.asked.clear()
    assert client.mutate(lambda: txn_of(client).fetch("s", "a")) == Commit(1)
    assert [type(message) for message in store.asked] == [Read]


def test_an_own_write_is_read_without_asking(store: LocalStore, client: Transactions) -> None:
    def work() -> tuple[object, object]:
        txn = txn_of(client)
        txn.store("s", "a", [1])
        first = txn.fetch("s", "a")
        txn.delete("s", "a")
        return first, txn.fetch("s", "a", "gone")

    assert client.mutate(work) == Commit(([1], "gone"))
    assert [type(message) for message in store.asked] == [CommitMessage]


def test_a_fetched_value_is_a_copy(client: Transactions) -> None:
    put(client, "a", [1])

    def work() -> object:
        txn = txn_of(client)
        txn.fetch("s", "a").append(2)
        return txn.fetch("s", "a")

    assert client.mutate(work) == Commit([1])


def test_a_key_is_asked_for_once(store: LocalStore, client: Transactions) -> None:
    client.mutate(lambda: [txn_of(client).fetch("s", "a") for _ in range(3)])
    assert len(store.asked) == 1


# -- conflicts ------------------------------------------------------------------------------------


def test_the_function_runs_again_with_what_the_conflict_brought(store: LocalStore, client: Transactions) -> None:
    # Given
    put(client, "n", "first")
    interfere(store, 1)
    seen: list[tuple[int, bytes, object]] = []

    def work() -> None:
        txn = txn_of(client)
        seen.append((txn.attempt, txn.id, txn.fetch("s", "n")))
        txn.store("s", "done", True)

    # When
    store.asked.clear()
    client.mutate(work)
    # Then
    assert [(attempt, value) for attempt, _, value in seen] == [(1, "first"), (2, "interfered 0")]
    assert seen[0][1] == seen[1][1]
    reads = [message for message in store.asked if isinstance(message, Read)]
    assert len(reads) == 1


def test_many_conflicts_back_off_and_end_in_a_commit(store: LocalStore) -> None:
    clock = Clock()
    client = store.client(clock=clock)
    interfere(store, 20)

    def work() -> object:
        txn = txn_of(client)
        txn.store("s", "done", txn.attempt)
        return txn.fetch("s", "n")

    assert client.mutate(work) == Commit("interfered 0")
    assert len(clock.slept) == 19
    assert clock.slept[:3] == pytest.approx([0.0005, 0.00075, 0.001125])
    assert clock.slept == sorted(clock.slept)
    assert max(clock.slept) == 0.05


def test_who_has_a_ticket_begins_again_at_once(store: LocalStore) -> None:
    # Given
    clock = Clock()

    def ask(message: Message) -> Message:
        answer = store.ask(message)
        return replace(answer, has_ticket=True) if isinstance(answer, Conflict) else answer

    client = Transactions(ask, PICKLE, means(clock))
    interfere(store, 5)
    # When
    client.mutate(lambda: txn_of(client).store("s", "done", txn_of(client).fetch("s", "n")))
    # Then: others wait for it meanwhile
    assert clock.slept == []


def test_conflicts_until_the_deadline_are_an_error_and_write_nothing(store: LocalStore) -> None:
    client = store.client()
    interfere(store, 1_000_000)

    def work() -> None:
        txn = txn_of(client)
        txn.fetch("s", "n")
        txn.store("s", "done", True)

    with pytest.raises(TransactionError, match=r"within 0.5 s and \d+ attempts: other transactions kept changing"):
        client.mutate(work, timeout=0.5)
    store.before = lambda _: None
    assert client.fetch("s", "done") is None


@pytest.mark.parametrize("swallow", [BaseException, Restart])
def test_a_function_that_swallows_its_restart_is_run_again_all_the_same(
    store: LocalStore, client: Transactions, swallow: type[BaseException]
) -> None:
    # Given: a is read, then a and b change, so that b cannot be read at that snapshot.
    put(client, "a", 1)
    put(client, "b", 1)
    runs: list[object] = []
    other = store.client()
    other._means = other._means._replace(randbytes=lambda n: b"o" * n)

    def both() -> None:
        other_txn = txn_of(other)
        other_txn.store("s", "a", 2)
        other_txn.store("s", "b", 2)

    def work() -> str:
        txn = txn_of(client)
        first = txn.fetch("s", "a")
        if not runs:
            Context().run(lambda: other.mutate(both))
        runs.append(first)
        try:
            second = txn.fetch("s", "b")
        except swallow:
            second = "swallowed"
            with pytest.raises(Restart):
                txn.store("s", "half", True)
        return f"{first} {second}"

    assert client.mutate(work) == Commit("2 2")
    assert runs == [1, 2]
    assert client.fetch("s", "half") is None


@pytest.mark.parametrize("error", [Abort("never heard of"), ValueError("half"), SystemExit(1)])
def test_an_error_after_a_swallowed_restart_is_no_error(store: LocalStore, error: BaseException) -> None:
    answers = iter([Conflict((b"", 0)), None])
    ask: Callable[[Message], Message] = lambda message: next(answers, None) or store.ask(message)  # noqa: E731
    odd = Transactions(ask, PICKLE, means(Clock()))
    runs: list[int] = []

    def work() -> str:
        runs.append(1)
        try:
            txn_of(odd).fetch("s", "a")
        except BaseException:  # noqa: BLE001  what users write
            raise error from None
        return "good"

    assert odd.mutate(work) == Commit("good")
    assert len(runs) == 2


# -- the way to the store fails -------------------------------------------------------------------


class Flaky:
    """Raises before or after the store has handled a message."""

    def __init__(self, store: LocalStore, *plan: tuple[str, BaseException] | None) -> None:
        self.store = store
        self.plan = list(plan)

    def ask(self, message: Message) -> Message:
        step = self.plan.pop(0) if self.plan else None
        if step is not None and step[0] == "before":
            raise step[1]
        answer = self.store.ask(message)
        if step is not None:
            raise step[1]
        return answer

    def client(self) -> Transactions:
        return Transactions(self.ask, PICKLE, means(Clock()))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_whose_connection_was_reset_is_sent_again_and_counts_once(store: LocalStore, when: str) -> None:
    flaky = Flaky(store, (when, ConnectionResetError()), (when, ConnectionResetError()))
    put(flaky.client(), "a", 1)
    assert store.sequencer.durable == 1
    assert len({message.txn for message in store.asked if isinstance(message, CommitMessage)}) == 1


@pytest.mark.parametrize("error", [HeadUnreachable(), TimeoutError()])
def test_a_head_that_does_not_answer_a_commit_leaves_it_unknown(store: LocalStore, error: BaseException) -> None:
    with pytest.raises(CommitUnknown):
        put(Flaky(store, ("after", error)).client(), "a", 1)


def test_resets_until_the_deadline_leave_it_unknown(store: LocalStore) -> None:
    flaky = Flaky(store, *[("before", ConnectionResetError())] * 100_000)
    with pytest.raises(CommitUnknown):
        flaky.client().mutate(lambda: txn_of_any().store("s", "a", 1), timeout=0.2)


def test_a_head_that_does_not_answer_a_read_is_unreachable_and_nothing_was_written(store: LocalStore) -> None:
    client = Flaky(store, ("before", HeadUnreachable())).client()
    with pytest.raises(HeadUnreachable):
        client.mutate(lambda: txn_of_any().fetch("s", "a"))


def test_a_busy_store_is_asked_again(store: LocalStore) -> None:
    answers: list[Message] = [Refused("busy", "try again")] * 3
    client = Transactions(lambda m: answers.pop() if answers else store.ask(m), PICKLE, means(Clock()))
    put(client, "a", 1)
    assert client.fetch("s", "a") == 1


def test_a_store_busy_until_the_deadline_is_an_error(store: LocalStore) -> None:
    def ask(message: Message) -> Message:
        return Refused("busy", "9 commits wait") if isinstance(message, CommitMessage) else store.ask(message)

    client = Transactions(ask, PICKLE, means(Clock()))
    with pytest.raises(TransactionError, match="9 commits wait"):
        client.mutate(lambda: txn_of_any().store("s", "a", 1), timeout=0.1)


def test_a_busy_answer_after_a_reset_leaves_it_unknown() -> None:
    calls: list[int] = []

    def ask(_: Message) -> Message:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionResetError
        return Refused("busy", "try again")

    with pytest.raises(CommitUnknown):
        Transactions(ask, PICKLE, means(Clock())).mutate(lambda: txn_of_any().store("s", "a", 1), timeout=0.1)


def test_ids_are_acknowledged_with_the_next_commit(store: LocalStore, client: Transactions) -> None:
    put(client, "a", 1)
    put(client, "b", 2)
    first, second = (message for message in store.asked if isinstance(message, CommitMessage))
    assert (first.acked, second.acked) == ((), (first.txn,))


def test_ids_are_acknowledged_again_if_that_commit_failed(store: LocalStore) -> None:
    flaky = Flaky(store, None, ("before", HeadUnreachable()))
    client = flaky.client()
    put(client, "a", 1)
    with pytest.raises(CommitUnknown):
        put(client, "b", 2)
    put(client, "c", 3)
    first, *_, last = (message for message in store.asked if isinstance(message, CommitMessage))
    assert last.acked == (first.txn,)


def test_two_threads_that_take_the_last_id_to_acknowledge_do_not_stumble(
    client: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    class TakenMeanwhile(deque[bytes]):
        def __len__(self) -> int:
            return super().__len__() + 1  # it was there when they were counted

    monkeypatch.setattr(client, "_acked", TakenMeanwhile())
    put(client, "a", 1)
    put(client, "a", 2)


# -- misuse ---------------------------------------------------------------------------------------


def test_a_transaction_in_a_transaction_is_refused(client: Transactions) -> None:
    with pytest.raises(NestedTransaction):
        client.mutate(lambda: client.mutate(lambda: None))
    with pytest.raises(NestedTransaction):
        client.mutate(lambda: client.stage(lambda: None))


@pytest.mark.parametrize("once", [None, "name"])
def test_a_function_that_does_nothing_when_it_is_called_is_refused(store: LocalStore, once: str | None) -> None:
    # Given
    store.add_job(REF, "running", run_of(1))
    client = store.client(fence=FENCE)

    async def coroutine() -> None:
        txn_of(client).store("s", "a", 1)

    def generator() -> Iterator[None]:
        yield txn_of(client).store("s", "a", 1)  # type: ignore[func-returns-value]

    async def both() -> AsyncIterator[None]:
        yield txn_of(client).store("s", "a", 1)  # type: ignore[func-returns-value]

    for function in (coroutine, generator, both):
        # When
        with pytest.raises(TypeError, match="a plain function is needed"):
            client.mutate(function, once)
    # Then
    assert client.fetch("s", "a") is None


def test_a_captured_handle_is_dead_after_the_end(client: Transactions) -> None:
    captured: list[Transaction] = []
    client.mutate(lambda: captured.append(txn_of(client)))
    with pytest.raises(NotInTransaction, match="has ended"):
        captured[0].fetch("s", "a")
    with pytest.raises(NotInTransaction, match="has ended"):
        captured[0].store("s", "a", 1)
    with pytest.raises(NotInTransaction, match="has ended"):
        captured[0].delete("s", "a")


def test_bad_keys_and_values_are_refused_before_anything_is_sent(store: LocalStore, client: Transactions) -> None:
    with pytest.raises(BadKey, match="list"):
        client.mutate(lambda: txn_of(client).store("s", [1], 1))  # type: ignore[arg-type]
    with pytest.raises(ValueTooLarge, match="'big'"):
        client.mutate(lambda: txn_of(client).store("s", "big", bytes(2 << 20)))
    assert store.asked == []


def test_a_transaction_that_is_too_large_is_refused(store: LocalStore, client: Transactions) -> None:
    def work() -> None:
        for number in range(5):
            txn_of(client).store("s", number, bytes(1_000_000))

    with pytest.raises(TransactionError, match="bytes in one transaction"):
        client.mutate(work)
    assert store.sequencer.durable == 0


def test_a_job_that_does_not_exist_ends_the_transaction(client: Transactions) -> None:
    def work() -> str:
        txn = txn_of(client)
        try:
            txn.fetch(JOB, "a")
        except NoSuchJob:
            txn.store("s", "a", 1)
        return "never"

    with pytest.raises(NoSuchJob, match=str(JOB)):
        client.mutate(work)
    with pytest.raises(NoSuchJob):
        client.fetch(JOB, "a")


def test_a_fetch_of_one_key_gives_its_value_or_the_default(client: Transactions) -> None:
    assert client.fetch("s", "a", "none") == "none"
    put(client, "a", None)
    assert client.fetch("s", "a", "none") is None
