"""Adding jobs: the function once, the arguments in chunks, durable when acknowledged.

A function's code is sent with the first jobs that use it; after that its digest is enough. A head
that does not have it answers `NeedFunction`, and the same jobs go again with the code.

::

    add_all:  dump 1024 calls -> AddJobs --+        up to 4 chunks unacknowledged: the head
              dump 1024 calls -> AddJobs --+-> ...  commits one while the next are pickled
                                <- Added --+

Thread: any; each call has its own requests, and the only shared state is the session's set of known
functions, where a wrong guess costs one more round trip.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from actorcloud.base.codec import dump_call
from actorcloud.base.errors import WireError
from actorcloud.base.ids import JobRef
from actorcloud.client.info import logger
from actorcloud.client.options import JobOptions
from actorcloud.client.session import Request, Session
from actorcloud.protocol.job import Added, AddJobs, NeedFunction
from actorcloud.protocol.message import Message

#: Jobs in one message: enough to make its overhead vanish, few enough that the head starts early.
CHUNK_JOBS = 1024

#: Bytes of arguments in one message; a single larger job goes alone. The store takes 4 MiB a commit.
CHUNK_LIMIT_BYTES = 1024 * 1024

#: Chunks sent and not yet acknowledged: one being committed, one waiting, two on the wire.
CHUNKS_IN_FLIGHT = 4

#: Times that a head may ask for the same function before that is called an error.
_CODE_SENDS_LIMIT = 3

#: (ref, pickled arguments).
Item = tuple[bytes, bytes]


class AddRequest(Request):
    """One AddJobs, until it is durable.

    Added again after a day, a job that was deleted meanwhile would be there again.

    Args:
        session: where it is asked.
        function: (digest, code), as `dump_function` gives them.
        items: the jobs.
        options: of all of them.
        then: called when it is finished, on the thread that delivers answers.
    """

    counts_once = True

    def __init__(
        self,
        session: Session,
        function: tuple[bytes, bytes],
        items: Sequence[Item],
        options: JobOptions,
        then: Callable[[AddRequest], None] | None = None,
    ) -> None:
        super().__init__()
        self.items = items
        #: Of a job that has a key; set before it is asked.
        self.fingerprint = b""
        #: That of the job which had the key.
        self.known_fingerprint = b""
        #: The references as the head knows them, once it has answered.
        self.refs: tuple[bytes, ...] = ()
        self._session = session
        self._digest, self._code = function
        self._options = options
        self._then = then
        self._code_sends = 0

    def message(self) -> AddJobs:
        """See `Request.message`."""
        known = self._session.known_functions
        code = b"" if self._digest in known else self._code
        known.add(self._digest)
        self._code_sends += bool(code)
        options = self._options
        return AddJobs(
            function=self._digest,
            code=code,
            jobs=tuple(self.items),
            retries=options.retries,
            timeout=options.timeout,
            key=options.key,
            fence=self._session.fence,
            fingerprint=self.fingerprint,
        )

    def on_reply(self, reply: Message, *, more: bool) -> bool:  # noqa: ARG002  a Request's
        """See `Request.on_reply`."""
        match reply:
            case NeedFunction() if self._code_sends < _CODE_SENDS_LIMIT:
                self._session.known_functions.discard(self._digest)
                return True
            case Added(refs, fingerprint):
                self.refs = refs
                self.known_fingerprint = fingerprint
                self._finish()
            case _:
                self.on_error(WireError(f"the head answered AddJobs with {reply!r}"))
        return False

    def on_error(self, error: Exception) -> None:
        """See `Request.on_error`."""
        self.error = error
        self._finish()

    def _finish(self) -> None:
        self.finished = True
        if self._then is not None:
            self._then(self)


class FunctionRequest(AddRequest):
    """Sends a function alone, as an AddJobs without jobs: a transaction that adds jobs needs it there."""

    counts_once = False

    def __init__(self, session: Session, function: tuple[bytes, bytes]) -> None:
        super().__init__(session, function, (), JobOptions())

    def message(self) -> AddJobs:
        """See `Request.message`; the code is all that this one is for."""
        self._session.known_functions.discard(self._digest)
        return super().message()


def add_one(
    session: Session, function: tuple[bytes, bytes], arguments: bytes, options: JobOptions, fingerprint: bytes = b""
) -> bytes:
    """Add one job.

    Args:
        session: where.
        function: (digest, code).
        arguments: pickled.
        options: of the job.
        fingerprint: of the job, if `options.key` names it.

    Returns:
        Its reference; another's if `options.key` already named one. If that is about something else, this is logged.

    Blocks: for one durable commit.
    """
    ref = session.refs.make()
    request = AddRequest(session, function, [(ref, arguments)], options)
    request.fingerprint = fingerprint
    session.open(request)
    try:
        session.wait_finished(request, lambda: [JobRef(ref)])
    finally:
        session.forget(request)
    found = request.refs[0]
    if found != ref and options.key is not None:
        _compare(options.key, found, fingerprint, request.known_fingerprint)
    return found


def add_all(
    session: Session, function: tuple[bytes, bytes], calls: Iterable[tuple[Any, ...]], options: JobOptions
) -> list[bytes]:
    """Add a job for each tuple of arguments, in order.

    Raises:
        Exception: whatever the iterable or the head raised; the jobs added before it stay, and the
            error carries their references as `refs` where it can.

    Blocks: until all are durable; commits overlap with the pickling.
    """
    refs: list[bytes] = []
    flying: deque[AddRequest] = deque()

    def land(most: int) -> None:
        while len(flying) > most:
            session.wait_finished(flying[0])
            flying.popleft()

    try:
        for chunk in chunked(session.refs.make, calls):
            refs.extend(ref for ref, _ in chunk)
            land(CHUNKS_IN_FLIGHT - 1)
            request = AddRequest(session, function, chunk, options)
            flying.append(request)
            session.open(request)
        land(0)
    except BaseException as error:
        for request in flying:
            session.forget(request)
        _carry(error, refs)
        raise
    return refs


def chunked(make_ref: Callable[[], bytes], calls: Iterable[tuple[Any, ...]]) -> Iterable[list[Item]]:
    """Yield the jobs for `calls` in chunks of at most `CHUNK_JOBS` and, but for a single one, `CHUNK_LIMIT_BYTES`."""
    chunk: list[Item] = []
    room = CHUNK_LIMIT_BYTES
    for args in calls:
        arguments = dump_call(args, {})
        if chunk and (len(chunk) >= CHUNK_JOBS or len(arguments) > room):
            yield chunk
            chunk, room = [], CHUNK_LIMIT_BYTES
        chunk.append((make_ref(), arguments))
        room -= len(arguments)
    if chunk:
        yield chunk


def _compare(key: str, found: bytes, mine: bytes, its: bytes) -> None:
    from actorcloud.client.fingerprint import differing  # noqa: PLC0415  most jobs have no key

    if differences := " and ".join(differing(mine, its)):
        text = (
            "the key %r names job %s, which was added with %s: nothing is added; take another key, or delete that job"
        )
        logger.warning(text, key, JobRef[Any](found), differences)


def _carry(error: BaseException, refs: list[bytes]) -> None:
    # Who catches it can go on with what was added, or delete it.
    if not refs:
        return
    made = tuple(JobRef[Any](ref) for ref in refs)
    error.add_note(f"{len(made)} jobs, {made[0]} to {made[-1]}, were or may have been added: `refs` of this error")
    # An exception class with slots has no room for them; the note is there all the same.
    with contextlib.suppress(AttributeError):
        error.refs = made  # type: ignore[attr-defined]  # promised by add_jobs
