"""Waiting for jobs: outcomes come by themselves, in the order in which jobs end.

An `AwaitRequest` asks for up to `BATCH_LIMIT` jobs and is asked again, for what is unanswered, by
each new head. A `Wait` is one caller's set of them; `ordered` and `completed` read it.

Jobs are awaited only when their addition was acknowledged: waiters are level-triggered, so nothing
is missed, and an answer of "no such job" is the truth (design 6.1, rule 16).

Thread: outcomes are put in on the thread that delivers answers, and taken out by the caller's; the
dicts and the deque between them need no lock.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from actorcloud.base.errors import ActorCloudError, JobSuspended, WireError
from actorcloud.base.ids import JobRef
from actorcloud.client.outcome import value_of, why_of
from actorcloud.client.session import Request, Session
from actorcloud.protocol.job import BATCH_LIMIT, Await, GetJob, JobDetail, Outcomes
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Outcome

#: (ref, outcome); None: there is no such job.
Item = tuple[bytes, Outcome | None]

#: Jobs that an ordered wait asks for ahead of its reader: outcomes are held here until they are read.
WINDOW = 2 * BATCH_LIMIT


class AwaitRequest(Request):
    """One streaming Await.

    Args:
        refs: at most `BATCH_LIMIT`.
        sink: gets outcomes, each once, on the thread that delivers answers.
        on_error: gets the error that ends it instead.
    """

    def __init__(
        self, refs: Sequence[bytes], sink: Callable[[list[Item]], None], on_error: Callable[[Exception], None]
    ) -> None:
        super().__init__()
        self.unanswered = dict.fromkeys(refs)
        self._sink = sink
        self._on_error = on_error

    def message(self) -> Await:
        """See `Request.message`."""
        return Await(tuple(self.unanswered))

    def on_reply(self, reply: Message, *, more: bool) -> bool:
        """See `Request.on_reply`."""
        if not isinstance(reply, Outcomes):
            self.on_error(WireError(f"the head answered Await with {reply!r}"))
            return False
        unanswered = self.unanswered
        fresh = [item for item in reply.items if unanswered.pop(item[0], _ABSENT) is not _ABSENT]
        # Finished before anyone hears of the last one: who does may look.
        self.finished = not unanswered
        if fresh:
            self._sink(fresh)
        # A head that closes the stream early is asked again for the rest, if it answered anything.
        if more or self.finished:
            return False
        if not fresh:
            self.on_error(WireError(f"the head ended an Await with {len(unanswered)} jobs unanswered"))
        return not self.finished

    def on_error(self, error: Exception) -> None:
        """See `Request.on_error`."""
        super().on_error(error)
        self._on_error(error)


class Wait:
    """One caller's wait for some jobs.

    Args:
        session: where to ask.
        keep: whether values are wanted, or only who ended.
    """

    def __init__(self, session: Session, *, keep: bool = True) -> None:
        #: What has come and was not yet taken.
        self.outcomes: dict[bytes, Outcome | None] = {}
        #: Filled instead of `outcomes` unless `keep`: in the order in which they ended.
        self.arrived: deque[Item] = deque()
        self.error: Exception | None = None
        self._session = session
        self._keep = keep
        self._requests: list[AwaitRequest] = []

    def add(self, refs: Sequence[bytes]) -> None:
        """Ask for these as well."""
        self._requests = [request for request in self._requests if not request.finished]
        for start in range(0, len(refs), BATCH_LIMIT):
            request = AwaitRequest(refs[start : start + BATCH_LIMIT], self._take, self._fail)
            self._requests.append(request)
            self._session.open(request)

    def close(self) -> None:
        """Want nothing more."""
        for request in self._requests:
            self._session.forget(request)
        self._requests.clear()

    def until(self, ready: Callable[[], bool], timeout: float | None, refs: Sequence[bytes]) -> None:
        """Wait for `ready()`; the errors of `Session.wait`, and the one that ended this wait."""
        self._session.wait(
            lambda: self.error is not None or ready(),
            timeout,
            about=lambda: describe(refs),
            refs=lambda: [JobRef[Any](ref) for ref in refs],
        )
        if self.error is not None and not ready():
            raise self.error

    def _take(self, items: list[Item]) -> None:
        if self._keep:
            self.outcomes.update(items)
        else:
            self.arrived.extend(items)

    def _fail(self, error: Exception) -> None:
        self.error = error


def ordered(session: Session, refs: Sequence[bytes], timeout: float | None = None) -> Iterator[Item]:
    """Yield the outcome of each job in the order of `refs`, which holds none twice.

    At most `WINDOW` of them are awaited ahead of the reader.

    Args:
        session: where to ask.
        refs: durable jobs.
        timeout: seconds for all of them.
    """
    wait = Wait(session)
    remaining = countdown(session, timeout)
    asked = 0
    try:
        for position, ref in enumerate(refs):
            if asked < len(refs) and asked - position <= WINDOW // 2:
                upto = min(len(refs), position + WINDOW)
                wait.add(refs[asked:upto])
                asked = upto
            if ref not in wait.outcomes:
                wait.until(lambda ref=ref: ref in wait.outcomes, remaining(), refs[position:])  # type: ignore[misc]  # bound now
            yield ref, wait.outcomes.pop(ref)
    finally:
        wait.close()


def completed(session: Session, refs: Sequence[bytes], timeout: float | None = None) -> Iterator[Item]:
    """Yield the outcomes of `refs`, which holds none twice, as the jobs end."""
    wait = Wait(session, keep=False)
    remaining = countdown(session, timeout)
    left = dict.fromkeys(refs)
    try:
        wait.add(refs)
        while left:
            if not wait.arrived:
                wait.until(lambda: bool(wait.arrived), remaining(), list(left))
            item = wait.arrived.popleft()
            del left[item[0]]
            yield item
    finally:
        wait.close()


def read(session: Session, ref: bytes, outcome: Outcome | None) -> Any:
    """Return the value of a job that ended; raises what `outcome.value_of` raises.

    Blocks: for one question, where the job is suspended: its record knows why.
    """
    try:
        return value_of(ref, outcome)
    except JobSuspended as error:
        if outcome is not None and outcome.state == "suspended":
            # It may be gone or resumed by now; that it was suspended is true all the same.
            with contextlib.suppress(ActorCloudError):
                error.why = why_of(session.call(GetJob(ref), JobDetail).record)
        raise


def countdown(session: Session, timeout: float | None) -> Callable[[], float | None]:
    """Return a function that tells what is left of `timeout` from now on; never negative."""
    if timeout is None:
        return lambda: None
    clock = session.head.clock
    deadline = clock.monotonic() + timeout
    return lambda: max(0.0, deadline - clock.monotonic())


def describe(refs: Sequence[bytes]) -> str:
    """Name the jobs that a wait is for, in a few words."""
    first = JobRef[Any](refs[0])
    return f"the result of job {first}" if len(refs) == 1 else f"the results of {len(refs)} jobs, {first} first"


_ABSENT = object()
