"""Arguments that are something else: refused where they are given."""

from __future__ import annotations

from typing import Any

import pytest

from actorcloud.actor import System, debug
from tests.actor.cast import Probe


def test_what_is_no_ref_or_no_function_is_refused(system: System) -> None:
    wrong: Any = "C"
    with pytest.raises(TypeError, match=r"get_state takes an ActorRef, not 'C'; `named\(name\)`"):
        debug.get_state(wrong)
    p = Probe.start()
    for call in (debug.replace_state, debug.install):
        with pytest.raises(TypeError, match="to run a function, not 'C'"):
            call(p, wrong)
