"""Random histories of the store, a step at a time, against a list of dictionaries.

The white-box checker: each commit has a number, so the history is known. Each value that a run has seen,
committed or not, must be what the history says of its snapshot; each answer is what the model says, and
comes only when it is durable, whatever is lost, sent again, refused by a full disk or cut off by a crash.

Reference: store-design 4.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actorcloud.protocol.record import JobRecord
from actorcloud.protocol.transaction import (
    AtomicStep,
    Commit,
    Committed,
    Conflict,
    Fenced,
    Found,
    NotCommitted,
    RangeEntry,
    RangeRead,
    Refused,
    Status,
    Values,
)
from actorcloud.store import Change, EngineScan, Expect, ReadPlan, encode_key, keys
from actorcloud.store import Refused as RefusedChange
from actorcloud.store.caller.attempt import Attempt, Unknown
from actorcloud.store.range import range_entry
from actorcloud.store.sequencer import Answer, Request, scans_of
from actorcloud.store.value import INT, pack_int, unpack_int, with_codec
from tests.store.local import NOW, REF, LocalStore, raw, run_of

State = dict[bytes, Found]

CLIENTS = st.integers(0, 2)
#: Few, or nobody meets anybody.
NAMES = st.sampled_from("abc")
VALUES = st.none() | st.sampled_from((raw(b"x"), raw(b"y")))
BOUNDS = st.sampled_from("abcd")


def key(name: str) -> bytes:
    return keys.user("test", encode_key(name))


def int_value(number: int) -> bytes:
    return with_codec(INT, pack_int(number))


#: Only added to, read and deleted; outside of all ranges.
COUNTER = key("z")

#: In the space of a job that is rescheduled, and deleted.
OF_JOB = keys.user(REF, encode_key("k"))

KEYS = st.one_of(NAMES.map(key), st.sampled_from((COUNTER, OF_JOB)))

RECORD = keys.record(REF)


def job(run: int) -> JobRecord:
    return JobRecord("running", b"f" * 16, NOW, run=run_of(run))


@dataclass(eq=False)
class Client:
    """A run that goes on."""

    attempt: Attempt
    #: What it adds to the counter at its commit; None: it has set or deleted it.
    adds: int = 0


@dataclass(eq=False)
class Sent:
    """A request that the store was sent, and what the model says of it."""

    body: Commit | Change | Status
    answers: list[Answer] = field(default_factory=list)
    #: Of an accepted one: the number of its commit.
    seq: int | None = None
    #: The answer, or its class.
    expected: object = None
    #: The state that its answer rests on.
    rests_on: int = 0
    is_checked: bool = False


class Model(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.store = LocalStore()
        #: The state after commit n; of the job's record only its run.
        self.states: list[State] = [{}]
        self.run = 1
        self.store.change(Change(tag=0, expect=(Expect(REF, None),), records=((REF, job(1)),)))
        self.states.append({RECORD: (1, run_of(1))})
        #: Transaction -> number of its commit.
        self.known: dict[bytes, int] = {}
        self.closed: set[bytes] = set()
        self.count = 0
        self.clients = [self.begin(client) for client in range(3)]
        self.flight: Any = None
        self.sent: list[Sent] = []

    def begin(self, client: int, seed: Conflict | None = None) -> Client:
        self.count += 1
        fence = (REF, self.present_run()) if client == 0 else None
        return Client(Attempt(self.count.to_bytes(16, "big"), 1, fence, seed))

    # -- what a run does --------------------------------------------------------------------------

    @rule(client=CLIENTS, name=NAMES, value=VALUES)
    def fetch_what_is_changed_at_once(self, client: int, name: str, value: bytes | None) -> None:
        self.fetch(client, key(name))
        self.change_behind_their_backs(name, value)

    @rule(client=CLIENTS, bounds=st.tuples(BOUNDS, BOUNDS), name=NAMES, value=VALUES)
    def scan_what_is_changed_at_once(
        self, client: int, bounds: tuple[str, str], name: str, value: bytes | None
    ) -> None:
        self.scan(client, bounds, 3, reverse=False)
        self.change_behind_their_backs(name, value)

    @rule(client=CLIENTS, wanted=KEYS)
    def fetch(self, client: int, wanted: bytes) -> None:
        mine = self.clients[client]
        attempt = mine.attempt
        if isinstance(attempt.peek(wanted), Unknown):
            answer = self.store.read(attempt.ask_for([wanted]))
            if not isinstance(answer, Values):
                self.restart(client, answer)
                return
            attempt.take_in([wanted], answer)
        assert attempt.peek(wanted) == self.seen(mine).get(wanted)

    @rule(client=CLIENTS, bounds=st.tuples(BOUNDS, BOUNDS), limit=st.integers(1, 3), reverse=st.booleans())
    def scan(self, client: int, bounds: tuple[str, str], limit: int, *, reverse: bool) -> None:
        mine = self.clients[client]
        attempt = mine.attempt
        lo, hi = map(key, sorted(bounds))
        while isinstance(found := attempt.peek_range(RangeRead(lo, hi, limit, reverse)), RangeRead):
            answer = self.store.read(attempt.ask_for((), [found]))
            if not isinstance(answer, Values):
                self.restart(client, answer)
                return
            attempt.take_in((), answer, [found])
        items = sorted(self.seen(mine).items(), reverse=reverse)
        assert found == [item for item in items if lo <= item[0] < hi][:limit]

    @rule(client=CLIENTS, name=NAMES, value=VALUES)
    def write(self, client: int, name: str, value: bytes | None) -> None:
        self.clients[client].attempt.write(key(name), value)

    @rule(client=CLIENTS, value=st.binary(max_size=2).map(raw))
    def write_to_the_job(self, client: int, value: bytes) -> None:
        self.clients[client].attempt.write(OF_JOB, value)

    @rule(client=CLIENTS, number=st.integers(-2, 3))
    def add(self, client: int, number: int) -> None:
        self.clients[client].attempt.do(COUNTER, AtomicStep("add", int_value(number)))
        self.clients[client].adds += number

    @rule(client=CLIENTS)
    def abort(self, client: int) -> None:
        self.clients[client] = self.begin(client)

    @rule(client=CLIENTS, name=NAMES, value=VALUES)
    def commit(self, client: int, name: str, value: bytes | None) -> None:
        attempt = self.clients[client].attempt
        if attempt.is_read_only:
            attempt.write(key(name), value)
        self.send(Sent(attempt.to_commit()))
        self.clients[client] = self.begin(client)

    @rule(name=NAMES, value=VALUES)
    def change_behind_their_backs(self, name: str, value: bytes | None) -> None:
        """Somebody else's write, which is durable at once."""
        self.count += 1
        self.send(Sent(Commit(self.count.to_bytes(16, "big"), 1, writes=((key(name), value),))))
        self.land()
        self.fly()
        self.land()

    def restart(self, client: int, answer: object) -> None:
        """What a run has read does not hold any more, or its job is gone."""
        attempt = self.clients[client].attempt
        if isinstance(answer, Conflict):
            assert not self.holds(self.states[answer.snapshot[1]], attempt.reads, attempt.ranges)
            self.check_fresh(answer)
            self.clients[client] = self.begin(client, answer)
        else:
            assert isinstance(answer, Refused)
            assert RECORD not in self.states[self.store.engine.disk.seq]
            self.clients[client] = self.begin(client)

    def seen(self, client: Client) -> dict[bytes, bytes | None]:
        """Return what the run must see: its snapshot, as a dictionary, with its own writes in it."""
        state = {name: found[1] for name, found in self.state_of(client.attempt).items() if found is not None}
        if client.attempt.atomics:
            state[COUNTER] = _add(state.get(COUNTER), client.adds)
        seen: dict[bytes, bytes | None] = {**state, **dict(client.attempt.writes)}
        return {name: value for name, value in seen.items() if value is not None}

    # -- requests ---------------------------------------------------------------------------------

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 5))
    def lose_the_reply(self, back: int) -> None:
        """A commit is sent again as it is."""
        body = self.sent[-1 - back % len(self.sent)].body
        if isinstance(body, Commit):
            self.send(Sent(body))

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 5))
    def ask_for_the_status(self, back: int) -> None:
        body = self.sent[-1 - back % len(self.sent)].body
        if isinstance(body, Commit):
            self.send(Sent(Status(body.txn)))

    @precondition(lambda self: RECORD in self.states[-1])
    @rule()
    def reschedule_the_job(self) -> None:
        expect = Expect(REF, "running", self.present_run())
        self.run += 1
        self.send(Sent(Change(tag=0, expect=(expect,), records=((REF, job(self.run)),))))

    @rule(chance=st.integers(0, 9))
    def delete_the_job(self, chance: int) -> None:
        # Not often, for it is for good.
        if chance == 0:
            self.send(Sent(Change(tag=0, expect=(Expect(REF, "running"),), records=((REF, None),))))

    def send(self, sent: Sent) -> None:
        self.sent.append(sent)
        self.judge(sent)
        sent.answers = self.store.submit(sent.body)

    def judge(self, sent: Sent) -> None:
        """Say what the store must say, and move on."""
        body = sent.body
        sent.seq, sent.expected = None, self.verdict(body)
        if sent.expected is None or (isinstance(sent.expected, Committed) and sent.expected.seq == len(self.states)):
            self.apply(body)
            sent.seq = len(self.states) - 1
        sent.rests_on = len(self.states) - 1

    def verdict(self, body: Commit | Change | Status) -> object:
        state = self.states[-1]
        if isinstance(body, Change):
            record = state.get(RECORD)
            is_right = record is not None and body.expect[0].run in {None, record[1]}
            return None if is_right else RefusedChange
        if body.txn in self.known:
            return Committed(self.known[body.txn], 1)
        if isinstance(body, Status):
            self.closed.add(body.txn)
            return NotCommitted()
        if body.txn in self.closed:
            return Refused
        if body.fence is not None and state.get(RECORD, (0, b""))[1:] != (body.fence[1],):  # type: ignore[index]
            return Fenced()
        if RECORD not in state and OF_JOB in {name for name, _ in (*body.reads, *body.writes)}:
            return Refused
        if not self.holds(state, body.reads, body.ranges) or not all(map(self.can_tell, body.ranges)):
            return Conflict
        return Committed(len(self.states), 1)

    def apply(self, body: Commit | Change | Status) -> None:
        state, seq = dict(self.states[-1]), len(self.states)
        if isinstance(body, Change):
            record = body.records[0][1]
            _put(state, seq, RECORD, None if record is None else record.run)
        elif isinstance(body, Commit):
            self.known[body.txn] = seq
            for name, value in body.writes:
                _put(state, seq, name, value)
            for name, steps in ((atomic.key, atomic.steps) for atomic in body.atomics):
                found = state.get(name)
                value = None if found is None else found[1]
                for step in steps:
                    value = _add(value, unpack_int(step.value[1:]))
                _put(state, seq, name, value)
        self.states.append(state)

    # -- what happens to batches ------------------------------------------------------------------

    @rule()
    def fly(self) -> None:
        if self.flight is None:
            self.flight = self.store.sequencer.take()

    @rule()
    def reach_the_disk(self) -> None:
        if self.flight is not None and self.store.engine.disk.seq == self.flight.expect:
            batch, expect, new = self.flight
            self.store.engine.commit(batch, epoch=self.store.epoch, expect=expect, new=new)

    @rule()
    def land(self) -> None:
        self.reach_the_disk()
        if self.flight is not None:
            self.flight = None
            self.store.finish()

    @precondition(lambda self: self.flight is not None and self.store.engine.disk.seq == self.flight.expect)
    @rule()
    def find_the_disk_full(self) -> None:
        """Nothing of the batch was written: what it consisted of is lost, the rest is judged again."""
        lost, again = self.store.sequencer.failed()
        self.roll_back()
        by_body = {id(sent.body): sent for sent in self.sent if not sent.answers and not sent.is_checked}
        for request in lost:
            by_body[id(request.body)].is_checked = True
        self.flight = None
        for request in again:
            self.judge_again(request)

    def judge_again(self, request: Request) -> None:
        sent = next(sent for sent in self.sent if sent.answers is request.answer.__self__)  # type: ignore[attr-defined]
        self.judge(sent)
        scans = list(scans_of(request.body))
        view = self.store.engine.read(ReadPlan(request.touched.keys, scans))
        self.store.sequencer.add([request], view.values, NOW, dict(zip(scans, view.scans, strict=True)))

    @rule(chance=st.integers(0, 3))
    def crash(self, chance: int) -> None:
        """Nothing that is not on the disk was ever told; whoever waits asks the next head."""
        if chance == 0:
            self.store, self.flight = LocalStore(self.store.engine.disk), None
            self.roll_back()
            self.closed.clear()
            for sent in self.sent:
                sent.is_checked = True

    def roll_back(self) -> None:
        """The history ends where the disk does."""
        seq = self.store.engine.disk.seq
        del self.states[seq + 1 :]
        self.known = {txn: number for txn, number in self.known.items() if number <= seq}

    # -- what must hold ---------------------------------------------------------------------------

    @invariant()
    def every_run_sees_one_state(self) -> None:
        for client in self.clients:
            attempt = client.attempt
            assert attempt.snapshot is None or attempt.snapshot[1] <= self.store.engine.disk.seq
            assert self.holds(self.state_of(attempt), attempt.reads, attempt.ranges)

    @invariant()
    def answers_are_right_and_durable(self) -> None:
        for sent in self.sent:
            if sent.answers and not sent.is_checked:
                sent.is_checked = True
                (answer,) = sent.answers
                self.check_answer(sent, answer)
        if self.flight is None and not self.store.sequencer.is_flying:
            assert self.store.engine.disk.seq == self.store.sequencer.durable

    def check_answer(self, sent: Sent, answer: Answer) -> None:
        if isinstance(sent.expected, type):
            assert isinstance(answer, sent.expected)
        else:
            assert answer == sent.expected
        if isinstance(answer, Conflict):
            self.check_fresh(answer)
        if sent.seq is not None:
            assert sent.seq <= self.store.engine.disk.seq
        if isinstance(answer, Committed):
            assert answer.seq <= self.store.engine.disk.seq

    @invariant()
    def the_disk_is_the_model(self) -> None:
        disk = self.store.engine.disk
        state = self.states[disk.seq]
        for name in (*map(key, "abc"), COUNTER, OF_JOB):
            found = state.get(name)
            value = disk.get(name)
            assert (None if value is None else value[9:]) == (None if found is None else found[1][1:])
        assert (disk.get(RECORD) is None) == (RECORD not in state)

    # -- helpers ----------------------------------------------------------------------------------

    def check_fresh(self, conflict: Conflict) -> None:
        seq = conflict.snapshot[1]
        assert seq <= self.store.engine.disk.seq
        assert all(self.states[seq].get(entry) == found for entry, found in conflict.fresh)

    def holds(self, state: State, reads: Any, ranges: Any) -> bool:
        return all(_seq_in(state, entry) == seq for entry, seq in reads) and all(
            entry == range_entry(entry.lo, entry.hi, _seqs_between(state, entry.lo, entry.hi)) for entry in ranges
        )

    def can_tell(self, entry: RangeEntry) -> bool:
        """What the disk has more is taken for a change, though a batch may be about to delete it."""
        scan = EngineScan(entry.lo, entry.hi, 10)
        return len(self.store.engine.read(ReadPlan((), [scan])).scans[0]) <= entry.count

    def present_run(self) -> bytes:
        found = self.states[-1].get(RECORD)
        return run_of(0) if found is None else found[1]

    def state_of(self, attempt: Attempt) -> State:
        return self.states[attempt.snapshot[1] if attempt.snapshot is not None else self.store.engine.disk.seq]


def _add(value: bytes | None, number: int) -> bytes:
    return int_value((0 if value is None else unpack_int(value[1:])) + number)


def _put(state: State, seq: int, name: bytes, value: bytes | None) -> None:
    state.pop(name, None)
    if value is not None:
        state[name] = (seq, value)


def _seq_in(state: State, entry: bytes) -> int:
    found = state.get(entry)
    return 0 if found is None else found[0]


def _seqs_between(state: State, lo: bytes, hi: bytes) -> list[tuple[bytes, int]]:
    return [(entry, found[0]) for entry, found in sorted(state.items()) if found is not None and lo <= entry < hi]


TestModel = Model.TestCase
TestModel.settings = settings(stateful_step_count=80)
