"""One worker's port: what it tells the agent of a worker's life and death. The worker is the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.actor import Actor, System
from actorcloud.base.ports import Exited, Said
from actorcloud.node.message import Assign, Ended, KillRun, Results, Retire
from actorcloud.node.port import WorkerPort
from actorcloud.node.printing import Printing
from actorcloud.protocol.message import Message
from actorcloud.protocol.node import DoneItem, RunItem
from actorcloud.protocol.record import Fence, Outcome
from actorcloud.protocol.worker import Finished, Output
from actorcloud.testing import Simulation

CODE = b"f" * 16


class FakeWorker:
    """A worker process that only notes what becomes of it."""

    def __init__(self) -> None:
        self.said: list[Message] = []
        self.is_killed = False

    def spawn(self, number: int, sink: Any) -> FakeWorker:
        return self

    def send(self, message: Message) -> None:
        self.said.append(message)

    def kill(self) -> None:
        self.is_killed = True

    def kill_all(self) -> None: ...
    def close(self) -> None: ...


class Agent(Actor):
    """Keeps what it is told."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard

    def on_receive(self, message: object) -> None:
        self.heard.append(message)


class Stage:
    """A port between an agent and a worker."""

    def __init__(self, sim: Simulation, system: System) -> None:
        self.sim = sim
        self.worker = FakeWorker()
        self.heard: list[Any] = []
        agent = Agent.start(self.heard)
        printing = Printing("n1", lambda _: None)
        self.port = WorkerPort.start(1, agent=agent, spawner=self.worker, printing=printing)
        self.system = system

    def tell(self, *messages: object) -> None:
        for message in messages:
            self.port.tell(message)
        self.sim.run(0.1)

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.heard if isinstance(message, kind)]


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Simulation(seed=1) as sim:
        system = sim.system()
        yield Stage(sim, system)


def run_of(number: int) -> Fence:
    return bytes([number]) * 16, b"r" * 16


def assign(*numbers: int) -> Assign:
    return Assign(tuple(RunItem(*run_of(number), CODE, b"", None, 1) for number in numbers), {CODE: b"code"})


def finished(number: int, *, reusable: bool = True) -> Said:
    return Said((Finished(DoneItem(*run_of(number), "done", Outcome("done")), reusable),))


def test_a_worker_that_dies_is_blamed_on_the_job_that_ran_and_the_rest_goes_back(stage: Stage) -> None:
    # When
    stage.tell(assign(1, 2, 3), finished(1), Exited("signal 11 (SIGSEGV)"))
    # Then
    (ended,) = stage.of(Ended)
    assert (ended.blamed.ref, ended.blamed.kind) == (run_of(2)[0], "crashed")
    assert ended.returned == (run_of(3),)
    assert ended.is_crash


def test_a_job_that_came_to_a_spent_worker_goes_back_and_is_not_blamed(stage: Stage) -> None:
    # Given a worker that is killed, since its job left a thread behind
    stage.tell(assign(1), finished(1, reusable=False))
    assert stage.worker.is_killed
    assert [results.is_spent for results in stage.of(Results)] == [True]
    # When other jobs were on their way to it
    stage.tell(assign(2, 3), KillRun(run_of(3)), Exited("signal 9 (SIGKILL)"))
    # Then
    (ended,) = stage.of(Ended)
    assert (ended.blamed, ended.is_crash) == (None, False)
    assert (ended.returned, ended.killed) == ((run_of(2),), ((run_of(3), b""),))


def test_what_a_run_printed_before_it_was_killed_is_told_with_its_end(stage: Stage) -> None:
    # When
    stage.tell(assign(1), Said((Output(run_of(1), b"so far\n"),)), KillRun(run_of(1)), Exited("signal 9 (SIGKILL)"))
    # Then
    (ended,) = stage.of(Ended)
    assert ended.killed == ((run_of(1), b"so far\n"),)


def test_a_job_that_came_to_a_retired_worker_goes_back_and_is_not_blamed(stage: Stage) -> None:
    # When
    stage.tell(Retire(), assign(7), Exited("signal 9 (SIGKILL)"))
    # Then
    (ended,) = stage.of(Ended)
    assert (ended.blamed, ended.is_crash, ended.returned) == (None, False, (run_of(7),))
