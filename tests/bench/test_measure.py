"""The bench's own arithmetic and output."""

from __future__ import annotations

import json
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import given

from bench.measure import in_turns, median, p99
from bench.registry import BENCHMARKS, Figure, benchmark

samples = st.lists(st.floats(0, 1e9), min_size=1, max_size=300)


@given(samples)
def test_99_of_100_samples_do_not_exceed_the_99th_percentile(values: list[float]) -> None:
    limit = p99(values)
    assert limit in values
    assert sum(value <= limit for value in values) >= 0.99 * len(values)
    assert median(values) <= limit


def test_the_percentile_of_a_hundred_is_the_second_highest() -> None:
    assert p99(list(range(100))) == 98


def test_ours_and_the_peers_alternate_and_the_first_round_does_not_count() -> None:
    # Given
    order: list[str] = []
    ours, peer = iter([9.0, 1.0, 2.0]), iter([9.0, 3.0, 4.0])

    def sample(name: str, values: Iterator[float]) -> float:
        order.append(name)
        return next(values)

    # When
    mine, theirs = in_turns(lambda: sample("ours", ours), lambda: sample("peer", peer), repeats=2)
    # Then
    assert order == ["ours", "peer"] * 3
    assert (mine, theirs) == ([1.0, 2.0], [3.0, 4.0])


def test_a_figure_is_one_line_of_json_that_begins_with_what_counts() -> None:
    figure = Figure(name="noop map", ours=60.0, peer=20.0, unit="jobs/s", better="higher", against="a pool")
    line = figure.as_json()
    assert "\n" not in line
    assert list(json.loads(line))[:5] == ["name", "ours", "peer", "ratio", "unit"]
    assert json.loads(line)["ratio"] == 3.0


def test_without_a_peer_there_is_no_ratio() -> None:
    figure = Figure(name="idle", ours=0.3, peer=None, unit="%", better="lower", against="nothing")
    assert figure.ratio is None
    assert "nothing" in figure.as_row()


def test_a_group_runs_its_benchmarks_in_the_order_of_their_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BENCHMARKS, "taken", [])
    first, second = benchmark("taken")(list), benchmark("taken")(tuple)
    assert BENCHMARKS["taken"] == [first, second]
