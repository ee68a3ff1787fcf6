"""The job manager: every transition of every job is one store commit that it stages.

::

    client --AddJobs--> admission --Place--> scheduler --Placed--> admission --Change--> store
    store --Fed--> ledger --running--> dispatch --Run--> proxy ==> node
    node ==> proxy --Ended--> completion --Change--> store --Fed--> waiters --Outcomes--> client

Owns the ledger (fed by the store, design 6.1 rule 9), the open asks and the numbers of runs. After
its death the whole core restarts and all of it is read anew, or asked again (rule 2).

It never blocks and never looks into users' bytes. Its parts are plain classes on one desk; a
message goes to the part that its type names in `_routes`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorDeadError, ActorRef, NoReply
from actorcloud.base.errors import ActorCloudError, WireError
from actorcloud.base.ids import new_incarnation
from actorcloud.base.ports import Abandoned
from actorcloud.base.telemetry import telemetry
from actorcloud.jobs import border
from actorcloud.jobs.admission import Admission
from actorcloud.jobs.attachment import Attachment
from actorcloud.jobs.commits import Commits, StageAgain
from actorcloud.jobs.completion import Completion
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.dispatch import Dispatch
from actorcloud.jobs.ledger import Step
from actorcloud.jobs.loading import Loading
from actorcloud.jobs.message import Attached, Dead, Detached, Ended, Parted, Paused, Placed, Unrun, Withdraw
from actorcloud.jobs.query import Query
from actorcloud.jobs.removal import KillExpired, Removal
from actorcloud.jobs.reply import Reply
from actorcloud.protocol.job import AddJobs, Await, CancelJob, DeleteJob, FinishJob, GetInfo, GetJob, ListJobs
from actorcloud.protocol.record import SETTLED, JobRecord
from actorcloud.store import Applied, Fed, Got, Page

#: Requests kept while the records are read; more are refused, and clients send them again.
WAITING_LIMIT = 100_000

#: Of these, handled in one go.
CATCH_UP = 200


class _CatchUp(msgspec.Struct, frozen=True):
    """To itself: go on with what came while the records were read."""


class _GraceEnded(msgspec.Struct, frozen=True):
    """The nodes of the head before this one had time enough to come back."""


class JobManager(Actor):
    """Registered as "jobs" on the head.

    Args:
        store: the store actor, which feeds this actor.
        scheduler: decides which job goes to which node.
        grace: seconds that nodes of an earlier head may take to come back.
    """

    hides_values = True

    #: Who waits for a job may leave before it ends.
    gets_abandoned = True

    def __init__(self, store: ActorRef[Any], scheduler: ActorRef[Any], *, grace: float) -> None:
        me = self.actor_ref
        commits = Commits(store, me, self.send_after)
        self.desk = desk = Desk(commits, scheduler, self.system.clock, new_incarnation(self.system.random.randbytes))
        self.admission = Admission(desk)
        self.dispatch = Dispatch(desk)
        self.completion = Completion(desk)
        self.removal = Removal(desk, self.send_after)
        self.attachment = Attachment(desk, self.completion, self.removal)
        self.query = Query(desk)
        self.loading = Loading(commits, desk.ledger)
        self._grace = grace
        self._started_at = self.system.clock.monotonic()
        self._waiting: deque[tuple[object, Any]] = deque()
        self._leaving: list[bytes] = []
        self._routes = self._make_routes()

    def on_start(self) -> None:
        """Read the records."""
        self.loading.begin()

    def on_receive(self, message: object) -> object:
        """Hand `message` to its part; requests wait until the records are read."""
        reply = Reply(self, self.sender) if self.sender is not None else None
        if isinstance(message, _CatchUp):
            self._catch_up()
        elif (self.loading.is_done and not self._waiting) or isinstance(message, Fed | Page):
            self._handle(message, reply)
        elif reply is None or len(self._waiting) < WAITING_LIMIT:
            # What the core and the nodes say is never refused: they do not say it again.
            self._waiting.append((message, reply))
        else:
            reply.set_exception(ActorDeadError("the head is still reading its store; ask again"))
        return NoReply

    def on_batch_end(self) -> None:
        """Send what the turn has gathered, one message each way."""
        if self._leaving:
            leaving, self._leaving = tuple(self._leaving), []
            self.desk.scheduler.tell(Withdraw(leaving))
        self.dispatch.flush()
        self.desk.flush()

    # -- routes -----------------------------------------------------------------------------------

    def _make_routes(self) -> dict[type, Callable[[Any, Any], object]]:
        commits, removal, attachment = self.desk.commits, self.removal, self.attachment
        return {
            Fed: lambda message, _: self._fed(message),
            Applied: lambda message, _: commits.applied(message),
            StageAgain: lambda message, _: commits.stage_again(message),
            Got: lambda message, _: commits.got(message),
            Page: lambda message, _: self._page(message),
            Placed: lambda message, _: self._placed(message),
            Ended: lambda message, _: self.completion.ended(message.node, message.items),
            AddJobs: self.admission.add,
            Await: lambda message, reply: self.query.wait(message, reply, self.admission.adding),
            GetJob: self.query.detail,
            ListJobs: self.query.list_jobs,
            GetInfo: lambda _, reply: reply.set(self.query.info(attachment.lines(), self._uptime())),
            FinishJob: self.completion.finish,
            CancelJob: removal.remove,
            DeleteJob: removal.remove,
            Dead: lambda message, _: removal.dead(message.runs, message.output),
            KillExpired: lambda message, _: removal.dead([message.run]),
            Unrun: lambda message, _: self.dispatch.unrun(message.runs),
            Attached: lambda message, _: attachment.attached(message),
            Paused: lambda message, _: attachment.paused(message),
            Parted: lambda message, _: attachment.parted(message),
            Detached: lambda message, _: attachment.detached(message),
            Abandoned: lambda message, _: self.desk.waiters.drop(message.reply_to),
            _GraceEnded: lambda _message, _: attachment.grace_ended(),
        }

    def _handle(self, message: object, reply: Any) -> None:  # noqa: ANN401  an ask's reply handle, or None
        route = self._routes.get(type(message))
        if route is not None and reply is not None:
            # What somebody asked wrongly is answered; only our own mistakes end the core.
            try:
                border.check(message)
                route(message, reply)
            except ActorCloudError as error:
                reply.set_exception(error)
        elif route is not None:
            route(message, reply)
        elif reply is not None:
            reply.set_exception(WireError(f"the job manager does not know {type(message).__name__}"))

    def _uptime(self) -> float:
        return self.system.clock.monotonic() - self._started_at

    # -- what the store says ----------------------------------------------------------------------

    def _page(self, message: Page) -> None:
        if message.tag is not self.loading:
            self.query.scanned(message)
            return
        self.loading.page(message)
        if not self.loading.is_done:
            return
        for ref in self.loading.queue():
            self.dispatch.wait(ref, self.desk.ledger.live[ref], again=False)
        self.send_after(self._grace, _GraceEnded())
        self._catch_up()

    def _catch_up(self) -> None:
        """Handle some of what came while the records were read, and the rest later: others wait for the thread."""
        for _ in range(min(CATCH_UP, len(self._waiting))):
            request, reply = self._waiting.popleft()
            self._handle(request, reply)
        if self._waiting:
            self.actor_ref.tell(_CatchUp())

    def _fed(self, message: Fed) -> None:
        steps = self.desk.ledger.feed(message.number, message.changes)
        if self.loading.is_done:
            for step in steps:
                self._follow(step)

    def _follow(self, step: Step) -> None:
        ref, before, after = step
        if before is None:
            self._added(ref, after)
        elif after is not None and after.state == "running":
            self.dispatch.running(ref, after)
        elif after is not None and after.state == "queued":
            self.dispatch.wait(ref, after, again=True)
        if after is None or after.state in SETTLED:
            self._leaving.append(ref)
            self._settle(ref, after)
            telemetry.emit("actorcloud.jobs.job.stop", {}, {"ref": ref, "state": after.state if after else "deleted"})

    def _settle(self, ref: bytes, record: JobRecord | None) -> None:
        outcome = self.desk.take_outcome(ref, record)
        if record is None or outcome is not None:
            self.desk.waiters.settle(ref, outcome)
        elif ref in self.desk.waiters:
            # Of several ends that were staged not the last one came first: the store knows.
            self.query.settle([ref])

    def _added(self, ref: bytes, record: Any) -> None:  # noqa: ANN401  a JobRecord, or None for a final one's deletion
        is_ours = ref in self.admission.adding
        self.admission.adding.discard(ref)
        if record is not None and record.state == "running":
            self.dispatch.running(ref, record)
        elif record is not None and record.state == "queued" and not self.dispatch.queued(ref, record) and not is_ours:
            self.dispatch.wait(ref, record, again=False)

    def _placed(self, message: Placed) -> None:
        if message.batch is not None:
            self.admission.placed(message)
        else:
            self.dispatch.assigned(message.nodes, self.admission.adding)
