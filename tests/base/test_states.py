"""The states of a job: they match, compare and read as a sentence."""

from __future__ import annotations

import pytest

from actorcloud.base.ids import NodeRef
from actorcloud.base.states import Crashed, Done, Failed, JobError, JobState, Queued, Running, Suspended

ERROR = JobError("ValueError", "no rain", "Traceback ...\nValueError: no rain\n")

STATES: list[tuple[JobState, str]] = [
    (Queued(), "queued"),
    (Running(NodeRef("n1")), "running on n1"),
    (Done(), "done"),
    (Failed(ERROR), "failed: ValueError: no rain"),
    (Suspended(Crashed(3)), "suspended: crashed(3 times)"),
]


@pytest.mark.parametrize(("state", "text"), STATES, ids=[text for _, text in STATES])
def test_a_state_reads_as_people_say_it(state: JobState, text: str) -> None:
    assert str(state) == text


@pytest.mark.parametrize("state", [state for state, _ in STATES], ids=str)
def test_a_state_equals_its_like_and_no_other(state: JobState) -> None:
    equal = [other for other, _ in STATES if other == state]
    assert equal == [state]
    assert len({state, state}) == 1


@pytest.mark.parametrize("state", [state for state, _ in STATES[1:] if state != Done()], ids=str)
def test_a_state_cannot_be_changed(state: JobState) -> None:
    with pytest.raises(AttributeError):
        setattr(state, state.__struct_fields__[0], None)


def test_states_match() -> None:
    match STATES[3][0]:
        case Failed(error):
            assert error.traceback.endswith("no rain\n")
        case other:
            pytest.fail(f"{other} matched")
