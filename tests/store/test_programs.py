"""Small programs of several clients, interleaved at random, against a dictionary."""

from __future__ import annotations

import itertools
from contextvars import Context
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.store import Transaction, Transactions
from actorcloud.store.caller import attempt
from tests.store.local import PICKLE, Clock, LocalStore, means, txn_of

Step = tuple[str, str, int]
NAMES = st.sampled_from("abc")
STEPS = st.one_of(
    st.tuples(st.just("fetch"), NAMES, st.just(0)),
    st.tuples(st.just("add"), NAMES, st.integers(1, 9)),
    st.tuples(st.just("delete"), NAMES, st.just(0)),
    # The store adds; nothing is read.
    st.tuples(st.just("count"), NAMES, st.integers(1, 9)),
    # The sum of the first so many from a name on, in either direction.
    st.tuples(st.sampled_from(["sum", "sum back"]), NAMES, st.integers(1, 3)),
)
PROGRAMS = st.lists(st.lists(STEPS, min_size=1, max_size=4), min_size=1, max_size=5)


class Programs:
    """Small programs; while one runs, others run in between its messages."""

    def __init__(self, programs: list[list[Step]], disturbances: list[int]) -> None:
        self.store = LocalStore()
        self.programs = programs
        #: What the attempt of each program that committed has seen.
        self.seen: dict[int, list[int]] = {}
        self._waiting = list(range(len(programs)))
        self._disturbances = disturbances
        self._ids = itertools.count(1)

    def run_all(self) -> None:
        self.store.before = lambda _: self._disturb()
        while self._waiting:
            self._run(self._waiting.pop())
        self.store.before = lambda _: None

    def _disturb(self) -> None:
        if self._waiting and self._disturbances and self._disturbances.pop():
            self._run(self._waiting.pop())

    def _run(self, number: int) -> None:
        random = means(Clock())._replace(randbytes=lambda n: next(self._ids).to_bytes(n, "big"))
        client = Transactions(self.store.ask, PICKLE, random)
        outcome = Context().run(lambda: client.mutate(lambda: self._play(number, txn_of(client))))
        self.seen[number] = outcome.value

    def _play(self, number: int, txn: Transaction) -> list[int]:
        txn.store("s", "order", [*txn.fetch("s", "order", []), number])
        seen = []
        for what, name, amount in self.programs[number]:
            if what == "delete":
                txn.delete("s", name)
                continue
            if what == "count":
                txn.add("s", name, amount)
                continue
            if what.startswith("sum"):
                items = txn.scan("s", start=name, stop="d", limit=amount, reverse=what != "sum")
                seen.append(sum(value for _, value in items))
                continue
            seen.append(txn.fetch("s", name, 0))
            if what == "add":
                txn.store("s", name, seen[-1] + amount)
        return seen


def play_on(model: dict[str, int], program: list[Step]) -> list[int]:
    seen = []
    for what, name, amount in program:
        if what == "delete":
            model.pop(name, None)
            continue
        if what == "count":
            model[name] = model.get(name, 0) + amount
            continue
        if what.startswith("sum"):
            names = sorted((other for other in model if other >= name), reverse=what != "sum")
            seen.append(sum(model[other] for other in names[:amount]))
            continue
        seen.append(model.get(name, 0))
        if what == "add":
            model[name] = seen[-1] + amount
    return seen


@pytest.mark.parametrize("light", [0, 100])
@given(programs=PROGRAMS, disturbances=st.lists(st.integers(0, 3), max_size=20))
def test_transactions_are_as_good_as_one_after_the_other(
    light: int, programs: list[list[Step]], disturbances: list[int]
) -> None:
    # When: every question brings along what was read before, or none does unless it must.
    run = Programs(programs, disturbances)
    with patch.object(attempt, "LIGHT_ENTRIES", light):
        run.run_all()
    # Then: the store says in which order they took effect; played in that order on a dict, all agree.
    client = run.store.client()
    order = client.fetch("s", "order")
    model: dict[str, int] = {}
    assert sorted(order) == list(range(len(programs)))
    assert [run.seen[number] for number in order] == [play_on(model, programs[number]) for number in order]
    assert {name: client.fetch("s", name) for name in "abc"} == {name: model.get(name) for name in "abc"}
