"""The store without actors: the same rules, over a disk in memory, one message at a time.

For `Cloud(workers=0)`, where a person steps through it with a debugger. Nothing is durable. Jobs are not
in it: their records are asked for.

Thread: the caller holds a lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import cast

import msgspec

from actorcloud.base.errors import WireError
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import JobRecord, NewJob
from actorcloud.protocol.storestats import GetStoreStats, StoreFigures, StoreStats
from actorcloud.protocol.transaction import Commit, Committed, NotCommitted, Read, Refused, Status, WatchKey
from actorcloud.protocol.usage import GetUsage, ListSpaces
from actorcloud.store import keys, validation
from actorcloud.store.account import Question, answer_account, check_account, keys_of_account, scans_of_account
from actorcloud.store.engine import Batch, Scan
from actorcloud.store.engine.memory import MemoryDisk
from actorcloud.store.extension import answer_read, check_read, scans_of_read
from actorcloud.store.quota import QUOTA_DEFAULT, Quota, charged
from actorcloud.store.stored import commit_id_of, pack, payload_of
from actorcloud.store.view import Moment, View, rescan_of
from actorcloud.store.watches import Told, Watches, check_watch, keys_of_watch

_encode = msgspec.msgpack.Encoder().encode

#: What the store keeps of a transaction; of its jobs others know.
_OWN = (keys.USER, keys.ONCE, keys.COMMIT_ID, keys.USAGE)

#: Items in one go.
_PAGE = 1000


class SingleStore:
    """Keys, values, and the number of the commit that wrote each.

    Args:
        record_of: gives the record of a job, None if there is none.
        named: gives the reference of the job that a user's key names, None if there is none.
        add_job: adds a job; the function is known.
        quota: of each job and named space.
    """

    def __init__(
        self,
        record_of: Callable[[bytes], JobRecord | None],
        named: Callable[[str], bytes | None],
        add_job: Callable[[NewJob], None],
        quota: Quota = QUOTA_DEFAULT,
    ) -> None:
        self._quota = quota
        self._record_of = record_of
        self._named = named
        self._add_job = add_job
        self._disk = MemoryDisk()
        self._watches = Watches()

    @property
    def seq(self) -> int:
        """Number of the last commit."""
        return self._disk.seq

    def answer(self, message: Message) -> Message:
        """Return the answer to a Read, a Commit, a Status, a GetStoreStats, a GetUsage or a ListSpaces."""
        match message:
            case Read():
                return self._read(message)
            case Commit():
                return self._commit(message)
            case Status(txn):
                known = self._disk.get(keys.commit_id(txn))
                return NotCommitted() if known is None else Committed(*commit_id_of(payload_of(known)))
            case GetUsage() | ListSpaces():
                return self._account(message)
            case GetStoreStats():
                return StoreStats(StoreFigures(seq=self.seq, commits=self.seq, entries=len(self._disk)))
        raise WireError(f"the store does not know {message!r}")

    def watch(self, watch: WatchKey, to: Callable[[Message], object]) -> None:
        """Answer a watch, once: by calling `to`, now or in a later call of this object."""
        now: Message | None = check_watch(watch)
        if now is None:
            now = self._watches.add(self._view(keys_of_watch(watch), ()), watch, to, None)
        if now is not None:
            to(now)

    def unwatch(self, to: Callable[[Message], object]) -> None:
        """Want no answer any more."""
        self._watches.drop(to)

    def forget(self, ref: bytes) -> None:
        """Delete everything that a job keys."""
        self._tell(self._watches.deleted([ref]))
        for prefix in (keys.job_space(ref), keys.once_names(ref)):
            scan = Scan(prefix, keys.after_prefix(prefix), _PAGE)
            while items := self._disk.scan(scan):
                self._disk.apply(Batch({}, [key for key, _ in items]), self.seq)
        self._disk.apply(Batch({}, [keys.usage(keys.job_space(ref))]), self.seq)

    def _read(self, read: Read) -> Message:
        touched = check_read(read)
        if not isinstance(touched, validation.Touched):
            return touched
        view = self._view(touched.keys, scans_of_read(read))
        return answer_read(view, self._moment(), read, touched)

    def _commit(self, commit: Commit) -> Message:
        touched = validation.check_commit(commit)
        if not isinstance(touched, validation.Touched):
            return touched
        view = self._view(touched.keys, map(rescan_of, commit.ranges))
        verdict = validation.validate_commit(view, self._moment(), commit, touched)
        if not isinstance(verdict, validation.Accepted):
            return verdict
        usage = charged(view, verdict.seq, verdict.users, self._quota)
        if not isinstance(usage, dict):
            return Refused(usage.code, str(usage))
        verdict.writes.update(usage)
        writes = {key: value for key, value in verdict.writes.items() if key[:1] in _OWN}
        puts = {key: value for key, value in writes.items() if value is not None}
        self._disk.apply(Batch(puts, [key for key, value in writes.items() if value is None]), verdict.seq)
        for job in commit.jobs:
            self._add_job(job)
        self._tell(self._watches.landed(writes))
        return Committed(verdict.seq, commit.attempt)

    def _account(self, question: Question) -> Message:
        refused = check_account(question)
        if refused is not None:
            return refused
        view = self._view(keys_of_account(question), scans_of_account(question))
        return answer_account(view, question, self._quota)

    def _tell(self, told: Iterable[Told]) -> None:
        for to, message in told:
            cast("Callable[[Message], object]", to)(message)

    def _moment(self) -> Moment:
        return Moment(self._disk.incarnation, self.seq, time.time())

    def _view(self, wanted: Iterable[bytes], scans: Iterable[Scan]) -> View:
        return View({key: self._value(key) for key in wanted}, {scan: self._disk.scan(scan) for scan in scans})

    def _value(self, key: bytes) -> bytes | None:
        match key[:1]:
            case keys.RECORD:
                record = self._record_of(keys.ref_of(key))
                return None if record is None else pack(1, _encode(record))
            case keys.JOB_KEY:
                ref = self._named(key[1:].decode())
                return None if ref is None else pack(1, ref)
            case keys.FUNCTION:
                # It came before the transaction did.
                return pack(1, b"")
        return self._disk.get(key)
