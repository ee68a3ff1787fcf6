"""The order of all transactions: which batch a request is in, and who may hear of it when.

Pure. One batch is in flight (the writer commits it), the next gathers::

    add(requests, values) ---> gathering ---take()---> in flight ---done()---> durable: Fed, then answers
                                   ^                        |
                                   +------- failed() -------+   nothing written: the rest is judged again

A request is judged the moment it is added, against the engine's values under both batches, and
its answer waits: whatever rests on a value that is not durable yet, a refusal or a conflict too, is
told only when the batches it was judged on are durable.

In a shortage of room, what is right but grows is refused; see `reserve`.

Reference: store-design 1.9; etcd issue 14370 for what happens otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from actorcloud.base.errors import NoSpace, TransactionError
from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import (
    TXN_ID_BYTES,
    Commit,
    Committed,
    Conflict,
    Fenced,
    NotCommitted,
    Refused,
    Status,
)
from actorcloud.store import change as own
from actorcloud.store import keys, stored
from actorcloud.store.closed import ClosedIds
from actorcloud.store.engine import Batch, Scan
from actorcloud.store.quota import QUOTA_DEFAULT, Quota, charged
from actorcloud.store.reserve import grows
from actorcloud.store.validation import (
    Accepted,
    ChangeVerdict,
    CommitVerdict,
    Touched,
    check_change,
    check_commit,
    validate_change,
    validate_commit,
)
from actorcloud.store.view import Layer, Moment, Overlay, Scans, View, rescan_of

#: Requests of one batch: 256 of them reach most of what 1024 do, at a third of the wait.
BATCH_REQUESTS = 512

#: Bytes of keys and values of one batch; the last request may exceed it.
BATCH_BYTES = 8 * 1024 * 1024

Verdict = CommitVerdict | ChangeVerdict | NotCommitted

#: What a request is answered with; None: a change that counts.
Answer = Committed | Conflict | Fenced | NotCommitted | Refused | own.Refused | None

#: What is judged.
Body = Commit | own.Change | Status


class Request(msgspec.Struct, frozen=True):
    """A transaction to judge, or one to ask for, and what to do with its answer."""

    body: Body
    #: As `check` says.
    touched: Touched
    answer: Callable[[Answer], None]


class _Judged(msgspec.Struct, frozen=True):
    """A request of a batch, to be done over if that fails."""

    request: Request
    #: None: it was not.
    accepted: Accepted | None = None

    @property
    def grows(self) -> bool:
        """Whether it was accepted and adds something."""
        return self.accepted is not None and grows(self.request.body, self.accepted)


class Durable(NamedTuple):
    """What follows from a batch that is durable."""

    #: The jobs it changed, as they are now.
    jobs: tuple[tuple[bytes, JobRecord | None], ...]
    #: To be called in this order, after the jobs were fed.
    answers: tuple[Callable[[], None], ...]
    #: Transactions in it.
    transactions: int = 0
    #: What it wrote: key -> stored value; None: deleted.
    layer: Layer = MappingProxyType({})


class InFlight(NamedTuple):
    """A batch for the engine."""

    batch: Batch
    expect: int
    new: int


class _Gathered:
    """A batch."""

    def __init__(self, first: int) -> None:
        #: Number of the last transaction before it, and of its own last.
        self.first = self.last = first
        self.layer = Overlay()
        self.jobs: dict[bytes, JobRecord | None] = {}
        self.count = 0
        self.size_bytes = 0
        self.answers: list[Callable[[], None]] = []
        self.requests: list[_Judged] = []

    def accept(self, accepted: Accepted, size_bytes: int) -> None:
        self.last = accepted.seq
        self.layer.accept(accepted.writes)
        self.size_bytes += size_bytes
        for ref, record in accepted.records:
            # The latest change last, so that feeds are in the order of commits.
            self.jobs.pop(ref, None)
            self.jobs[ref] = record


class Sequencer:
    """See the module. Owned by the store actor.

    Args:
        incarnation: of the store.
        seq: number of its last commit.
        quota: of each job and named space.
    """

    def __init__(self, incarnation: bytes, seq: int, quota: Quota = QUOTA_DEFAULT) -> None:
        self.incarnation = incarnation
        self.quota = quota
        #: Number of the last transaction that everybody may know of.
        self.durable = seq
        #: Bytes of all that was accepted.
        self.accepted_bytes = 0
        #: Why nothing may grow at present; None: it may.
        self.shortage: str | None = None
        self._gathering = _Gathered(seq)
        self._flying: _Gathered | None = None
        self._functions: set[bytes] | None = None
        self._closed = ClosedIds()

    def __repr__(self) -> str:
        flying = self._flying.count if self._flying else 0
        return f"<Sequencer at {self.durable}, {flying} in flight, {self._gathering.count} gather>"

    @property
    def is_flying(self) -> bool:
        """Whether a batch is in flight."""
        return self._flying is not None

    @property
    def sent(self) -> int:
        """Number of the last transaction that the engine was given."""
        return self._flying.last if self._flying is not None else self.durable

    @property
    def room(self) -> int:
        """How many more requests the gathering batch takes."""
        return 0 if self._gathering.size_bytes >= BATCH_BYTES else BATCH_REQUESTS - self._gathering.count

    def moment(self, seq: int) -> Moment:
        """Return where a read stands that has found the commit number `seq`."""
        return Moment(self.incarnation, seq, 0.0)

    def mark(self) -> set[bytes]:
        """Return a set of the functions that transactions on their way bring or use; it gathers those of new ones."""
        self._functions = set()
        for gathered in (self._flying, self._gathering):
            if gathered is not None:
                self._functions.update(_functions_in(gathered.layer, gathered.jobs.values()))
        return self._functions

    def unmark(self) -> None:
        """Gather no more functions."""
        self._functions = None

    def add(self, requests: Sequence[Request], values: Layer, now: float, scans: Scans | None = None) -> None:
        """Judge requests and gather them.

        Args:
            requests: checked, in order of arrival.
            values: what the engine had under the keys that each of them touches, at the last durable commit or later.
            now: seconds since 1970.
            scans: what it had then in `scans_of` each of them.
        """
        over = [self._gathering.layer, *([self._flying.layer] if self._flying else ())]
        view = View(values, scans, over)
        for request in requests:
            self._judge(view, request, now)

    def when_landed(self, answer: Callable[[], None]) -> None:
        """Call `answer` once the batch in flight is durable; at once if none is."""
        if self._flying is not None:
            self._flying.answers.append(answer)
        else:
            answer()

    def take(self) -> InFlight | None:
        """Send the gathered batch on its way; None if it is empty or another one flies."""
        gathered = self._gathering
        if self._flying is not None or not gathered.layer:
            return None
        self._flying = gathered
        self._gathering = _Gathered(gathered.last)
        puts = {key: value for key, value in gathered.layer.items() if value is not None}
        deletes = [key for key, value in gathered.layer.items() if value is None]
        return InFlight(Batch(puts, deletes), gathered.first, gathered.last)

    def done(self) -> Durable:
        """The batch in flight is durable."""
        flying = self._landed()
        self.durable = flying.last
        return Durable(tuple(flying.jobs.items()), tuple(flying.answers), flying.last - flying.first, flying.layer)

    def failed(self) -> tuple[list[Request], list[Request]]:
        """Nothing of the batch in flight was written.

        Returns:
            What it could not hold; and what is to be added again: what was judged on it or with it, and what it
            held beside something that grows, which may fit now.
        """
        flying, gathered = self._landed(), self._gathering
        self._gathering = _Gathered(self.durable)
        has_grown = any(judged.grows for judged in flying.requests)
        lost, again = list[Request](), list[Request]()
        for judged in flying.requests:
            is_lost = judged.accepted is not None and judged.grows is has_grown
            (lost if is_lost else again).append(judged.request)
        return lost, again + [judged.request for judged in gathered.requests]

    def _landed(self) -> _Gathered:
        flying, self._flying = self._flying, None
        assert flying is not None, "no batch was in flight"
        return flying

    def _judge(self, view: View, request: Request, now: float) -> None:
        body = request.body
        verdict = self._verdict(view, Moment(self.incarnation, self._gathering.last, now), body, request.touched)
        if isinstance(verdict, Accepted):
            verdict = self._afforded(view, body, verdict)
        if isinstance(verdict, Accepted):
            self._accept(verdict)
            answer = Committed(verdict.seq, body.attempt) if isinstance(body, Commit) else None
            self._keep(_Judged(request, verdict), answer)
        else:
            self._keep(_Judged(request), verdict)

    def _accept(self, accepted: Accepted) -> None:
        size = sum(map(len, accepted.writes)) + sum(map(len, filter(None, accepted.writes.values())))
        self._gathering.accept(accepted, size)
        self.accepted_bytes += size
        if self._functions is not None:
            self._functions.update(_functions_in(accepted.writes, (record for _, record in accepted.records)))

    def _afforded(self, view: View, body: Body, accepted: Accepted) -> Verdict:
        """Count what is accepted as used; refuse what exceeds a quota, or grows in a shortage of room."""
        refused = Refused if isinstance(body, Commit) else own.Refused
        if accepted.users:
            usage = charged(view, accepted.seq, accepted.users, self.quota)
            if not isinstance(usage, dict):
                return refused(usage.code, str(usage))
            accepted.writes.update(usage)
        if self.shortage is not None and grows(body, accepted):
            return refused(NoSpace.code, self.shortage)
        return accepted

    def _verdict(self, view: View, moment: Moment, body: Body, touched: Touched) -> Verdict:
        if isinstance(body, Commit):
            if body.txn in self._closed:
                return Refused(TransactionError.code, "this transaction was given up by its caller before")
            return validate_commit(view, moment, body, touched)
        if isinstance(body, own.Change):
            return validate_change(view, moment, body, touched)
        known = view.value(keys.commit_id(body.txn))
        if known is not None:
            return Committed(*stored.commit_id_of(stored.payload_of(known)))
        self._closed.add(body.txn)
        return NotCommitted()

    def _keep(self, judged: _Judged, answer: Answer) -> None:
        request = judged.request
        owner = self._gathering if self._gathering.layer else self._flying
        if owner is None:
            request.answer(answer)
            return
        owner.requests.append(judged)
        owner.answers.append(partial(request.answer, answer))
        if owner is self._gathering:
            owner.count += 1


def _functions_in(writes: Iterable[bytes], records: Iterable[JobRecord | None]) -> set[bytes]:
    found = {keys.digest_of(key) for key in writes if key[:1] == keys.FUNCTION}
    found.update(record.function for record in records if record is not None)
    return found


def check(body: Body) -> Touched | Refused | own.Refused:
    """Return what a request touches; refuse one that cannot even be judged."""
    if isinstance(body, Commit):
        return check_commit(body)
    if isinstance(body, own.Change):
        return check_change(body)
    if len(body.txn) != TXN_ID_BYTES:
        return Refused(TransactionError.code, f"the id of a transaction has {TXN_ID_BYTES} bytes")
    return Touched(set(), {keys.commit_id(body.txn)})


def scans_of(body: Body) -> set[Scan]:
    """Return the scans of the engine on which the verdict on a checked request depends."""
    return set() if isinstance(body, Status) or not body.ranges else {rescan_of(entry) for entry in body.ranges}
