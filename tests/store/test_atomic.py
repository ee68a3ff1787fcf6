"""Atomic operations: what the store makes of a value, and what a run sees of that before the commit."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actorcloud.base.errors import (
    BadKey,
    BadValue,
    ConditionFailed,
    ReadOnlyTransaction,
    TransactionError,
    ValueTooLarge,
)
from actorcloud.protocol.transaction import (
    ENTRY_LIMIT,
    VALUE_LIMIT_BYTES,
    Atomic,
    AtomicStep,
    Commit,
    Committed,
    Conflict,
    Read,
    Refused,
)
from actorcloud.store import Change, Expect, Transaction, Transactions, encode_key, keys
from actorcloud.store import Refused as RefusedChange
from actorcloud.store.atomic import apply, check_step, joined
from actorcloud.store.caller.attempt import Attempt
from actorcloud.store.caller.transaction import Origin
from tests.store.local import FENCE, NOW, PICKLE, REF, Clock, LocalStore, put_value, run_of, txn_of

Work = Callable[[Transaction], object]

IDS = itertools.count()


def begin(store: LocalStore) -> tuple[Transaction, Attempt]:
    """Return a transaction to be driven step by step."""
    attempt = Attempt(b"begun" + next(IDS).to_bytes(11, "big"), 1)
    return Transaction(attempt, store.ask, PICKLE, Origin(NOW)), attempt


def do(client: Transactions, work: Work) -> Any:
    return client.mutate(lambda: work(txn_of(client))).value


def each(*works: Work) -> Work:
    """Return work that does these, one after the other."""
    return lambda txn: [work(txn) for work in works]


# -- what becomes of a value ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "work", "after"),
    [
        (None, lambda txn: txn.add("s", "k"), 1),
        (5, lambda txn: txn.add("s", "k", -7), -2),
        (None, lambda txn: txn.min("s", "k", 3), 3),
        (5, lambda txn: txn.min("s", "k", 3), 3),
        (2, lambda txn: txn.min("s", "k", 3), 2),
        (None, lambda txn: txn.max("s", "k", -3), -3),
        (5, lambda txn: txn.max("s", "k", 3), 5),
        (2, lambda txn: txn.max("s", "k", 3), 3),
        (None, lambda txn: txn.append("s", "k", b"ab"), b"ab"),
        (b"x", lambda txn: txn.append("s", "k", b"ab", cap=3), b"xab"),
        (None, lambda txn: txn.set_if_absent("s", "k", {"a": 1}), {"a": 1}),
        ("old", lambda txn: txn.compare_and_set("s", "k", "old", "new"), "new"),
        ("old", lambda txn: txn.delete_if_equal("s", "k", "old"), None),
        ("old", lambda txn: txn.stamp("s", "k"), 2),
    ],
    ids=itertools.count(),
)
def test_the_store_does_it_to_the_value_that_is_there(
    store: LocalStore, client: Transactions, before: object, work: Work, after: object
) -> None:
    put_value(client, "k" if before is not None else "another", before)
    store.asked.clear()
    do(client, work)
    assert [type(message) for message in store.asked] == [Commit]
    assert client.fetch("s", "k") == after


@pytest.mark.parametrize(
    ("before", "work", "error", "text"),
    [
        ("text", lambda txn: txn.add("s", "k"), BadValue, "'add' needs an int, not a value with the codec 'pickle'"),
        (True, lambda txn: txn.max("s", "k", 1), BadValue, "'max' needs an int"),
        (7, lambda txn: txn.append("s", "k", b"x"), BadValue, "'append' needs bytes, not a value with the codec 'int'"),
        (2**2039 - 1, lambda txn: txn.add("s", "k"), BadValue, "an integer of 256 bytes does not fit"),
        (b"abc", lambda txn: txn.append("s", "k", b"d", cap=3), ValueTooLarge, "would have 4 bytes; the limit is 3"),
        (1, lambda txn: txn.set_if_absent("s", "k", 2), ConditionFailed, "set_if_absent: the key is there"),
        (1, lambda txn: txn.compare_and_set("s", "k", 2, 3), ConditionFailed, "the key has another value"),
        (None, lambda txn: txn.delete_if_equal("s", "gone", 2), ConditionFailed, "the key is absent"),
    ],
    ids=itertools.count(),
)
def test_what_cannot_be_done_refuses_the_whole_transaction(
    client: Transactions, before: object, work: Work, error: type[Exception], text: str
) -> None:
    put_value(client, "k", before)

    def both(txn: Transaction) -> None:
        txn.store("s", "other", 1)
        work(txn)

    with pytest.raises(error, match=text):
        do(client, both)
    assert client.fetch("s", "other") is None
    assert client.fetch("s", "k") == before


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda txn: txn.add("s", "k", 1.5), BadValue),
        (lambda txn: txn.add("s", "k", 2**2040), BadValue),
        (lambda txn: txn.append("s", "k", "text"), BadValue),
        (lambda txn: txn.append("s", "k", b"", cap=VALUE_LIMIT_BYTES + 1), BadValue),
        (lambda txn: txn.append("s", "k", b"", cap=-1), BadValue),
        (lambda txn: txn.append("s", "k", b"", cap=2.5), BadValue),
        (lambda txn: txn.append("s", "k", b"", cap="9"), BadValue),
        (lambda txn: txn.set_if_absent("s", "k", bytes(VALUE_LIMIT_BYTES + 1)), ValueTooLarge),
        (lambda txn: txn.push("s", "queue", 1), BadKey),
        (lambda txn: txn.push("s", ("q" * 470,), 1), BadKey),
        (lambda txn: txn.add(7, "k"), BadKey),
    ],
    ids=itertools.count(),
)
def test_what_could_never_be_done_is_refused_at_the_call(
    client: Transactions, work: Work, error: type[Exception]
) -> None:
    with pytest.raises(error):
        do(client, work)


@pytest.mark.parametrize("retry", ["yes", 1])
def test_what_says_whether_to_try_again_may_be_anything_that_is_true(store: LocalStore, retry: Any) -> None:
    # Given
    txn, attempt = begin(store)
    # When
    txn.set_if_absent("s", "a", 1, retry=retry)
    txn.compare_and_set("s", "b", 1, 2, retry=retry)
    txn.delete_if_equal("s", "c", 1, retry=retry)
    # Then: on the wire it is a bool, and nothing else is a message
    assert [step.retry for atomic in attempt.atomics for step in atomic.steps] == [True, True, True]


def test_a_snapshot_does_nothing(client: Transactions) -> None:
    with pytest.raises(ReadOnlyTransaction):
        client.snapshot(lambda: txn_of(client).add("s", "k"))


def test_a_hundred_adders_lose_nothing_and_a_reader_conflicts(store: LocalStore, client: Transactions) -> None:
    # Given
    put_value(client, "n", 0)
    txn, attempt = begin(store)
    txn.store("s", "n", txn.fetch("s", "n") + 1)
    adders = [begin(store) for _ in range(100)]
    for adder, _ in adders:
        adder.add("s", "n", 2)
    # When: all in one batch.
    answers = store.submit(*(adding.to_commit() for _, adding in adders), attempt.to_commit())
    store.land()
    # Then
    assert [type(answer) for answer in answers] == [Committed] * 100 + [Conflict]
    assert client.fetch("s", "n") == 200


def test_pushed_values_queue_up_in_the_order_of_their_commits(store: LocalStore, client: Transactions) -> None:
    # Given: two writers at the same time, the first one with two values.
    first, one = begin(store)
    second, two = begin(store)
    first.push("s", ("queue",), "a")
    second.push("s", ("queue",), "c")
    first.push("s", ("queue",), "b")
    first.push("s", ("other", 1), "d")
    # When
    answers = store.submit(one.to_commit(), two.to_commit())
    store.land()
    # Then
    assert all(isinstance(answer, Committed) for answer in answers)
    assert client.scan("s", ("queue",)) == [
        (("queue", 1, 0), "a"),
        (("queue", 1, 1), "b"),
        (("queue", 2, 0), "c"),
    ]
    assert client.scan("s", ("other",)) == [(("other", 1, 1, 2), "d")]


def test_what_a_run_pushes_its_own_scan_does_not_show(client: Transactions) -> None:
    def work(txn: Transaction) -> object:
        txn.push("s", ("queue",), "a")
        return txn.scan("s", ("queue",))

    assert do(client, work) == []
    assert len(client.scan("s", ("queue",))) == 1


# -- conditions that are tried again --------------------------------------------------------------


def test_a_condition_with_retry_has_the_function_run_again(store: LocalStore, client: Transactions) -> None:
    # Given
    put_value(client, "lock", "theirs")
    runs: list[int] = []
    other = store.client()
    other._means = other._means._replace(randbytes=lambda n: b"o" * n)

    def take(txn: Transaction) -> None:
        runs.append(txn.attempt)
        if txn.attempt == 3:
            other.parts.ask(Commit(b"x" * 16, 1, writes=((keys.user("s", encode_key("lock")), None),)))
        txn.set_if_absent("s", "lock", "mine", retry=True)

    # When
    do(client, take)
    # Then
    assert runs == [1, 2, 3]
    assert client.fetch("s", "lock") == "mine"


def test_a_condition_with_retry_that_fails_at_a_fetch_does_so_too(client: Transactions) -> None:
    put_value(client, "lock", "theirs")

    def take(txn: Transaction) -> object:
        if txn.attempt == 2:
            return "gave up"
        txn.set_if_absent("s", "lock", "mine", retry=True)
        return txn.fetch("s", "lock")

    assert do(client, take) == "gave up"


@pytest.mark.parametrize("fetches", [False, True])
def test_a_condition_that_never_comes_true_is_tried_after_pauses_and_named(
    store: LocalStore,
    fetches: bool,  # noqa: FBT001
) -> None:
    # Given
    clock = Clock()
    client = store.client(clock=clock)
    put_value(client, "lock", "theirs")
    runs: list[int] = []

    def take(txn: Transaction) -> None:
        runs.append(txn.attempt)
        txn.set_if_absent("s", "lock", "mine", retry=True)
        if fetches:
            txn.fetch("s", "lock")

    # When
    with pytest.raises(TransactionError, match="its condition did not come true"):
        do(client, take)
    # Then: not as fast as it goes
    assert len(runs) < 1000
    assert len(clock.slept) == len(runs) - 2
    # and without a turn, which would keep others from making it true.
    assert not any(getattr(message, "has_ticket", False) for message in store.asked)


# -- what the run sees ----------------------------------------------------------------------------


def test_a_fetch_after_an_add_reads_and_adds(store: LocalStore, client: Transactions) -> None:
    # Given
    put_value(client, "n", 5)
    txn, attempt = begin(store)
    txn.add("s", "n", 2)
    assert attempt.reads == ()
    # When
    assert txn.fetch("s", "n") == 7
    # Then: now it depends on the value.
    assert len(attempt.reads) == 1
    put_value(client, "n", 6)
    assert isinstance(store.ask(attempt.to_commit()), Conflict)


def test_a_stamp_cannot_be_read_before_the_commit(client: Transactions) -> None:
    def work(txn: Transaction) -> object:
        txn.stamp("s", "k")
        return txn.fetch("s", "k")

    with pytest.raises(BadValue, match="the number of a commit is known only after it"):
        do(client, work)


def test_steps_on_a_key_that_this_run_has_set_are_taken_at_once(store: LocalStore, client: Transactions) -> None:
    def work(txn: Transaction) -> object:
        txn.store("s", "n", 1)
        txn.add("s", "n", 2)
        txn.store("s", "gone", 1)
        txn.delete("s", "gone")
        txn.set_if_absent("s", "gone", "back")
        with pytest.raises(ConditionFailed):
            txn.compare_and_set("s", "n", 7, 8)
        return txn.fetch("s", "n")

    assert do(client, work) == 3
    assert dict(client.scan("s")) == {"gone": "back", "n": 3}
    assert [message.atomics for message in store.asked if isinstance(message, Commit)] == [()]


def test_a_store_after_a_condition_keeps_the_condition(client: Transactions) -> None:
    put_value(client, "k", 1)

    def work(txn: Transaction) -> None:
        txn.compare_and_set("s", "k", expected, 2)
        txn.add("s", "k")
        txn.store("s", "k", 9)

    expected = 5
    with pytest.raises(ConditionFailed):
        do(client, work)
    expected = 1
    do(client, work)
    assert client.fetch("s", "k") == 9
    # A deletion, too; and without a condition what was before does not matter.
    do(client, each(lambda txn: txn.compare_and_set("s", "k", 9, 1), lambda txn: txn.delete("s", "k")))
    assert client.fetch("s", "k") is None
    overwrite = each(
        lambda txn: txn.add("s", "k"), lambda txn: txn.store("s", "k", "x"), lambda txn: txn.stamp("s", "k")
    )
    do(client, overwrite)
    assert client.fetch("s", "k") > 0


NUMBER = st.integers(-5, 5).map(PICKLE.dumps)
DATA = st.binary(max_size=2).map(PICKLE.dumps)
VALUE = NUMBER | DATA
STEP = st.one_of(
    st.builds(AtomicStep, st.sampled_from(["add", "min", "max"]), NUMBER),
    st.builds(AtomicStep, st.just("append"), DATA, cap=st.integers(0, 5)),
    st.builds(AtomicStep, st.just("set"), VALUE),
    st.just(AtomicStep("delete")),
    st.builds(AtomicStep, st.just("set_if_absent"), VALUE),
    st.builds(AtomicStep, st.just("compare_and_set"), VALUE, VALUE),
    st.builds(AtomicStep, st.just("delete_if_equal"), st.just(b""), VALUE),
    st.just(AtomicStep("stamp")),
)


def outcome(steps: list[AtomicStep], before: bytes | None) -> object:
    try:
        return apply(steps, before, 7)
    except (BadValue, ValueTooLarge, ConditionFailed) as error:
        return type(error)


@given(steps=st.lists(STEP, max_size=6), before=VALUE | st.none())
@settings(max_examples=300)
def test_joined_steps_do_what_the_steps_do(steps: list[AtomicStep], before: bytes | None) -> None:
    one_by_one = outcome(steps, before)
    together: list[AtomicStep] = []
    try:
        for step in steps:
            together = joined(together, step)
    except (BadValue, ValueTooLarge):
        # What is refused while it is joined is refused whatever the value is.
        refused = True
    else:
        refused = False
    if refused:
        assert isinstance(one_by_one, type)
        return
    # A set makes good what would have been refused before it, but for conditions.
    if not (isinstance(one_by_one, type) and any(step.op in {"set", "delete"} for step in steps)):
        assert outcome(together, before) == one_by_one


@given(steps=st.lists(st.tuples(st.sampled_from("ab"), STEP.filter(lambda step: step.op != "stamp")), max_size=6))
@settings(max_examples=150)
def test_a_run_sees_before_the_commit_what_is_there_after(steps: list[tuple[str, AtomicStep]]) -> None:
    store = LocalStore()
    client = store.client()
    put_value(client, "a", 3)
    txn, attempt = begin(store)
    where = {name: keys.user("s", encode_key(name)) for name in "ab"}
    try:
        for name, step in steps:
            txn.do(where[name], step)
        by_key = [txn.fetch("s", name, "absent") for name in "ab"]
        by_range = dict(txn.scan("s"))
    except (BadValue, ValueTooLarge, ConditionFailed):
        return
    assert by_key == [by_range.get(name, "absent") for name in "ab"]
    assert isinstance(store.ask(attempt.to_commit()), Committed) or attempt.is_read_only
    assert dict(client.scan("s")) == by_range


# -- messages that callers may not send -----------------------------------------------------------

KEY = keys.user("s", encode_key("k"))
ADD = AtomicStep("add", PICKLE.dumps(1))
PUSH = AtomicStep("push", PICKLE.dumps(1))


@pytest.mark.parametrize(
    ("atomics", "code"),
    [
        ([Atomic(KEY, ())], "bad-key"),
        ([Atomic(KEY, (ADD, PUSH))], "bad-key"),
        ([Atomic(KEY, (ADD,)), Atomic(KEY, (ADD,))], "bad-key"),
        ([Atomic(keys.RECORD + REF, (ADD,))], "bad-key"),
        ([Atomic(keys.user(REF, b"\x00"), (ADD,))], "no-such-job"),
        ([Atomic(KEY, (AtomicStep("increment", PICKLE.dumps(1)),))], "bad-value"),
        ([Atomic(KEY, (AtomicStep("add", pickle.dumps(1)),))], "bad-value"),
        ([Atomic(KEY, (AtomicStep("append", PICKLE.dumps(1)),))], "bad-value"),
        ([Atomic(KEY, (AtomicStep("set", b""),))], "bad-value"),
        ([Atomic(KEY, (AtomicStep("append", b"\0", cap=-1),))], "bad-value"),
        ([Atomic(KEY, (ADD,) * (ENTRY_LIMIT + 1))], "transaction-too-large"),
        ([Atomic(keys.space("s") + b"\x05" * 505, (PUSH,))], "bad-key"),
    ],
)
def test_atomic_operations_that_cannot_be_are_refused(store: LocalStore, atomics: list[Atomic], code: str) -> None:
    answer = store.ask(Commit(b"t" * 16, 1, atomics=tuple(atomics)))
    assert isinstance(answer, Refused)
    assert answer.code == code


def test_a_key_is_written_in_one_way_only(store: LocalStore) -> None:
    answer = store.ask(Commit(b"t" * 16, 1, writes=((KEY, None),), atomics=(Atomic(KEY, (ADD,)),)))
    assert isinstance(answer, Refused)
    assert "do not go together" in answer.text


def test_an_integer_is_stored_in_its_shortest_form(store: LocalStore, client: Transactions) -> None:
    check_step(AtomicStep("add", b"\x03\x00\x00\x01"))
    store.ask(Commit(b"t" * 16, 1, atomics=(Atomic(KEY, (AtomicStep("add", b"\x03\x00\x00\x01"),)),)))
    do(client, lambda txn: txn.compare_and_set("s", "k", 1, 2))
    assert client.fetch("s", "k") == 2


# -- with the end of a job ------------------------------------------------------------------------


def test_staged_operations_go_with_another_commit(store: LocalStore) -> None:
    # Given
    store.add_job(REF, "running", run_of(1))
    job = store.client(FENCE)

    def change(work: Work) -> RefusedChange | None:
        staged = job.stage(lambda: work(txn_of(job)))
        expect = (Expect(REF, "running", FENCE[1]),)
        return store.change(
            Change(tag=0, expect=expect, reads=staged.reads, writes=staged.writes, atomics=staged.atomics)
        )

    # Then
    assert change(each(lambda txn: txn.add("s", "n"), lambda txn: txn.push("s", ("q",), "x"))) is None
    assert job.fetch("s", "n") == 1
    assert [value for _, value in job.scan("s", ("q",))] == ["x"]
    refused = change(lambda txn: txn.set_if_absent("s", "n", 2))
    assert refused is not None
    assert refused.code == "condition-failed"
    refused = change(lambda txn: txn.set_if_absent("s", "n", 2, retry=True))
    assert refused is not None
    assert refused.code == "conflict"
    assert not [message for message in store.asked if isinstance(message, Read) and message.keys == (KEY,)]
