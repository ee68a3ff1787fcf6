"""The manager's memory: exactly what it was fed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.jobs.ledger import Ledger
from actorcloud.protocol.record import FINAL, JobRecord

STATES = ["queued", "running", "done", "failed", "suspended"]
refs = st.integers(0, 5).map(lambda number: number.to_bytes(16, "big"))
records = st.none() | st.builds(
    JobRecord, state=st.sampled_from(STATES), function=st.just(b""), added_at=st.just(0.0), node=st.sampled_from("ab")
)


@given(st.lists(st.lists(st.tuples(refs, records), max_size=6), max_size=10))
def test_the_ledger_holds_the_last_record_fed_of_each_live_job(
    batches: list[list[tuple[bytes, JobRecord | None]]],
) -> None:
    # Given / When batches are fed
    ledger, model = Ledger(), dict[bytes, JobRecord]()
    for number, batch in enumerate(batches, 1):
        ledger.feed(number, batch)
        for ref, record in batch:
            model.pop(ref, None)
            if record is not None and record.state not in FINAL:
                model[ref] = record
    # Then it is as if the last records had been written down
    assert ledger.live == model
    assert ledger.running() == {ref: record for ref, record in model.items() if record.state == "running"}
    for node in "ab":
        running = {ref: record for ref, record in model.items() if record.state == "running" and record.node == node}
        assert ledger.on_node(node) == running
    assert ledger.nodes() == sorted({record.node for record in model.values() if record.state == "running"})
    for state in ("queued", "running", "suspended"):
        assert ledger.counts[state] == sum(record.state == state for record in model.values())


def test_a_gap_in_the_feed_ends_the_manager() -> None:
    ledger = Ledger()
    ledger.feed(1, [])
    with pytest.raises(RuntimeError, match="batch 3 after 1"):
        ledger.feed(3, [])
