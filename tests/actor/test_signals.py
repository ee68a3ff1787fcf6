"""The table of exit signals, row by row and as a whole."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from actorcloud.actor.signals import Verdict, judge_exit
from actorcloud.base.exits import ExitReason, Shutdown

REASONS = [*ExitReason, Shutdown("x"), "boom"]

ROWS = [
    # reason, linked, active, from_self, trapping -> verdict, reason
    ("boom", True, False, False, True, Verdict.DROP, "boom"),
    (ExitReason.KILL, False, False, False, True, Verdict.DIE, ExitReason.KILLED),
    (ExitReason.KILL, False, False, True, False, Verdict.DIE, ExitReason.KILLED),
    (ExitReason.NORMAL, False, False, False, False, Verdict.DROP, ExitReason.NORMAL),
    (ExitReason.NORMAL, False, False, True, False, Verdict.DIE, ExitReason.NORMAL),
    ("boom", False, False, False, False, Verdict.DIE, "boom"),
    (ExitReason.NORMAL, False, False, False, True, Verdict.DELIVER, ExitReason.NORMAL),
    (ExitReason.NORMAL, False, False, True, True, Verdict.DELIVER, ExitReason.NORMAL),
    (ExitReason.NORMAL, True, True, False, False, Verdict.DROP, ExitReason.NORMAL),
    (ExitReason.SHUTDOWN, True, True, False, False, Verdict.DIE, ExitReason.SHUTDOWN),
    (ExitReason.KILL, True, True, False, False, Verdict.DIE, ExitReason.KILL),
    (ExitReason.KILL, True, True, False, True, Verdict.DELIVER, ExitReason.KILL),
    (ExitReason.NORMAL, True, True, False, True, Verdict.DELIVER, ExitReason.NORMAL),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_table_of_the_erlang_manual(row: tuple[Any, ...]) -> None:
    reason, linked, active, from_self, trapping, verdict, carried = row
    judged = judge_exit(reason, linked=linked, active=active, from_self=from_self, trapping=trapping)
    assert judged == (verdict, carried)


@pytest.mark.parametrize("reason", REASONS, ids=str)
def test_the_laws_that_hold_for_every_signal(reason: object) -> None:
    for linked, active, from_self, trapping in itertools.product([True, False], repeat=4):
        verdict, carried = judge_exit(reason, linked=linked, active=active, from_self=from_self, trapping=trapping)
        is_kill = not linked and reason is ExitReason.KILL
        # Only an explicit kill changes its reason, and nothing stops it.
        assert (carried is reason) != is_kill
        assert not is_kill or verdict is Verdict.DIE
        # A trapping actor dies of nothing else.
        assert not (trapping and verdict is Verdict.DIE) or is_kill
        # A link that is gone does nothing.
        assert not (linked and not active) or verdict is Verdict.DROP
