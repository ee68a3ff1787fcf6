"""The rules' stories: told step by step or by chaos, and proved to notice the mutants that break them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from actorcloud.base.errors import ActorCloudError
from actorcloud.testing import Auditor, Chances, CrashingDisk, SimCloud, Simulation
from tests.simulation import acts
from tests.simulation.chaos import Chaos, Plan, run
from tests.slips import sound

Story = Callable[[int], None]
Mutant = Callable[[], AbstractContextManager[None]]

#: Seeds with which a story must hold, and within which a mutant must be noticed.
HOLDS = 3
NOTICED = 40


def prove(story: Story, *breaks: Mutant, seeds: int = NOTICED) -> None:
    """The story holds; with each of the mutants it does not."""
    for seed in range(HOLDS):
        story(seed)
    for mutant in breaks:
        assert is_noticed(story, mutant, seeds), f"nobody notices a cloud that {mutant.__name__}"


def is_noticed(story: Story, mutant: Mutant, seeds: int) -> bool:
    for seed in range(seeds):
        with sound(mutant):
            try:
                story(seed)
            except (AssertionError, ActorCloudError, pytest.fail.Exception, IndexError, KeyError):
                return True
    return False


def chaos(*of: acts.Act, faults: tuple[Callable[[Chaos], None], ...], chances: Chances | None = None) -> Story:
    """A story of these acts and faults."""
    plan = Plan(acts=of, faults=faults, chances=chances or Chances(latency=0.02), has_victim=False)

    def story(seed: int) -> None:
        run(seed, plan)

    return story


class Stage:
    """A cloud of two nodes for a story told step by step."""

    def __init__(self, sim: Simulation, *, slots: int = 2, orphan_time: float = 600.0, latency: float = 0.0) -> None:
        self.sim = sim
        disk = CrashingDisk(sim.random, Chances(latency=latency))
        self.cloud = SimCloud(sim, slots=slots, orphan_time=orphan_time, disk=disk)
        self.auditor = Auditor(self.cloud)
        sim.on_step(self.auditor.check)
        self.cloud.start_head()
        for name in ("n1", "n2"):
            self.cloud.start_node(name)

    def begun(self, count: int) -> None:
        """Wait until this many runs have begun."""
        self.sim.run_until(lambda: len(self.cloud.witness.begun) >= count)

    def end(self) -> None:
        """Everything has ended, and all promises hold."""
        self.sim.run_until(lambda: self.cloud.is_quiet() and self.cloud.is_whole(), timeout=60)
        self.sim.run(1.0)
        self.auditor.check_quiet()
