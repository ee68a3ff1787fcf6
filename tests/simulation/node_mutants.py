"""Clouds whose nodes break a rule, each by one small change; see `mutants`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from actorcloud.base.ports import Exited
from actorcloud.jobs import transition
from actorcloud.jobs.attachment import Attachment
from actorcloud.jobs.manager import JobManager
from actorcloud.node.crew import Crew
from actorcloud.node.port import WorkerPort
from actorcloud.testing.worker import SimWorker
from tests.simulation.mutants import replaced

# -- blame and un-run: rules 5 and 13 -------------------------------------------------------------


@contextmanager
def blames_before_the_socket_is_empty() -> Iterator[None]:
    def kill(self: SimWorker) -> None:
        if not self.is_dead:
            self.is_dead = True
            self._sink(Exited("signal 9 (SIGKILL)"))
            self._sink = lambda _: None
            self._sim.crash(self.system)

    with patch.object(SimWorker, "kill", kill):
        yield


@contextmanager
def blames_what_it_killed_itself() -> Iterator[None]:
    def make(original: Any) -> Any:
        def ending(self: Any, status: str) -> Any:
            self._killed.clear()
            return original(self, status)

        return ending

    with replaced(WorkerPort, "_ending", make):
        yield


@contextmanager
def blames_the_next_job_for_a_spent_worker() -> Iterator[None]:
    def make(original: Any) -> Any:
        def ending(self: Any, status: str) -> Any:
            self._is_spent = False
            return original(self, status)

        return ending

    with replaced(WorkerPort, "_ending", make), patch.object(Crew, "spend", lambda *_: None):
        yield


@contextmanager
def counts_lost_nodes_as_crashes() -> Iterator[None]:
    with patch.object(transition, "LOST_LIMIT", 0):
        yield


@contextmanager
def counts_lost_heads_as_nodes() -> Iterator[None]:
    def make(original: Any) -> Any:
        def end(record: Any, kind: str, now: float, *, head_lost: bool = False) -> Any:
            return original(record, kind, now)

        return end

    with replaced(transition, "end", make):
        yield


@contextmanager
def counts_nodes_that_left_as_lost() -> Iterator[None]:
    def make(original: Any) -> Any:
        def detached(self: Any, message: Any) -> None:
            original(self, msgspec.structs.replace(message, is_meant=False))

        return detached

    with replaced(Attachment, "detached", make):
        yield


@contextmanager
def gives_back_what_may_have_begun() -> Iterator[None]:
    """The port takes back what waits at its worker without asking it."""

    def make(original: Any) -> Any:
        def impatient(self: Any, message: Any) -> None:
            waiting = tuple(self._assigned)[1:]
            original(self, message)
            self._return(waiting)

        return impatient

    with replaced(WorkerPort, "_impatient", make):
        yield


# -- the inventory: rule 14 -----------------------------------------------------------------------


@contextmanager
def believes_no_inventory() -> Iterator[None]:
    """Whatever the records give a node, it is taken to hold."""

    def make(original: Any) -> Any:
        def attached(self: Any, message: Any) -> None:
            expected = self._desk.ledger.on_node(message.node)
            held = tuple((ref, record.run) for ref, record in expected.items())
            inventory = msgspec.structs.replace(message.inventory, held=held)
            original(self, msgspec.structs.replace(message, inventory=inventory))

        return attached

    with replaced(Attachment, "attached", make):
        yield


@contextmanager
def leaves_surplus_alone() -> Iterator[None]:
    def make(original: Any) -> Any:
        def attached(self: Any, message: Any) -> None:
            with patch.object(self._desk, "kill", lambda node, runs: None):
                original(self, message)

        return attached

    with replaced(Attachment, "attached", make):
        yield


@contextmanager
def gives_no_grace() -> Iterator[None]:
    def make(original: Any) -> Any:
        def init(self: Any, store: Any, scheduler: Any, *, grace: float) -> None:
            original(self, store, scheduler, grace=0.0)

        return init

    with replaced(JobManager, "__init__", make):
        yield


@contextmanager
def never_ends_the_grace() -> Iterator[None]:
    with patch.object(Attachment, "grace_ended", lambda self: None):
        yield
