"""A line over a link that takes nothing: whoever asks is told, in words that a relay can act upon."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from actorcloud.actor import ActorDeadError
from actorcloud.cluster import Line
from actorcloud.protocol.job import GetInfo


class Full:
    """A link that can take no more."""

    def send(self, messages: Sequence[bytes]) -> bool:
        return False


def test_an_ask_that_the_connection_does_not_take_fails_as_to_a_dead_actor() -> None:
    line = Line(Full(), "head#1")
    heard: list[tuple[object, bool]] = []
    line.ask("jobs", GetInfo(), lambda value, more: heard.append((value, more)))
    ((error, more),) = heard
    assert isinstance(error, ActorDeadError)
    assert "full or gone" in str(error)
    assert not more


def test_refs_load_no_zmq() -> None:
    code = "import sys, actorcloud.cluster; sys.exit('zmq' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0
