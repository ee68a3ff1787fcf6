"""One hand-made history for each anomaly, and some that only look like one."""

from __future__ import annotations

import itertools

import pytest

from tests.proof.elle import find_anomalies
from tests.proof.graph import RW, WR, Graph
from tests.proof.history import Call, Op, Run, outside


def ops(text: str) -> list[Op]:
    """Parse `"rx12 ax3 ry wz7 rz7"`: reads of lists (x, y) and values (u to w, z), appends, writes; one digit each."""
    parsed = []
    for word in text.split():
        kind, key, rest = word[0], word[1], word[2:]
        if kind == "r" and key in "xy":
            parsed.append(Op("r", key, tuple(map(int, rest))))
        else:
            value = int(rest) if rest else None
            parsed.append(Op({"r": "r", "a": "append", "w": "w"}[kind], key, value))
    return parsed


class Story:
    """Calls, by default all at the same time."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def call(self, *runs: str, outcome: str = "ok", invoked: float = 0.0, completed: float = 99.0) -> Story:
        made = [Run(number, ops(text), None, completed) for number, text in enumerate(runs, 1)]
        call = Call(len(self.calls), invoked, made)
        call.end(outcome, completed)
        if outcome == "ok":
            call.committed = len(runs)
        self.calls.append(call)
        return self

    def kinds(self) -> list[str]:
        return sorted({anomaly.kind for anomaly in find_anomalies(self.calls)})


# -- what is right --------------------------------------------------------------------------------


def test_nothing_is_found_in_an_empty_history() -> None:
    assert Story().kinds() == []


def test_one_after_the_other_is_right() -> None:
    story = Story()
    story.call("ax1", completed=1).call("rx1 ax2", invoked=2, completed=3).call("rx12 ry", invoked=4, completed=5)
    assert story.kinds() == []


def test_of_two_at_the_same_time_either_may_come_first() -> None:
    assert Story().call("rx ax1 ry").call("ry ay2 rx1").call("rx1 ry2").kinds() == []


def test_a_run_sees_what_it_wrote_itself() -> None:
    assert Story().call("rx ax1 rx1 ax2 rx12 wz3 rz3 wz4 rz4 wz rz").kinds() == []
    assert Story().call("ax1").call("ax2 rx12").kinds() == []


def test_an_unknown_outcome_that_somebody_saw_was_a_commit() -> None:
    story = Story().call("ax1 ay1", outcome="info", completed=1).call("rx1 ry1", invoked=2)
    assert story.kinds() == []


def test_an_unknown_outcome_that_nobody_saw_may_be_none() -> None:
    assert Story().call("ax1", outcome="info", completed=1).call("rx", invoked=2).kinds() == []


def test_an_aborted_run_may_have_seen_an_older_state() -> None:
    assert Story().call("rx ry ax1 ay1").call("rx ry", "rx1 ry1 ax2").kinds() == []


# -- each anomaly ---------------------------------------------------------------------------------


def test_g0_write_cycle() -> None:
    assert Story().call("ax1 ay1").call("ax2 ay2").call("rx12").call("ry21").kinds() == ["G0"]


def test_g1a_aborted_read() -> None:
    assert Story().call("ax1", outcome="fail").call("rx1").kinds() == ["G1a"]
    assert Story().call("wz1", outcome="fail").call("rz1").kinds() == ["G1a"]


def test_g1a_of_an_aborted_run_whose_call_was_committed_later() -> None:
    assert Story().call("ax1", "ax2").call("rx1").kinds() == ["G1a"]


def test_g1a_read_of_what_it_will_write_itself() -> None:
    assert Story().call("rx1 ax1").kinds() == ["G1a", "duplicate"]


def test_g1b_intermediate_read() -> None:
    assert "G1b" in Story().call("ax1 ax2").call("rx1").call("rx12").kinds()
    assert Story().call("wz1 wz2").call("rz1").kinds() == ["G1b"]


def test_g1c_circular_information_flow() -> None:
    assert Story().call("ax1 ry2").call("ay2 rx1").kinds() == ["G1c"]


def test_internal_contradiction() -> None:
    assert Story().call("rx ax1 rx").kinds() == ["internal"]
    assert Story().call("ax1 rx").kinds() == ["internal"]
    assert Story().call("wz1 rz").kinds() == ["internal"]
    assert Story().call("rz rz1").call("wz1").kinds() == ["internal"]


def test_incompatible_order() -> None:
    assert "incompatible-order" in Story().call("ax1").call("ax2").call("rx12").call("rx21").kinds()


def test_a_lost_update_is_an_incompatible_order() -> None:
    assert "incompatible-order" in Story().call("rx ax1").call("rx ax2").kinds()


def test_a_lost_update_of_a_plain_value_is_g2() -> None:
    assert Story().call("rz wz1").call("rz wz2").kinds() == ["G2"]
    assert Story().call("wz1").call("rz1 wz2").call("rz1 wz3").kinds() == ["G2"]


def test_g_single_read_skew() -> None:
    assert Story().call("ax1 ay1").call("rx ry1").call("rx1").kinds() == ["G-single"]


def test_g2_write_skew() -> None:
    assert Story().call("rx ry ax1").call("rx ry ay2").call("rx1 ry2").kinds() == ["G2"]


def test_garbage_and_duplicates() -> None:
    assert Story().call("rx7").kinds() == ["garbage"]
    assert Story().call("rz7").kinds() == ["garbage"]
    assert "duplicate" in Story().call("ax1").call("rx11").kinds()
    assert "duplicate" in Story().call("ax1").call("ax1").kinds()


def test_two_runs_of_one_call_that_were_both_committed() -> None:
    assert Story().call("ax1", "ax2", outcome="info").call("rx12").kinds() == ["duplicate"]


# -- real time ------------------------------------------------------------------------------------


def test_a_stale_read_is_g_single_in_real_time() -> None:
    story = Story().call("ax1", completed=1).call("rx", invoked=2).call("rx1")
    assert story.kinds() == ["G-single-realtime"]


def test_a_read_from_the_future_is_g1c_in_real_time() -> None:
    story = Story().call("rx1", completed=1).call("ax1", invoked=2)
    assert story.kinds() == ["G1c-realtime"]


def test_writes_against_the_clock_are_g0_in_real_time() -> None:
    story = Story().call("ax2", completed=1).call("ax1", invoked=2, completed=3).call("rx12", invoked=2)
    assert story.kinds() == ["G0-realtime"]


def test_write_skew_against_the_clock_is_g2_in_real_time() -> None:
    # The auditor sees y's change and not x's, though x's was over before y's began.
    story = Story().call("rx ax1", completed=1).call("ry ay2", invoked=2, completed=3).call("ry2 rx")
    assert story.kinds() == ["G-single-realtime"]
    story = Story().call("rx ay1", completed=5).call("ry ax2", completed=5).call("rx2 ry1")
    assert story.kinds() == ["G2"]
    # t1 before t2 by reading x, t2 before t3 by the clock, t3 before t4 by reading y, t4 before t1 by z.
    story = Story().call("rx rz4").call("ax1", completed=1).call("ry", invoked=2).call("ay2 wz4").call("rx1 ry2")
    assert story.kinds() == ["G2-realtime"]


# -- opacity --------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["ok", "fail", "info"])
def test_an_aborted_run_that_saw_a_mixed_state_is_found(outcome: str) -> None:
    story = Story().call("ax1 ay1").call("rx ry1 ax9", "rx1 ry1", outcome=outcome).call("rx1 ry1")
    assert "G-single" in story.kinds()


def test_an_aborted_run_that_saw_what_was_long_over_is_found() -> None:
    story = Story().call("ax1", completed=1).call("rx", "rx1", invoked=2).call("rx1")
    assert story.kinds() == ["G-single-realtime"]


# -- graphs ---------------------------------------------------------------------------------------


def test_one_knot_gives_one_cycle_however_many_it_has() -> None:
    graph = Graph(40)
    for before, after in itertools.permutations(range(40), 2):
        graph.add(before, after, RW)
        graph.add(before, after, WR)
    cycles = graph.cycles()
    assert [cycle.kind for cycle in cycles] == ["G1c"]
    assert len(cycles[0].steps) == 2


def test_each_knot_gives_a_cycle() -> None:
    graph = Graph(8)
    for first in (0, 4):
        for step in range(4):
            graph.add(first + step, first + (step + 1) % 4, RW if step else WR)
    graph.add(0, 4, WR)
    assert [(cycle.kind, len(cycle.steps)) for cycle in graph.cycles()] == [("G2", 4)] * 2


def test_a_long_chain_has_no_cycle() -> None:
    # Longer than any stack is deep.
    graph = Graph(10_000)
    for node in range(9_999):
        graph.add(node, node + 1, WR)
    assert graph.cycles() == []
    graph.add(9_999, 0, RW)
    assert [len(cycle.steps) for cycle in graph.cycles()] == [10_000]


def test_a_run_is_taken_apart() -> None:
    seen = outside(Run(1, ops("ry5 wz3 wz4 ax1 ax2 rx7812")))
    assert seen.reads == {"y": (5,), "x": (7, 8)}
    assert seen.writes == {"z": [4], "x": [1, 2]}
    assert seen.passing == [("z", 3), ("x", 1)]
    assert seen.contradictions == []
