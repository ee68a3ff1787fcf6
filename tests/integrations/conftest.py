"""Each test of a Pykka program runs with Pykka itself, and with us: on threads and in the simulation."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pykka
import pytest

from actorcloud.actor import System
from actorcloud.integrations import pykka as ours
from actorcloud.testing import Simulation

#: Seconds that anything in these tests may take.
PATIENCE = 30.0


@contextlib.contextmanager
def _theirs() -> Iterator[Any]:
    yield pykka
    pykka.ActorRegistry.stop_all(timeout=PATIENCE)


@contextlib.contextmanager
def _ours() -> Iterator[Any]:
    with System(name="test") as system, system.activate():
        yield ours
        ours.ActorRegistry.stop_all(timeout=PATIENCE)


@contextlib.contextmanager
def _simulated() -> Iterator[Any]:
    with Simulation(seed=1):
        yield ours


WAYS = {"pykka": _theirs, "actorcloud": _ours, "simulated": _simulated}


@pytest.fixture(params=WAYS)
def lib(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Pykka, or what stands in for it."""
    with WAYS[request.param]() as lib:
        yield lib


@pytest.fixture(params=["pykka", "actorcloud"])
def threads(request: pytest.FixtureRequest) -> Iterator[Any]:
    """As `lib`, where handlers may block in ways that a simulation cannot see."""
    with WAYS[request.param]() as lib:
        yield lib
