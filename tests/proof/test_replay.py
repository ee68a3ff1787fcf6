"""What the white-box checker finds, one hand-made history each."""

from __future__ import annotations

import math

from tests.proof.history import Call, Run
from tests.proof.replay import replay
from tests.proof.test_elle import ops


def write(seq: int | None, text: str, invoked: float = 0.0, completed: float = math.inf, outcome: str = "ok") -> Call:
    """A call of one run, which is the commit `seq`."""
    call = Call(0, invoked, [Run(1, ops(text), None if seq is None else seq - 1)])
    call.end(outcome, completed)
    call.committed, call.seq = 1, seq
    return call


def read(snapshot: int, text: str, invoked: float = 0.0, completed: float = math.inf) -> Call:
    """A call that only reads."""
    call = Call(0, invoked, [Run(1, ops(text), snapshot)])
    call.end("ok", completed)
    call.committed = 1
    return call


def kinds(*calls: Call) -> list[str]:
    return sorted({anomaly.kind for anomaly in replay(calls)})


def test_what_agrees_with_the_commits_in_order_is_right() -> None:
    calls = (write(1, "ax1 wz5"), write(2, "rx1 ax2 wz"), read(0, "rx"), read(1, "rx1 rz5"), read(2, "rx12 rz"))
    assert kinds(*calls) == []


def test_a_read_that_never_was_is_found_at_its_snapshot() -> None:
    assert kinds(write(1, "ax1"), read(1, "rx")) == ["replay"]
    assert kinds(write(1, "ax1"), read(0, "rx1")) == ["replay"]
    assert kinds(write(1, "wz1"), write(2, "wz"), read(2, "rz1")) == ["replay"]


def test_a_commit_on_an_old_view_is_found() -> None:
    stale = write(3, "rx ay2")
    stale.runs[0].snapshot = 0
    assert kinds(write(1, "ax1"), write(2, "rx1 ax2"), stale) == ["replay"]


def test_an_aborted_run_that_saw_a_mixed_state_is_found() -> None:
    aborted = write(2, "rx1 ax2")
    aborted.runs.insert(0, Run(1, ops("rx ry1"), 1))
    aborted.runs[1].number = aborted.committed = 2
    assert kinds(write(1, "ax1 ay1"), aborted) == ["replay"]


def test_a_commit_of_a_superseded_run_is_found() -> None:
    fenced = write(2, "wz2")
    fenced.guards = (("v", 1),)
    assert kinds(write(1, "wv1"), fenced) == []
    assert kinds(write(1, "wv2"), fenced) == ["replay"]


def test_an_order_against_the_clock_is_found() -> None:
    assert kinds(write(1, "wz1", 0, 1), write(2, "wz2", 2, 3), read(2, "rz2", 4, 5)) == []
    assert kinds(write(2, "wz2", 0, 1), write(1, "wz1", 2, 3)) == ["realtime"]
    assert kinds(write(1, "wz1", 0, 1), read(0, "rz", 2, 3)) == ["realtime"]
    assert kinds(write(2, "wz1", 5, 6), write(1, "wv1", 0), read(2, "rz1", 0, 1)) == ["realtime"]
    assert kinds(read(0, "rz", 0, 1), read(0, "rz", 2, 3)) == []


def test_an_aborted_run_on_a_state_from_before_the_call_is_found() -> None:
    late = write(2, "rz1 wz2", 2, 3)
    late.runs.insert(0, Run(1, ops("rz"), 0))
    late.runs[1].number = late.committed = 2
    assert kinds(write(1, "wz1", 0, 1), late) == ["realtime"]


def test_numbers_that_do_not_fit_what_was_told_are_found() -> None:
    assert kinds(write(None, "wz1", outcome="ok")) == ["lost"]
    assert kinds(write(1, "wz1", outcome="fail")) == ["resurrected"]
    assert kinds(write(1, "wz1"), write(1, "wv1")) == ["twin"]
    assert kinds(write(None, "wz1", outcome="info"), write(1, "wv1", outcome="info")) == []
