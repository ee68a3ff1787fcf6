"""The cloud, as its users see it: `Cloud`.

A thin face over a `Room`; everything that waits, re-sends or batches is in there.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from actorcloud.base.errors import ConfigError, NotInJob
from actorcloud.base.ids import JobRef, NodeRef
from actorcloud.base.ports import Random
from actorcloud.base.states import JobState
from actorcloud.client.adder import JobAdder
from actorcloud.client.current_job import CurrentJob, current_or_none
from actorcloud.client.future import JobFuture
from actorcloud.client.info import CloudInfo
from actorcloud.client.link import Head
from actorcloud.client.listing import listed
from actorcloud.client.opening import open_room
from actorcloud.client.options import JobOptions
from actorcloud.client.outcome import state_of
from actorcloud.client.room import Room
from actorcloud.client.session import HEAD_TIMEOUT_DEFAULT, Session
from actorcloud.client.storing import StoreCalls
from actorcloud.client.waiting import completed, ordered, read
from actorcloud.protocol.job import (
    AddNode,
    Answer,
    CancelJob,
    DeleteJob,
    GetInfo,
    GetJob,
    Info,
    JobDetail,
    NodeAdded,
    RemoveNode,
)
from actorcloud.protocol.node import NODES
from actorcloud.protocol.record import Fence, Outcome

T = TypeVar("T")

#: What `Cloud.jobs` can be asked for.
STATE_NAMES = ("queued", "running", "done", "failed", "suspended")

#: Seconds that `repr` waits for the head: it must not hold up a debugger.
_REPR_TIMEOUT = 0.5

#: A job may have been handed on as "there is no such job", which is None.
_NOT_HANDED = Outcome("failed")

#: What a transaction may do instead of what it could not take back.
_CALL_AFTER = "it would be done at once, and again with each run: call it after mutate_store"

#: Outcomes kept between `as_completed` and the `result` that usually follows.
_HANDED_LIMIT = 64


class Cloud(JobAdder, StoreCalls):
    """A pool of workers to which jobs are added; jobs just get done.

    >>> with Cloud() as cloud:                            # doctest: +SKIP
    ...     ref = cloud.add_job(pow, 2, 10)
    ...     print(cloud.result(ref))
    1024

    Thread: any; not for use in a forked child.

    Args:
        where: a join string, or `host:port` of a head whose key this user has pinned; None: the
            environment's `ACTORCLOUD_HEAD`, else a private head that lives as long as its clients.
        path: the private head's durable store: a directory, "sqlite:///DIRECTORY" or
            "postgresql://HOST/DATABASE"; None: a temporary one.
        workers: worker processes of the private head, by default the usable CPUs. 0 runs each job
            in this process, inside `result`, for a debugger; nothing is durable then.

    Inside a job `Cloud()` is the job's own cloud, whatever it is given; a `Cloud` that a job's
    function captured arrives as that, too.

    Raises:
        ConfigError: the arguments contradict each other.
        UnknownHead: `where` has not been pinned; the message says which command to run.
        HeadUnreachable: no head answers there.
    """

    def __init__(
        self,
        where: str | None = None,
        *,
        path: str | PathLike[str] | None = None,
        workers: int | None = None,
    ) -> None:
        job = current_or_none()
        if job is not None:
            self._take(job.cloud.room, owns=False)
        else:
            self._take(open_room(where, path, workers, Cloud.over), owns=True)

    @classmethod
    def over(
        cls,
        head: Head,
        *,
        fence: Fence | None = None,
        random: Random | None = None,
        head_timeout: float = HEAD_TIMEOUT_DEFAULT,
    ) -> Cloud:
        """Return a cloud over a connection that exists: a worker's, the simulation's, a test's.

        Args:
            head: belongs to this cloud from now on.
            fence: (job, run), inside a job; then the room is closed by whoever runs the job, and by no `close`.
            random: chance; the operating system's by default.
            head_timeout: seconds without a head until `HeadUnreachable`.
        """
        cloud = cls.__new__(cls)
        cloud._take(  # noqa: SLF001  its own class
            Room(Session(head, fence=fence, random=random, head_timeout=head_timeout)), owns=fence is None
        )
        return cloud

    def _take(self, room: Room, *, owns: bool) -> None:
        super().__init__(room, JobOptions())
        self._owns = owns
        self._handed: dict[bytes, Outcome | None] = {}
        if owns:
            # Bound to the room: a cloud that nobody holds any more still has jobs to speak of.
            atexit.register(room.close)

    @property
    def room(self) -> Room:
        """What this handle is over; for actorcloud's own rooms."""
        return self._room

    # -- jobs ----------------------------------------------------------------------------------------

    def options(self, *, retries: int = 0, timeout: float | None = None, key: str | None = None) -> JobAdder:
        """Return something that adds jobs with these options.

        Args:
            retries: re-runs after an exception or a `JobTimeout`; deaths of the worker's process have
                a limit of their own (3, then the job is suspended), lost nodes count nothing.
            timeout: seconds one run may take; it is killed then.
            key: the job's own name: adding it again gives the existing JobRef.

        Raises:
            ConfigError: a value is not allowed; the message names it.
        """
        return JobAdder(self._room, JobOptions(retries=retries, timeout=timeout, key=key))

    @overload
    def result(self, ref: JobRef[T], timeout: float | None = None) -> T: ...
    @overload
    def result(self, ref: str, timeout: float | None = None) -> Any: ...
    def result(self, ref: JobRef[Any] | str, timeout: float | None = None) -> Any:
        """Wait for a job and return its value.

        Args:
            ref: of the job.
            timeout: seconds to wait; None waits as long as the head answers.

        Raises:
            Exception: what the job raised, `from` the remote traceback; `RemoteError` if it cannot be
                had here; `JobCancelled`, `JobTimeout`.
            JobSuspended: its process died too often; `why` says how often.
            NoSuchJob: it was deleted, or never was.
            ResultTimeout: after `timeout`; the job goes on. So it does after Ctrl-C.
            HeadUnreachable: no head answered for `head_timeout`.

        Blocks: until the job ends; after 5 s one WARNING tells what it waits for.
        """
        self._room.session.check()
        raw = self._raw(ref)
        if self._handed and (handed := self._handed.pop(raw, _NOT_HANDED)) is not _NOT_HANDED:
            return read(self._room.session, raw, handed)
        ((_, outcome),) = ordered(self._room.session, [raw], timeout)
        return read(self._room.session, raw, outcome)

    @overload
    def results(self, refs: Iterable[JobRef[T]], timeout: float | None = None) -> list[T]: ...
    @overload
    def results(self, refs: Iterable[JobRef[Any] | str], timeout: float | None = None) -> list[Any]: ...
    def results(self, refs: Iterable[JobRef[Any] | str], timeout: float | None = None) -> list[Any]:
        """Wait for jobs and return their values in the order of `refs`.

        Args:
            refs: of the jobs.
            timeout: seconds for all of them.

        Raises:
            Exception: as `result` does, for the first in this order that has no value.
        """
        session = self._room.session
        session.check()
        raws = self._raws(refs)
        unique = list(dict.fromkeys(raws))
        values = [read(session, raw, outcome) for raw, outcome in ordered(session, unique, timeout)]
        if len(unique) == len(raws):
            return values
        by_ref = dict(zip(unique, values, strict=True))
        return [by_ref[raw] for raw in raws]

    @overload
    def as_completed(self, refs: Iterable[JobRef[T]], timeout: float | None = None) -> Iterator[JobRef[T]]: ...
    @overload
    def as_completed(
        self, refs: Iterable[JobRef[Any] | str], timeout: float | None = None
    ) -> Iterator[JobRef[Any]]: ...
    def as_completed(self, refs: Iterable[JobRef[Any] | str], timeout: float | None = None) -> Iterator[JobRef[Any]]:
        """Yield the references of jobs as they end, well or not; each once.

        Args:
            refs: of the jobs.
            timeout: seconds for all of them.

        Raises:
            ResultTimeout, HeadUnreachable: as `result` does.
        """
        self._room.session.check()
        unique = list(dict.fromkeys(self._raws(refs)))
        return self._completed(unique, timeout)

    def future(self, ref: JobRef[T] | str) -> JobFuture[T]:
        """Return a future for a job that exists; cancelling it cancels the job, running or not."""
        self._room.session.check()
        return self._room.submitter.attach(self._raw(ref))

    def status(self, ref: JobRef[Any] | str) -> JobState:
        """Return the job's state: `Queued()`, `Running(where)`, `Done()`, `Failed(error)` or `Suspended(why)`.

        Raises:
            NoSuchJob: it was deleted, or never was.
        """
        return state_of(self._room.session.call(GetJob(self._raw(ref)), JobDetail))

    def cancel(self, ref: JobRef[Any] | str) -> bool:
        """Kill a job and keep its record: it is `Failed(JobCancelled)` then.

        Returns:
            False if it had ended by itself.

        Raises:
            NoSuchJob: it was deleted, or never was.
            NestedTransaction: inside a transaction.
        """
        self._refuse_in_transaction("cancel", _CALL_AFTER)
        return self._change(CancelJob(self._raw(ref), self._room.session.fence))

    def delete_job(self, ref: JobRef[Any] | str) -> bool:
        """Kill a job if it runs, and remove all traces of it: its record, result and store keys.

        Returns:
            True.

        Raises:
            NoSuchJob: it was deleted before, or never was.
            NestedTransaction: inside a transaction.
        """
        self._refuse_in_transaction("delete_job", _CALL_AFTER)
        raw = self._raw(ref)
        self._handed.pop(raw, None)
        self._change(DeleteJob(raw, self._room.session.fence))
        return True

    def jobs(self, state: str | None = None, limit: int = 100) -> list[JobRef[Any]]:
        """Find jobs again, the newest first, by when their references were made.

        Args:
            state: "queued", "running", "done", "failed" or "suspended"; None: all.
            limit: at most this many. The head reads from the newest on until it has them: of a state in which
                there are fewer, "running" excepted, all that there are.

        Raises:
            ConfigError: there is no such state, or the limit is no number from 0 on.
        """
        if state is not None and state not in STATE_NAMES:
            raise ConfigError(f"state={state!r}: one of {', '.join(STATE_NAMES)} is needed, or None for all")
        if type(limit) is not int or limit < 0:
            raise ConfigError(f"limit={limit!r}: a whole number of at least 0 is needed")
        return [JobRef(ref) for ref, _ in listed(self._room.session, state, limit)]

    def _raw(self, ref: JobRef[Any] | str) -> bytes:
        return self._raws([ref])[0]

    def _raws(self, refs: Iterable[JobRef[Any] | str]) -> list[bytes]:
        raws = [JobRef[Any].parse(ref).raw for ref in refs]
        # The head would say of one that was submitted just now that there is no such job.
        self._room.submitter.wait_added(raws)
        return raws

    def _completed(self, refs: Sequence[bytes], timeout: float | None) -> Iterator[JobRef[Any]]:
        for raw, outcome in completed(self._room.session, refs, timeout):
            # Most callers ask for the result next: it is here already.
            self._handed[raw] = outcome
            if len(self._handed) > _HANDED_LIMIT:
                self._handed.pop(next(iter(self._handed)), None)
            yield JobRef(raw)

    def _change(self, message: CancelJob | DeleteJob) -> bool:
        return self._room.session.call(message, Answer).changed

    # -- nodes ---------------------------------------------------------------------------------------

    def add_node(self, host: str, port: int) -> NodeRef:
        """Have the head dial a machine that runs `actorcloud node --listen`.

        Returns:
            Its name, once it has joined.

        Raises:
            NestedTransaction: inside a transaction.
            ConfigError: these are no host and port, or the head listens on its own machine only.
            NoSuchNode: no node answers there; the message says why.

        Blocks: until then.
        """
        self._refuse_in_transaction("add_node", _CALL_AFTER)
        if not isinstance(host, str) or type(port) is not int:
            raise ConfigError(f"add_node({host!r}, {port!r}): the host is a text, the port a number from 1 to 65535")
        request = AddNode(host, port, self._room.session.fence)
        return NodeRef(self._room.session.call(request, NodeAdded, to=NODES).name)

    def remove_node(self, node: NodeRef | str) -> bool:
        """Let a machine go: its jobs are queued again and run elsewhere.

        Raises:
            NoSuchNode: no node of this name has joined.
            NestedTransaction: inside a transaction.
        """
        self._refuse_in_transaction("remove_node", _CALL_AFTER)
        request = RemoveNode(str(node), self._room.session.fence)
        return self._room.session.call(request, Answer, to=NODES).changed

    def nodes(self) -> list[NodeRef]:
        """Return the machines, by name."""
        return sorted(node.ref for node in self.info().nodes)

    def info(self) -> CloudInfo:
        """Return the statistics of jobs, nodes and the store."""
        return CloudInfo.of(self._room.session.call(GetInfo(), Info), self._room.store_figures())

    # -- the end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Wait until what was submitted is durable, and leave; idempotent.

        One line tells what becomes of unfinished jobs. Inside a job nothing is left: the cloud is
        the job's own.
        """
        if self._owns:
            self._room.close()
            atexit.unregister(self._room.close)
        else:
            self._room.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[[], Cloud], tuple[()]]:
        return cloud_of_this_job, ()

    def __repr__(self) -> str:
        session = self._room.session
        if session.closed or session.is_forked:
            return f"<Cloud ({self._room.kind}) closed>"
        info = session.info(_REPR_TIMEOUT)
        return f"<Cloud ({self._room.kind}): {'the head does not answer' if info is None else info.summary()}>"


def current() -> CurrentJob[Cloud]:
    """Return the job that runs here: its `ref`, `attempt`, `cloud` and `on_done`.

    Raises:
        NotInJob: outside a job.
    """
    job = current_or_none()
    if job is None:
        raise NotInJob("current() exists only inside a job, and no job runs here")
    return job


def cloud_of_this_job() -> Cloud:
    """Return the job's own cloud: what a pickled `Cloud` becomes where it arrives.

    Raises:
        NotInJob: outside a job.
    """
    job = current_or_none()
    if job is None:
        raise NotInJob("a Cloud travels only into jobs; open one of your own here: Cloud(...)")
    cloud: Cloud = job.cloud
    return cloud
