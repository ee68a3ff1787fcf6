"""`Cloud(workers=0)`: no head, no process: each job runs in this one, inside `result`.

For debuggers and first steps: a breakpoint in a job stops, a profiler sees it. The same messages as
for a head are answered here, so the same states, errors, retries and transactions are seen. What
cannot be the same: nothing is durable, a run's `timeout` is not enforced, a crash takes the program
along, and the nodes are one, named "here".

A job runs on the thread that first waits for it, when it waits: inside `result`, `results`, at the
first value of `map`; a submitted job runs inside `submit`, for its future has no other thread.

Owns the jobs. Thread: any; one lock, held while nothing of the user's runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from actorcloud.base.clock import Clock, SystemClock
from actorcloud.base.code import load_function
from actorcloud.base.codec import dump_value, load_call
from actorcloud.base.errors import ActorCloudError, JobCancelled, JobConflict, NoSuchJob, NoSuchNode, WireError
from actorcloud.base.failure import code_of, dump_error
from actorcloud.base.ids import JobRef
from actorcloud.base.states import JobError
from actorcloud.base.version import VERSION
from actorcloud.client.current_job import CurrentJob, filled
from actorcloud.client.link import Asking, OnReply, Waiters
from actorcloud.protocol import job as wire
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import FINAL, Fence, JobRecord, NewJob, Outcome
from actorcloud.protocol.transaction import WatchKey
from actorcloud.store import Abort, Fail, FencedRun, SingleStore, called

#: The name of the only node.
HERE = "here"

#: Makes a job's own `Cloud` over its own head.
OpenCloud = Callable[..., Any]


class _Job(msgspec.Struct):
    """One job and who waits for it."""

    record: JobRecord
    arguments: bytes
    outcome: Outcome | None = None
    waiters: list[_Waiter] = []


class _Waiter(msgspec.Struct):
    """One Await."""

    on_reply: OnReply
    left: set[bytes]

    def settle(self, ref: bytes, outcome: Outcome | None) -> None:
        if ref in self.left:
            self.left.remove(ref)
            self.on_reply(wire.Outcomes(((ref, outcome),)), bool(self.left))


class _Forgotten:
    """The handle of an ask that is answered already, or by another thread."""

    def forget(self) -> None:
        """See `link.Asking`."""


class _Watching:
    """The handle of a watch."""

    def __init__(self, world: _World, to: Callable[[Message], None]) -> None:
        self._world = world
        self._to = to

    def forget(self) -> None:
        """See `link.Asking`."""
        with self._world.lock:
            self._world.store.unwatch(self._to)


class InlineHead:
    """A head in this process; see the module.

    Args:
        open_cloud: makes the handle of a job from a head and `fence=`: `Cloud.over`.
        world: the jobs, for the handle of a job; None: new ones.
    """

    def __init__(self, open_cloud: OpenCloud, world: _World | None = None) -> None:
        self.clock: Clock = SystemClock()
        self.away_since: float | None = None
        self._open_cloud = open_cloud
        self._world = world or _World()

    def ask(self, to: str, message: Message, on_reply: OnReply) -> Asking:
        """See `link.Head`; answers before it returns, but for jobs that another thread runs."""
        world = self._world
        try:
            if isinstance(message, wire.Await):
                self._await(message.refs, on_reply)
            elif isinstance(message, WatchKey):
                return self._watch(message, on_reply)
            else:
                with world.lock:
                    answer = world.store.answer(message) if to == wire.STORE else world.answer(message)
                on_reply(answer, False)
        except ActorCloudError as error:
            on_reply(error, False)
        world.waiters.check()
        return _Forgotten()

    def on_reset(self, callback: Callable[[], None]) -> None:
        """See `link.Head`; it is never lost."""

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `link.Head`."""
        return self._world.waiters.wait(ready, timeout)

    def wake(self) -> None:
        """See `link.Head`."""
        self._world.waiters.check()

    def close(self) -> None:
        """See `link.Head`."""
        self._world.waiters.check()

    def _watch(self, message: WatchKey, on_reply: OnReply) -> _Watching:
        def to(answer: Message) -> None:
            on_reply(answer, False)

        with self._world.lock:
            self._world.store.watch(message, to)
        return _Watching(self._world, to)

    # -- running -------------------------------------------------------------------------------------

    def _await(self, refs: Sequence[bytes], on_reply: OnReply) -> None:
        waiter = _Waiter(on_reply, set(refs))
        for ref in refs:
            job = self._world.begin(ref, waiter)
            while job is not None:
                self._run(ref, job)
                job = self._world.begin(ref, None)

    def _run(self, ref: bytes, job: _Job) -> None:
        world = self._world
        fence = (ref, job.record.run)
        head = InlineHead(self._open_cloud, world)
        current = CurrentJob(JobRef[Any](ref), job.record.attempt, lambda: self._open_cloud(head, fence=fence))
        try:
            with filled(current):
                outcome = _call(world.functions[job.record.function], job.arguments, current)
        except FencedRun:
            # Cancelled or deleted while it ran: its end is recorded already.
            return
        except KeyboardInterrupt:
            # The person's, who waits here: the job goes back into the queue.
            world.requeue(ref, fence, job.record.failures)
            raise
        if current.has_cloud:
            current.cloud.room.close()
        if outcome.state == "failed" and job.record.failures < job.record.retries:
            world.requeue(ref, fence, job.record.failures + 1)
        else:
            world.end(ref, fence, outcome)


def _call(code: bytes, arguments: bytes, current: CurrentJob[Any]) -> Outcome:
    try:
        function = load_function(code)
        args, kwargs = load_call(arguments)
        outcome = Outcome("done", dump_value(function(*args, **kwargs)))
        # Last: what is staged is there if and only if the job is done.
        if current.staged:
            _commit(current)
        return outcome
    except (KeyboardInterrupt, FencedRun):
        raise
    except BaseException as error:  # noqa: BLE001  whatever else a job raises is its outcome
        text, pickled = dump_error(error)
        return Outcome("failed", pickled, text, code_of(error))


def _commit(current: CurrentJob[Any]) -> None:
    def run() -> None:
        for fun in current.staged:
            called(fun)

    ended = current.cloud.mutate_store(run)
    if isinstance(ended, Fail):
        # As with workers: it is the job's failure.
        raise Abort(ended.reason)


class _World:
    """The jobs of one inline cloud, shared by the handles of its jobs."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.waiters = Waiters()
        self.functions: dict[bytes, bytes] = {}
        self._jobs: dict[bytes, _Job] = {}
        self._keys: dict[str, bytes] = {}
        self._fingerprints: dict[str, bytes] = {}
        self.store = SingleStore(self._record, self._keys.get, self._add_new)
        self._runs = 0
        self._ended = {"done": 0, "failed": 0}
        self._start = time.monotonic()

    # -- requests ------------------------------------------------------------------------------------

    def answer(self, message: Message) -> Message:
        """Return the answer of the job manager."""
        match message:
            case wire.AddJobs():
                return self._add(message)
            case wire.GetJob(ref):
                return wire.JobDetail(ref, self._job(ref).record, self._job(ref).outcome)
            case wire.CancelJob(ref):
                return self._cancel(ref)
            case wire.DeleteJob(ref):
                return self._delete(ref)
            case wire.ListJobs():
                return self._list(message)
            case wire.GetInfo():
                return self._info()
            case wire.AddNode() | wire.RemoveNode():
                raise NoSuchNode("workers=0 runs jobs in this process and has no nodes; open a Cloud() with workers")
        raise WireError(f"workers=0 does not know {message!r}")

    def _add(self, request: wire.AddJobs) -> wire.Added | wire.NeedFunction:
        if request.code:
            self.functions[request.function] = request.code
        if request.function not in self.functions:
            return wire.NeedFunction(request.function)
        if request.key is not None and request.key in self._keys:
            return wire.Added((self._keys[request.key],), self._fingerprints.get(request.key, b""))
        if request.key is not None:
            self._fingerprints[request.key] = request.fingerprint
        for ref, arguments in request.jobs:
            self._add_new(NewJob(ref, request.function, arguments, request.retries, request.timeout, request.key))
        return wire.Added(tuple(ref for ref, _ in request.jobs))

    def _cancel(self, ref: bytes) -> wire.Answer:
        record = self._job(ref).record
        if record.state in FINAL:
            return wire.Answer(changed=False)
        outcome = Outcome("failed", error=JobError("JobCancelled", str(JobCancelled()), ""), code=JobCancelled.code)
        self.end(ref, (ref, record.run), outcome)
        return wire.Answer(changed=True)

    def _delete(self, ref: bytes) -> wire.Answer:
        job = self._job(ref)
        del self._jobs[ref]
        if job.record.key is not None:
            self._keys.pop(job.record.key, None)
            self._fingerprints.pop(job.record.key, None)
        self.store.forget(ref)
        for waiter in job.waiters:
            waiter.settle(ref, None)
        return wire.Answer(changed=True)

    def _list(self, request: wire.ListJobs) -> wire.JobList:
        found = [
            (ref, job.record)
            for ref, job in sorted(self._jobs.items(), reverse=True)
            if (not request.after or ref < request.after) and request.state in {None, job.record.state}
        ]
        return wire.JobList(tuple(found[: request.limit]))

    def _info(self) -> wire.Info:
        states = [job.record.state for job in self._jobs.values()]
        live = {state: states.count(state) for state in ("queued", "running", "suspended")}
        node = wire.NodeLine(HERE, "up", 0, live["running"], {})
        return wire.Info(live, dict(self._ended), (node,), time.monotonic() - self._start, VERSION)

    # -- jobs ----------------------------------------------------------------------------------------

    def begin(self, ref: bytes, waiter: _Waiter | None) -> _Job | None:
        """Make a queued job running and return it; None if there is nothing to run.

        Args:
            ref: of the job.
            waiter: told now if the job has ended, else when it does.
        """
        with self.lock:
            job = self._jobs.get(ref)
            if job is None or job.outcome is not None:
                if waiter is not None:
                    waiter.settle(ref, None if job is None else job.outcome)
                return None
            if waiter is not None:
                job.waiters.append(waiter)
            if job.record.state != "queued":
                return None
            self._runs += 1
            attempt = job.record.attempt + 1
            run = self._runs.to_bytes(16, "big")
            job.record = replace(job.record, state="running", run=run, node=HERE, attempt=attempt)
            return job

    def requeue(self, ref: bytes, fence: Fence, failures: int) -> None:
        """Queue a job again whose run has ended, unless something else became of it meanwhile."""
        with self.lock:
            if self._holds(fence):
                job = self._jobs[ref]
                job.record = replace(job.record, state="queued", failures=failures, changed_at=time.time())

    def end(self, ref: bytes, fence: Fence, outcome: Outcome) -> None:
        """Note how a job ended, and tell who waits."""
        with self.lock:
            job = self._jobs.get(ref)
            if job is None or job.record.state in FINAL or job.record.run != fence[1]:
                return
            job.record = replace(job.record, state=outcome.state, changed_at=time.time())
            job.outcome = outcome
            self._ended[outcome.state] += 1
            waiters, job.waiters = job.waiters, []
        for waiter in waiters:
            waiter.settle(ref, outcome)
        self.waiters.check()

    def _add_new(self, job: NewJob) -> None:
        known = self._jobs.get(job.ref)
        if known is not None and known.arguments != job.arguments:
            raise JobConflict(f"job {JobRef[Any](job.ref)} was added before with other arguments")
        if known is None:
            record = JobRecord("queued", job.function, time.time(), self.store.seq, job.retries, job.timeout, job.key)
            self._jobs[job.ref] = _Job(record, job.arguments)
            if job.key is not None:
                self._keys[job.key] = job.ref

    def _job(self, ref: bytes) -> _Job:
        if ref not in self._jobs:
            raise NoSuchJob(f"there is no job {JobRef[Any](ref)}: it was deleted, or never added here")
        return self._jobs[ref]

    def _record(self, ref: bytes) -> JobRecord | None:
        return self._jobs[ref].record if ref in self._jobs else None

    def _holds(self, fence: Fence) -> bool:
        job = self._jobs.get(fence[0])
        return job is not None and job.record.state == "running" and job.record.run == fence[1]
