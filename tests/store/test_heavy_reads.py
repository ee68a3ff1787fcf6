"""Transactions that read very much: not every question brings along what was read before."""

from __future__ import annotations

from contextvars import Context

from actorcloud.protocol.message import encode
from actorcloud.protocol.transaction import Read
from actorcloud.store import Commit, Transactions
from actorcloud.store.caller.attempt import LIGHT_ENTRIES
from tests.store.local import LocalStore, put_value, txn_of

COUNT = LIGHT_ENTRIES + 50


def read_all(client: Transactions) -> list[object]:
    txn = txn_of(client)
    return [txn.fetch("s", number) for number in range(COUNT)]


def reads_of(store: LocalStore) -> list[int]:
    return [len(message.reads) for message in store.asked if isinstance(message, Read)]


def rival_of(store: LocalStore) -> Transactions:
    rival = store.client()
    rival._means = rival._means._replace(randbytes=lambda n: b"r" * n)
    return rival


def test_after_a_hundred_keys_questions_are_small_again(store: LocalStore, client: Transactions) -> None:
    # When
    assert client.mutate(lambda: read_all(client)) == Commit([None] * COUNT)
    # Then
    assert reads_of(store) == [*range(LIGHT_ENTRIES + 1), *[0] * (COUNT - LIGHT_ENTRIES - 1)]
    assert max(len(encode(message)) for message in store.asked) < 4096


def test_if_the_store_has_moved_on_it_is_shown_all_and_the_run_goes_on(store: LocalStore, client: Transactions) -> None:
    # Given
    rival, runs = rival_of(store), [0]

    def work() -> list[object]:
        runs[0] += 1
        txn = txn_of(client)
        before = read_all(client)
        Context().run(lambda: put_value(rival, "elsewhere", 1))
        return [*before, txn.fetch("s", "elsewhere")]

    # When
    outcome = client.mutate(work)
    # Then: what it finds there is of a moment at which all that it read before still held.
    assert outcome == Commit([*[None] * COUNT, 1])
    assert runs == [1]
    assert reads_of(store)[-2:] == [0, COUNT]


def test_if_something_that_was_read_has_changed_the_run_begins_anew(store: LocalStore, client: Transactions) -> None:
    # Given
    rival, runs = rival_of(store), [0]

    def work() -> tuple[object, object]:
        runs[0] += 1
        txn = txn_of(client)
        first = read_all(client)[0]
        if runs == [1]:

            def both() -> None:
                txn_of(rival).store("s", 0, "new")
                txn_of(rival).store("s", "late", "new")

            Context().run(lambda: rival.mutate(both))
        return first, txn.fetch("s", "late")

    # Then: never the one with the other.
    assert client.mutate(work) == Commit(("new", "new"))
    assert runs == [2]
