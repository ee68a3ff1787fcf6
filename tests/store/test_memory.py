"""What a caller remembers of its commits: fewer questions, and never another result."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.protocol.transaction import AtomicStep, Commit, Read
from actorcloud.store import Abort, Transactions
from actorcloud.store.caller.attempt import Attempt, Known
from actorcloud.store.caller.coverage import Coverage
from actorcloud.store.caller.memory import KEPT_KEYS, LIGHT_BYTES, LIGHT_KEYS, Memory
from actorcloud.store.value import INT, pack_int, with_codec
from tests.store.local import Clock, LocalStore, put_value, txn_of

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
def store() -> LocalStore:
    return LocalStore()


@pytest.fixture
def client(store: LocalStore) -> Transactions:
    return store.client()


@pytest.fixture
def other(store: LocalStore) -> Transactions:
    """Another program."""
    found = store.client()
    found._means = found._means._replace(randbytes=lambda n: next(OTHER_IDS).to_bytes(n, "big"))
    return found


OTHER_IDS = iter(range(1 << 64, 1 << 65))


# -- fewer questions ------------------------------------------------------------------------------


def test_the_next_transaction_on_a_key_asks_for_nothing(store: LocalStore, client: Transactions) -> None:
    assert client.mutate(increment(client)).value == 1
    assert kinds(store) == ["Read", "Commit"]
    assert client.mutate(increment(client)).value == 2
    assert client.mutate(increment(client)).value == 3
    assert kinds(store) == ["Commit", "Commit"]


def test_what_was_read_and_not_written_is_remembered_too_and_what_was_deleted_is_absent(
    store: LocalStore, client: Transactions
) -> None:
    put_value(client, "a", 1)
    put_value(client, "b", 2)

    def move() -> None:
        transaction = txn_of(client)
        transaction.store("s", "c", transaction.fetch("s", "a") + transaction.fetch("s", "b"))
        transaction.delete("s", "b")

    client.mutate(move)
    kinds(store)

    def look() -> object:
        transaction = txn_of(client)
        seen = [transaction.fetch("s", key, "absent") for key in "abc"]
        transaction.store("s", "d", 0)
        return seen

    assert client.mutate(look).value == [1, "absent", 3]
    assert kinds(store) == ["Commit"]


def test_what_others_have_changed_costs_a_conflict_and_no_more(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    client.mutate(increment(client))
    other.mutate(increment(other))
    kinds(store)
    runs: list[int] = []
    assert client.mutate(increment(client, runs=runs)).value == 3
    assert (kinds(store), runs) == (["Commit", "Commit"], [1, 2])


def test_what_others_keep_changing_is_not_guessed_again(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    client.mutate(increment(client))
    other.mutate(increment(other))
    client.mutate(increment(client))
    other.mutate(increment(other))
    kinds(store)
    runs: list[int] = []
    assert client.mutate(increment(client, runs=runs)).value == 5
    assert (kinds(store), runs) == (["Read", "Commit"], [1])


def test_a_key_that_is_not_remembered_moves_the_run_on_with_what_it_had(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    client.mutate(increment(client))
    put_value(other, "m", 10)
    kinds(store)

    def both() -> int:
        transaction = txn_of(client)
        total: int = transaction.fetch("s", "n") + transaction.fetch("s", "m")
        transaction.store("s", "sum", total)
        return total

    assert client.mutate(both).value == 11
    assert kinds(store) == ["Read", "Commit"]


# -- never another result -------------------------------------------------------------------------


def test_a_run_that_only_reads_is_told_what_is_there_now(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    client.mutate(increment(client))
    other.mutate(increment(other))
    runs: list[int] = []

    def look() -> object:
        runs.append(txn_of(client).attempt)
        return txn_of(client).fetch("s", "n")

    kinds(store)
    assert client.mutate(look).value == 2
    assert (kinds(store), runs) == (["Read"], [1, 2])
    # It is forgotten now: a function that only reads runs twice once, and not every time.
    assert client.mutate(look).value == 2
    assert runs == [1, 2, 1]


def test_an_abort_is_for_what_is_there_now(client: Transactions, other: Transactions) -> None:
    client.mutate(increment(client))
    other.mutate(increment(other))

    def refuse() -> None:
        raise Abort(txn_of(client).fetch("s", "n"))

    assert client.mutate(refuse).reason == 2  # type: ignore[union-attr]


def test_an_error_is_for_what_is_there_now(client: Transactions, other: Transactions) -> None:
    client.mutate(increment(client))
    other.mutate(increment(other))

    def fail() -> int:
        value: int = txn_of(client).fetch("s", "n")
        if value == 1:
            raise ValueError("that was long ago")
        return value

    assert client.mutate(fail).value == 2


def test_an_error_that_still_holds_is_raised(client: Transactions) -> None:
    client.mutate(increment(client))

    def fail() -> None:
        raise ValueError(txn_of(client).fetch("s", "n"))

    with pytest.raises(ValueError, match=r"^1$"):
        client.mutate(fail)


def test_a_run_that_was_thrown_away_does_not_count_as_a_try(client: Transactions) -> None:
    client.mutate(increment(client))
    assert client.mutate(lambda: txn_of(client).fetch("s", "n"), timeout=0.0).value == 1


def test_a_snapshot_and_a_staged_run_remember_nothing(
    store: LocalStore, client: Transactions, other: Transactions
) -> None:
    client.mutate(increment(client))
    other.mutate(increment(other))
    kinds(store)
    assert client.snapshot(lambda: txn_of(client).fetch("s", "n")) == 2
    assert client.stage(increment(client)).value == 3
    assert kinds(store) == ["Read", "Read"]


def test_what_the_store_does_itself_is_not_known(client: Transactions) -> None:
    def add_and_look() -> None:
        transaction = txn_of(client)
        transaction.fetch("s", "n")
        transaction.add("s", "n", 1)
        transaction.store("s", "m", 0)

    client.mutate(increment(client))
    client.mutate(add_and_look)
    assert client.mutate(increment(client)).value == 3


def test_a_store_that_was_restored_is_another_one(store: LocalStore, client: Transactions) -> None:
    client.mutate(increment(client))
    store.sequencer.incarnation = b"another's"
    assert client.mutate(increment(client)).value == 2


def test_a_rehearsed_run_remembers_nothing(store: LocalStore, client: Transactions) -> None:
    client.mutate(increment(client), run_twice=True)
    kinds(store)
    assert client.mutate(increment(client), run_twice=True).value == 2
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


class Model:
    """What the store must say, on a dict."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {}

    def apply(self, what: str, key: str, source: str) -> object:
        seen = self.values.get(source, 0)
        match what:
            case "blind":
                self.values[key] = 100
                return None
            case "atomic":
                self.values[key] = self.values.get(key, 0) + 5
                return None
            case "delete":
                self.values.pop(key, None)
            case "add" | "copy":
                self.values[key] = seen + (what == "add")
        return seen


def apply(client: Transactions, what: str, key: str, source: str) -> object:
    """Do the same by a transaction."""

    def run() -> object:
        transaction = txn_of(client)
        match what:
            case "blind":
                transaction.store("s", key, 100)
                return None
            case "atomic":
                transaction.add("s", key, 5)
                return None
        seen: int = transaction.fetch("s", source, 0)
        match what:
            case "abort":
                raise Abort(seen)
            case "delete":
                transaction.delete("s", key)
            case "add" | "copy":
                transaction.store("s", key, seen + (what == "add"))
        return seen

    outcome = client.mutate(run)
    return outcome.value if outcome else outcome.reason  # type: ignore[union-attr]


_KEYS = st.sampled_from("abc")
_KINDS = st.sampled_from(["add", "copy", "read", "delete", "abort", "atomic", "blind"])


@given(st.lists(st.tuples(st.integers(0, 1), _KINDS, _KEYS, _KEYS), max_size=25))
def test_whoever_does_what_in_turn_it_is_as_if_nothing_was_remembered(
    actions: list[tuple[int, str, str, str]],
) -> None:
    store, model = LocalStore(), Model()
    clients = [store.client(), store.client()]
    clients[1]._means = clients[1]._means._replace(randbytes=lambda n: next(OTHER_IDS).to_bytes(n, "big"))
    for who, what, key, source in actions:
        assert apply(clients[who], what, key, source) == model.apply(what, key, source)
    assert {key: clients[0].fetch("s", key, 0) for key in "abc"} == {key: model.values.get(key, 0) for key in "abc"}


# -- bounds ---------------------------------------------------------------------------------------


def committed(keys: list[bytes], size: int = 1, number: int = 1) -> Attempt:
    """Return a run that read these keys."""
    attempt = Attempt(
        b"t" * 16, number, recall=lambda _: Known(SNAPSHOT, dict.fromkeys(keys, (1, b"x" * size)), Coverage())
    )
    for key in keys:
        attempt.peek(key)
    return attempt


def test_the_longest_unused_is_forgotten_first() -> None:
    memory = Memory()
    for number in range(KEPT_KEYS + 10):
        memory.keep(committed([b"%d" % number]), 8)
    assert len(memory) == KEPT_KEYS
    assert memory.take(b"9") is None
    assert memory.take(b"10") is not None


def test_large_commits_are_not_remembered_and_what_they_changed_is_forgotten() -> None:
    memory = Memory()
    small, many = [b"0"], [b"%d" % number for number in range(LIGHT_KEYS + 1)]
    for heavy in (committed(many), committed(small)):
        memory.keep(committed(small), 8)
        heavy.write(b"0", b"x" * (LIGHT_BYTES + 1))
        memory.keep(heavy, 9)
        assert len(memory) == 0


def test_all_that_one_commit_told_is_used_or_forgotten_together() -> None:
    memory = Memory()
    memory.keep(committed([b"a", b"b"]), 8)
    known = memory.take(b"a")
    assert known is not None
    assert known[:2] == ((b"incarnation", 8), {b"a": (1, b"x"), b"b": (1, b"x")})
    assert memory.take(b"b") is None
    memory.keep(committed([b"a", b"b"]), 8)
    memory.keep(committed([b"b", b"c"]), 9)
    assert memory.take(b"a") is None
    assert memory.take(b"c") is not None


def test_a_blind_change_of_ones_own_makes_what_was_known_old() -> None:
    memory = Memory()
    stored, added = Attempt(b"u" * 16, 1), Attempt(b"v" * 16, 1)
    stored.write(b"a", b"y")
    added.do(b"a", AtomicStep("add", with_codec(INT, pack_int(1))))
    for blind in (stored, added):
        memory.keep(committed([b"a", b"b"]), 8)
        memory.keep(blind, 9)
        assert len(memory) == 0


def test_only_a_first_attempt_is_remembered() -> None:
    memory = Memory()
    memory.keep(committed([b"a"], number=2), 8)
    assert len(memory) == 0
