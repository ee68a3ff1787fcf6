"""What users and peers may do wrong: each has an error with a name, and harms nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import (
    ActorCloudError,
    BadKey,
    NestedTransaction,
    NoSuchJob,
    NotInTransaction,
    StoreError,
    TransactionError,
    TransactionTooLarge,
    Unpicklable,
    ValueTooLarge,
    WireError,
)
from actorcloud.base.ids import JobRef
from actorcloud.client import Cloud
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.record import NewJob
from actorcloud.protocol.transaction import (
    ENTRY_LIMIT,
    Atomic,
    AtomicStep,
    Commit,
    Committed,
    Conflict,
    KeyChanged,
    NotCommitted,
    RangeEntry,
    RangeRead,
    Read,
    Refused,
    Status,
    Values,
    WatchKey,
)
from actorcloud.store import Abort, Change, Fail, Transactions, encode_key, keys
from actorcloud.store.single import SingleStore
from actorcloud.store.watches import check_watch
from tests.client.fakes import FakeHead
from tests.store.local import JOB, PICKLE, REF, Clock, LocalStore, means, put_value, txn_of, txn_of_any

GOOD = keys.user("s", encode_key("good"))

# -- keys and values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "key", "said"),
    [
        ("s", "half \ud800", "surrogate"),
        ("s", ("deep", "half \udfff"), "surrogate"),
        ("s", float("nan"), "NaN"),
        ("s", "x" * 600, "bytes"),
        ("s", b"x" * 600, "bytes"),
        ("s", [1], "list"),
        ("s", {"a": 1}, "dict"),
        ("", "k", "the name of a space"),
        ("x" * 65, "k", "the name of a space"),
        ("\ud800", "k", "surrogate"),
        (7, "k", "the name of a space"),
        (None, "k", "the name of a space"),
    ],
    ids=str,
)
def test_what_cannot_be_a_key_is_refused_where_it_is_used(
    store: LocalStore, client: Transactions, space: Any, key: Any, said: str
) -> None:
    def swallow() -> str:
        with pytest.raises(BadKey):
            txn_of(client).delete(space, key)
        return "the transaction goes on"

    for use in (
        lambda: txn_of(client).fetch(space, key),
        lambda: txn_of(client).store(space, key, 1),
        lambda: txn_of(client).delete(space, key),
    ):
        with pytest.raises(BadKey, match=said):
            client.mutate(use)
    with pytest.raises(BadKey, match=said):
        client.fetch(space, key)
    assert store.asked == []
    assert client.mutate(swallow).value == "the transaction goes on"


def test_a_value_that_is_too_large_is_refused_where_it_is_stored(client: Transactions) -> None:
    with pytest.raises(ValueTooLarge, match=r"the key 'k' takes 1\d+ bytes; the limit is 1048576"):
        put_value(client, "k", bytes(1_048_577))
    put_value(client, "k", bytes(1_048_000))


def test_a_value_that_cannot_be_pickled_is_refused_by_name() -> None:
    cloud = Cloud.over(FakeHead())
    with pytest.raises(Unpicklable, match="lock"):
        cloud.mutate_store(lambda: cloud.store("s", "k", threading.Lock()))


# -- functions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_a_function_raises_comes_out_as_it_is_and_nothing_is_written(
    store: LocalStore, client: Transactions, error: BaseException
) -> None:
    def work() -> None:
        txn_of(client).store("s", "k", 1)
        raise error

    with pytest.raises(type(error)) as caught:
        client.mutate(work)
    assert caught.value is error
    assert client.current() is None
    assert store.sequencer.durable == 0


def test_a_function_that_catches_everything_cannot_commit_what_the_store_has_refused(
    store: LocalStore, client: Transactions
) -> None:
    def stubborn() -> str:
        for _ in range(3):
            try:
                txn_of(client).fetch(JOB, "k")
            except BaseException:  # noqa: BLE001  what users write
                continue
        return "never"

    with pytest.raises(NoSuchJob):
        client.mutate(stubborn)


def test_a_function_whose_reads_never_hold_ends_at_the_deadline(store: LocalStore) -> None:
    client = Transactions(lambda _: Conflict((b"", 0)), PICKLE, means(Clock()))
    runs: list[int] = []

    def work() -> None:
        runs.append(1)
        txn_of(client).fetch("s", "k")

    with pytest.raises(TransactionError, match=r"within 0.5 s"):
        client.mutate(work, timeout=0.5)
    assert 2 < len(runs) < 1000


def test_a_function_that_outlasts_the_deadline_is_not_run_again(store: LocalStore) -> None:
    clock = Clock()
    client = Transactions(
        lambda message: Conflict((b"", 0)) if isinstance(message, Commit) else store.ask(message), PICKLE, means(clock)
    )

    def work() -> None:
        clock.sleep(31.0)
        txn_of(client).store("s", "k", 1)

    with pytest.raises(TransactionError, match="1 attempts"):
        client.mutate(work)


@pytest.mark.parametrize("given", [5, None, "send_mail"])
def test_what_cannot_be_called_after_the_commit_is_refused_where_it_is_given(store: LocalStore, given: Any) -> None:
    client = store.client()
    with pytest.raises(TypeError, match=f"on_commit takes a function without arguments, not {given!r}"):
        client.mutate(lambda: txn_of(client).on_commit(given))


@pytest.mark.parametrize("nested", ["mutate", "snapshot", "stage"])
def test_transactions_do_not_nest_not_even_those_of_two_clouds(
    store: LocalStore, client: Transactions, nested: str
) -> None:
    other = store.client()
    for inner in (client, other):
        with pytest.raises(NestedTransaction):
            client.mutate(lambda inner=inner: getattr(inner, nested)(lambda: None))  # type: ignore[misc]


def test_another_clouds_transaction_is_not_touched() -> None:
    # Given
    mine, other = Cloud.over(FakeHead()), Cloud.over(FakeHead())
    uses: list[Callable[[], object]] = [
        lambda: other.store("s", "k", 1),
        lambda: other.delete("s", "k"),
        lambda: other.fetch("s", "k"),
        lambda: other.add_job(len, "x"),
        lambda: other.txn,
        lambda: next(other.watch("s", "k")),
    ]
    other.fetch("s", "k")
    # Then
    for use in uses:
        with pytest.raises(NestedTransaction, match="another Cloud"):
            mine.mutate_store(use)
    assert other.fetch("s", "k") is None


def test_another_threads_transaction_is_not_touched(client: Transactions) -> None:
    # Given
    errors: list[BaseException] = []

    def run_in_thread(use: Callable[[], object], *, inherits: bool) -> None:
        def run() -> None:
            try:
                copy_context().run(use) if not inherits else context.run(use)
            except ActorCloudError as error:
                errors.append(error)

        context = copy_context()
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)

    def work() -> None:
        txn = txn_of(client)
        # A handle that was handed on; the context that came along, as `asyncio.to_thread` has it; and a bare thread.
        run_in_thread(lambda: txn.store("s", "k", 1), inherits=False)
        run_in_thread(lambda: txn_of(client).fetch("s", "k"), inherits=True)
        run_in_thread(lambda: txn.on_commit(work), inherits=False)

    # When
    client.mutate(work)
    # Then
    assert [type(error) for error in errors] == [NotInTransaction] * 3
    assert all("another one" in str(error) for error in errors)
    assert client.fetch("s", "k") is None


# -- jobs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda: txn_of_any().fetch(JOB, "k"),
        lambda: txn_of_any().store(JOB, "k", 1),
        lambda: txn_of_any().delete(JOB, "k"),
        lambda: txn_of_any().add(JOB, "k", 1),
        lambda: txn_of_any().scan(JOB),
    ],
    ids=["fetch", "store", "delete", "add", "scan"],
)
@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_keys_of_a_job_that_is_not_there_are_refused(
    store: LocalStore, use: Callable[[], object], *, is_deleted: bool
) -> None:
    # Given
    if is_deleted:
        store.add_job(REF)
        put = store.client()
        put.mutate(lambda: txn_of(put).store(JOB, "k", 1))
        store.change(Change(tag=0, records=((REF, None),)))
    # Then
    before = store.sequencer.durable
    client = Transactions(store.ask, PICKLE, means(Clock())._replace(randbytes=lambda n: b"n" * n))
    with pytest.raises(NoSuchJob, match=str(JobRef(REF))):
        client.mutate(use)
    assert store.sequencer.durable == before


def test_a_job_that_is_deleted_under_a_transaction_gets_nothing_written(store: LocalStore) -> None:
    # Given
    store.add_job(REF)
    client = store.client()

    def work() -> None:
        txn_of(client).store(JOB, "k", 1)
        txn_of(client).store("s", "k", 1)
        store.change(Change(tag=0, records=((REF, None),)))

    # Then
    with pytest.raises(NoSuchJob):
        client.mutate(work)
    assert store.value(REF, encode_key("k")) is None
    assert client.fetch("s", "k") is None


# -- messages -------------------------------------------------------------------------------------

TXN = b"t" * 16
MANY = tuple((keys.user("s", encode_key(number)), 0) for number in range(ENTRY_LIMIT + 1))


BROKEN: list[tuple[Message, str]] = [
    (Read((keys.record(REF),)), "bad-key"),
    (Read((b"",)), "bad-key"),
    (Read((b"\x03\x02",)), "bad-key"),
    (Read((b"x" * 600,)), "bad-key"),
    (Read((), reads=((keys.meta("seq"), 0),)), "bad-key"),
    (Read((GOOD,), fence=(b"short", b"")), "bad-job-ref"),
    (Read(tuple(key for key, _ in MANY)), TransactionTooLarge.code),
    (Commit(b"short", 1), "transaction"),
    (Commit(TXN, 0), "transaction"),
    (Commit(TXN, 1 << 70), "transaction"),
    (Commit(TXN, 1, reads=MANY), TransactionTooLarge.code),
    (Commit(TXN, 1, writes=((keys.record(REF), b"\0x"),)), "bad-key"),
    (Commit(TXN, 1, writes=((keys.once(REF, "x"), b"\0x"),)), "bad-key"),
    (Commit(TXN, 1, writes=((GOOD, b"\0" * (1 << 20) + b"\0" * 9),)), ValueTooLarge.code),
    (Commit(TXN, 1, writes=((GOOD, b""),)), "bad-value"),
    (Commit(TXN, 1, acked=(b"short",)), "transaction"),
    (Commit(TXN, 1, jobs=(NewJob(b"short", b"f" * 16, b""),)), "bad-job-ref"),
    (Commit(TXN, 1, jobs=(NewJob(REF, b"short", b""),)), "job-conflict"),
    (Commit(TXN, 1, fence=(REF, b"short")), "bad-job-ref"),
    (Status(b"short"), "transaction"),
    (WatchKey(keys.record(REF), 0), "bad-key"),
    (WatchKey(GOOD, -1), "transaction"),
]


@pytest.mark.parametrize(
    ("message", "code"), BROKEN, ids=[f"{type(one).__name__}-{number}" for number, (one, _) in enumerate(BROKEN)]
)
def test_a_message_that_breaks_a_rule_is_refused_with_the_name_of_an_error(
    store: LocalStore, message: Message, code: str
) -> None:
    refused = check_watch(message) if isinstance(message, WatchKey) else store.ask(message)
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert store.sequencer.durable == 0


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x93\x21\x01", b"\x92\xff\x01", encode(Status(TXN))[:-3], b"\x90"])
def test_bytes_that_are_no_message_are_an_error_of_the_wire(data: bytes) -> None:
    with pytest.raises(WireError):
        decode(data)


KEYS = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([GOOD, keys.user(REF, encode_key(1)), keys.record(REF), keys.once(REF, "n"), keys.USER]),
    st.builds(lambda tail: GOOD[:3] + tail, st.binary(max_size=8)),
)
NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(1 << 63), (1 << 63) - 1))
FENCES = st.none() | st.tuples(st.binary(max_size=16) | st.just(REF), st.binary(max_size=16))
SNAPSHOTS = st.none() | st.tuples(st.binary(max_size=16), NUMBERS)
READS = st.lists(st.tuples(KEYS, NUMBERS), max_size=3).map(tuple)
RANGES = st.lists(st.builds(RangeEntry, KEYS, KEYS, NUMBERS, st.binary(max_size=16)), max_size=2).map(tuple)
STEPS = st.lists(
    st.builds(
        AtomicStep,
        st.sampled_from(["add", "append", "min", "max", "push", "set_if_absent", "compare_and_set", "?"]),
        st.binary(max_size=9),
        st.binary(max_size=3),
        NUMBERS,
    ),
    max_size=2,
).map(tuple)
MESSAGES = st.one_of(
    st.builds(
        Read,
        st.lists(KEYS, max_size=3).map(tuple),
        SNAPSHOTS,
        READS,
        FENCES,
        st.lists(st.builds(RangeRead, KEYS, KEYS, NUMBERS, st.booleans()), max_size=2).map(tuple),
        RANGES,
    ),
    st.builds(
        Commit,
        st.binary(max_size=17) | st.just(TXN),
        NUMBERS,
        SNAPSHOTS,
        READS,
        st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=4)), max_size=3).map(tuple),
        st.lists(
            st.builds(NewJob, st.binary(max_size=16), st.binary(max_size=16), st.binary(max_size=4)), max_size=1
        ).map(tuple),
        FENCES,
        st.lists(st.binary(max_size=16), max_size=2).map(tuple),
        RANGES,
        st.lists(st.builds(Atomic, KEYS, STEPS), max_size=2).map(tuple),
        st.none() | st.floats(),
    ),
    st.builds(Status, st.binary(max_size=17)),
    st.builds(WatchKey, KEYS, NUMBERS),
)


@given(st.lists(MESSAGES, min_size=1, max_size=5))
def test_whatever_decodes_is_answered_and_touches_nothing_that_is_not_its_callers(messages: list[Message]) -> None:
    # Given
    store = LocalStore()
    store.add_job(REF)
    record = store.record(REF)
    single = SingleStore(lambda _: None, lambda _: None, lambda _: None)
    for message in messages:
        read = decode(encode(message))
        if isinstance(read, WatchKey):
            # When
            refused = check_watch(read)
            told: list[Message] = []
            single.watch(read, told.append)
            # Then
            assert refused is None or refused.code in known_codes()
            assert all(isinstance(one, KeyChanged | Refused) for one in told)
            continue
        for answer in (store.ask(read), single.answer(read)):
            assert isinstance(answer, Values | Conflict | Committed | NotCommitted | Refused | msgspec.Struct)
            if isinstance(answer, Refused):
                assert answer.code in known_codes()
    assert store.record(REF) == record


def known_codes() -> set[str]:
    known, waiting = {"busy", "need-function"}, [ActorCloudError]
    while waiting:
        cls = waiting.pop()
        known.add(cls.code)
        waiting.extend(cls.__subclasses__())
    return known


def test_an_abort_needs_no_reason(client: Transactions) -> None:
    def fail() -> None:
        raise Abort

    assert client.mutate(fail) == Fail(None)
    assert issubclass(TransactionTooLarge, StoreError)
