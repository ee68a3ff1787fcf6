"""Every test of actors runs on the pool of threads, on the thread of a host, and in the simulation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actorcloud.actor import System
from actorcloud.testing import Simulation
from tests.actor.host import hosted


@pytest.fixture(params=["pool", "hosted", "simulated"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """A system, current on this thread; the test's own waits drive the simulated one."""
    if request.param == "simulated":
        with Simulation(seed=1) as sim:
            yield sim.system()
        return
    if request.param == "hosted":
        with hosted() as (system, _, _):
            yield system
        return
    with System(name="test") as real, real.activate():
        yield real


@pytest.fixture
def pool() -> Iterator[System]:
    """A system on threads."""
    with System(name="test") as real, real.activate():
        yield real
