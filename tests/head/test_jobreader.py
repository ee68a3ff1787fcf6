"""The jobs of a store that no head has."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from actorcloud.actor import System
from actorcloud.base.errors import NoSuchJob
from actorcloud.head import jobreader
from actorcloud.head.jobreader import JobReader
from actorcloud.protocol.job import GetJob, JobDetail, ListJobs
from actorcloud.protocol.record import JobRecord, Outcome, StateName
from actorcloud.store import Applied, Apply, Change, MemoryEngine, StoreActor, keys

REFS = [number.to_bytes(16, "big") for number in range(1, 8)]
STATES: list[StateName] = ["done", "failed", "queued", "running", "suspended", "queued", "done"]
RECORDS = [JobRecord(state, b"f" * 16, 1.0) for state in STATES]


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[JobReader]:
    """Return a reader of seven jobs, which takes pages of three; each has an outcome."""
    monkeypatch.setattr(jobreader, "_PAGE", 3)
    with System(name="test") as system:
        store = StoreActor.options(system=system).start(MemoryEngine(), owner="test")
        puts = [(keys.result(ref), msgspec.msgpack.encode(Outcome("done", b"value"))) for ref in REFS]
        box = jobreader._Box()
        records = tuple(zip(REFS, RECORDS, strict=True))
        store.tell(Apply((Change(tag=0, records=records, puts=tuple(puts)),), box))
        assert box.take(Applied).answers == ((0, None),)
        yield JobReader(store)
        store.stop()


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (ListJobs(), [6, 5, 4, 3, 2, 1, 0]),
        (ListJobs(limit=4), [6, 5, 4, 3]),
        (ListJobs(limit=0), []),
        (ListJobs(after=REFS[5]), [4, 3, 2, 1, 0]),
        (ListJobs("queued"), [5, 2]),
        (ListJobs("queued", limit=1), [5]),
        (ListJobs("running"), [3]),
    ],
)
def test_jobs_are_listed_the_newest_first(reader: JobReader, request_: ListJobs, found: list[int]) -> None:
    items = reader.jobs(request_).items
    assert [ref for ref, _ in items] == [REFS[index] for index in found]
    assert [record.state for _, record in items] == [STATES[index] for index in found]


@pytest.mark.parametrize("index", range(len(REFS)))
def test_a_job_that_has_ended_is_shown_with_its_outcome(reader: JobReader, index: int) -> None:
    detail = reader.detail(GetJob(REFS[index]))
    assert isinstance(detail, JobDetail)
    assert detail.record.state == STATES[index]
    assert (detail.outcome is not None) == (STATES[index] in {"done", "failed", "suspended"})


def test_a_job_that_never_was_is_not_found(reader: JobReader) -> None:
    with pytest.raises(NoSuchJob):
        reader.detail(GetJob(bytes(16)))
