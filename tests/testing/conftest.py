"""What is for users' tests works on threads as in the simulation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actorcloud.actor import System
from actorcloud.testing import Simulation


@pytest.fixture(params=["pool", "simulated"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """A system, current on this thread."""
    if request.param == "simulated":
        with Simulation(seed=1) as sim:
            yield sim.system()
        return
    with System(name="test") as real, real.activate():
        yield real
