"""The table of legal transitions, and the rules that choose among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from actorcloud.jobs import transition
from actorcloud.protocol.record import FINAL, JobRecord, NewJob

RUN = b"r" * 16
KINDS = ["done", "failed", "timeout", "crashed", "lost", "left"]


def running(**fields: object) -> JobRecord:
    record = transition.add(NewJob(b"j" * 16, b"f" * 16, b"", retries=2), 1.0)
    return replace(transition.place(record, "n1", RUN, 2.0), **fields)


@given(st.lists(st.sampled_from(KINDS), max_size=30), st.integers(0, 5))
def test_every_sequence_of_ends_takes_a_legal_path_and_ends_within_its_limits(kinds: list[str], retries: int) -> None:
    # Given a job
    record = transition.add(NewJob(b"j" * 16, b"f" * 16, b"", retries=retries), 0.0)
    assert transition.is_legal(None, record)
    # When its runs end in any way, one after the other
    for number, kind in enumerate(kinds):
        if record.state != "queued":
            break
        placed = transition.place(record, "n", number.to_bytes(16, "big"), 1.0)
        assert transition.is_legal(record, placed)
        record = transition.end(placed, kind, 2.0)
        # Then each step is legal, and the attempts are counted
        assert transition.is_legal(placed, record)
        assert record.attempt == number + 1
    assert record.failures <= retries + 1
    assert record.crashes <= transition.CRASH_LIMIT
    assert (record.state == "suspended") == (record.crashes == transition.CRASH_LIMIT)


def test_a_failure_is_tried_again_as_often_as_retries_allow() -> None:
    record = running(retries=1)
    again = transition.end(record, "failed", 3.0)
    assert again.state == "queued"
    assert transition.end(replace(again, state="running"), "timeout", 4.0).state == "failed"


def test_three_crashes_suspend_a_job() -> None:
    states = []
    record = running()
    for _ in range(3):
        record = transition.end(replace(record, state="running"), "crashed", 3.0)
        states.append(record.state)
    assert states == ["queued", "queued", "suspended"]


def test_lost_runs_count_nothing_until_three_then_the_job_goes_alone_and_node_losses_are_crashes() -> None:
    # Given a job whose runs were lost three times
    record = running()
    for _ in range(3):
        assert not transition.goes_alone(record)
        record = transition.end(replace(record, state="running"), "lost", 3.0)
    # Then it goes alone and no crash is counted
    assert transition.goes_alone(record)
    assert record.crashes == 0
    # When its node is lost again, then that counts as a crash; a lost head never does
    assert transition.end(replace(record, state="running"), "lost", 4.0).crashes == 1
    assert transition.end(replace(record, state="running"), "lost", 4.0, head_lost=True).crashes == 0


def test_a_run_whose_node_has_left_counts_nothing() -> None:
    record = transition.end(running(), "left", 3.0)
    assert (record.state, record.lost, record.crashes, record.attempt) == ("queued", 0, 0, 1)


def test_a_run_that_was_never_begun_is_no_attempt() -> None:
    record = running()
    back = transition.unrun(record, 3.0)
    assert (back.state, back.attempt) == ("queued", 0)


@pytest.mark.parametrize("before", ["done", "failed"])
@pytest.mark.parametrize("after", ["queued", "running", "done", "failed", "suspended"])
def test_final_states_are_never_left(before: str, after: str) -> None:
    assert before in FINAL
    assert not transition.is_legal(running(state=before), running(state=after))
    assert transition.is_legal(running(state=before), None)


def test_a_run_cannot_end_in_an_unknown_way() -> None:
    with pytest.raises(ValueError, match="cannot end as 'vanished'"):
        transition.end(running(), "vanished", 1.0)
