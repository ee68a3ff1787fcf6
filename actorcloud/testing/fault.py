"""Faults: what strikes at message boundaries.

A *boundary* is the moment before an actor handles its next message. There a fault may end that
actor, or the whole process that it lives in; the message is lost with it. While a fault is planned,
every turn is of one message, so that no boundary is passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from actorcloud.actor import Actor, ActorRef, System
from actorcloud.actor.cell.cell import Cell

#: What a fault may aim at: one actor, every actor of a class, or every actor of a process.
Target = ActorRef[Any] | type[Actor] | System


class Fault:
    """One planned fault; made by `Simulation.kill` and `Simulation.crash`.

    Args:
        target: whose boundaries count.
        at: strikes once, at this boundary, counted from 1; None: by `chance`.
        chance: of striking at each boundary, from 0 to 1; None: by `at`.
        random: of the seed.
        strike: what happens.

    Raises:
        ValueError: neither or both of `at` and `chance` are given, or one is out of its range.
    """

    def __init__(
        self,
        target: Target,
        *,
        at: int | None,
        chance: float | None,
        random: Random,
        strike: Callable[[Cell], None],
    ) -> None:
        if (at is None) == (chance is None):
            raise ValueError("a fault strikes `at` a boundary or with a `chance`; give one of them")
        if at is not None and at < 1:
            raise ValueError(f"at is {at}; boundaries are counted from 1")
        if chance is not None and not 0 <= chance <= 1:
            raise ValueError(f"chance is {chance}; it must be from 0 to 1")
        self._aims_at = _aim(target)
        self._at = at
        self._chance = chance
        self._random = random
        self._strike = strike
        #: Boundaries of the target so far.
        self.boundaries = 0
        #: How often it has struck.
        self.strikes = 0
        #: It strikes no more.
        self.is_over = False

    def __repr__(self) -> str:
        when = f"at {self._at}" if self._chance is None else f"chance {self._chance}"
        return f"<Fault {when}: {self.boundaries} boundaries, {self.strikes} strikes>"

    def cancel(self) -> None:
        """Let it strike no more."""
        self.is_over = True

    def look(self, cell: Cell) -> None:
        """See to a boundary of `cell`; for the simulation."""
        if self.is_over or not self._aims_at(cell):
            return
        self.boundaries += 1
        if self._chance is None:
            is_hit = self.is_over = self.boundaries == self._at
        else:
            is_hit = self._random.random() < self._chance
        if is_hit:
            self.strikes += 1
            self._strike(cell)


def _aim(target: Target) -> Callable[[Cell], bool]:
    if isinstance(target, System):
        return lambda cell: cell.system is target
    if isinstance(target, ActorRef):
        return lambda cell: cell.ref == target
    if isinstance(target, type) and issubclass(target, Actor):
        return lambda cell: issubclass(cell.kind, target)
    raise TypeError(f"a fault aims at an ActorRef, an Actor class or a System, not at {target!r}")
