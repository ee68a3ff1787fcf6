"""Functions that are run twice, to see whether they do the same twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from actorcloud.base.errors import ImpureTransaction
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.transaction import Commit as CommitMessage
from actorcloud.store import Abort, Change, Commit, Fail, Transactions, keys, rehearsed
from tests.store.local import JOB, REF, LocalStore, put_value, txn_of, txn_of_any


def test_a_pure_function_runs_twice_and_commits_once(store: LocalStore, client: Transactions) -> None:
    # Given
    put_value(client, "n", 1)
    runs: list[int] = []

    def work() -> int:
        txn = txn_of(client)
        runs.append(1)
        number: int = txn.fetch("s", "n") + 1
        txn.store("s", "n", number)
        txn.store("s", "when", (txn.now, txn.rand.random(), txn.id, {3, 1, 2}, float("nan")))
        return number

    # Then
    assert client.mutate(work, run_twice=True) == Commit(2)
    assert len(runs) == 2
    assert client.fetch("s", "n") == 2


def value(count: Iterator[int]) -> None:
    txn_of_any().store("s", "total", next(count))


def key(count: Iterator[int]) -> None:
    txn_of_any().store(JOB, ("row", next(count)), 1)


def read(count: Iterator[int]) -> None:
    txn_of_any().fetch("s", f"k{next(count)}")


def read_more(count: Iterator[int]) -> None:
    if next(count):
        txn_of_any().fetch("s", "more")


def read_less(count: Iterator[int]) -> None:
    if not next(count):
        txn_of_any().fetch("s", "less")


def scan_less(count: Iterator[int]) -> None:
    txn_of_any().scan("s")
    if not next(count):
        txn_of_any().scan("t")


def end(count: Iterator[int]) -> None:
    if next(count):
        raise Abort


def error(count: Iterator[int]) -> None:
    if next(count):
        raise ZeroDivisionError


def job(count: Iterator[int]) -> None:
    txn = txn_of_any()
    txn.add_job(NewJob(txn.new_ref(lambda: REF), b"f" * 16, b"%d" % next(count)))


def delete(count: Iterator[int]) -> None:
    if next(count):
        txn_of_any().delete("s", "n")
    else:
        txn_of_any().store("s", "n", 1)


def add(count: Iterator[int]) -> None:
    txn_of_any().add("s", "n", next(count) + 1)


def impure(fun: Callable[[Iterator[int]], None] = value) -> Callable[[], None]:
    return partial(fun, itertools.count())


@pytest.mark.parametrize(
    ("fun", "said"),
    [
        (value, "under the key 'total' of 's' the first run writes 0, the second 1"),
        (key, r"only one of two runs writes the key \('row', 0\) of the job 0"),
        (read, "first time the function reads the key 'k0' of 's', the second time the key 'k1' of 's'"),
        (read_more, "the second time the function reads the key 'more' of 's', too"),
        (read_less, "only one of two runs reads the key 'less' of 's'"),
        (scan_less, "the first run scans 2 ranges, the second 1, or others"),
        (end, "the first run ends with Commit, the second with Fail"),
        (error, r"the second run of the function raised ZeroDivisionError"),
        (job, "the first run adds 1 jobs, the second 1, or others"),
        (add, "two runs have the store do different things with its values"),
        (delete, "the first run writes 1, the second nothing"),
    ],
)
def test_an_impure_function_is_told_what_differed(
    store: LocalStore, fun: Callable[[Iterator[int]], None], said: str
) -> None:
    # Given
    store.add_job(REF)
    client = store.client()
    # Then
    with pytest.raises(ImpureTransaction, match=said):
        client.mutate(impure(fun), run_twice=True)
    assert store.sequencer.durable == 1


def test_jobs_of_the_two_runs_have_the_same_references(store: LocalStore, client: Transactions) -> None:
    # Given
    store.change(Change(tag=0, puts=((keys.function(b"f" * 16), b"code"),)))
    refs = iter([REF])

    def work() -> None:
        txn = txn_of(client)
        ref = txn.new_ref(lambda: next(refs))
        txn.add_job(NewJob(ref, b"f" * 16, b"arguments"))
        txn.store(JOB, "input", 1)

    # Then
    assert client.mutate(work, run_twice=True)
    assert client.fetch(JOB, "input") == 1


def test_values_that_are_equal_may_be_pickled_differently(client: Transactions) -> None:
    shared = [1]
    lists = iter([[shared, shared], [[1], [1]]])
    client.mutate(lambda: txn_of(client).store("s", "a", next(lists)), run_twice=True)


def test_a_conflict_in_a_rehearsal_is_no_difference(store: LocalStore, client: Transactions) -> None:
    # Given
    other = store.client()
    other._means = other._means._replace(randbytes=lambda n: b"o" * n)
    left = [1]

    def before(message: object) -> None:
        if isinstance(message, CommitMessage) and left.pop():
            left.append(0)
            put_value(other, "n", 5)

    store.before = before
    # Then
    work = lambda: txn_of(client).store("s", "m", txn_of(client).fetch("s", "n"))  # noqa: E731
    left.append(1)
    client.mutate(work, run_twice=True)
    assert client.fetch("s", "m") == 5


def test_a_program_may_have_all_its_functions_run_twice(client: Transactions) -> None:
    with rehearsed():
        with pytest.raises(ImpureTransaction):
            client.mutate(impure())
        assert client.mutate(impure(), run_twice=False)
    assert client.mutate(impure())


def test_an_abort_is_the_same_twice(client: Transactions) -> None:
    def abort() -> None:
        raise Abort("no")

    assert client.mutate(abort, run_twice=True) == Fail("no")
