"""The borders of what the store accepts, one step on each side, and what a refusal says.

Most of these are mutants that nothing else noticed; see docs/contributing.md.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from actorcloud.base.ids import JobRef
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.transaction import (
    COMMIT_LIMIT_BYTES,
    ENTRY_LIMIT,
    RANGE_LIMIT,
    RECORD_LIMIT,
    VALUE_LIMIT_BYTES,
    Atomic,
    AtomicStep,
    Commit,
    Committed,
    Conflict,
    RangeEntry,
    RangeRead,
    Read,
    Refused,
    Values,
)
from actorcloud.store import Change, Expect, encode_key, keys
from actorcloud.store import Refused as RefusedChange
from actorcloud.store.range import range_entry
from actorcloud.store.validation.commit import ATTEMPT_LIMIT
from tests.store.local import FENCE, OTHER, REF, LocalStore, raw, run_of

TXN = b"t" * 16
DIGEST = b"f" * 16


#: Codes of what is too large.
BOUNDED = frozenset({"transaction-too-large", "value-too-large"})


def key(name: str | int) -> bytes:
    return keys.user("test", encode_key(name))


@pytest.fixture
def store() -> LocalStore:
    store = LocalStore()
    assert store.ask(Commit(b"0" * 16, 1, writes=((key("a"), raw(b"1")), (key("b"), raw(b"1"))))) == Committed(1, 1)
    return store


def code_of(answer: object, *said: str) -> str | None:
    """Return the code of a refusal, which speaks to people and says this; None: it is none."""
    if isinstance(answer, Refused | RefusedChange):
        assert len(answer.text) > 10
        # What is too large names the limit.
        assert answer.code not in BOUNDED or re.search(r"\d", answer.text)
        assert not [text for text in said if text not in answer.text]
        return answer.code
    return None


# -- reading --------------------------------------------------------------------------------------


def test_what_is_served_at_an_older_snapshot_says_so(store: LocalStore) -> None:
    snapshot = (store.sequencer.incarnation, 1)
    store.ask(Commit(TXN, 1, writes=((key("b"), raw(b"2")),)))
    answer = store.read(Read((key("a"),), snapshot, ((key("b"), 1),)))
    assert answer == Values(snapshot, ((1, raw(b"1")),))


def test_a_read_has_so_many_keys_and_no_more(store: LocalStore) -> None:
    reads = tuple((key(number), 0) for number in range(ENTRY_LIMIT - 1))
    here = (store.sequencer.incarnation, 1)
    assert isinstance(store.read(Read((key("a"),), here, reads)), Values)
    assert code_of(store.read(Read((key("a"), key("b")), here, reads))) == "transaction-too-large"
    assert code_of(store.read(Read((key("a"),) * (ENTRY_LIMIT + 1)))) == "transaction-too-large"


def test_a_read_has_so_many_ranges_and_records_and_no_more(store: LocalStore) -> None:
    def read(scans: int, limit: int) -> object:
        return store.read(Read((), scans=(RangeRead(key("a"), key("b"), limit),) * scans))

    assert isinstance(read(RANGE_LIMIT, RECORD_LIMIT), Values)
    assert code_of(read(RANGE_LIMIT + 1, 1)) == "transaction-too-large"
    assert code_of(read(1, RECORD_LIMIT + 1)) == "transaction-too-large"
    assert code_of(read(1, -1), "not fewer than 0") == "bad-key"


def test_an_answer_holds_so_many_bytes_and_no_more(store: LocalStore) -> None:
    count = (COMMIT_LIMIT_BYTES + VALUE_LIMIT_BYTES) // VALUE_LIMIT_BYTES
    for number in range(count):
        # With its codec a value has a byte more than its payload.
        store.ask(Commit(bytes((number,)) * 16, 1, writes=((key(number), raw(bytes(VALUE_LIMIT_BYTES - 1))),)))
    wanted = tuple(key(number) for number in range(count))
    assert isinstance(store.read(Read(wanted)), Values)
    assert code_of(store.read(Read((*wanted, key("a"))))) == "transaction"


def test_once_names_are_read_by_their_own_job_alone(store: LocalStore) -> None:
    store.add_job(REF, "running", run_of(1))
    name = keys.once(REF, "paid")
    assert isinstance(store.read(Read((name,), fence=FENCE)), Values)
    assert code_of(store.read(Read((name,)))) == "bad-key"
    assert code_of(store.read(Read((name,), fence=(OTHER, REF)))) == "bad-key"
    assert code_of(store.read(Read((key("a"),), fence=(b"short", run_of(1))))) == "bad-job-ref"


def test_who_reads_a_job_that_is_not_there_is_told_which(store: LocalStore) -> None:
    answer = store.read(Read((keys.user(OTHER, encode_key("k")),)))
    assert code_of(answer) == "no-such-job"
    assert isinstance(answer, Refused)
    assert str(JobRef[object](OTHER)) in answer.text


# -- commits --------------------------------------------------------------------------------------


def test_a_conflict_brings_as_many_bytes_as_an_answer_holds_and_no_more() -> None:
    store = LocalStore()
    # Four values that fill an answer to the last byte, keys and codecs included.
    size = COMMIT_LIMIT_BYTES // 4
    for number in range(4):
        room = size - len(key(number)) - 1
        store.ask(Commit(bytes((number,)) * 16, 1, writes=((key(number), raw(bytes(room))),)))
    reads = tuple((key(number), 9) for number in range(4))
    full = store.ask(Commit(TXN, 1, None, reads, ((key("w"), raw(b"")),)))
    assert isinstance(full, Conflict)
    assert len(full.fresh) == 4
    with_absent = Commit(TXN, 1, None, (*reads, (key("absent"), 9)), ((key("w"), raw(b"")),))
    over = store.ask(with_absent)
    assert isinstance(over, Conflict)
    assert over.fresh == ()
    # What is absent takes the bytes of its key, no more.
    room -= len(key("absent"))
    store.ask(Commit(b"9" * 16, 1, writes=((key(3), raw(bytes(room))),)))
    full = store.ask(with_absent)
    assert isinstance(full, Conflict)
    assert full.fresh[4] == (key("absent"), None)


def test_what_was_read_before_the_store_was_restored_counts_no_more(store: LocalStore) -> None:
    # The numbers are the same; what they number is not.
    commit = Commit(TXN, 1, (b"another incarnat", 1), ((key("a"), 1),), ((key("b"), raw(b"2")),))
    assert isinstance(store.ask(commit), Conflict)


def test_attempts_are_counted_from_one_to_their_limit(store: LocalStore) -> None:
    def commit(attempt: int) -> object:
        return store.ask(Commit(bytes(15) + b"\1", attempt, writes=((key("a"), raw(b"")),)))

    assert code_of(commit(0), "attempt 0 ") == "transaction"
    assert code_of(commit(ATTEMPT_LIMIT + 1), str(ATTEMPT_LIMIT)) == "transaction"
    assert isinstance(commit(ATTEMPT_LIMIT), Committed)


def test_a_value_and_a_transaction_have_so_many_bytes_and_no_more(store: LocalStore) -> None:
    def commit(number: int, *sizes: int, appended: int = 0, expected: int = 0) -> object:
        writes = tuple((key(at), raw(bytes(size))) for at, size in enumerate(sizes))
        append = AtomicStep("append", raw(bytes(appended)), cap=VALUE_LIMIT_BYTES)
        compare = AtomicStep("compare_and_set", raw(b""), raw(bytes(expected)))
        atomics = (Atomic(key("x"), (append,)), Atomic(key("y"), (compare,))) if appended else ()
        return store.ask(Commit(bytes((number,)) * 16, 1, writes=writes, atomics=atomics))

    last = COMMIT_LIMIT_BYTES - 3 * VALUE_LIMIT_BYTES - sum(len(raw(key(at))) for at in range(4))
    whole, half = VALUE_LIMIT_BYTES, VALUE_LIMIT_BYTES // 2
    assert isinstance(commit(7, whole, whole, whole, last), Committed)
    assert code_of(commit(8, whole, whole, whole, last + 1)) == "transaction-too-large"
    assert isinstance(commit(1, whole), Committed)
    assert code_of(commit(2, whole + 1)) == "value-too-large"
    assert isinstance(commit(3, whole, whole, whole), Committed)
    assert code_of(commit(4, whole, whole, whole, whole)) == "transaction-too-large"
    assert code_of(commit(5, whole, whole, whole, appended=half, expected=half)) == "transaction-too-large"
    assert code_of(commit(6, whole, whole, appended=half, expected=half)) == "condition-failed"


def test_a_commit_writes_its_own_jobs_once_names_alone(store: LocalStore) -> None:
    store.add_job(REF, "running", run_of(1))
    writes = ((keys.once(REF, "paid"), raw(b"")),)
    assert code_of(store.ask(Commit(TXN, 1, writes=writes))) == "bad-key"
    assert code_of(store.ask(Commit(TXN, 1, writes=writes, fence=(OTHER, run_of(1))))) == "bad-key"
    assert code_of(store.ask(Commit(TXN, 1, fence=(b"short", run_of(1))))) == "bad-job-ref"
    assert isinstance(store.ask(Commit(TXN, 1, writes=writes, fence=FENCE)), Committed)


def test_a_pushed_key_is_as_long_as_keys_are_and_no_longer(store: LocalStore) -> None:
    def push(length: int, number: int) -> object:
        prefix = keys.user("s" * 60, encode_key(("x" * length,)))[:-1]
        step = AtomicStep("push", raw(b"v"))
        return store.ask(Commit(number.to_bytes(16, "big"), 1, atomics=(Atomic(prefix, (step,)),)))

    lengths = [length for length in range(430, 445) if isinstance(push(length, length), Committed)]
    assert code_of(push(lengths[-1] + 1, 1), f"limit is {keys.ENGINE_KEY_LIMIT_BYTES}") == "bad-key"
    longest = max(len(name) for name in store.engine.disk._items)
    assert longest == keys.ENGINE_KEY_LIMIT_BYTES


def test_a_transaction_has_so_many_entries_and_no_more(store: LocalStore) -> None:
    def commit(number: int, count: int, name: str = "") -> object:
        reads = tuple((key(f"{at}{name}"), 0) for at in range(count))
        return store.ask(Commit(bytes((number,)) * 16, 1, None, reads, ((key("w"), raw(b"")),)))

    assert isinstance(commit(1, ENTRY_LIMIT), Committed)
    assert code_of(commit(2, ENTRY_LIMIT + 1)) == "transaction-too-large"
    assert code_of(commit(3, ENTRY_LIMIT, "x" * 440)) == "transaction-too-large"


def test_a_commit_may_have_read_its_own_jobs_once_names(store: LocalStore) -> None:
    store.add_job(REF, "running", run_of(1))
    reads = ((keys.once(REF, "paid"), 0),)
    assert isinstance(store.ask(Commit(TXN, 1, None, reads, ((key("w"), raw(b"")),), fence=FENCE)), Committed)


def test_ids_have_their_length_those_acknowledged_too(store: LocalStore) -> None:
    writes = ((key("a"), raw(b"")),)
    assert code_of(store.ask(Commit(b"short", 1, writes=writes)), "16 bytes, not b'short'") == "transaction"
    assert code_of(store.ask(Commit(TXN, 1, writes=writes, acked=(b"short",)))) == "transaction"


def test_arguments_of_jobs_count_for_the_size(store: LocalStore) -> None:
    job = NewJob(OTHER, DIGEST, bytes(COMMIT_LIMIT_BYTES + 1))
    assert code_of(store.ask(Commit(TXN, 1, jobs=(job,)))) == "transaction-too-large"


@pytest.mark.parametrize(("name", "value"), [("aa", raw(b"new")), ("b", raw(b"other")), ("b", None)])
def test_what_is_not_on_the_disk_yet_changes_a_range(store: LocalStore, name: str, value: bytes | None) -> None:
    found = range_entry(key("a"), key("c"), [(key("a"), 1), (key("b"), 1)])
    answers = store.submit(
        Commit(b"1" * 16, 1, writes=((key(name), value),)),
        Commit(b"2" * 16, 1, writes=((key("w"), raw(b"")),), ranges=(found,)),
    )
    store.land()
    assert isinstance(answers[1], Conflict)


def test_what_came_and_went_before_it_was_on_the_disk_changes_no_range(store: LocalStore) -> None:
    found = range_entry(key("a"), key("c"), [(key("a"), 1), (key("b"), 1)])
    store.submit(Commit(b"1" * 16, 1, writes=((key("aa"), raw(b"")),)))
    answers = store.submit(
        Commit(b"2" * 16, 1, writes=((key("aa"), None),)),
        Commit(b"3" * 16, 1, writes=((key("w"), raw(b"")),), ranges=(found,)),
    )
    store.land()
    assert answers[1] == Committed(4, 1)


def new_job(ref: bytes, **fields: Any) -> NewJob:
    return NewJob(ref, DIGEST, b"", **fields)


@pytest.fixture
def jobs(store: LocalStore) -> LocalStore:
    """A store with the function of `new_job`."""
    store.change(Change(tag=0, puts=((keys.function(DIGEST), b"code"),)))
    return store


def test_a_job_that_cannot_be_added_says_why(jobs: LocalStore) -> None:
    jobs.add_job(REF)
    jobs.change(Change(tag=0, puts=((keys.tombstone(OTHER), b""),)))

    def add(number: int, *added: NewJob) -> object:
        return jobs.ask(Commit(bytes((number,)) * 16, 1, jobs=added))

    third, fourth = b"3" * 16, b"4" * 16
    assert code_of(add(1, new_job(REF)), str(JobRef[object](REF)), "another job") == "job-conflict"
    assert code_of(add(2, new_job(OTHER)), str(JobRef[object](OTHER)), "deleted") == "no-such-job"
    assert code_of(add(3, new_job(third), new_job(third)), "another job") == "job-conflict"
    twins = (new_job(third, key="mine"), new_job(fourth, key="mine"))
    assert code_of(add(4, *twins), "the key 'mine' names") == "job-conflict"
    assert isinstance(add(5, new_job(third, key="mine")), Committed)
    assert code_of(add(6, new_job(fourth, key="mine")), "the key 'mine' names") == "job-conflict"
    assert isinstance(add(7, new_job(fourth), new_job(b"5" * 16)), Committed)


def test_a_function_that_a_new_job_lacks_is_named(store: LocalStore) -> None:
    assert store.ask(Commit(TXN, 1, jobs=(new_job(REF),))) == Refused("need-function", DIGEST.hex())


@pytest.mark.parametrize("options", [{"retries": -1}, {"timeout": 0.0}])
def test_a_job_has_only_options_that_one_can_have(jobs: LocalStore, options: dict[str, Any]) -> None:
    assert code_of(jobs.ask(Commit(TXN, 1, jobs=(new_job(REF, **options),))), *options) == "config"


# -- changes of the manager's ---------------------------------------------------------------------


def refusal(store: LocalStore, **fields: Any) -> RefusedChange:
    refused = store.change(Change(tag=0, **fields))
    assert isinstance(refused, RefusedChange)
    assert len(refused.text) > 10
    return refused


def test_a_refused_change_says_why(store: LocalStore) -> None:
    store.add_job(REF, "running", run_of(1))
    store.change(Change(tag=0, puts=((keys.tombstone(OTHER), b""),)))
    exists = refusal(store, expect=(Expect(REF, None),))
    assert (exists.code, exists.record) == ("exists", store.record(REF))
    assert str(JobRef[object](REF)) in exists.text
    assert refusal(store, expect=(Expect(OTHER, "queued"),)).code == "no-such-job"
    fenced = refusal(store, expect=(Expect(REF, "queued"),))
    assert (fenced.code, fenced.record) == ("fenced", store.record(REF))
    assert "running" in fenced.text
    assert refusal(store, absent=(keys.tombstone(OTHER),)).code == "deleted"
    assert refusal(store, absent=(keys.record(REF),)).code == "exists"
    assert refusal(store, needs=(keys.result(REF),)).code == "missing"
    conflict = refusal(store, reads=((key("a"), 9),))
    assert (conflict.code, conflict.text) == ("conflict", "what the transaction read has changed since")
    assert refusal(store, writes=((keys.record(REF), raw(b"")),)).code == "bad-key"
    assert refusal(store, writes=((keys.user(OTHER, b"\x00"), raw(b"")),)).code == "no-such-job"


def test_a_function_that_is_needed_is_named(store: LocalStore) -> None:
    refused = refusal(store, needs=(keys.function(DIGEST),))
    assert (refused.code, refused.text) == ("need-function", DIGEST.hex())


def stale(store: LocalStore) -> RangeEntry:
    return range_entry(key("a"), key("c"), [(key("a"), 1)])


def test_what_a_change_carries_must_be_as_it_was_scanned(store: LocalStore) -> None:
    now = range_entry(key("a"), key("c"), [(key("a"), 1), (key("b"), 1)])
    assert refusal(store, ranges=(stale(store),)).code == "conflict"
    assert store.change(Change(tag=0, ranges=(now,), writes=((key("c"), raw(b"3")),))) is None


def test_each_part_of_a_request_needs_the_job_that_it_touches(store: LocalStore) -> None:
    """A range that is its own does not let a key pass that is not, nor the other way round."""
    # Given
    store.add_job(REF)
    own, gone = keys.user(REF, encode_key("k")), keys.user(OTHER, encode_key("k"))
    empty = range_entry(own, own + b"\0", [])
    scan = RangeRead(own, own + b"\0", 1)
    here = (store.sequencer.incarnation, store.sequencer.durable)
    # Then
    assert refusal(store, reads=((gone, 0),), ranges=(empty,)).code == "no-such-job"
    assert refusal(store, writes=((gone, raw(b"")),), ranges=(empty,)).code == "no-such-job"
    assert code_of(store.ask(Commit(TXN, 1, here, ((gone, 0),), ranges=(empty,)))) == "no-such-job"
    assert code_of(store.read(Read((gone,), scans=(scan,)))) == "no-such-job"
    assert code_of(store.read(Read((), here, ((gone, 0),), ranges=(empty,)))) == "no-such-job"


def test_what_a_change_reads_of_a_job_needs_that_job_even_if_it_does_nothing_else(store: LocalStore) -> None:
    gone = keys.user(OTHER, encode_key("k"))
    empty = range_entry(gone, gone + b"\0", [])
    step = Atomic(gone, (AtomicStep("append", raw(b"x"), cap=9),))
    assert refusal(store, reads=((gone, 0),)).code == "no-such-job"
    assert refusal(store, ranges=(empty,)).code == "no-such-job"
    assert refusal(store, atomics=(step,)).code == "no-such-job"


@pytest.mark.parametrize(("retry", "code"), [(True, "conflict"), (False, "condition-failed")])
def test_a_condition_that_does_not_hold_refuses_the_change(store: LocalStore, code: str, *, retry: bool) -> None:
    step = AtomicStep("set_if_absent", raw(b"x"), retry=retry)
    refused = refusal(store, atomics=(Atomic(key("a"), (step,)),))
    assert refused.code == code
    assert "set_if_absent" in refused.text


def test_a_condition_that_is_to_be_tried_again_brings_what_the_run_had_read(store: LocalStore) -> None:
    now = range_entry(key("a"), key("c"), [(key("a"), 1), (key("b"), 1)])
    step = AtomicStep("set_if_absent", raw(b"x"), retry=True)
    commit = Commit(TXN, 1, reads=((key("b"), 1),), ranges=(now,), atomics=(Atomic(key("a"), (step,)),))
    answer = store.ask(commit)
    assert isinstance(answer, Conflict)
    assert answer.fresh == ((key("b"), (1, raw(b"1"))),)
    assert [(found.lo, len(found.items)) for found in answer.ranges] == [(key("a"), 2)]
