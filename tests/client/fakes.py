"""A head in memory, in one thread: it answers as the job manager does, and does what a test scripts.

Answers lie in a queue until the client waits; `wait` delivers them one by one. When nothing is left
to deliver, the next step of `script` happens ("when the client waits, the head dies"); when there
is none, the clock jumps to the end of the wait. So a test is deterministic and takes no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from actorcloud.base.clock import ManualClock
from actorcloud.base.code import load_function
from actorcloud.base.codec import dump_value, load_call
from actorcloud.base.errors import ActorCloudError, JobCancelled, JobConflict, NoSuchJob
from actorcloud.base.failure import dump_error
from actorcloud.base.states import JobError
from actorcloud.client.link import OnReply
from actorcloud.protocol.border import RUN_BYTES
from actorcloud.protocol.job import (
    BATCH_LIMIT,
    STORE,
    Added,
    AddJobs,
    AddNode,
    Answer,
    Await,
    CancelJob,
    DeleteJob,
    GetInfo,
    GetJob,
    Info,
    JobDetail,
    JobList,
    ListJobs,
    NeedFunction,
    NodeAdded,
    NodeLine,
    Outcomes,
    RemoveNode,
)
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.record import FINAL, JobRecord, NewJob, Outcome
from actorcloud.protocol.transaction import WatchKey
from actorcloud.store import SingleStore


class FakeAsk:
    """One ask, as the head sees it."""

    def __init__(self, message: Message, on_reply: OnReply) -> None:
        self.message = message
        self.on_reply = on_reply
        self.waiting: set[bytes] = set()
        self.is_open = True

    def forget(self) -> None:
        self.is_open = False


class FakeHead:
    """See the module.

    Args:
        runs: whether jobs are run as soon as they are durable; else a test ends them.
    """

    def __init__(self, *, runs: bool = True) -> None:
        self.clock = ManualClock()
        self.away_since: float | None = None
        self.runs = runs
        #: What happens when the client waits and no answer is due, in order.
        self.script: deque[Callable[[], object]] = deque()
        #: Everything that arrived while the head was there.
        self.received: list[Message] = []
        self.functions: dict[bytes, bytes] = {}
        self.records: dict[bytes, JobRecord] = {}
        self.arguments: dict[bytes, bytes] = {}
        self.outcomes: dict[bytes, Outcome] = {}
        self.keys: dict[str, bytes] = {}
        self.fingerprints: dict[str, bytes] = {}
        self.nodes: list[NodeLine] = [NodeLine("n1", "up", 2, 0, {})]
        self.store = SingleStore(self._running, self.keys.get, self._add_new)
        self.closed = False
        self._open: list[FakeAsk] = []
        self._to_drop = 0
        self._due: deque[tuple[FakeAsk, Message | Exception, bool]] = deque()
        self._reset: Callable[[], None] = lambda: None

    # -- the port ------------------------------------------------------------------------------------

    def ask(self, to: str, message: Message, on_reply: OnReply) -> FakeAsk:
        ask = FakeAsk(decode(encode(message)), on_reply)
        if self.away_since is None and not self.closed:
            self.received.append(ask.message)
            self._open.append(ask)
            self._answer(to, ask)
        return ask

    def on_reset(self, callback: Callable[[], None]) -> None:
        self._reset = callback

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        deadline = None if timeout is None else self.clock.monotonic() + timeout
        while not ready():
            if self._due:
                self.deliver()
            elif self.script:
                self.script.popleft()()
            elif deadline is None:
                raise AssertionError("the client would wait for ever")
            else:
                self.clock.advance(max(0.0, deadline - self.clock.monotonic()))
                return ready()
        return True

    def wake(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True

    # -- what tests do -------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Let the oldest answer arrive."""
        ask, reply, more = self._due.popleft()
        if ask.is_open:
            ask.on_reply(reply if isinstance(reply, Exception) else decode(encode(reply)), more)

    def deliver_all(self) -> None:
        """Let all answers arrive, and those that they lead to."""
        while self._due:
            self.deliver()

    def lose(self) -> None:
        """The head dies: what it had not answered is forgotten, what was durable is not."""
        self.away_since = self.clock.monotonic()
        for ask in self._open:
            ask.is_open = False
        self._open.clear()
        self._due.clear()

    def come_back(self) -> None:
        """Another head answers."""
        self.away_since = None
        self._reset()

    def drop_answers(self, count: int, then: list[Callable[[], object]]) -> None:
        """The next answers get lost on their way; `then` happens when the client waits in vain."""
        self._to_drop = count
        self.script.extend(then)

    def pass_time(self, seconds: float) -> Callable[[], None]:
        """Return a step for `script`."""
        return lambda: self.clock.advance(seconds)

    def finish(self, ref: bytes, value: object = None) -> None:
        """A job returns."""
        self.end(ref, Outcome("done", dump_value(value)))

    def fail(self, ref: bytes, error: BaseException) -> None:
        """A job raises."""
        text, pickled = dump_error(error)
        self.end(ref, Outcome("failed", pickled, text))

    def end(self, ref: bytes, outcome: Outcome, crashes: int = 0) -> None:
        """A job ends."""
        self.records[ref] = replace(self.records[ref], state=outcome.state, crashes=crashes)
        self.outcomes[ref] = outcome
        self._tell(ref, outcome)

    def run(self, ref: bytes) -> None:
        """Run a job, as a worker does."""
        record = self.records[ref]
        try:
            args, kwargs = load_call(self.arguments[ref])
            value = load_function(self.functions[record.function])(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever a job raises
            self.fail(ref, error)
        else:
            self.finish(ref, value)

    def count(self, kind: type[Message]) -> int:
        """Return how many messages of this class arrived."""
        return sum(isinstance(message, kind) for message in self.received)

    # -- the manager ---------------------------------------------------------------------------------

    def _answer(self, to: str, ask: FakeAsk) -> None:
        if isinstance(ask.message, Await):
            self._await(ask, ask.message.refs)
            return
        if isinstance(ask.message, WatchKey):
            self.store.watch(ask.message, lambda reply: self._due.append((ask, reply, False)))
            return
        try:
            reply = self.store.answer(ask.message) if to == STORE else self._reply(ask.message)
        except ActorCloudError as error:
            self._due.append((ask, error, False))
        else:
            if self._to_drop:
                self._to_drop -= 1
            else:
                self._due.append((ask, reply, False))

    def _await(self, ask: FakeAsk, refs: tuple[bytes, ...]) -> None:
        assert 0 < len(refs) <= BATCH_LIMIT
        ask.waiting = set(refs)
        for ref in refs:
            if ref in self.outcomes or ref not in self.records:
                self._settle(ask, ref, self.outcomes.get(ref))

    def _tell(self, ref: bytes, outcome: Outcome | None) -> None:
        for ask in self._open:
            self._settle(ask, ref, outcome)

    def _settle(self, ask: FakeAsk, ref: bytes, outcome: Outcome | None) -> None:
        if ref in ask.waiting:
            ask.waiting.remove(ref)
            self._due.append((ask, Outcomes(((ref, outcome),)), bool(ask.waiting)))

    def _reply(self, message: Message) -> Message:
        match message:
            case AddJobs():
                return self._add(message)
            case GetJob(ref):
                return JobDetail(ref, self._record(ref), self.outcomes.get(ref))
            case CancelJob(ref):
                if self._record(ref).state in FINAL:
                    return Answer(changed=False)
                error = JobError("JobCancelled", "it was cancelled", "")
                self.end(ref, Outcome("failed", error=error, code=JobCancelled.code))
                return Answer(changed=True)
            case DeleteJob(ref):
                self._record(ref)
                del self.records[ref]
                self.outcomes.pop(ref, None)
                self._tell(ref, None)
                return Answer(changed=True)
            case ListJobs(state, limit, after):
                found = sorted(self.records.items(), reverse=True)
                found = [item for item in found if not after or item[0] < after]
                return JobList(tuple(item for item in found if state in {None, item[1].state})[:limit])
            case GetInfo():
                states = [record.state for record in self.records.values()]
                counts = {state: states.count(state) for state in ("queued", "running", "suspended")}
                return Info(counts, {}, tuple(self.nodes), 1.0, "0.1.0")
            case AddNode(host):
                self.nodes.append(NodeLine(host, "up", 1, 0, {}))
                return NodeAdded(host)
            case RemoveNode(name):
                self.nodes = [node for node in self.nodes if node.name != name]
                return Answer(changed=True)
        raise AssertionError(f"the manager does not know {message!r}")

    def _add(self, request: AddJobs) -> Message:
        assert len(request.jobs) <= BATCH_LIMIT
        if request.code:
            self.functions[request.function] = request.code
        if request.function not in self.functions:
            return NeedFunction(request.function)
        if request.key is not None and request.key in self.keys:
            return Added((self.keys[request.key],), self.fingerprints.get(request.key, b""))
        if request.key is not None:
            self.fingerprints[request.key] = request.fingerprint
        for ref, arguments in request.jobs:
            self._add_new(NewJob(ref, request.function, arguments, request.retries, request.timeout, request.key))
        return Added(tuple(ref for ref, _ in request.jobs))

    def _add_new(self, job: NewJob) -> None:
        if job.ref in self.records:
            if self.arguments[job.ref] != job.arguments:
                raise JobConflict
            return
        record = JobRecord(
            "queued", job.function, self.clock.time(), 0, job.retries, job.timeout, job.key, run=bytes(RUN_BYTES)
        )
        self.records[job.ref], self.arguments[job.ref] = record, job.arguments
        if job.key is not None:
            self.keys[job.key] = job.ref
        if self.runs:
            self.run(job.ref)

    def _running(self, ref: bytes) -> JobRecord | None:
        """The store's view of a job: each of them runs."""
        return replace(self.records[ref], state="running") if ref in self.records else None

    def _record(self, ref: bytes) -> JobRecord:
        if ref not in self.records:
            raise NoSuchJob
        return self.records[ref]


def open_fake(**options: Any) -> tuple[Any, FakeHead]:
    """Return a Cloud and the head that it talks to."""
    from actorcloud.client import Cloud

    head = FakeHead(**options)
    return Cloud.over(head), head
