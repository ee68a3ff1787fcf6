"""The promises, asserted after every step of a simulated cloud (design 6.2).

The auditor sees what nobody in the cloud sees: the disk as a crash now would leave it, what every
node and the manager hold, and what clients, jobs and programs were told. It looks only at what has
changed, so that it may be asked after every step::

    auditor = Auditor(cloud)          # before the head is started
    sim.on_step(auditor.check)
    ...
    auditor.check_quiet()             # when the faults have stopped and all has ended

=====  =========================================================================================
no.    what is asserted
=====  =========================================================================================
1      each acknowledged job has a durable record, or was deleted
2      each job's durable history is a legal path; final and deleted are never left
3      each commit and each addition of a job is by its record's current run; no run is begun
       twice, given twice, or begun before it is durable
4      a once-value is written once, and lives as long as its job; what `on_done` staged is in
       the commit that ends the job
5      what was told (results, states, reads, answers) is durable, and is not taken back
6      a transaction told as committed is in history once; one told as failed never
7      each durably running job is held by its node, or the head gives it up within a bounded time
8      the manager's memory equals the records at its feed number
9      a node forgets an end only after the head has stored or refused it; what is stored are the
       words of the run in the record
10     nobody waits, at the head or in a client, for a job that has ended or is gone
11     the functions of jobs are there; nothing of a deleted job is left
12     with the faults stopped all jobs are final or rightly suspended, and credits are whole
=====  =========================================================================================
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from actorcloud.jobs import transition
from actorcloud.protocol.job import (
    Added,
    AddJobs,
    Answer,
    CancelJob,
    DeleteJob,
    Finished,
    FinishJob,
    JobDetail,
    Outcomes,
)
from actorcloud.protocol.record import FINAL, Fence, JobRecord, Outcome
from actorcloud.protocol.transaction import (
    Commit,
    Committed,
    Conflict,
    Fenced,
    KeyChanged,
    NotCommitted,
    Refused,
    Status,
    Values,
)
from actorcloud.store import Batch, EngineScan, keys
from actorcloud.store.stored import payload_of
from actorcloud.testing.history import Change, History, Shadow

if TYPE_CHECKING:
    from actorcloud.testing.cloud import SimCloud
    from actorcloud.testing.witness import Told

#: Keys that an audit reads at most.
_SCAN_LIMIT = 100_000

#: Virtual seconds between two looks at what may take a while.
_LOOK_EVERY = 0.25

#: Seconds that an answer to somebody who waits may be under way.
_WAIT_LIMIT = 15.0

#: Seconds for a dead worker's end, a slow disk and the messages between, beyond the grace of a node.
_HOLD_MARGIN = 6.0

_outcome = msgspec.msgpack.Decoder(Outcome)

#: Of all attempts of a transaction was told that they count for nothing.
_ANY_ATTEMPT = 0


class Broken(AssertionError):
    """A promise was broken."""


def _reachable() -> frozenset[tuple[str | None, str | None]]:
    """Return what a batch may do to a job: one or more legal transitions in a row."""
    known = set(transition.LEGAL)
    while True:
        more = {(a, d) for a, b in known for c, d in known if b == c and b not in FINAL} - known
        if not more:
            return frozenset(known)
        known |= more


class Auditor:
    """Checks one cloud; see the module.

    Args:
        cloud: not yet started.
    """

    REACHABLE = _reachable()

    def __init__(self, cloud: SimCloud) -> None:
        self.history = History()
        self._cloud = cloud
        self._disk = cloud.disk
        self._batches: deque[tuple[Batch, int]] = deque()
        self._disk.watchers.append(lambda batch, seq: self._batches.append((batch, seq)))
        self._epoch = -1
        self._turns = -1
        self._shadow = Shadow({})
        self._manager: Any = None
        self._begun = 0
        self._runs: set[Fence] = set()
        self._done: dict[str, tuple[Any, frozenset[Fence], frozenset[Fence]]] = {}
        self._ended: dict[bytes, Outcome] = {}
        self._denied: set[tuple[bytes, int]] = set()
        self._look_at = 0.0
        self._unheld: dict[Fence, float] = {}
        self._stale: dict[object, float] = {}
        self._tell: dict[type, Callable[[Any, Any], None]] = {
            Added: self._told_added,
            Answer: self._told_answer,
            Outcomes: self._told_outcomes,
            JobDetail: self._told_detail,
            Finished: self._told_finished,
            Committed: self._told_committed,
            Conflict: self._told_denied,
            NotCommitted: self._told_never,
            Refused: self._told_denied,
            Fenced: self._told_denied,
            Values: self._told_values,
            KeyChanged: self._told_change,
        }

    # -- after every step -------------------------------------------------------------------------

    def check(self) -> None:
        """Assert what can be asserted at any moment.

        Raises:
            Broken: a promise is.
        """
        has_news = bool(self._batches) or self._disk.volatile.epoch != self._epoch
        if has_news:
            self._check_disk()
        witness = self._cloud.witness
        while self._begun < len(witness.begun):
            self._check_begun(witness.begun[self._begun])
            self._begun += 1
        while witness.told:
            self._check_told(witness.told.popleft())
        # What actors know changes in their turns only, and more than half of all steps are timers.
        if has_news or self._turns != self._cloud.sim.turns:
            self._turns = self._cloud.sim.turns
            self._check_manager()
            self._check_nodes()
        if witness.now() >= self._look_at:
            self._look_at = witness.now() + _LOOK_EVERY
            self._check_running()
            self._check_waiting()

    # -- what becomes durable: 2, 3, 4, 6, 9, 11 ---------------------------------------------------

    def _check_disk(self) -> None:
        while self._batches:
            change = self.history.apply(*self._batches.popleft())
            for ref, before, after in change.jobs:
                self._check_step(ref, before, after)
            self._check_commits(change)
            self._check_onces(change)
            self._check_on_done(change)
            self.history.settle(change)
            if change.jobs:
                self._shadow.add(change)
        if self._disk.volatile.epoch != self._epoch:
            # The store was opened anew, and feeds from here on.
            self._epoch = self._disk.volatile.epoch
            self._shadow = Shadow(self.history.records)
            self._manager = None

    def _check_step(self, ref: bytes, before: JobRecord | None, after: JobRecord | None) -> None:
        history, witness = self.history, self._cloud.witness
        if after is None:
            self._require(ref in witness.deletions, "1: a job vanished that nobody has deleted", ref)
            return
        self._require(ref not in history.deleted, "2: a deleted job was added again", ref)
        states = (before and before.state, after.state)
        is_same_state = before is not None and states[0] == states[1] and states[0] not in FINAL
        self._require(states in self.REACHABLE or is_same_state, f"2: {states[0]} became {states[1]}", ref)
        if after.state == "running" and (before is None or before.run != after.run or before.state != "running"):
            self._require((ref, after.run) not in history.runs, "3: a run was given twice", ref)
        if before is None:
            self._require(self._get(keys.function(after.function)) is not None, "11: the function is missing", ref)
            self._check_parent(ref)
        if after.state in FINAL:
            said = witness.ended.get((ref, after.run))
            stored = self._outcome(ref)
            self._require(stored is not None, "11: an ended job has no outcome", ref)
            is_word = after.state != "done" or (said is not None and stored is not None and said.value == stored.value)
            self._require(is_word, "9: what is stored is not what the run said", ref)

    def _check_parent(self, ref: bytes) -> None:
        parent = self._cloud.witness.parents.get(ref)
        if parent is not None:
            self._require(self._is_current(parent), "3: a job was added by a run that is not current", ref)

    def _check_commits(self, change: Change) -> None:
        for txn, seq, attempt in change.commits:
            fence = self._cloud.witness.fences.get(txn)
            if fence is not None:
                self._require(self._is_current(fence), "3: a run committed that is not current", fence[0])
            known = self.history.commits.get(txn)
            self._require(known in {None, (seq, attempt)}, "6: a transaction was committed twice", txn)
            denied = self._denied.intersection(((txn, attempt), (txn, _ANY_ATTEMPT)))
            self._require(not denied, "6: a transaction told as failed was committed", txn)

    def _check_onces(self, change: Change) -> None:
        for key, before, after in change.onces:
            ref = keys.ref_of(key)
            if after is None:
                is_gone = ref in self.history.deleted or any(job == ref for job, _, record in change.jobs if not record)
                self._require(is_gone, "4: a once-value was lost", ref)
            else:
                # The value has the number of its commit in front: the same one again is another commit.
                self._require(before in {None, after}, "4: a once-value was written twice", ref)

    def _check_on_done(self, change: Change) -> None:
        for ref, _, after in change.jobs:
            wanted = self._cloud.witness.finishing.get((ref, after.run)) if after is not None else None
            if wanted is not None and after is not None and after.state == "done":
                is_there = any(written <= change.touched for written in wanted)
                self._require(is_there, "4: a job ended without what it had staged", ref)

    def _is_current(self, fence: Fence) -> bool:
        record = self.history.records.get(fence[0])
        return record is not None and record.state == "running" and record.run == fence[1]

    # -- what workers begin: 3 --------------------------------------------------------------------

    def _check_begun(self, run: Fence) -> None:
        self._require(run not in self._runs, "3: a run was begun twice", run[0])
        self._require(run in self.history.runs, "5: a run was begun that is not durable", run[0])
        self._runs.add(run)

    # -- what was told: 1, 5, 6 -------------------------------------------------------------------

    def _check_told(self, told: Told) -> None:
        check = self._tell.get(type(told.answer))
        if check is not None:
            check(told.request, told.answer)

    def _told_added(self, request: AddJobs, answer: Added) -> None:
        is_named = request.key is not None
        for ref in answer.refs:
            self._require(self._is_known(ref), "1: an acknowledged job is not durable", ref)
            self._require(is_named or ref in dict(request.jobs), "5: another job than the one asked for", ref)

    def _told_answer(self, request: object, answer: Answer) -> None:
        if isinstance(request, DeleteJob):
            self._require(request.ref in self.history.deleted, "5: a deletion was told, not durable", request.ref)
            self._require(self._get(keys.tombstone(request.ref)) is not None, "2: no tombstone", request.ref)
        elif isinstance(request, CancelJob) and answer.changed:
            self._require(self.history.is_over(request.ref), "5: a cancelled job goes on", request.ref)

    def _told_outcomes(self, _request: object, answer: Outcomes) -> None:
        for ref, outcome in answer.items:
            if outcome is None:
                self._require(ref not in self.history.records, "5: a job was told to be absent, and is not", ref)
            elif outcome.state == "suspended":
                self._require(self._has_been(ref, "suspended"), "5: suspended was told and never was", ref)
            else:
                earlier = self._ended.setdefault(ref, outcome)
                self._require(earlier == outcome, "5: a job was told to have ended in two ways", ref)
                self._require(self._has_been(ref, outcome.state), f"5: {outcome.state} was told, not durable", ref)
                is_same = ref in self.history.deleted or self._outcome(ref) == outcome
                self._require(is_same, "5: an outcome was told that is not the stored one", ref)

    def _told_detail(self, request: Any, answer: JobDetail) -> None:  # noqa: ANN401  a GetJob
        versions = self.history.versions.get(request.ref, ())
        self._require(answer.record in versions, "5: a state was told that never was durable", request.ref)

    def _told_finished(self, request: FinishJob, answer: Finished) -> None:
        ref, run = request.fence
        is_done = any(record.run == run and record.state == "done" for record in self.history.versions.get(ref, ()))
        if answer.stored:
            self._require(is_done, "5: a finish was told that is not durable", ref)
        else:
            self._require(not is_done, "4: a finish that counts was told as refused", ref)

    def _told_committed(self, request: Commit | Status, answer: Committed) -> None:
        known = self.history.commits.get(request.txn)
        self._require(known == (answer.seq, answer.attempt), "6: a commit was told that is not durable", request.txn)

    def _told_denied(self, request: object, answer: Conflict | Refused | Fenced) -> None:
        if isinstance(request, Commit) and getattr(answer, "code", "") != "busy":
            known = self.history.commits.get(request.txn)
            is_other = known is None or known[1] != request.attempt
            self._require(is_other, "6: a transaction that counts was told as failed", request.txn)
            self._denied.add((request.txn, request.attempt))

    def _told_never(self, request: Status, _answer: NotCommitted) -> None:
        self._require(request.txn not in self.history.commits, "6: a commit was told as none", request.txn)
        self._denied.add((request.txn, _ANY_ATTEMPT))

    def _told_values(self, _request: object, answer: Values) -> None:
        self._require(answer.snapshot[1] <= self._disk.durable.seq, "5: a read saw what is not durable", b"")

    def _told_change(self, _request: object, answer: KeyChanged) -> None:
        self._require(answer.seq <= self._disk.durable.seq, "5: a watch was told what is not durable", b"")

    def _is_known(self, ref: bytes) -> bool:
        return ref in self.history.records or ref in self.history.deleted

    def _has_been(self, ref: bytes, state: str) -> bool:
        return any(record.state == state for record in self.history.versions.get(ref, ()))

    # -- what the manager knows: 8 ----------------------------------------------------------------

    def _check_manager(self) -> None:
        manager = self._cloud.actor("jobs")
        if manager is None or not manager.loading.is_done:
            return
        ledger, shadow = manager.desk.ledger, self._shadow
        if manager is self._manager and ledger.number == shadow.number:
            return
        is_new, self._manager = manager is not self._manager, manager
        try:
            changed = shadow.follow(ledger.number)
        except IndexError:
            raise self._broken("8: the manager was fed what is not durable", b"") from None
        if is_new:
            changed = shadow.live.keys() | ledger.live.keys()
        for ref in changed:
            is_same = ledger.live.get(ref) == shadow.live.get(ref)
            self._require(is_same, "8: the manager's memory is not what the store holds", ref)

    # -- what nodes hold: 7, 9 --------------------------------------------------------------------

    def _check_nodes(self) -> None:
        for name in self._cloud.nodes:
            agent = self._cloud.agent(name)
            if agent is None:
                continue
            holding = agent.holding
            known, at_worker, done = self._done.get(name, (None, frozenset(), frozenset()))
            if known is agent and holding.done.keys() == done and holding.at_worker.keys() == at_worker:
                continue
            if known is agent:
                ended = self._cloud.witness.ended
                for run in (done | at_worker) - holding.done.keys() - holding.at_worker.keys():
                    has_ended = run in done or (run in ended and run not in holding)
                    lacks = has_ended and self._is_current(run)
                    self._require(not lacks, "9: a node forgot an end that the head lacks", run[0])
            self._done[name] = (agent, frozenset(holding.at_worker), frozenset(holding.done))

    def _check_running(self) -> None:
        cloud, now = self._cloud, self._cloud.witness.now()
        manager = cloud.actor("jobs")
        unheld = {}
        if manager is not None and manager.loading.is_done:
            for ref, record in manager.desk.ledger.live.items():
                agent = cloud.agent(record.node) if record.state == "running" else None
                if record.state == "running" and (agent is None or (ref, record.run) not in agent.holding):
                    unheld[ref, record.run] = self._unheld.get((ref, record.run), now)
        self._unheld = unheld
        limit = 2 * cloud.grace + _HOLD_MARGIN
        for run, since in unheld.items():
            self._require(now - since <= limit, "7: nobody holds a running job, and nobody gives it up", run[0])

    # -- who waits: 10 ----------------------------------------------------------------------------

    def _check_waiting(self) -> None:
        manager, now = self._cloud.actor("jobs"), self._cloud.witness.now()
        waits: list[tuple[object, bytes]] = []
        if manager is not None and manager.loading.is_done:
            waits.extend(((id(manager), ref), ref) for ref in manager.desk.waiters.refs())
            for name, client in self._cloud.witness.clients.items():
                if client.away_since is None and name in self._cloud.programs:
                    waits.extend(((waiting, ref), ref) for waiting in client.waits.values() for ref in waiting.refs)
        stale = {token: self._stale.get(token, now) for token, ref in waits if self.history.is_over(ref)}
        self._stale = stale
        for token, since in stale.items():
            ref = token[1]  # type: ignore[index]  # (who, ref)
            self._require(now - since <= _WAIT_LIMIT, "10: somebody waits for a job that has ended", ref)

    # -- when all is quiet: 8, 10, 11, 12 ----------------------------------------------------------

    def check_quiet(self) -> None:
        """Assert what holds when the faults have stopped, everything has ended and the programs have left.

        Raises:
            Broken: a promise is.
        """
        self.check()
        manager = self._cloud.actor("jobs")
        live = {ref: record for ref, record in self.history.records.items() if record.state not in FINAL}
        self._require(manager.desk.ledger.live == live, "8: the manager's memory is not what the store holds", b"")
        self._require(not len(manager.desk.waiters), "10: somebody is still waited for", b"")
        for ref, record in self.history.records.items():
            self._require(record.state in FINAL or record.state == "suspended", "12: a job never ended", ref)
            self._require(self._get(keys.function(record.function)) is not None, "11: a function is gone", ref)
        for ref in self.history.deleted:
            self._check_deleted(ref)
        self._check_credits()

    def _check_deleted(self, ref: bytes) -> None:
        single = (keys.record(ref), keys.arguments(ref), keys.result(ref), keys.garbage(ref))
        left = [key for key in single if self._get(key) is not None]
        left += [key for prefix in (keys.job_space(ref), keys.once_names(ref)) for key in self._scan(prefix)]
        self._require(not left, f"11: a deleted job has left {[key.hex() for key in left]}", ref)

    def _check_credits(self) -> None:
        placement = self._cloud.actor("scheduler").placement
        for name, seat in placement.seats.items():
            self._require(not seat.held, f"12: {name} lacks {len(seat.held)} credits", b"")
        self._require(placement.queued == 0, "12: the queue holds jobs that have ended", b"")
        for name in self._cloud.nodes:
            agent = self._cloud.agent(name)
            if agent is not None:
                self._require(name in placement.seats, f"12: {name} is no longer used", b"")
                self._require(not agent.holding.held(), f"12: {name} holds jobs that have ended", b"")
                self._require(not agent.holding.done, f"12: {name} keeps ends that nobody answers", b"")
                self._require(agent.crew.load == 0, f"12: a worker of {name} counts as busy", b"")

    # -- the disk ---------------------------------------------------------------------------------

    def _outcome(self, ref: bytes) -> Outcome | None:
        stored = self._get(keys.result(ref))
        return None if stored is None else _outcome.decode(payload_of(stored))

    def _scan(self, prefix: bytes) -> list[bytes]:
        scan = EngineScan(prefix, keys.after_prefix(prefix), _SCAN_LIMIT)
        return [key for key, _ in self._disk.durable.scan(scan)]

    def _get(self, key: bytes) -> bytes | None:
        return self._disk.durable.get(key)

    def _require(self, holds: bool, what: str, ref: bytes) -> None:  # noqa: FBT001  an assertion
        if not holds:
            raise self._broken(what, ref)

    def _broken(self, what: str, ref: bytes) -> Broken:
        return Broken(f"{what} (job {ref.hex()[-8:]}, at commit {self.history.seq}, {self._cloud.sim!r})")
