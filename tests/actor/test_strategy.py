"""What becomes of a child, and of its siblings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.actor.child import RESTARTS
from actorcloud.actor.supervision.strategy import (
    STRATEGIES,
    Decision,
    affected,
    decide,
    is_reported,
    shuts_down,
)
from actorcloud.base.exits import ExitReason, Shutdown

NORMAL = [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("x")]
ABNORMAL = [ExitReason.KILLED, ExitReason.NOPROC, "boom", None]


@pytest.mark.parametrize("reason", [*NORMAL, *ABNORMAL], ids=str)
def test_the_table_of_restarts(reason: object) -> None:
    is_normal = reason in NORMAL
    assert decide("permanent", reason) is Decision.RESTART
    assert decide("transient", reason) is (Decision.KEEP if is_normal else Decision.RESTART)
    assert decide("temporary", reason) is Decision.REMOVE
    assert [is_reported(restart, reason) for restart in RESTARTS] == [True, not is_normal, not is_normal]


@given(st.lists(st.integers(), unique=True, min_size=1), st.data())
def test_who_is_restarted_together(ids: list[int], data: st.DataObject) -> None:
    failed = data.draw(st.sampled_from(ids))
    together = {strategy: affected(strategy, ids, failed) for strategy in STRATEGIES}
    assert together["one_for_one"] == [failed]
    assert together["one_for_all"] == ids
    assert together["rest_for_one"] == ids[ids.index(failed) :]


def test_only_significant_children_end_their_supervisor() -> None:
    assert not shuts_down("any_significant", significant=False, others_left=False)
    assert not shuts_down("never", significant=True, others_left=False)
    assert shuts_down("any_significant", significant=True, others_left=True)
    assert not shuts_down("all_significant", significant=True, others_left=True)
    assert shuts_down("all_significant", significant=True, others_left=False)
