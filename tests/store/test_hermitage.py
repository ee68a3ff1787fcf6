"""The Hermitage suite for a store of keys, on every engine: each row of store-design 4.1.

Setup of each: a=10, b=20. One call is one step; `f` fetches, `s` stores, `d` deletes, `c` commits,
`scan` gives the keys whose values fulfil a predicate, by a scan of all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Fenced, NotCommitted, Refused, Status
from actorcloud.store import Change, Engine, Expect, Transaction, encode_key, keys
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.transaction import Origin, Restart
from tests.store.local import PICKLE, REF, LocalStore, raw, run_of


class Steps:
    """A transaction driven step by step."""

    # Apart from those of `means`: a store answers the commit of an id that it has seen as it did then.
    ids = itertools.count(1 << 96)

    def __init__(
        self, store: LocalStore, fence: tuple[bytes, bytes] | None = None, seed: Conflict | None = None
    ) -> None:
        self._store = store
        self._attempt = Attempt(next(self.ids).to_bytes(16, "big"), 1, fence, seed)
        self._handle = Transaction(self._attempt, store.ask, PICKLE, Origin(0.0))

    def f(self, key: str) -> object:
        return self._handle.fetch("test", key)

    def s(self, key: str, value: object) -> None:
        self._handle.store("test", key, value)

    def d(self, key: str) -> None:
        self._handle.delete("test", key)

    def scan(self, predicate: Callable[[Any], bool] = lambda _: True, **options: Any) -> dict[str, object]:
        found = self._handle.scan("test", **options)
        return {str(key): value for key, value in found if predicate(value)}

    def add(self, key: str, number: int) -> None:
        self._handle.add("test", key, number)

    def c(self) -> Message | None:
        """Commit; None for a transaction that only read."""
        return None if self._attempt.is_read_only else self._store.ask(self._attempt.to_commit())

    def commits(self) -> bool:
        answer = self.c()
        return answer is None or isinstance(answer, Committed)


@pytest.fixture
def store(engine: Engine) -> LocalStore:
    store = LocalStore(engine=engine)
    first = Steps(store)
    first.s("a", 10)
    first.s("b", 20)
    assert first.commits()
    return store


def now(store: LocalStore) -> tuple[object, object]:
    reader = Steps(store)
    return reader.f("a"), reader.f("b")


def test_g0_dirty_write(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    t1.s("a", 11)
    t2.s("a", 12)
    t1.s("b", 21)
    assert t1.commits()
    t2.s("b", 22)
    assert t2.commits()
    assert now(store) == (12, 22)


def test_g1a_aborted_read(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    t1.s("a", 101)
    assert t2.f("a") == 10
    del t1
    assert t2.f("a") == 10
    assert t2.commits()


def test_g1b_intermediate_read(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    t1.s("a", 101)
    assert t2.f("a") == 10
    t1.s("a", 11)
    assert t1.commits()
    assert t2.f("a") == 10
    assert t2.commits()


def test_g1c_circular_information_flow(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    t1.s("a", 11)
    t2.s("b", 22)
    assert t1.f("b") == 20
    assert t2.f("a") == 10
    assert t1.commits()
    assert not t2.commits()
    assert Steps(store).f("a") == 11


def test_otv_observed_transaction_vanishes(store: LocalStore) -> None:
    t1, t2, t3 = Steps(store), Steps(store), Steps(store)
    t1.s("a", 11)
    t1.s("b", 19)
    t2.s("a", 12)
    assert t1.commits()
    assert t3.f("a") == 11
    t2.s("b", 18)
    assert t3.f("b") == 19
    assert t2.commits()
    assert (t3.f("b"), t3.f("a")) == (19, 11)
    assert t3.commits()


def test_p4_lost_update(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == t2.f("a") == 10
    t1.s("a", 11)
    t2.s("a", 11)
    assert t1.commits()
    assert not t2.commits()


def test_g_single_read_skew(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == 10
    assert (t2.f("a"), t2.f("b")) == (10, 20)
    t2.s("a", 12)
    t2.s("b", 18)
    assert t2.commits()
    with pytest.raises(Restart):
        t1.f("b")


def test_g_single_write_skew_by_deletion(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == 10
    assert (t2.f("a"), t2.f("b")) == (10, 20)
    t2.s("a", 12)
    t1.d("b")
    t2.s("b", 18)
    assert t1.commits()
    assert not t2.commits()
    assert now(store) == (10, None)


def test_g2_item_write_skew(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    for t in (t1, t2):
        assert (t.f("a"), t.f("b")) == (10, 20)
    t1.s("a", 11)
    t2.s("b", 21)
    assert t1.commits()
    assert not t2.commits()


# -- with predicates ------------------------------------------------------------------------------


def is_30(value: int) -> bool:
    return value == 30


def by_3(value: int) -> bool:
    return value % 3 == 0


def test_pmp_predicate_many_preceders(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.scan(is_30) == {}
    t2.s("c", 30)
    assert t2.commits()
    # What was scanned is as it was at this run's moment; it cannot commit anything on that, or go on from there.
    assert t1.scan(by_3) == {}
    t1.s("seen", 0)
    assert not t1.commits()
    with pytest.raises(Restart):
        t1._handle.fetch("elsewhere", "x")
    # Run again, it is there in both.
    again = Steps(store)
    assert again.scan(is_30) == again.scan(by_3) == {"c": 30}


def test_pmp_with_a_write_predicate(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert (t1.f("a"), t1.f("b")) == (10, 20)
    t1.s("a", 20)
    t1.s("b", 30)
    for key in t2.scan(lambda value: value == 20):
        t2.d(key)
    assert t1.commits()
    assert not t2.commits()
    # Run again, it deletes the one that is 20 now.
    again = Steps(store)
    for key in again.scan(lambda value: value == 20):
        again.d(key)
    assert again.commits()
    assert Steps(store).scan() == {"b": 30}


def test_g_single_with_predicates(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.scan(lambda value: value % 5 == 0, stop="c") == {"a": 10, "b": 20}
    t2.s("a", 12)
    assert t2.commits()
    with pytest.raises(Restart):
        t1.scan(by_3, start="c")
    assert Steps(store).scan(by_3) == {"a": 12}


def test_g_single_with_a_write_predicate(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == 10
    assert t2.scan() == {"a": 10, "b": 20}
    t2.s("a", 12)
    t2.s("b", 18)
    assert t2.commits()
    with pytest.raises(Restart):
        t1.scan(lambda value: value == 20)


def test_g2_phantoms(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.scan(by_3) == t2.scan(by_3) == {}
    t1.s("c", 30)
    t2.s("d", 42)
    assert t1.commits()
    assert not t2.commits()


def test_g2_with_two_anti_dependencies(store: LocalStore) -> None:
    t1, t2, t3 = Steps(store), Steps(store), Steps(store)
    assert t1.scan() == {"a": 10, "b": 20}
    t2.s("b", 25)
    assert t2.commits()
    assert t3.scan() == {"a": 10, "b": 25}
    assert t3.commits()
    t1.s("a", 0)
    assert not t1.commits()


@pytest.mark.parametrize(("key", "commits"), [("k9", True), ("k15", False), ("k2", False), ("k0", False)])
def test_a_limited_scan_conflicts_up_to_its_last_key(store: LocalStore, key: str, *, commits: bool) -> None:
    setup, t1, t2 = Steps(store), Steps(store), Steps(store)
    setup.s("k1", 1)
    setup.s("k2", 2)
    assert setup.commits()
    assert t1.scan(prefix="k", limit=2) == {"k1": 1, "k2": 2}
    t2.s(key, 9)
    assert t2.commits()
    t1.s("a", 0)
    assert t1.commits() == commits


def test_a_hundred_additions_and_a_reader(store: LocalStore) -> None:
    t1 = Steps(store)
    t1.s("a", t1.f("a"))
    for _ in range(100):
        adder = Steps(store)
        adder.add("a", 1)
        assert adder.commits()
    assert not t1.commits()
    assert Steps(store).f("a") == 110


# -- more of keys ---------------------------------------------------------------------------------


def test_skew_on_absent_keys(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    for t in (t1, t2):
        assert (t.f("x"), t.f("y")) == (None, None)
    t1.s("x", 1)
    t2.s("y", 1)
    assert t1.commits()
    assert not t2.commits()


def test_aba_on_an_absent_key_is_harmless(store: LocalStore) -> None:
    t1, t2, t3 = Steps(store), Steps(store), Steps(store)
    assert t1.f("x") is None
    t2.s("x", 1)
    assert t2.commits()
    t3.d("x")
    assert t3.commits()
    t1.s("y", 1)
    assert t1.commits()


def test_aba_on_a_present_key_is_a_conflict(store: LocalStore) -> None:
    t1, t2, t3 = Steps(store), Steps(store), Steps(store)
    assert t1.f("a") == 10
    t2.s("a", 11)
    assert t2.commits()
    t3.s("a", 10)
    assert t3.commits()
    t1.s("b", 0)
    assert not t1.commits()


def test_no_zombie_sees_a_mixed_state(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == 10
    t2.s("a", 5)
    t2.s("b", 25)
    assert t2.commits()
    with pytest.raises(Restart):
        t1.f("b")


def test_an_old_snapshot_still_serves_what_has_not_changed(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == 10
    t2.s("a", 11)
    assert t2.commits()
    assert t1.f("b") == 20
    assert t1.commits()


def test_a_deletion_is_no_reason_to_call_a_key_absent_before(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert t1.f("a") == 10
    t2.s("a", 11)
    t2.d("b")
    assert t2.commits()
    with pytest.raises(Restart):
        t1.f("b")


def test_an_acknowledged_commit_is_seen_by_whoever_starts_later(
    store: LocalStore, make_engine: Callable[[], Engine]
) -> None:
    t1 = Steps(store)
    t1.s("a", 11)
    assert t1.commits()
    assert Steps(store).f("a") == 11
    # A head that starts anew on the same disk shows it too.
    again = Steps(LocalStore(engine=make_engine()))
    assert (again.f("a"), again.scan()) == (11, {"a": 11, "b": 20})


def test_a_superseded_run_is_fenced(store: LocalStore) -> None:
    store.add_job(REF, "running", run_of(7))
    zombie = Steps(store, (REF, run_of(7)))
    zombie.s("a", 7)
    # When: the manager gives the job to run 9 first.
    record = store.record(REF)
    assert record is not None
    moved = Change(tag=1, expect=(Expect(REF, "running", run_of(7)),), records=((REF, replace(record, run=run_of(9))),))
    assert store.change(moved) is None
    # Then
    assert zombie.c() == Fenced()
    assert now(store) == (10, 20)
    successor = Steps(store, (REF, run_of(9)))
    successor.s("a", 9)
    assert successor.commits()


def test_a_deleted_jobs_space_takes_no_more_writes(store: LocalStore) -> None:
    store.add_job(REF)
    key = keys.user(REF, encode_key("k"))
    late = Commit(b"t" * 16, 1, writes=((key, raw(b"v")),))
    assert store.change(Change(tag=1, expect=(Expect(REF, "queued"),), records=((REF, None),))) is None
    assert store.ask(late) == Refused("no-such-job", "no job has the reference 00041061050R3GG28A1C60T3GF")
    assert store.value(REF, encode_key("k")) is None


def test_a_commit_whose_reply_was_lost_counts_once(store: LocalStore, make_engine: Callable[[], Engine]) -> None:
    t1 = Steps(store)
    t1.s("a", t1.f("a"))
    commit = t1._attempt.to_commit()
    first = store.ask(commit)
    assert isinstance(first, Committed)
    assert store.ask(commit) == first
    assert store.sequencer.durable == first.seq
    # Also for a head that starts anew.
    assert LocalStore(engine=make_engine()).ask(commit) == first


def test_a_late_copy_of_what_was_given_up_is_refused(store: LocalStore) -> None:
    t1 = Steps(store)
    t1.s("a", 11)
    commit = t1._attempt.to_commit()
    assert store.ask(Status(commit.txn)) == NotCommitted()
    late = store.ask(commit)
    assert isinstance(late, Refused)
    assert late.code == "transaction"
    assert now(store) == (10, 20)


def test_a_conflict_brings_all_that_was_read_as_it_is_now(store: LocalStore) -> None:
    t1, t2 = Steps(store), Steps(store)
    assert (t1.f("a"), t1.f("b"), t1.f("x")) == (10, 20, None)
    t2.s("a", 11)
    t2.d("b")
    assert t2.commits()
    t1.s("c", 0)
    answer = t1.c()
    assert isinstance(answer, Conflict)
    key = {name: keys.user("test", encode_key(name)) for name in "abx"}
    assert dict(answer.fresh) == {key["a"]: (2, PICKLE.dumps(11)), key["b"]: None, key["x"]: None}
    assert answer.snapshot == (store.sequencer.incarnation, 2)


def test_what_a_conflict_brought_is_not_mixed_with_what_is_newer(store: LocalStore) -> None:
    # Given: a conflict that brings a and b as they were then.
    seed = Conflict(
        (store.sequencer.incarnation, 1),
        tuple(
            (keys.user("test", encode_key(name)), (1, PICKLE.dumps(value))) for name, value in (("a", 10), ("b", 20))
        ),
    )
    t2 = Steps(store)
    t2.s("a", 11)
    t2.s("x", 1)
    assert t2.commits()
    # When: the next attempt reads something newer first.
    t1 = Steps(store, seed=seed)
    assert t1.f("x") == 1
    # Then
    assert (t1.f("a"), t1.f("b")) == (11, 20)
    # And: what it brought is good as long as the run stays where it was.
    t3 = Steps(store, seed=seed)
    assert (t3.f("a"), t3.f("b")) == (10, 20)
    with pytest.raises(Restart):
        t3.f("x")
