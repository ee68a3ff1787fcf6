"""Cancelling and deleting jobs: first durable, then the kill, then the answer.

The record decides; a run that goes on beyond it is fenced. The asker is answered when the node has
said that the process group is dead, or after `KILL_TIMEOUT`: then the node is away, and whatever
its process still does is refused by the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from actorcloud.base.errors import JobCancelled, NoSuchJob, TransactionError, from_code
from actorcloud.base.ids import JobRef
from actorcloud.base.states import JobError
from actorcloud.jobs import transition
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.reply import Reply
from actorcloud.protocol.job import Answer, CancelJob, DeleteJob
from actorcloud.protocol.record import FINAL, Fence, JobRecord, Outcome
from actorcloud.store import Change, Expect, Refused, keys, pack_time

#: Seconds to wait for a node's word that a killed run is dead.
KILL_TIMEOUT = 5.0

#: Times that a change which lost a race is tried again.
TRIES = 5

_record = msgspec.msgpack.Decoder(JobRecord)


class KillExpired(msgspec.Struct, frozen=True):
    """To the manager itself: stop waiting for the end of this run."""

    run: Fence


class Removal:
    """Ends jobs on demand. One of the parts of the manager.

    Args:
        desk: the manager's state.
        send_later: (delay in seconds, message) -> None, to the manager itself.
    """

    def __init__(self, desk: Desk, send_later: Callable[[float, object], object]) -> None:
        self._desk = desk
        self._send_later = send_later
        self._dying: dict[Fence, list[Reply]] = {}

    def remove(self, request: CancelJob | DeleteJob, reply: Reply, *, tries: int = TRIES) -> None:
        """Cancel or delete a job; `reply` gets whether there was something to do."""

        def go(record: JobRecord) -> None:
            if isinstance(request, DeleteJob):
                change = self._deletion(request, record)
            elif record.state not in FINAL:
                change = self._cancellation(request, record)
            else:
                reply.set(Answer(changed=False))
                return
            # Even on a full disk: what is deleted makes room.
            self._desk.commits.stage(change, lambda refused: then(record, change, refused), insist=True)

        def then(record: JobRecord, change: Change, refused: Refused | None) -> None:
            if refused is None:
                self._kill(request.ref, record, reply)
                return
            for ref, after in change.records:
                if after is not None:
                    self._desk.forget_outcome(ref, after)
            if refused.code == "fenced" and request.fence is not None:
                reply.set_exception(from_code(refused.code, refused.text))
            elif tries > 1:
                self.remove(request, reply, tries=tries - 1)
            else:
                text = f"job {JobRef(request.ref)} changed its state {TRIES} times meanwhile; try again"
                reply.set_exception(TransactionError(text))

        self._with_record(request.ref, reply, go)

    def _cancellation(self, request: CancelJob, record: JobRecord) -> Change:
        outcome = _cancelled()
        after = transition.cancel(record, self._desk.now())
        self._desk.expect_outcome(request.ref, after, outcome)
        return Change(
            tag=self._desk.commits.tag(),
            expect=_expect(request.ref, record, request.fence),
            records=((request.ref, after),),
            puts=((keys.result(request.ref), msgspec.msgpack.encode(outcome)),),
        )

    def _deletion(self, request: DeleteJob, record: JobRecord) -> Change:
        ref, now = request.ref, pack_time(self._desk.now())
        deletes = [keys.arguments(ref), keys.result(ref), keys.usage(keys.job_space(ref))]
        if record.key is not None:
            deletes.append(keys.job_key(record.key))
        return Change(
            tag=self._desk.commits.tag(),
            expect=_expect(ref, record, request.fence),
            records=((ref, None),),
            puts=((keys.garbage(ref), b""), (keys.tombstone(ref), now)),
            deletes=tuple(deletes),
        )

    def dead(self, runs: Iterable[Fence], output: bytes = b"") -> None:
        """Killed runs are dead, or nobody will tell any more: answer who waits.

        Args:
            runs: which.
            output: the tail of what the only one of them printed; it is kept if its job was cancelled.
        """
        for run in runs:
            replies = self._dying.pop(run, ())

            def answer(_refused: Refused | None, replies: Sequence[Reply] = replies) -> None:
                for reply in replies:
                    reply.set(Answer(changed=True))

            if output and replies:
                self._desk.commits.stage(self._output(run, output), answer)
            else:
                answer(None)

    def _output(self, run: Fence, output: bytes) -> Change:
        # Of a run that waited for its end here, a failed job is a cancelled one; a deleted job is none.
        return Change(
            tag=self._desk.commits.tag(),
            expect=(Expect(run[0], "failed", run[1]),),
            puts=((keys.result(run[0]), msgspec.msgpack.encode(_cancelled(output))),),
        )

    def _with_record(self, ref: bytes, reply: Reply, go: Callable[[JobRecord], None]) -> None:
        live = self._desk.ledger.live.get(ref)
        if live is not None:
            go(live)
            return

        def found(values: Sequence[bytes | None]) -> None:
            if values[0] is None:
                reply.set_exception(NoSuchJob(f"there is no job {JobRef(ref)}: it was deleted, or never added here"))
            else:
                go(_record.decode(values[0]))

        self._desk.commits.read([keys.record(ref)], found)

    def _kill(self, ref: bytes, record: JobRecord, reply: Reply) -> None:
        self._desk.arguments.take(ref)
        if record.state != "running" or record.node not in self._desk.proxies:
            reply.set(Answer(changed=True))
            return
        run = (ref, record.run)
        self._dying.setdefault(run, []).append(reply)
        self._desk.kill(record.node, (run,))
        self._send_later(KILL_TIMEOUT, KillExpired(run))


def _cancelled(output: bytes = b"") -> Outcome:
    error = JobError("JobCancelled", str(JobCancelled()), "")
    return Outcome("failed", error=error, code=JobCancelled.code, output=output)


def _expect(ref: bytes, record: JobRecord, fence: Fence | None) -> tuple[Expect, ...]:
    expect = (Expect(ref, record.state, record.run),)
    return (*expect, Expect(fence[0], "running", fence[1])) if fence is not None else expect
