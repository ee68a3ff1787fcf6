"""The cast of the tests of isolated actors."""

from __future__ import annotations

from tests.actor.cast import Probe


class Iso(Probe):
    """A probe in a process of its own."""

    isolation = "process"

    def add(self, first: int, second: int) -> int:
        return first + second
