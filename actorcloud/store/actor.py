"""The store actor: every commit and every read of the store goes through it.

A shell around pure files: `Sequencer` orders and judges, `query` answers reads, `Janitor` cleans
up; here are the mailbox, one engine read a turn, and the writer.

::

    turn:   take what is in the mailbox
            one engine.read for all of it             (the last durable commit, or later)
            judge the requests -> gathering batch; answer the reads
            nothing in flight? the batch goes to the writer, and the next one gathers
    Written: feed the listener, then send the answers

There is no timer: a lone request goes at once, many share an fsync. Nothing is told that is not
durable, and nothing before the listener (the job manager) has been fed the batch it rests on; so a
read that sees a commit which the engine has and we have not been told of waits for the writer's word.

What comes in one turn is one batch. To write half of it while the other half is judged took a seventh
more CPU time and gave 0.87 of the throughput (64 in flight, 0.3 ms a commit): both threads need the
interpreter, and each commit its hand-over.

The end of the writer is this actor's end, and the end of either is the end of the head's core.

Reference: store-design 1.9, 2.6; design 6.1, rules 2, 6 and 9.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import msgspec

from actorcloud.actor import Actor, ActorRef, Exit, NoReply, ReplyTo
from actorcloud.base.ports import Abandoned
from actorcloud.base.telemetry import telemetry
from actorcloud.protocol.storestats import GetStoreStats, StoreStats
from actorcloud.protocol.transaction import Commit, Read, Status, WatchKey
from actorcloud.protocol.transaction import Refused as RefusedCommit
from actorcloud.protocol.usage import GetUsage, ListSpaces
from actorcloud.store import change as own
from actorcloud.store import keys
from actorcloud.store.account import Question, check_account
from actorcloud.store.engine import Engine, EngineFailed, FencedOut, Opened, ReadPlan
from actorcloud.store.engine import Scan as EngineScan
from actorcloud.store.extension import check_read
from actorcloud.store.intake import Intake
from actorcloud.store.janitor import FUNCTIONS_AFTER, SWEEP_AFTER, SWEEP_EVERY, Janitor
from actorcloud.store.maintenance.migration import PLAN_DEFAULT, Plan, prepare
from actorcloud.store.metrics import Metrics
from actorcloud.store.query import (
    PAGE_LIMIT,
    Answers,
    Query,
    query_of_account,
    query_of_get,
    query_of_read,
    query_of_scan,
)
from actorcloud.store.quota import QUOTA_DEFAULT, Quota
from actorcloud.store.reserve import Reserve
from actorcloud.store.sequencer import Answer, Request, Sequencer, check, scans_of
from actorcloud.store.validation import Touched, check_commit
from actorcloud.store.view import Moment, View
from actorcloud.store.watches import Watches, check_watch, keys_of_watch
from actorcloud.store.writer import Write, WriterActor, Written

logger = logging.getLogger("actorcloud.store")

#: Commits of callers that wait to be judged; more are refused as busy. The manager's own never are.
PENDING_LIMIT = 10_000

#: Their bytes.
PENDING_LIMIT_BYTES = 64 * 1024 * 1024

#: Seconds until what could not be thrown away, as the disk was full, is tried again.
CLEAN_PAUSE = 1.0


class Clean(msgspec.Struct, frozen=True):
    """To itself: go on cleaning up."""

    #: Look for what has aged, and again in an hour.
    sweep: bool = False
    #: Look for functions that no job has.
    functions: bool = False


class _Alarm(msgspec.Struct, frozen=True):
    """To itself: a turn may be over, or somebody has been parked for long enough."""


class StoreActor(Actor):
    """See the module.

    Args:
        engine: not yet opened; this actor opens and closes it.
        writer: a `WriterActor` on the same engine; None: one is started and linked.
        listener: is told `Fed`.
        owner: who this is, for the error of the next one who wants the store.
        plan: what to do with a store of an older format.
        quota: of each job and named space.

    Raises:
        StoreLocked, NotAStore, StoreTooNew, StoreDamaged: as the engine says; `start` raises them.
    """

    hides_values = True
    trap_exit = True
    gets_abandoned = True
    id: ClassVar[str] = "store"

    def __init__(  # noqa: PLR0913  what the head decides
        self,
        engine: Engine,
        writer: ActorRef[Any] | None = None,
        listener: own.Recipient | None = None,
        owner: str = "head",
        plan: Plan = PLAN_DEFAULT,
        *,
        quota: Quota = QUOTA_DEFAULT,
    ) -> None:
        opened = _open(engine, owner, plan)
        self._engine = engine
        self._epoch = opened.epoch
        self._sequencer = Sequencer(opened.incarnation, opened.seq, quota)
        self._reserve = Reserve(engine.stats)
        self._listener = listener
        self._fed = 0
        self._pending = Intake()
        self._pending_bytes = 0
        self._queries: list[Query] = []
        self._janitor = Janitor(self._sequencer, opened.seq)
        self._metrics = Metrics()
        self._watches = Watches()
        self._alarm_at: float | None = None
        #: What is asked, and may be answered later.
        self._asked: dict[type, Callable[[Any], object]] = {
            Read: self._take_read,
            Commit: self._take_commit,
            Status: self._take_status,
            WatchKey: self._take_watch,
            GetStoreStats: lambda _: self._stats(),
            GetUsage: self._take_account,
            ListSpaces: self._take_account,
            own.Tidy: lambda _: self._tidy(),
        }
        self._is_collecting_soon = False
        self._is_cleaning = False
        self._tidying: list[ReplyTo] = []
        if writer is None:
            self._writer: ActorRef[Any] = WriterActor.start_link(engine)
        else:
            self._writer = writer
            self.link(writer)

    def on_start(self) -> None:
        """Take up the cleaning where the last start left it."""
        prefix = keys.GARBAGE
        scan = EngineScan(prefix, keys.after_prefix(prefix), PAGE_LIMIT)
        self._janitor.start(key for key, _ in self._engine.read(ReadPlan((), (scan,))).scans[0])
        self.actor_ref.tell(Clean())
        self.send_after(SWEEP_AFTER, Clean(sweep=True))
        self._collect_functions_soon()

    # -- messages ---------------------------------------------------------------------------------

    def on_receive(self, message: object) -> object:
        """Take a message; what needs the engine waits for the end of the turn."""
        asked = self._asked.get(type(message))
        if asked is not None:
            return asked(message)
        match message:
            case own.Apply():
                self._take_apply(message)
            case own.Get():
                self._queries.append(query_of_get(message, self._feeds))
            case own.Scan():
                self._queries.append(query_of_scan(message, self._feeds))
            case Written():
                self._land(message)
            case Clean():
                self._clean(message)
            case _Alarm():
                self._alarm_at = None
                self._pending.look(self._now())
            case Abandoned(reply_to):
                self._watches.drop(reply_to)
            case _:
                return super().on_receive(message)
        return None

    def on_batch_end(self) -> None:
        """Read once for all that came in this turn, judge, answer, and send a batch on its way."""
        now = self._now()
        queries, self._queries = self._queries, []
        requests = self._pending.take(self._sequencer.room, now)
        if queries or requests:
            self._work(queries, requests)
        flight = self._sequencer.take()
        if flight is not None:
            self._writer.tell(Write(flight, self._epoch, self.actor_ref))
        due = self._pending.due(now, self._sequencer.room)
        if due is not None and (self._alarm_at is None or due < self._alarm_at):
            self._alarm_at = due
            self.send_after(max(0.0, due - self._now()), _Alarm())

    def on_exit(self, message: Exit) -> None:
        """The writer has ended, and this actor with it."""
        if message.sender == self._writer:
            logger.critical("the store's writer ended: %s; what is on disk counts", message.reason)
        self.stop(message.reason)

    def on_stop(self) -> None:
        """Let the writer finish what it has, then close the engine."""
        self._writer.stop(timeout=None)
        self._engine.close()

    def on_failure(self, *_: object) -> None:
        """Close the engine; the next one opens it anew."""
        self._engine.close()

    # -- requests ---------------------------------------------------------------------------------

    def _take_read(self, read: Read) -> object:
        touched = check_read(read)
        if not isinstance(touched, Touched):
            self._metrics.judged(touched)
            return touched
        self._queries.append(query_of_read(read, touched, partial(self._answer_read, self.sender)))
        return NoReply

    def _answer_read(self, asker: ReplyTo | None, answer: object) -> None:
        self._metrics.judged(answer)
        self._answer(asker, answer)

    def _take_commit(self, commit: Commit) -> object:
        touched = check_commit(commit)
        if not isinstance(touched, Touched):
            self._metrics.judged(touched)
            return touched
        size = touched.size
        if len(self._pending) >= PENDING_LIMIT or self._pending_bytes + size > PENDING_LIMIT_BYTES:
            self._metrics.turned_away()
            return RefusedCommit("busy", f"{len(self._pending)} commits wait at the store; try again")
        self._pending_bytes += size
        self._pending.append(Request(commit, touched, partial(self._answer_commit, commit, size, self.sender)))
        return NoReply

    def _answer_commit(self, commit: Commit, size: int, asker: ReplyTo | None, verdict: Answer) -> None:
        self._pending_bytes -= size
        self._metrics.judged(verdict)
        if commit.ticket is not None or self._pending.tickets:
            verdict = self._pending.told(commit, verdict, self._now())
        self._answer(asker, verdict)

    def _take_status(self, status: Status) -> object:
        touched = check(status)
        if not isinstance(touched, Touched):
            return touched
        # Never busy because of commits: it is what tells their callers the outcome.
        if len(self._pending) >= 2 * PENDING_LIMIT:
            return RefusedCommit("busy", f"{len(self._pending)} requests wait at the store; try again")
        self._pending.end(status.txn, self._now())
        self._pending.append(Request(status, touched, partial(self._answer, self.sender)))
        return NoReply

    def _take_watch(self, watch: WatchKey) -> object:
        refused = check_watch(watch)
        asker = self.sender
        if refused is not None or asker is None:
            return refused

        def found(view: View, _: Moment) -> Callable[[], None]:
            def register() -> None:
                # Whoever gave up before this was not there to be dropped.
                if not getattr(asker, "is_closed", False):
                    now = self._watches.add(view, watch, asker, getattr(asker, "peer", None))
                    if now is not None:
                        self.reply(asker, now)

            return register

        self._queries.append(Query(keys_of_watch(watch), (), found))
        return NoReply

    def _take_account(self, question: Question) -> object:
        refused = check_account(question)
        if refused is not None:
            return refused
        answer = partial(self._answer, self.sender)
        self._queries.append(query_of_account(question, self._sequencer.quota, answer))
        return NoReply

    def _take_apply(self, apply: own.Apply) -> None:
        gathered = Answers(apply)
        for index, change in enumerate(apply.changes):
            touched = check(change)
            if isinstance(touched, Touched):
                self._pending.append(Request(change, touched, gathered.slot(index)))
            else:
                gathered.slot(index)(touched)

    def _feeds(self) -> int:
        return self._fed

    def _now(self) -> float:
        return self.system.clock.monotonic()

    def _answer(self, asker: ReplyTo | None, verdict: object) -> None:
        if asker is not None:
            self.reply(asker, verdict)

    def _stats(self) -> StoreStats:
        stats, seq = self._engine.stats(), self._sequencer.durable
        figures = self._metrics.figures(stats, seq=seq, pending=len(self._pending), cleaning=len(self._janitor))
        return StoreStats(figures)

    # -- the turn's work --------------------------------------------------------------------------

    def _work(self, queries: list[Query], requests: list[Request]) -> None:
        wanted = set().union(*[query.keys for query in queries], *[request.touched.keys for request in requests])
        scans = list(set().union(*[query.scans for query in queries], *[scans_of(each.body) for each in requests]))
        read = self._engine.read(ReadPlan(wanted, scans))
        if read.seq > self._sequencer.sent:
            # What it says now would name the wrong moment; its next commit would be refused anyway.
            raise FencedOut(f"the store is at commit {read.seq}, which is not ours: another process has opened it")
        if read.seq < self._sequencer.durable:
            # Of a server that is behind, or has lost commits: judged by it, one would undo what was acknowledged.
            raise EngineFailed(
                f"the store is read at commit {read.seq}, but {self._sequencer.durable} was acknowledged"
            )
        found = dict(zip(scans, read.scans, strict=True))
        if requests:
            self._sequencer.shortage = self._reserve.shortage(self._sequencer.accepted_bytes)
            self._sequencer.add(requests, read.values, self.system.clock.time(), found)
        view, moment = View(read.values, found), self._sequencer.moment(read.seq)
        for query in queries:
            answer = query.found(view, moment)
            if read.seq == self._sequencer.durable:
                answer()
            else:
                self._sequencer.when_landed(answer)

    def _land(self, written: Written) -> None:
        if written.problem is not None:
            self._fail(str(written.problem))
            return
        durable = self._sequencer.done()
        self._metrics.landed(durable.transactions, written.seconds)
        if telemetry.is_heard:
            telemetry.emit(
                "actorcloud.store.batch.stop", {"transactions": durable.transactions, "duration": written.seconds}, {}
            )
        if durable.jobs:
            self._fed += 1
            if self._listener is not None:
                self._listener.tell(own.Fed(self._fed, durable.jobs, self._sequencer.durable))
        for answer in durable.answers:
            answer()
        deleted = [ref for ref, record in durable.jobs if record is None]
        for to, told in (*self._watches.deleted(deleted), *self._watches.landed(durable.layer)):
            self._answer(cast("ReplyTo", to), told)
        for ref in deleted:
            self._janitor.collect(ref)
        if deleted:
            self.actor_ref.tell(Clean())
            self._collect_functions_soon()

    def _fail(self, text: str) -> None:
        logger.error("a batch was not written: %s", text)
        self._reserve.look_again()
        lost, again = self._sequencer.failed()
        self._pending.put_back(reversed(again))
        for request in lost:
            refused = RefusedCommit if isinstance(request.body, Commit) else own.Refused
            request.answer(refused("no-space", text))

    # -- cleaning up ------------------------------------------------------------------------------

    def _clean(self, message: Clean) -> None:
        if message.sweep:
            self._janitor.sweep(self._sequencer.durable)
            # A backup that was killed is a reader that keeps every page from being used again.
            self._engine.stats()
            self.send_after(SWEEP_EVERY, Clean(sweep=True))
        if message.functions:
            self._is_collecting_soon = False
            self._janitor.collect_functions()
        scan = None if self._is_cleaning else self._janitor.next()
        if scan is None and not self._is_cleaning:
            tidying, self._tidying = self._tidying, []
            for asker in tidying:
                self.reply(asker, None)
        if scan is not None:
            self._is_cleaning = True
            self._queries.append(Query(set(), (scan,), partial(self._found_garbage, scan)))

    def _tidy(self) -> object:
        if self.sender is not None:
            self._tidying.append(self.sender)
        # Here and now: what is in the mailbox already must not find the work done before it was begun.
        self._janitor.collect_functions()
        self.actor_ref.tell(Clean())
        return NoReply

    def _collect_functions_soon(self) -> None:
        if not self._is_collecting_soon:
            self._is_collecting_soon = True
            self.send_after(FUNCTIONS_AFTER, Clean(functions=True))

    def _found_garbage(self, scan: EngineScan, view: View, _: Moment) -> Callable[[], None]:
        def throw_away() -> None:
            change = self._janitor.found(view.items(scan), self.system.clock.time())
            if change is None:
                self._cleaned(None)
                return
            touched = check(change)
            assert isinstance(touched, Touched), "the janitor touches no user's keys"
            request = Request(change, touched, self._cleaned)
            if not touched.keys:
                # At once: between what the janitor knows of transactions and the verdict there is none.
                self._sequencer.add([request], {}, self.system.clock.time())
            else:
                self._pending.append(request)
                # For another turn: this one has judged its requests already.
                self.actor_ref.tell(Clean())

        return throw_away

    def _cleaned(self, refused: Answer) -> None:
        self._is_cleaning = False
        if refused is None:
            # Through the mailbox: others come between two commits of a thousand keys.
            self.actor_ref.tell(Clean())
        else:
            self._janitor.put_off()
            self.send_after(CLEAN_PAUSE, Clean())


def _open(engine: Engine, owner: str, plan: Plan) -> Opened:
    opened = engine.open(owner)
    try:
        return prepare(engine, opened, owner, plan)
    except BaseException:
        engine.close()
        raise
