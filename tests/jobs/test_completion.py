"""Ends that cross each other: each is answered, and what counts is what the store has accepted."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from actorcloud.base.clock import ManualClock
from actorcloud.base.errors import ConditionFailed
from actorcloud.base.states import JobError
from actorcloud.jobs.commits import NO_SPACE_PAUSE, Commits, StageAgain
from actorcloud.jobs.completion import Completion
from actorcloud.jobs.desk import Desk
from actorcloud.protocol.job import Finished, FinishJob
from actorcloud.protocol.node import DoneItem
from actorcloud.protocol.node import Stored as EndStored
from actorcloud.protocol.record import JobRecord, Outcome
from actorcloud.store import Applied, Apply, Change, Get, Got, Refused, keys

REF, RUN = b"r" * 16, b"u" * 16
RUNNING = JobRecord("running", b"f" * 16, 0.0, run=RUN, node="n1", attempt=1)
DONE = DoneItem(REF, RUN, "done", Outcome("done", b"value"))
CRASHED = DoneItem(REF, RUN, "crashed", Outcome("suspended"))


class Mail:
    """A ref that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def tell(self, message: Any) -> None:
        self.told.append(message)

    def of(self, kind: type) -> list[Any]:
        return [message for message in self.told if isinstance(message, kind)]


class Room:
    """Completion on a desk, between a store and a node that are played by the test."""

    def __init__(self) -> None:
        self.store, self.scheduler, self.node = Mail(), Mail(), Mail()
        self.later: list[tuple[float, object]] = []
        me: Any = None
        store: Any = self.store
        self.commits = Commits(store, me, lambda seconds, message: self.later.append((seconds, message)))
        self.desk = Desk(self.commits, self.scheduler, ManualClock(), 1)  # type: ignore[arg-type]  # a fake
        self.desk.proxies["n1"] = self.node  # type: ignore[assignment]  # a fake
        self.desk.ledger.load([(REF, RUNNING)])
        self.completion = Completion(self.desk)

    def changes(self) -> list[Change]:
        self.desk.flush()
        return [change for apply in self.store.of(Apply) for change in apply.changes]

    def judge(self, change: Change, refused: Refused | None = None) -> None:
        """The store's verdict, and before it, its feed."""
        if refused is None:
            self.desk.ledger.feed(self.desk.ledger.number + 1, change.records)
        self.commits.applied(Applied(((change.tag, refused),)))

    def show(self, record: JobRecord) -> None:
        """Answer the last look-up."""
        get = self.store.of(Get)[-1]
        self.commits.got(Got(get.tag, (msgspec.msgpack.encode(record),), 1))
        self.desk.flush()


class Answer:
    def __init__(self) -> None:
        self.values: list[Any] = []

    def set(self, value: Any) -> None:
        self.values.append(value)

    def set_exception(self, error: BaseException) -> None:
        self.values.append(error)


@pytest.fixture
def room() -> Room:
    return Room()


def test_an_end_told_while_its_run_is_being_lost_is_answered(room: Room) -> None:
    # Given a run that is being given up, and whose node tells its end meanwhile
    room.completion.lost(REF, RUNNING)
    room.completion.ended("n1", [DONE])
    (change,) = room.changes()
    # When the loss is durable
    room.judge(change)
    room.show(change.records[0][1] or RUNNING)
    # Then the node hears that it may forget the end
    assert [answer.runs for answer in room.node.told] == [((REF, RUN),)]


def test_the_finish_of_a_run_that_was_lost_is_refused(room: Room) -> None:
    # Given a job whose run was lost, and that has not been given to another node
    room.completion.lost(REF, RUNNING)
    (change,) = room.changes()
    room.judge(change)
    # When that run finishes
    answer: Any = Answer()
    room.completion.finish(FinishJob((REF, RUN), Outcome("done"), (), ()), answer)
    room.show(change.records[0][1] or RUNNING)
    # Then it hears that it counts for nothing
    assert answer.values == [Finished(stored=False)]


def test_a_finish_whose_transaction_cannot_be_done_is_told_why(room: Room) -> None:
    # Given a job whose `on_done` has a condition that does not hold
    answer: Any = Answer()
    room.completion.finish(FinishJob((REF, RUN), Outcome("done"), (), ()), answer)
    (finish,) = room.changes()
    room.judge(finish, Refused("condition-failed", "the key is there"))
    # When it is still the job's current run
    room.show(RUNNING)
    # Then it hears the reason, and fails of it
    (error,) = answer.values
    assert isinstance(error, ConditionFailed)
    assert str(error) == "the key is there"


def test_a_crash_told_while_a_finish_is_judged_counts_if_the_finish_does_not(room: Room) -> None:
    # Given a job that has asked to be finished with a transaction, and whose worker dies then
    answer: Any = Answer()
    room.completion.finish(FinishJob((REF, RUN), Outcome("done"), (), ()), answer)
    room.completion.ended("n1", [CRASHED])
    (finish,) = room.changes()
    # When the finish does not count
    room.judge(finish, Refused("conflict", ""))
    # Then the crash does
    crash = room.changes()[-1]
    assert (crash.records[0][1] or RUNNING).state == "queued"
    room.judge(crash)
    room.desk.flush()
    assert room.node.of(EndStored) == [EndStored(((REF, RUN),))]


def test_a_job_that_is_suspended_says_how_its_process_died_at_last(room: Room) -> None:
    # Given a job whose process has died twice
    room.desk.ledger.load([(REF, replace(RUNNING, crashes=2))])
    # When
    how = JobError("JobSuspended", "signal 11 (SIGSEGV)", "")
    room.completion.ended("n1", [DoneItem(REF, RUN, "crashed", Outcome("suspended", error=how, output=b"bang"))])
    # Then
    (change,) = room.changes()
    outcome = msgspec.msgpack.decode(dict(change.puts)[keys.result(REF)], type=Outcome)
    assert str(outcome.error) == (
        "JobSuspended: the process that ran it died 3 times; the last time: signal 11 (SIGSEGV). "
        "Mend that, delete the job, and add it again"
    )
    assert outcome.output == b"bang"


def test_an_end_waits_for_room_on_the_disk(room: Room) -> None:
    # Given an end that found no space
    room.completion.ended("n1", [DONE])
    (change,) = room.changes()
    room.judge(change, Refused("no-space", "the disk is full"))
    room.desk.flush()
    assert not room.node.told
    # When it is tried again
    ((seconds, again),) = room.later
    assert seconds == NO_SPACE_PAUSE
    assert isinstance(again, StageAgain)
    room.commits.stage_again(again)
    room.judge(room.changes()[-1])
    room.desk.flush()
    # Then the node hears that it is stored
    assert room.node.of(EndStored) == [EndStored(((REF, RUN),))]


def test_of_two_staged_ends_the_outcome_of_the_fed_record_is_taken(room: Room) -> None:
    # Given two ends of one run, of which the store will accept the first
    first = msgspec.structs.replace(RUNNING, state="failed")
    last = msgspec.structs.replace(RUNNING, state="done")
    room.desk.expect_outcome(REF, first, Outcome("failed"))
    room.desk.expect_outcome(REF, last, Outcome("done"))
    # Then the outcome of the other one is not told
    assert room.desk.take_outcome(REF, first) is None


def test_a_refused_end_takes_no_other_ends_outcome_along(room: Room) -> None:
    first = msgspec.structs.replace(RUNNING, state="failed")
    last = msgspec.structs.replace(RUNNING, state="done")
    room.desk.expect_outcome(REF, first, Outcome("failed"))
    room.desk.expect_outcome(REF, last, Outcome("done"))
    room.desk.forget_outcome(REF, first)
    assert room.desk.take_outcome(REF, last) == Outcome("done")
