"""Mutants: each takes one line's worth of a rule away, to prove that the simulation would notice.

Each is a context manager; what it patches is as before when it ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from actorcloud.base.states import JobError
from actorcloud.cluster import Neighbours
from actorcloud.head.tree import Core
from actorcloud.jobs import completion
from actorcloud.jobs.admission import Admission
from actorcloud.jobs.attachment import Attachment
from actorcloud.jobs.commits import Commits
from actorcloud.jobs.completion import Completion
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.ledger import Ledger
from actorcloud.jobs.message import Detached
from actorcloud.jobs.query import Query
from actorcloud.jobs.removal import Removal
from actorcloud.jobs.waiters import Waiters
from actorcloud.node.agent import NodeAgent
from actorcloud.node.holding import Holding
from actorcloud.node.port import WorkerPort
from actorcloud.protocol.job import Finished
from actorcloud.protocol.node import DoneItem
from actorcloud.protocol.record import JobRecord, Outcome
from actorcloud.store import Fed, keys, sequencer
from actorcloud.store.actor import StoreActor
from actorcloud.store.caller.mutation import Transactions
from actorcloud.store.caller.transaction import running
from actorcloud.store.sequencer import Sequencer
from actorcloud.store.validation import commit as validation
from actorcloud.worker.link import OutageClock


@contextmanager
def replaced(owner: Any, name: str, make: Any) -> Iterator[None]:
    """Put `make(original)` in the place of `owner.name`."""
    with patch.object(owner, name, make(getattr(owner, name))):
        yield


# -- durable first: rule 6 ------------------------------------------------------------------------


@contextmanager
def answers_before_durable() -> Iterator[None]:
    def keep(self: Any, judged: Any, answer: Any) -> None:
        owner = self._gathering if self._gathering.layer else self._flying
        if owner is not None:
            owner.requests.append(judged)
            owner.count += owner is self._gathering
        judged.request.answer(answer)

    with patch.object(Sequencer, "_keep", keep):
        yield


@contextmanager
def feeds_before_durable() -> Iterator[None]:
    """What the manager is fed it acts upon: it dispatches, answers, tells states."""

    def make(original: Any) -> Any:
        def on_batch_end(self: Any) -> None:
            before = self._sequencer._flying
            original(self)
            flying = self._sequencer._flying
            if flying is not None and flying is not before and flying.jobs:
                jobs, flying.jobs = tuple(flying.jobs.items()), {}
                self._fed += 1
                self._listener.tell(Fed(self._fed, jobs, flying.last))

        return on_batch_end

    with replaced(StoreActor, "on_batch_end", make):
        yield


@contextmanager
def kills_before_durable() -> Iterator[None]:
    def make(original: Any) -> Any:
        def cancellation(self: Any, request: Any, record: JobRecord) -> Any:
            self._desk.waiters.settle(request.ref, None)
            return original(self, request, record)

        return cancellation

    with replaced(Removal, "_cancellation", make):
        yield


@contextmanager
def gives_runs_again() -> Iterator[None]:
    """Each head counts from the same start."""

    def make(original: Any) -> Any:
        def init(self: Any, commits: Any, scheduler: Any, clock: Any, incarnation: int) -> None:
            original(self, commits, scheduler, clock, 7)

        return init

    with replaced(Desk, "__init__", make):
        yield


# -- fences: rule 3 -------------------------------------------------------------------------------


@contextmanager
def checks_no_fence() -> Iterator[None]:
    with patch.object(validation, "_holds", lambda view, fence: True):
        yield


@contextmanager
def adds_without_fence() -> Iterator[None]:
    def make(original: Any) -> Any:
        def add(self: Any, request: Any, reply: Any) -> None:
            original(self, msgspec.structs.replace(request, fence=None), reply)

        return add

    with replaced(Admission, "add", make):
        yield


@contextmanager
def removes_without_fence() -> Iterator[None]:
    def make(original: Any) -> Any:
        def remove(self: Any, request: Any, reply: Any, **rest: Any) -> None:
            original(self, msgspec.structs.replace(request, fence=None), reply, **rest)

        return remove

    with replaced(Removal, "remove", make):
        yield


# -- exactly once: once=, on_done -----------------------------------------------------------------


@contextmanager
def remembers_once_in_another_commit() -> Iterator[None]:
    def make(original: Any) -> Any:
        def mutate(self: Any, fun: Any, once: str | None = None, timeout: float = 30.0, **_: Any) -> Any:
            key = self._once_key(once)
            if key is None or original(self, lambda: _read(key)).value is not None:
                return original(self, fun, once, timeout)
            done = original(self, fun, None, timeout)
            return original(self, lambda: done.value, once, timeout)

        return mutate

    with replaced(Transactions, "mutate", make):
        yield


def _read(key: bytes) -> bytes | None:
    transaction = running.get()
    assert transaction is not None
    return transaction.read(key)


@contextmanager
def finishes_without_what_was_staged() -> Iterator[None]:
    def make(original: Any) -> Any:
        def finish(self: Any, request: Any, reply: Any) -> None:
            original(self, msgspec.structs.replace(request, reads=(), writes=()), reply)

        return finish

    with replaced(Completion, "finish", make):
        yield


@contextmanager
def loses_the_run_at_a_conflict() -> Iterator[None]:
    def make(original: Any) -> Any:
        def finish(self: Any, request: Any, reply: Any) -> None:
            class Hasty:
                def set(self, value: Any) -> None:
                    reply.set(value if isinstance(value, Finished) else Finished(stored=False))

            original(self, request, Hasty())

        return finish

    with replaced(Completion, "finish", make):
        yield


@contextmanager
def refuses_the_finish_of_the_recorded_run() -> Iterator[None]:
    with patch.object(completion, "_is_finish_of", lambda record, run, state=None: False):
        yield


@contextmanager
def forgets_commit_ids() -> Iterator[None]:
    def make(original: Any) -> Any:
        def validate(view: Any, *rest: Any) -> Any:
            class Forgetful:
                def value(self, key: bytes) -> Any:
                    return None if key[:1] == keys.COMMIT_ID else view.value(key)

                def __getattr__(self, name: str) -> Any:
                    return getattr(view, name)

            return original(Forgetful(), *rest)

        return validate

    with replaced(sequencer, "validate_commit", make):
        yield


# -- answers: rule 8 ------------------------------------------------------------------------------


@contextmanager
def forgets_done_at_send() -> Iterator[None]:
    def make(original: Any) -> Any:
        def tell_head(self: Any) -> None:
            runs = [(item.ref, item.run) for item in self._done]
            original(self)
            if self._head is not None:
                self.holding.answered(runs)

        return tell_head

    with replaced(NodeAgent, "_tell_head", make):
        yield


@contextmanager
def leaves_late_ends_unanswered() -> Iterator[None]:
    with patch.object(Completion, "_look_up", lambda self, node, ref, run: None):
        yield


@contextmanager
def gives_up_on_a_full_disk() -> Iterator[None]:
    def make(original: Any) -> Any:
        def stage(self: Any, change: Any, then: Any, *, insist: bool = False) -> None:
            original(self, change, then)

        return stage

    with replaced(Commits, "stage", make):
        yield


# -- one recovery path: rule 2 --------------------------------------------------------------------


@contextmanager
def restarts_alone() -> Iterator[None]:
    """Whoever ends in the core, the others keep what they remember."""
    with patch.object(Core, "strategy", "one_for_one"):
        yield


@contextmanager
def keeps_the_link_of_a_dead_proxy() -> Iterator[None]:
    with patch.object(Neighbours, "reset", lambda self, peer: None):
        yield


@contextmanager
def loses_the_jobs_of_a_dead_proxy() -> Iterator[None]:
    with patch.object(Attachment, "parted", lambda self, message: self.detached(Detached(message.node, message.proxy))):
        yield


@contextmanager
def outlives_its_ports() -> Iterator[None]:
    with patch.object(WorkerPort, "restart", "temporary"):
        yield


# -- the feed: rule 9 -----------------------------------------------------------------------------


@contextmanager
def loses_a_feed() -> Iterator[None]:
    """No mutant: a fault which the manager must notice. One feed is lost."""
    lost: list[Any] = []

    def make(original: Any) -> Any:
        def land(self: Any, written: Any) -> None:
            listener = self._listener

            class Lossy:
                def tell(self, message: Any) -> Any:
                    if message.number == 3 and not lost:
                        lost.append(message)
                        return None
                    return listener.tell(message)

            self._listener = Lossy()
            try:
                original(self, written)
            finally:
                self._listener = listener

        return land

    with replaced(StoreActor, "_land", make):
        yield


@contextmanager
def ignores_a_gap_in_the_feed() -> Iterator[None]:
    def make(original: Any) -> Any:
        def feed(self: Any, number: int, changes: Any) -> Any:
            self.number = number - 1
            return original(self, number, changes)

        return feed

    with loses_a_feed(), replaced(Ledger, "feed", make):
        yield


@contextmanager
def feeds_no_jobs_of_transactions() -> Iterator[None]:
    def make(original: Any) -> Any:
        def accept(*given: Any) -> Any:
            return msgspec.structs.replace(original(*given), records=())

        return accept

    with replaced(validation, "_accept_commit", make):
        yield


# -- the rest -------------------------------------------------------------------------------------


@contextmanager
def leaves_no_tombstone() -> Iterator[None]:
    def make(original: Any) -> Any:
        def deletion(self: Any, request: Any, record: Any) -> Any:
            change = original(self, request, record)
            puts = tuple(put for put in change.puts if put[0][:1] != keys.TOMBSTONE)
            return msgspec.structs.replace(change, puts=puts)

        return deletion

    with replaced(Removal, "_deletion", make):
        yield


@contextmanager
def waits_for_the_edge() -> Iterator[None]:
    """What had ended before it was asked for is not told."""
    with patch.object(Query, "settle", lambda self, refs: None):
        yield


@contextmanager
def tells_no_waiter_of_a_deletion() -> Iterator[None]:
    def make(original: Any) -> Any:
        def settle(self: Any, ref: bytes, outcome: Any) -> None:
            if outcome is not None:
                original(self, ref, outcome)

        return settle

    with replaced(Waiters, "settle", make):
        yield


@contextmanager
def counts_time_without_a_head() -> Iterator[None]:
    with patch.object(OutageClock, "stop", lambda self: None):
        yield


@contextmanager
def gives_up_in_silence() -> Iterator[None]:
    def give_up(self: Any) -> list[Any]:
        self.waiting.clear()
        self.at_worker.clear()
        return []

    with patch.object(Holding, "give_up", give_up):
        yield


@contextmanager
def fails_what_it_gives_up() -> Iterator[None]:
    """After `orphan_time` a node calls its jobs failed."""

    def make(original: Any) -> Any:
        def give_up(self: Any) -> None:
            error = JobError("Orphaned", "the head was away", "")
            for ref, run in list(self.holding.at_worker):
                self._end(DoneItem(ref, run, "failed", Outcome("failed", error=error)))
            original(self)

        return give_up

    with replaced(NodeAgent, "_give_up", make):
        yield


@contextmanager
def mixes_up_outcomes() -> Iterator[None]:
    """Of several ends that were staged, the last one is told."""

    def take(self: Any, ref: bytes, record: JobRecord | None) -> Any:
        staged = self._outcomes.pop(ref, None)
        return staged[1] if staged is not None else None

    with patch.object(Desk, "take_outcome", take):
        yield


@contextmanager
def stale_mutant() -> Iterator[None]:
    """No mutant: it takes arguments that the code does not give any more."""
    with patch.object(Admission, "add", lambda self: None):
        yield
