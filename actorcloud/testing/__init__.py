"""Testing: run whole systems of actors, or a whole cloud, by a seed, in virtual time.

===========  =================================================================================
baton        threads of which exactly one runs at a time
scheduler    picks by the seed what happens next: a turn, a blocked thread, a timer
preemption   gives way in the midst of the runtime's own code, by the seed
process      a simulated process; `loop`: its asyncio loop; `pipe`: what it says to another
isolation    the simulated processes of isolated actors
fault        what strikes at message boundaries
probe        `Probe`: an actor that keeps what it gets, for a test to expect
recorder     `Recorder`: what is sent to the actors of a system, in order
simulation   `Simulation(seed)`: simulated processes, their crash, running until something holds
trial        `@simulated`: a test for many seeds; `repetition`: the line that repeats one
network      a lossy network in memory, on the simulation's clock; `wire`: one connection of it
engine       a store's engine in memory that crashes
cloud        `SimCloud`: head, nodes, workers and programs in a simulation; `worker`: its workers
rehearsed    every transaction's function runs twice, to find those that do not do the same twice
audit        `Auditor`: the promises, after every step; `history`, `witness`: what it knows them by
===========  =================================================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorcloud.base.clock import ManualClock
    from actorcloud.store import rehearsed
    from actorcloud.testing.audit import Auditor, Broken
    from actorcloud.testing.cloud import SimCloud
    from actorcloud.testing.engine import RELIABLE, Chances, CrashingDisk, CrashingEngine
    from actorcloud.testing.fault import Fault
    from actorcloud.testing.network import SimNetwork, SimTransport
    from actorcloud.testing.probe import Probe, ProbeRef
    from actorcloud.testing.recorder import Record, Recorder
    from actorcloud.testing.scheduler import Crashed, SimulationError
    from actorcloud.testing.simulation import Simulation
    from actorcloud.testing.trial import simulated
    from actorcloud.testing.worker import kill_worker, spend_worker

__all__ = [
    "RELIABLE",
    "Auditor",
    "Broken",
    "Chances",
    "Crashed",
    "CrashingDisk",
    "CrashingEngine",
    "Fault",
    "ManualClock",
    "Probe",
    "ProbeRef",
    "Record",
    "Recorder",
    "SimCloud",
    "SimNetwork",
    "SimTransport",
    "Simulation",
    "SimulationError",
    "kill_worker",
    "rehearsed",
    "simulated",
    "spend_worker",
]

_HOMES = {
    "audit": ("Auditor", "Broken"),
    "cloud": ("SimCloud",),
    "engine": ("RELIABLE", "Chances", "CrashingDisk", "CrashingEngine"),
    "fault": ("Fault",),
    "network": ("SimNetwork", "SimTransport"),
    "probe": ("Probe", "ProbeRef"),
    "recorder": ("Record", "Recorder"),
    "scheduler": ("Crashed", "SimulationError"),
    "simulation": ("Simulation",),
    "trial": ("simulated",),
    "worker": ("kill_worker", "spend_worker"),
}
_HOME_OF = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}
_HOME_OF["ManualClock"] = "actorcloud.base.clock"
_HOME_OF["rehearsed"] = "actorcloud.store"


def __getattr__(name: str) -> Any:
    # Lazy: a test of actors loads neither store nor network.
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
