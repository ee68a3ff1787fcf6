"""A head that starts: what it reads, and what waits meanwhile."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from actorcloud.actor import Actor, ActorDeadError, Future
from actorcloud.jobs import manager as module
from actorcloud.jobs.manager import JobManager
from actorcloud.jobs.message import Detached
from actorcloud.jobs.transition import LOST_LIMIT
from actorcloud.protocol.job import GetInfo, Info
from actorcloud.store import Apply, Change, Page
from actorcloud.testing import SimCloud, Simulation
from tests.simulation.jobs import echo


class Silent(Actor):
    """Takes everything and says nothing."""

    def on_receive(self, message: object) -> None: ...


def test_a_job_that_goes_alone_still_does_after_a_restart_of_the_head() -> None:
    with Simulation(1) as sim:
        # Given a queued job that was lost with its nodes too often to share one
        cloud = SimCloud(sim)
        cloud.start_head()
        program = cloud.program("c1", lambda c: c.add_job(echo, 1))
        sim.run_until(program.is_done)
        raw = program.get().raw
        assert cloud.head is not None
        record = msgspec.structs.replace(cloud.actor("jobs").desk.ledger.live[raw], lost=LOST_LIMIT)
        with cloud.head.activate():
            silent = Silent.start()
        cloud.head.lookup("store").tell(Apply(changes=(Change(tag=0, records=((raw, record),)),), reply_to=silent))
        sim.run(1.0)
        # When
        cloud.crash_head()
        cloud.start_head()
        sim.run(1.0)
        # Then
        placement = cloud.actor("scheduler").placement
        assert list(placement._alone) == [raw]
        assert not placement._fresh


def test_requests_beyond_a_limit_are_refused_while_the_records_load_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given a manager whose store has not answered yet
    monkeypatch.setattr(module, "WAITING_LIMIT", 3)
    # All of it is handled, however small the portions.
    monkeypatch.setattr(module, "CATCH_UP", 2)
    with Simulation(1) as sim:
        system = sim.system()
        with system.activate():
            silent = Silent.start()
            manager = JobManager.start(silent, silent, grace=1.0)
        # When it is asked too much, and told things meanwhile
        asks: list[Future[Any]] = [manager.ask(GetInfo(), block=False) for _ in range(5)]
        for _ in range(5):
            manager.tell(Detached("n1", silent))
        sim.run(0.1)
        # Then what is too much is refused, in a way that clients ask again
        assert [ask.is_done() for ask in asks] == [False] * 3 + [True] * 2
        with pytest.raises(ActorDeadError, match="ask again"):
            asks[4].get()
        # And what was told is there when the store has answered
        actor: Any = manager._actor_weakref()
        assert sum(isinstance(message, Detached) for message, _ in actor._waiting) == 5
        manager.tell(Page(actor.loading, (), False, 0))
        sim.run(0.1)
        assert all(isinstance(ask.get(), Info) for ask in asks[:3])
