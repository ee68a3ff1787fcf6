"""What a caller remembers of its commits: fewer questions, and never another result."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import pytest

from actorcloud.base.errors import HeadUnreachable, NoSuchJob, TransactionError, TransactionTooLarge
from actorcloud.base.ids import JobRef
from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit, Read
from actorcloud.store import Abort, Transactions
from actorcloud.store.caller.committer import TICKET_AFTER_CONFLICTS
from actorcloud.store.change import Change
from tests.store.local import JOB, OTHER, REF, Clock, LocalStore, put_value, txn_of

SNAPSHOT = (b"incarnation", 7)


def kinds(store: LocalStore) -> list[str]:
    """Return what was asked since the last look."""
    asked = [type(message).__name__ for message in store.asked]
    store.asked.clear()
    return asked


def increment(client: Transactions, key: str = "n", runs: list[int] | None = None) -> Callable[[], int]:
    def run() -> int:
        transaction = txn_of(client)
        if runs is not None:
            runs.append(transaction.attempt)
        value: int = transaction.fetch("s", key, 0) + 1
        transaction.store("s", key, value)
        return value

    return run


@pytest.fixture
def other(store: LocalStore) -> Transactions:
    """Another program."""
    found = store.client()
    found._means = found._means._replace(randbytes=lambda n: next(OTHER_IDS).to_bytes(n, "big"))
    return found


OTHER_IDS = iter(range(1 << 64, 1 << 65))


def become_known(client: Transactions, *keys: str) -> None:
    """Twice, so that this client finds them as it has left them."""
    for _ in range(2):
        for key in keys or ("n",):
            client.mutate(increment(client, key))


# -- fewer questions ------------------------------------------------------------------------------


def test_transactions_on_keys_that_were_as_they_had_been_left_ask_for_nothing(
    store: LocalStore, client: Transactions
) -> None:
    runs: list[int] = []
    for _ in range(4):
        client.mutate(increment(client, runs=runs))
    assert kinds(store) == ["Read", "Commit", "Read", "Commit", "Commit", "Commit"]
    assert runs == [1] * 4
    assert client.fetch("s", "n") == 4


def test_what_was_read_and_not_written_is_remembered_too_and_what_was_deleted_is_absent(
    store: LocalStore, client: Transactions
) -> None:
    put_value(client, "a", 1)

    def move() -> object:
        transaction = txn_of(client)
        seen = [transaction.fetch("s", key, "absent") for key in "abc"]
        transaction.store("s", "c", len(seen))
        transaction.delete("s", "b")
        return seen

    assert client.mutate(move).value == [1, "absent", "absent"]
    assert client.mutate(move).value == [1, "absent", 3]
    kinds(store)
    assert client.mutate(move).value == [1, "absent", 3]
    assert kinds(store) == ["Commit"]


def test_what_others_have_changed_costs_a_conflict_and_no_more(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    become_known(client)
    other.mutate(increment(other))
    kinds(store)
    runs: list[int] = []
    assert client.mutate(increment(client, runs=runs)).value == 4
    assert (kinds(store), runs) == (["Commit", "Commit"], [1, 2])


def test_clients_that_take_turns_at_a_key_never_guess(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    for _ in range(5):
        client.mutate(increment(client))
        other.mutate(increment(other))
    assert kinds(store) == ["Read", "Commit"] * 10


def test_what_led_to_a_conflict_is_not_tried_again(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    become_known(client)
    other.mutate(increment(other))
    client.mutate(increment(client))
    kinds(store)
    runs: list[int] = []
    assert client.mutate(increment(client, runs=runs)).value == 5
    assert (kinds(store), runs) == (["Read", "Commit"], [1])


def test_a_key_that_is_not_remembered_moves_the_run_on_with_what_it_had(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    become_known(client)
    put_value(other, "m", 10)
    kinds(store)
    runs: list[int] = []

    def both() -> int:
        transaction = txn_of(client)
        runs.append(transaction.attempt)
        total: int = transaction.fetch("s", "n") + transaction.fetch("s", "m")
        transaction.store("s", "sum", total)
        return total

    assert client.mutate(both).value == 12
    assert (kinds(store), runs) == (["Read", "Commit"], [1])


def test_what_is_remembered_is_where_a_run_begins_or_nothing_is(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    # Given n = 2, remembered; then others change both at once
    become_known(client)

    def change() -> None:
        transaction = txn_of(other)
        transaction.store("s", "n", 10)
        transaction.store("s", "m", 10)

    other.mutate(change)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        transaction = txn_of(client)
        # When it reads first what it does not know
        seen.append((transaction.fetch("s", "m"), transaction.fetch("s", "n")))
        transaction.store("s", "d", 0)

    client.mutate(look)
    # Then the older state is not mixed in
    assert seen == [(10, 10)]


def test_a_second_run_guesses_no_more(store: LocalStore, client: Transactions, other: Transactions) -> None:
    become_known(client, "n", "m")
    other.mutate(increment(other))
    kinds(store)

    def run() -> None:
        transaction = txn_of(client)
        transaction.fetch("s", "n" if transaction.attempt == 1 else "m")
        transaction.store("s", "d", 0)

    client.mutate(run)
    assert kinds(store) == ["Commit", "Read", "Commit"]


def test_a_key_that_was_written_without_being_read_is_not_guessed(store: LocalStore, client: Transactions) -> None:
    def scan_and_store() -> None:
        transaction = txn_of(client)
        transaction.scan("s")
        transaction.store("s", "n", 1)

    client.mutate(scan_and_store)
    kinds(store)
    client.mutate(increment(client))
    assert kinds(store) == ["Read", "Commit"]


@pytest.mark.parametrize("last", ["scan", "an absent key", "a newer key"])
def test_a_run_that_the_store_has_confirmed_is_not_thrown_away(
    store: LocalStore, client: Transactions, other: Transactions, last: str
) -> None:
    become_known(client)
    if last == "a newer key":
        put_value(other, "m", 10)
    runs: list[int] = []

    def report() -> object:
        transaction = txn_of(client)
        runs.append(transaction.attempt)
        first = transaction.fetch("s", "n")
        return first, transaction.scan("s") if last == "scan" else transaction.fetch("s", "m")

    kinds(store)
    assert client.mutate(report).value[0] == 2  # type: ignore[index]
    assert (kinds(store), runs) == (["Read"], [1])


# -- never another result -------------------------------------------------------------------------


def test_a_run_that_only_reads_is_told_what_is_there_now(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    become_known(client)
    other.mutate(increment(other))
    runs: list[int] = []

    def look() -> object:
        runs.append(txn_of(client).attempt)
        return txn_of(client).fetch("s", "n")

    kinds(store)
    assert client.mutate(look).value == 3
    assert (kinds(store), runs) == (["Read"], [1, 2])
    # It is forgotten now: a function that only reads runs twice once, and not every time.
    assert client.mutate(look).value == 3
    assert runs == [1, 2, 1]


def test_an_abort_is_for_what_is_there_now(client: Transactions, other: Transactions) -> None:
    become_known(client)
    other.mutate(increment(other))

    def refuse() -> None:
        raise Abort(txn_of(client).fetch("s", "n"))

    assert client.mutate(refuse).reason == 3  # type: ignore[union-attr]


def test_an_error_is_for_what_is_there_now(client: Transactions, other: Transactions) -> None:
    become_known(client)
    other.mutate(increment(other))

    def fail() -> int:
        value: int = txn_of(client).fetch("s", "n")
        if value == 2:
            raise ValueError("that was long ago")
        return value

    assert client.mutate(fail).value == 3


def test_an_error_that_still_holds_is_raised(client: Transactions) -> None:
    become_known(client)

    def fail() -> None:
        raise ValueError(txn_of(client).fetch("s", "n"))

    with pytest.raises(ValueError, match=r"^2$"):
        client.mutate(fail)


def test_an_exit_is_for_what_is_there_now(client: Transactions, other: Transactions) -> None:
    become_known(client)
    other.mutate(increment(other))

    def leave(at: int) -> int:
        value: int = txn_of(client).fetch("s", "n")
        if value == at:
            sys.exit(value)
        return value

    assert client.mutate(lambda: leave(2)).value == 3
    become_known(client)
    with pytest.raises(SystemExit, match=r"^5$"):
        client.mutate(lambda: leave(5))


@pytest.mark.parametrize("how", ["reads", "reads and catches everything", "writes"])
def test_a_refusal_is_for_what_is_there_now(
    store: LocalStore, client: Transactions, other: Transactions, how: str
) -> None:
    key = "x"
    # Given a pointer to a job, remembered; then it points to another one, and the job is deleted
    store.add_job(OTHER)

    def follow() -> object:
        transaction = txn_of(client)
        at = JOB if transaction.fetch("s", "current", 0) else JobRef[object](OTHER)
        transaction.store("s", "seen", 0)
        if how == "writes":
            return transaction.store(at, "x", 1)  # type: ignore[func-returns-value]
        try:
            return transaction.fetch(at, key)
        except NoSuchJob:
            if "catches" not in how:
                raise
            return "caught"

    for _ in range(2):
        client.mutate(follow)
    store.add_job(REF)
    put_value(other, "current", 1)
    store.change(Change(tag=1, records=((OTHER, None),)))
    # When it is followed from what is remembered, to what is not
    key = "y"
    assert client.mutate(follow).value is None


def test_a_transaction_is_too_large_for_what_is_there_now(client: Transactions, other: Transactions) -> None:
    put_value(client, "size", 10_001)
    put_value(client, "n", 0)

    def write() -> int:
        transaction = txn_of(client)
        size: int = transaction.fetch("s", "size")
        transaction.fetch("s", "n")
        for number in range(size if transaction.fetch("s", "n") else 1):
            transaction.store("s", number, 0)
        transaction.store("s", "n", 1)
        return size

    client.mutate(write)
    with pytest.raises(TransactionTooLarge):
        client.mutate(write)
    put_value(other, "n", 0)
    client.mutate(write)
    put_value(other, "size", 2)
    assert client.mutate(write).value == 2


def test_a_guess_does_not_count_as_a_try(store: LocalStore, client: Transactions, other: Transactions) -> None:
    become_known(client)
    assert client.mutate(lambda: txn_of(client).fetch("s", "n"), timeout=0.0).value == 2
    become_known(client)
    other.mutate(increment(other))
    assert client.mutate(increment(client), timeout=0.0).value == 6
    with pytest.raises(TransactionError, match="and 1 attempts"):
        interfere_always(store, client, other)


def test_a_guess_does_not_bring_a_turn_nearer(store: LocalStore, client: Transactions, other: Transactions) -> None:
    with pytest.raises(TransactionError):
        interfere_always(store, client, other, timeout=0.2)
    tickets = [message.ticket for message in store.asked if isinstance(message, Commit) and message.attempt > 1]
    mine = [ticket is not None for ticket in tickets]
    assert mine[: TICKET_AFTER_CONFLICTS + 1] == [False] * TICKET_AFTER_CONFLICTS + [True]


def interfere_always(store: LocalStore, client: Transactions, other: Transactions, timeout: float = 0.0) -> None:
    become_known(client)

    def before(message: Message) -> None:
        if isinstance(message, Commit):
            store.before = lambda _: None
            other.mutate(increment(other))
            store.before = before

    store.before = before
    client.mutate(increment(client), timeout=timeout)


def test_a_head_that_is_away_is_waited_for_once(store: LocalStore, client: Transactions) -> None:
    become_known(client)

    def fail(_: Message) -> None:
        raise HeadUnreachable

    store.before = fail
    kinds(store)

    def look() -> object:
        return txn_of(client).fetch("s", "n") + txn_of(client).fetch("s", "m")

    with pytest.raises(HeadUnreachable):
        client.mutate(look)
    assert kinds(store) == ["Read"]


def test_a_snapshot_and_a_staged_run_ask(store: LocalStore, client: Transactions, other: Transactions) -> None:
    become_known(client)
    other.mutate(increment(other))
    kinds(store)
    assert client.snapshot(lambda: txn_of(client).fetch("s", "n")) == 3
    assert client.stage(increment(client)).value == 4
    assert kinds(store) == ["Read", "Read"]


def test_what_the_store_does_itself_is_not_known(store: LocalStore, client: Transactions) -> None:
    def add_and_look() -> int:
        transaction = txn_of(client)
        before: int = transaction.fetch("s", "n", 0)
        transaction.add("s", "n", 1)
        return before

    seen = [client.mutate(add_and_look).value for _ in range(4)]
    assert seen == [0, 1, 2, 3]
    assert kinds(store) == ["Read", "Commit"] * 4


def test_keys_that_a_push_has_made_are_not_known(client: Transactions) -> None:
    # Given a run that stores a key which its own push then overwrites
    put_value(client, "n", 0)
    seq = client.mutate(increment(client)).value + 2

    def push() -> None:
        transaction = txn_of(client)
        transaction.fetch("s", "n")
        transaction.store("s", ("q", seq, 0), "written")
        transaction.push("s", ("q",), "pushed")

    client.mutate(push)

    def copy() -> object:
        transaction = txn_of(client)
        value = transaction.fetch("s", ("q", seq, 0))
        transaction.store("s", "copy", value)
        return value

    assert client.scan("s", ("q",)) == [(("q", seq, 0), "pushed")]
    assert client.mutate(copy).value == "pushed"


def test_a_store_that_was_restored_is_another_one(store: LocalStore, client: Transactions) -> None:
    become_known(client)
    store.sequencer.incarnation = b"another's"
    assert client.mutate(increment(client)).value == 3


def test_a_rehearsed_run_asks(store: LocalStore, client: Transactions) -> None:
    become_known(client)
    kinds(store)
    assert client.mutate(increment(client), run_twice=True).value == 3
    assert kinds(store) == ["Read", "Commit"]


def test_threads_that_share_a_client_lose_nothing(store: LocalStore) -> None:
    lock = threading.Lock()

    def ask(message: Read | Commit) -> object:
        with lock:
            return store.ask(message)

    client = store.client(clock=Clock())
    client._ask = ask  # type: ignore[assignment]

    def work() -> None:
        for _ in range(50):
            client.mutate(increment(client))
            client.mutate(increment(client, threading.current_thread().name))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.fetch("s", "n") == 200
    assert [client.fetch("s", thread.name) for thread in threads] == [50] * 4
