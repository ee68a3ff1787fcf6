"""What is told of how much jobs and spaces have: by the store actor, and by the store without actors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor import System
from actorcloud.base.errors import BadKey, NoSuchJob, TransactionTooLarge
from actorcloud.base.ids import JobRef
from actorcloud.protocol.message import decode, encode
from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import Refused
from actorcloud.protocol.usage import SPACES_LIMIT, GetUsage, ListSpaces, SpaceUsage, Usages
from actorcloud.store import MemoryDisk, MemoryEngine, Quota, SingleStore, StoreActor, Transactions, keys
from actorcloud.store.engine import Batch
from actorcloud.store.stored import pack
from tests.store.local import JOB, NOW, OTHER, PICKLE, REF, Clock, means, put_value, run_of, txn_of

QUOTA = Quota(5, 1000)

RECORD = JobRecord("running", b"f" * 16, NOW, run=run_of(1))


@pytest.fixture(params=["actor", "single"])
def client(request: pytest.FixtureRequest) -> Iterator[Transactions]:
    """A caller of a store with one job."""
    if request.param == "single":
        single = SingleStore(lambda ref: RECORD if ref == REF else None, lambda _: None, lambda _: None, QUOTA)
        yield Transactions(single.answer, PICKLE, means(Clock()))
        return
    disk = MemoryDisk()
    disk.apply(Batch({keys.record(REF): pack(1, msgspec.msgpack.encode(RECORD))}, ()), 1)
    with System() as system:
        actor: Any = StoreActor.options(system=system).start(MemoryEngine(disk), quota=QUOTA)
        yield Transactions(actor.ask, PICKLE, means(Clock()))
        actor.stop()


def fill(client: Transactions, *spaces: JobRef[object] | str) -> None:
    def store() -> None:
        for space in spaces:
            txn_of(client).store(space, "k", b"1")

    client.mutate(store)


def test_what_a_space_has_and_may_have_is_told(client: Transactions) -> None:
    # Given
    put_value(client, "tea", b"123")
    put_value(client, "rye", b"4")
    sizes = [len(keys.user("s", b"\x02%s\x00" % name)) + 9 for name in (b"tea", b"rye")]
    # Then
    assert client.usage("s") == SpaceUsage(space="s", keys=2, size_bytes=sum(sizes) + 4, quota_keys=5, quota_bytes=1000)
    # When
    client.mutate(lambda: txn_of(client).delete("s", "rye"))
    # Then
    assert client.usage("s").keys == 1


def test_a_job_has_what_it_keys_and_a_space_without_keys_nothing(client: Transactions) -> None:
    assert (client.usage(JOB).keys, client.usage("s").keys) == (0, 0)
    fill(client, JOB)
    assert (client.usage(JOB).space, client.usage(JOB).keys) == (JOB, 1)


def test_spaces_are_listed_by_name_and_jobs_apart(client: Transactions) -> None:
    # Given
    fill(client, "b", "a\0", JOB, "a", "c")
    # Then
    assert [usage.space for usage in client.spaces()] == ["a", "a\0", "b", "c"]
    assert [usage.space for usage in client.spaces(of_jobs=True)] == [JOB]
    assert [usage.space for usage in client.spaces("a", 2)] == ["a\0", "b"]
    assert client.spaces("c") == client.spaces(JOB, of_jobs=True) == []
    # A text of a job is that job where those of jobs are listed, and a name among names.
    assert client.spaces(str(JOB), of_jobs=True) == []
    fill(client, "0")
    assert [usage.space for usage in client.spaces(str(JOB))] == ["a", "a\0", "b", "c"]
    assert client.spaces()[0].space == "0"
    # Who is behind one of the other kind?
    assert len(client.spaces(JOB)) == 5
    assert client.spaces("a", of_jobs=True) == []


def test_what_cannot_be_told_is_refused(client: Transactions) -> None:
    with pytest.raises(NoSuchJob, match=str(JobRef[object](OTHER))):
        client.usage(JobRef(OTHER))
    with pytest.raises(BadKey, match="1 to 64 bytes"):
        client.usage("")
    with pytest.raises(BadKey, match="not 7"):
        client.usage(7)  # type: ignore[arg-type]  # that is what is tested
    for limit in (0, SPACES_LIMIT + 1):
        with pytest.raises(TransactionTooLarge, match=f"{limit} spaces .* limit is {SPACES_LIMIT}"):
            client.spaces(limit=limit)


@pytest.mark.parametrize("limit", ["9", 2.5, None, True])
def test_what_is_no_number_of_spaces_is_refused_by_its_name(client: Transactions, limit: Any) -> None:
    with pytest.raises(TypeError, match="the limit of a list of spaces is an int, not"):
        client.spaces(limit=limit)


def test_an_answer_that_is_none_is_never_taken_for_one() -> None:
    with pytest.raises(TypeError, match="the store answered"):
        Transactions(lambda _: GetUsage(b""), PICKLE, means(Clock())).usage("s")


SPACES = st.binary(max_size=20) | st.binary(max_size=600) | st.sampled_from([keys.space("s"), keys.space(REF)])


@given(st.builds(GetUsage, SPACES) | st.builds(ListSpaces, st.booleans(), SPACES, st.integers(-(2**63), 2**63 - 1)))
def test_whatever_decodes_is_answered(question: GetUsage | ListSpaces) -> None:
    single = SingleStore(lambda _: None, lambda _: None, lambda _: None)
    answer = single.answer(decode(encode(question)))
    assert isinstance(answer, Usages | Refused)
    if isinstance(answer, Refused):
        assert answer.code in {"bad-key", "no-such-job", "transaction-too-large"}
