"""Callers that remember their commits, against a dict."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.store import Abort, Transactions
from tests.store.local import LocalStore, txn_of


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
    clients, ids = [store.client(), store.client()], itertools.count(1 << 64)
    clients[1]._means = clients[1]._means._replace(randbytes=lambda n: next(ids).to_bytes(n, "big"))
    for who, what, key, source in actions:
        assert apply(clients[who], what, key, source) == model.apply(what, key, source)
    assert {key: clients[0].fetch("s", key, 0) for key in "abc"} == {key: model.values.get(key, 0) for key in "abc"}
