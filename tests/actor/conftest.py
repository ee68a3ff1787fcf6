"""Every test of actors runs on threads, on the thread of a host, in the simulation, and with messages copied."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actorcloud.actor import ActorRef, Registry, RegistryRef, System
from actorcloud.testing import Simulation
from tests.actor.cast import Probe
from tests.actor.host import hosted


@pytest.fixture(params=["pool", "hosted", "simulated", "copied"])
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
    with System(name="test", copy_messages=request.param == "copied") as real, real.activate():
        yield real


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the tests that share memory with their actors out where messages are copied."""
    left_out = [item for item in items if _is_left_out(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _is_left_out(item)]


def _is_left_out(item: pytest.Item) -> bool:
    call = getattr(item, "callspec", None)
    is_copied = call is not None and call.params.get("system") == "copied"
    return is_copied and item.get_closest_marker("shared_memory") is not None


@pytest.fixture
def virtual() -> Iterator[System]:
    """A simulated system, whose time stands still while anybody acts: for what is to be done in so many seconds."""
    with Simulation(seed=1) as sim:
        yield sim.system()


@pytest.fixture
def pool() -> Iterator[System]:
    """A system on threads."""
    with System(name="test") as real, real.activate():
        yield real


@pytest.fixture(params=[1, 8], ids=["whole", "parted"])
def start_registry(request: pytest.FixtureRequest, system: System) -> Callable[..., RegistryRef]:
    """Start a registry, of one partition or of eight."""
    return lambda kind, **options: Registry.start(kind, partitions=request.param, **options)


@pytest.fixture
def probe(system: System) -> ActorRef[Any]:
    """Who is told what happens."""
    return Probe.start()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Crashes that belong to the test are not shown."""
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
