"""The whole store in one thread, without actors: the pure files over an engine in memory."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable
from typing import Any

import msgspec

from actorcloud.base.ids import JobRef
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Fence, JobRecord
from actorcloud.protocol.transaction import Commit, Read, Status
from actorcloud.store import (
    Codec,
    Engine,
    Key,
    Means,
    MemoryDisk,
    MemoryEngine,
    ReadPlan,
    Transaction,
    Transactions,
    keys,
)
from actorcloud.store.caller.transaction import running
from actorcloud.store.change import Change, Refused
from actorcloud.store.extension import answer_read, check_read, scans_of_read
from actorcloud.store.sequencer import Answer, Durable, Request, Sequencer, check, scans_of
from actorcloud.store.validation import Touched
from actorcloud.store.value import RAW, with_codec
from actorcloud.store.view import Moment, View

NOW = 1_700_000_000.0


def raw(payload: bytes) -> bytes:
    """Return a value as it is on the wire, of bytes."""
    return with_codec(RAW, payload)


PICKLE = Codec(pickle.dumps, pickle.loads)

#: Two jobs.
REF, OTHER = bytes(range(16)), bytes(range(1, 17))
JOB: JobRef[object] = JobRef(REF)


def run_of(number: int) -> bytes:
    """Return the stamp of a run."""
    return number.to_bytes(16, "big")


#: The first run of a job.
FENCE = (REF, run_of(1))


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


#: Of all clients, as two transactions of one id would be one to the store.
_random = itertools.count(1)


def means(clock: Clock) -> Means:
    return Means(
        clock.monotonic, clock.sleep, lambda: 0.5, lambda n: next(_random).to_bytes(n, "big"), lambda: NOW + clock.now
    )


class LocalStore:
    """Answers messages at once; each commit is a batch of its own unless `hold` is on."""

    def __init__(self, disk: MemoryDisk | None = None, engine: Engine | None = None) -> None:
        # Most tests have the one in memory, and look at its disk.
        self.engine: Any = MemoryEngine(disk) if engine is None else engine
        opened = self.engine.open("test")
        self.epoch = opened.epoch
        self.sequencer = Sequencer(opened.incarnation, opened.seq)
        #: Messages in order, as they were asked.
        self.asked: list[Message] = []
        self.durable: list[Durable] = []
        #: Called before each message is handled.
        self.before: Callable[[Message], None] = lambda _: None

    def ask(self, message: Message) -> Message:
        self.asked.append(message)
        self.before(message)
        match message:
            case Read():
                return self.read(message)
            case Commit() | Status():
                answer = self.submit(message)
                self.land()
                return answer[0]  # type: ignore[return-value]  # a Commit is never answered with None
        raise AssertionError(message)

    def read(self, message: Read) -> Message:
        touched = check_read(message)
        if not isinstance(touched, Touched):
            return touched
        scans = scans_of_read(message)
        view = self.engine.read(ReadPlan(touched.keys, scans))
        moment = Moment(self.sequencer.incarnation, view.seq, NOW)
        return answer_read(View(view.values, dict(zip(scans, view.scans, strict=True))), moment, message, touched)

    def submit(self, *bodies: Commit | Change | Status) -> list[Answer]:
        """Judge requests together; the list fills when they are answered."""
        answers: list[Answer] = []
        good = []
        for body in bodies:
            touched = check(body)
            if isinstance(touched, Touched):
                good.append(Request(body, touched, answers.append))
            else:
                answers.append(touched)
        wanted = set().union(*(request.touched.keys for request in good))
        scans = list(set().union(*(scans_of(request.body) for request in good)))
        view = self.engine.read(ReadPlan(wanted, scans))
        self.sequencer.add(good, view.values, NOW, dict(zip(scans, view.scans, strict=True)))
        return answers

    def land(self) -> None:
        """Commit what has gathered."""
        flight = self.sequencer.take()
        if flight is not None:
            batch, expect, new = flight
            self.engine.commit(batch, epoch=self.epoch, expect=expect, new=new)
            self.finish()

    def finish(self) -> None:
        durable = self.sequencer.done()
        self.durable.append(durable)
        for answer in durable.answers:
            answer()

    def change(self, change: Change) -> Refused | None:
        answers = self.submit(change)
        self.land()
        answer = answers[0]
        assert answer is None or isinstance(answer, Refused)
        return answer

    def add_job(self, ref: bytes, state: str = "queued", run: bytes = b"") -> None:
        record = JobRecord(state, b"f" * 16, NOW, run=run)  # type: ignore[arg-type]
        self.change(Change(tag=0, records=((ref, record),)))

    def record(self, ref: bytes) -> JobRecord | None:
        value = self.engine.read(ReadPlan([keys.record(ref)])).values[keys.record(ref)]
        return None if value is None else msgspec.msgpack.decode(value[9:], type=JobRecord)

    def client(self, fence: Fence | None = None, clock: Clock | None = None) -> Transactions:
        return Transactions(self.ask, PICKLE, means(clock or Clock()), fence)

    def value(self, space: bytes | str, key: bytes) -> bytes | None:
        where = keys.user(space, key)
        stored = self.engine.read(ReadPlan([where])).values[where]
        return None if stored is None else stored[9:]


def size_of(commit: Commit) -> int:
    """Return the bytes that a commit brings."""
    touched = check(commit)
    assert isinstance(touched, Touched)
    return touched.size


def txn_of(client: Transactions) -> Transaction:
    """Return the transaction that runs now."""
    found = client.current()
    assert found is not None
    return found


def txn_of_any() -> Transaction:
    """Return the transaction that runs now, whosever it is."""
    found = running.get()
    assert found is not None
    return found


def put_value(client: Transactions, key: Key, value: object) -> None:
    """Set one key by a transaction of its own."""
    client.mutate(lambda: txn_of(client).store("s", key, value))
