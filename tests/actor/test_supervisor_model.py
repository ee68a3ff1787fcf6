"""A supervisor in the simulation against a model of one page: whatever is done to it, in whatever order."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from actorcloud.actor import (
    ActorRef,
    AlreadyPresent,
    AlreadyStarted,
    ChildRunning,
    ChildSpec,
    Supervisor,
    SupervisorRef,
)
from actorcloud.actor.child import RESTARTS
from actorcloud.actor.supervision.strategy import STRATEGIES
from actorcloud.base.errors import ActorError, NoSuchChild, StartError
from actorcloud.base.exits import ExitReason
from actorcloud.testing import Simulation
from tests.actor.cast import PATIENCE, Boom, Probe

IDS = st.sampled_from("abcde")

#: Virtual seconds in which restarts count; much more than all steps of a run together.
PERIOD = 1_000.0


class Model:
    """What a supervisor is to be like; each method says which error is to be raised."""

    def __init__(self, strategy: str, max_restarts: int) -> None:
        self.strategy = strategy
        self.max_restarts = max_restarts
        #: id -> restart type, in start order.
        self.children: dict[str, str] = {}
        self.running: set[str] = set()
        #: Starts that are to fail yet.
        self.failing: Counter[str] = Counter()
        #: Attempts to start, in order.
        self.starts: list[str] = []
        #: Restarts that count.
        self.recent = 0
        self.has_ended = False

    def start(self, id: str) -> bool:
        self.starts.append(id)
        if self.failing[id]:
            self.failing[id] -= 1
            return False
        self.running.add(id)
        return True

    def start_child(self, id: str, restart: str) -> type[ActorError] | None:
        if id in self.children:
            return AlreadyStarted if id in self.running else AlreadyPresent
        if not self.start(id):
            return StartError
        self.children[id] = restart
        return None

    def restart_child(self, id: str) -> type[ActorError] | None:
        wrong = self.not_idle(id)
        return wrong or (None if self.start(id) else StartError)

    def terminate_child(self, id: str) -> type[ActorError] | None:
        if id not in self.children:
            return NoSuchChild
        self.stop(id)
        return None

    def delete_child(self, id: str) -> type[ActorError] | None:
        wrong = self.not_idle(id)
        if wrong is None:
            del self.children[id]
        return wrong

    def end(self, id: str, *, normal: bool) -> None:
        restart = self.children[id]
        self.running.discard(id)
        if restart == "temporary":
            del self.children[id]
        elif restart == "permanent" or not normal:
            self.restart(id)

    def restart(self, id: str) -> None:
        self.recent += 1
        if self.recent > self.max_restarts:
            self.has_ended = True
            return
        order = list(self.children)
        begin = {"one_for_one": order.index(id), "rest_for_one": order.index(id), "one_for_all": 0}[self.strategy]
        end = order.index(id) + 1 if self.strategy == "one_for_one" else len(order)
        for casualty in order[begin:end]:
            self.stop(casualty)
        for casualty in [one for one in order[begin:end] if one in self.children]:
            if not self.start(casualty):
                self.restart(casualty)
                return

    def stop(self, id: str) -> None:
        self.running.discard(id)
        if self.children[id] == "temporary":
            del self.children[id]

    def not_idle(self, id: str) -> type[ActorError] | None:
        if id not in self.children:
            return NoSuchChild
        return ChildRunning if id in self.running else None


class Against(RuleBasedStateMachine):
    """Does the same to both, and compares them."""

    family: SupervisorRef

    @initialize(
        seed=st.integers(0, 2**32),
        strategy=st.sampled_from(STRATEGIES),
        max_restarts=st.integers(0, 4),
        ids=st.lists(IDS, unique=True),
    )
    def begin(self, seed: int, strategy: str, max_restarts: int, ids: list[str]) -> None:
        self.sim = Simulation(seed)
        self.sim.__enter__()
        self.found(strategy, max_restarts)
        for id in ids:
            self.start_child(id, "permanent")

    @precondition(lambda self: self.model.has_ended)
    @rule(strategy=st.sampled_from(STRATEGIES), max_restarts=st.integers(0, 4))
    def found(self, strategy: str, max_restarts: int) -> None:
        self.model = Model(strategy, max_restarts)
        self.starts: list[str] = []
        self.failing: Counter[str] = Counter()
        self.family = Supervisor.start([], strategy=strategy, max_restarts=max_restarts, max_seconds=PERIOD)
        self.over = self.family.monitor()

    def teardown(self) -> None:
        if hasattr(self, "sim"):
            self.sim.close()

    def spec(self, id: str, restart: str) -> ChildSpec:
        def start() -> ActorRef[Any]:
            self.starts.append(id)
            if self.failing[id]:
                self.failing[id] -= 1
                raise Boom(id)
            return Probe.start_link()

        return ChildSpec(id=id, start=start, restart=restart)

    @precondition(lambda self: not self.model.has_ended)
    @rule(id=IDS, restart=st.sampled_from(RESTARTS))
    def start_child(self, id: str, restart: str) -> None:
        self.same(self.model.start_child(id, restart), self.family.start_child, self.spec(id, restart))

    @precondition(lambda self: not self.model.has_ended)
    @rule(id=IDS, verb=st.sampled_from(["terminate_child", "restart_child", "delete_child"]))
    def ask(self, id: str, verb: str) -> None:
        self.same(getattr(self.model, verb)(id), getattr(self.family, verb), id)

    @precondition(lambda self: not self.model.has_ended)
    @rule(id=IDS, times=st.integers(1, 3))
    def sabotage(self, id: str, times: int) -> None:
        self.model.failing[id] = self.failing[id] = times

    @precondition(lambda self: not self.model.has_ended and self.model.running)
    @rule(data=st.data(), reason=st.sampled_from([ExitReason.NORMAL, ExitReason.SHUTDOWN, ExitReason.KILLED, "boom"]))
    def end(self, data: st.DataObject, reason: object) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.running)))
        self.model.end(id, normal=reason in {ExitReason.NORMAL, ExitReason.SHUTDOWN})
        self.family.child(id).stop(reason=reason, block=False)
        self.settle()

    @precondition(lambda self: not self.model.has_ended)
    @rule()
    def wait(self) -> None:
        self.sim.run(2 * PERIOD)
        self.model.recent = 0

    def same(self, wrong: type[ActorError] | None, call: Any, argument: object) -> None:
        if wrong is None:
            call(argument)
        else:
            with pytest.raises(wrong):
                call(argument)

    def settle(self) -> None:
        # What is left to happen takes steps, and no time of the supervisor's own.
        self.sim.run(1.0)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.starts == self.model.starts
        if self.model.has_ended:
            assert self.over.get(PATIENCE).reason is ExitReason.SHUTDOWN
            assert self.sim.system().actors() == []
            return
        found = list(reversed(self.family.which_children()))
        assert [info.id for info in found] == list(self.model.children)
        assert {info.id for info in found if info.ref is not None and info.ref.is_alive()} == self.model.running
        assert not any(info.is_restarting for info in found)
        assert self.family.count_children().active == len(self.model.running)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")


TestAgainst = pytest.mark.slow(Against.TestCase)
TestAgainst.settings = hypothesis.settings(stateful_step_count=25)
