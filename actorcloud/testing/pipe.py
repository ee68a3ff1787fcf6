"""The pipes of simulated processes: what was written arrives, later, in order, whoever dies meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actorcloud.testing.simulation import Simulation

#: Seconds that a message is in a pipe.
PIPE_LATENCY = (0.00001, 0.0005)


class SimPipe:
    """One direction of a socketpair.

    Args:
        sim: the simulation.
        deliver: gets what arrives.
    """

    def __init__(self, sim: Simulation, deliver: Callable[[object], None]) -> None:
        self._sim = sim
        self._deliver = deliver
        self._last = 0.0

    def write(self, message: object, latency: tuple[float, float] | None = None) -> None:
        """Let `message` arrive after all that was written before it, within `latency` seconds if nothing was."""
        shortest, longest = latency or PIPE_LATENCY
        due = self._sim.clock.monotonic() + shortest + (longest - shortest) * self._sim.random.random()
        self._last = due = max(due, self._last)
        self._sim.timers.call_at(due, lambda: self._deliver(message))
