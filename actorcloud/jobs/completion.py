"""Runs that end: from the node's word to the durable record, and back.

A node keeps an end until it hears Stored or Refused; each end it tells gets one of the two. The
store decides: the change is guarded by (running, run). When it is refused the record is read: the
same run's finish recorded already is Stored (a lost answer), anything else Refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from actorcloud.base.errors import from_code
from actorcloud.base.states import JobError
from actorcloud.jobs import transition
from actorcloud.jobs.commits import Part, Then
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.message import Withdraw
from actorcloud.jobs.reply import Reply
from actorcloud.protocol.job import Finished, FinishJob
from actorcloud.protocol.node import DoneItem
from actorcloud.protocol.record import FINAL, Fence, JobRecord, Outcome, StateName
from actorcloud.protocol.transaction import Conflict
from actorcloud.store import Change, Expect, Refused, keys

_record = msgspec.msgpack.Decoder(JobRecord)
_encoder = msgspec.msgpack.Encoder()


class Completion:
    """Ends runs. One of the parts of the manager."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        #: Ends that are staged, and what nodes have told of the same run since.
        self._ending: dict[Fence, list[tuple[str, DoneItem]]] = {}

    def ended(self, node: str, items: Iterable[DoneItem]) -> None:
        """Commit the ends that a node told."""
        # The credit is free as soon as the node says so; the next job's commit may share the batch.
        items = tuple(items)
        current = [item for item in items if self._is_current(item.ref, item.run)]
        if current:
            self._desk.scheduler.tell(Withdraw(tuple(item.ref for item in current)))
        parts = []
        for item in items:
            if (item.ref, item.run) in self._ending:
                # Perhaps staged as lost, or as finished by the job itself: it counts if that does not.
                self._ending[item.ref, item.run].append((node, item))
                continue
            record = self._desk.ledger.live.get(item.ref)
            if record is not None and self._is_current(item.ref, item.run):
                parts.append(self._part_of(node, item, record))
            else:
                self._look_up(node, item.ref, item.run)
        self._desk.commits.stage_all(parts)

    def lost(self, ref: bytes, record: JobRecord, *, head_lost: bool = False, has_left: bool = False) -> StateName:
        """End a run whose node is gone, or does not hold it any more.

        Args:
            ref: of the job.
            record: of the job, running.
            head_lost: as in `transition.end`.
            has_left: its node was told to end, or was removed.

        Returns:
            The state that the job will have.
        """
        after = transition.end(record, "left" if has_left else "lost", self._desk.now(), head_lost=head_lost)
        outcome = _suspension(after) if after.state == "suspended" else None
        part = self._part(ref, record, after, outcome, lambda _refused: None)
        self._desk.commits.stage_all((part,))
        return after.state

    def finish(self, request: FinishJob, reply: Reply) -> None:
        """Commit an end together with the job's `on_done` writes; `reply` gets the store's verdict."""
        ref, run = request.fence
        record = self._desk.ledger.live.get(ref)
        if record is None or not self._is_current(ref, run):
            self._answer_from_record(ref, run, reply)
            return

        def then(refused: Refused | None) -> None:
            if refused is None:
                reply.set(Finished(stored=True))
            elif refused.code == "conflict":
                reply.set(Conflict(snapshot=(b"", 0)))
            else:
                self._answer_from_record(ref, run, reply, refused)

        after = transition.end(record, "done", self._desk.now())
        part = self._part(ref, record, after, request.outcome, then)
        change = Change(
            tag=self._desk.commits.tag(),
            expect=(part.expect,),
            records=((ref, after),),
            puts=part.puts,
            reads=request.reads,
            writes=request.writes,
            ranges=request.ranges,
            atomics=request.atomics,
        )
        self._desk.commits.stage(change, part.then, insist=True)

    def _is_current(self, ref: bytes, run: bytes) -> bool:
        record = self._desk.ledger.live.get(ref)
        return record is not None and record.state == "running" and record.run == run

    def _part_of(self, node: str, item: DoneItem, record: JobRecord) -> Part:
        after = transition.end(record, item.kind, self._desk.now())
        outcome = item.outcome if after.state in FINAL else None
        if after.state == "suspended":
            outcome = _suspension(after, item.outcome)

        def then(refused: Refused | None) -> None:
            if refused is None:
                self._desk.stored(node, (item.ref, item.run))
            else:
                self._look_up(node, item.ref, item.run)

        return self._part(item.ref, record, after, outcome, then)

    def _part(self, ref: bytes, before: JobRecord, after: JobRecord, outcome: Outcome | None, then: Then) -> Part:
        desk, end = self._desk, (ref, before.run)
        puts: tuple[tuple[bytes, bytes], ...] = ()
        if outcome is not None:
            puts = ((keys.result(ref), _encoder.encode(outcome)),)
            desk.expect_outcome(ref, after, outcome)
        self._ending.setdefault(end, [])

        def answered(refused: Refused | None) -> None:
            late = self._ending.pop(end, ())
            if refused is not None:
                desk.forget_outcome(ref, after)
            then(refused)
            for node, item in late:
                self.ended(node, (item,))

        return Part(Expect(ref, "running", before.run), ref, after, answered, puts)

    def _look_up(self, node: str, ref: bytes, run: bytes) -> None:
        def found(values: Sequence[bytes | None]) -> None:
            if _is_finish_of(values[0], run):
                self._desk.stored(node, (ref, run))
            else:
                self._desk.refused(node, (ref, run))

        self._desk.commits.read([keys.record(ref)], found)

    def _answer_from_record(self, ref: bytes, run: bytes, reply: Reply, refused: Refused | None = None) -> None:
        def found(values: Sequence[bytes | None]) -> None:
            record = _record.decode(values[0]) if values[0] is not None else None
            if refused is not None and record is not None and (record.state, record.run) == ("running", run):
                # Nobody has taken over: what the transaction wants cannot be done.
                reply.set_exception(from_code(refused.code, refused.text))
            else:
                reply.set(Finished(_is_finish_of(values[0], run, "done")))

        self._desk.commits.read([keys.record(ref)], found)


def _is_finish_of(record: bytes | None, run: bytes, state: str | None = None) -> bool:
    """Tell whether a stored record is what the end of `run` left behind, in `state` if one is given."""
    found = _record.decode(record) if record is not None else None
    # A lost run left its job queued: its own finish came too late.
    return found is not None and found.run == run and found.state != "running" and state in {None, found.state}


def _suspension(after: JobRecord, last: Outcome | None = None) -> Outcome:
    """Return the outcome of a job whose process died too often.

    Args:
        after: the job, suspended.
        last: what the node told of the last death; None: it was the node's own.
    """
    what = "the process that ran it" if after.lost <= transition.LOST_LIMIT else "the process that ran it, or its node,"
    how = f"; the last time: {last.error.message}" if last is not None and last.error is not None else ""
    text = f"{what} died {after.crashes} times{how}. Mend that, delete the job, and add it again"
    output = last.output if last is not None else b""
    return Outcome("suspended", error=JobError("JobSuspended", text, ""), code="job-suspended", output=output)
