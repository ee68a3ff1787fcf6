"""The Hermitage suite for a store of keys: each row of store-design 4.1 that needs no ranges.

Setup of each: a=10, b=20. One call is one step; `f` fetches, `s` stores, `d` deletes, `c` commits.
"""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Fenced, Refused
from actorcloud.store import Change, Expect, Transaction, encode_key, keys
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.transaction import Origin, Restart
from tests.store.local import PICKLE, REF, LocalStore, raw, run_of


class Steps:
    """A transaction driven step by step."""

    ids = itertools.count(1)

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

    def c(self) -> Message | None:
        """Commit; None for a transaction that only read."""
        return None if self._attempt.is_read_only else self._store.ask(self._attempt.to_commit())

    def commits(self) -> bool:
        answer = self.c()
        return answer is None or isinstance(answer, Committed)


@pytest.fixture
def store() -> LocalStore:
    store = LocalStore()
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


def test_an_acknowledged_commit_is_seen_by_whoever_starts_later(store: LocalStore) -> None:
    t1 = Steps(store)
    t1.s("a", 11)
    assert t1.commits()
    assert Steps(store).f("a") == 11
    # A head that starts anew on the same disk shows it too.
    assert Steps(LocalStore(store.engine.disk)).f("a") == 11


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


def test_a_commit_whose_reply_was_lost_counts_once(store: LocalStore) -> None:
    t1 = Steps(store)
    t1.s("a", t1.f("a"))
    commit = t1._attempt.to_commit()
    first = store.ask(commit)
    assert isinstance(first, Committed)
    assert store.ask(commit) == first
    assert store.sequencer.durable == first.seq
    # Also for a head that starts anew.
    assert LocalStore(store.engine.disk).ask(commit) == first


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
