"""How many jobs a node wants to hold, by how long they take."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.node.pace import HELD_LIMIT, MESSAGE_LIMIT, Pace


@given(st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 1e4)), max_size=20))
def test_batches_and_holdings_stay_within_their_limits(notes: list[tuple[int, float]]) -> None:
    pace = Pace()
    for jobs, seconds in notes:
        pace.note(jobs, seconds)
    assert 1 <= pace.batch() <= MESSAGE_LIMIT
    assert 1 <= pace.held() <= HELD_LIMIT


def test_short_jobs_travel_in_batches_and_long_ones_one_at_a_time() -> None:
    short, long = Pace(), Pace()
    short.note(1000, 0.02)
    long.note(1, 5.0)
    assert (short.batch(), short.held()) == (MESSAGE_LIMIT, HELD_LIMIT)
    assert (long.batch(), long.held()) == (1, 1)


def test_a_run_that_is_slow_already_counts_before_it_is_done() -> None:
    pace = Pace()
    pace.note(1000, 0.02)
    pace.note_slow(2.0)
    assert pace.held() == 1
