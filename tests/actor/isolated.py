"""The cast of the tests of isolated actors."""

from __future__ import annotations

from typing import Any

from tests.actor.cast import Probe


class Iso(Probe):
    """A probe in a process of its own."""

    isolation = "process"

    def add(self, first: int, second: int) -> int:
        return first + second


class Lookup:
    """Looks for a key, where it runs."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry

    def __call__(self, _: object) -> object:
        return self.registry.lookup("key")
