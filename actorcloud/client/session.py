"""What the handles of one opened cloud share: the head, the open requests, and how one waits.

A `Request` is one question to the head. It stays open until it is answered: when the head was lost
and another one answers, every open request is asked again, as it then is (all requests are
idempotent; see `protocol.job`). But the head remembers for a day only what it has committed, added and
deleted: of a program that was stopped for so long, what `counts_once` ends with `CommitUnknown`.

::

    open(request) --> head.ask(request.message()) --> request.on_reply(...) --> finished, forgotten
                          ^                                |
                          +------- on_reset, or True ------+

Owns the head's connection. Thread: any. No lock: a request is registered before it is asked, so
that a reset meanwhile asks it twice rather than never, which is harmless.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import Any, TypeVar

from actorcloud.base.errors import (
    ClosedCloud,
    CommitUnknown,
    ForkedCloud,
    HeadUnreachable,
    ResultTimeout,
    WireError,
)
from actorcloud.base.ids import JobRef, JobRefs
from actorcloud.base.ports import Random
from actorcloud.client.info import CloudInfo, logger
from actorcloud.client.link import Asking, Head
from actorcloud.protocol.job import JOBS, GetInfo, Info
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Fence
from actorcloud.protocol.transaction import Commit, Status

M = TypeVar("M", bound=Message)

#: Seconds without a head after which a wait gives up: longer than any restart of a head takes.
HEAD_TIMEOUT_DEFAULT = 60.0

#: Seconds of waiting after which a person begins to wonder; one WARNING says what is waited for.
WARNING_AFTER_DEFAULT = 5.0

#: Seconds after which what counts once is not asked again: the head remembers it for a day, by a clock of its own.
ASK_AGAIN_LIMIT = 43_200.0

#: Seconds that the question behind such a warning may take.
_INFO_TIMEOUT = 2.0


class Request:
    """One question, asked again of each new head until it is answered."""

    #: The actor that answers.
    to: str = JOBS
    #: Whether it does harm, asked again of a head that has forgotten that it was asked before.
    counts_once: bool = False

    def __init__(self) -> None:
        #: When it was opened: seconds of the monotonic clock, and since 1970.
        self.opened_at = (0.0, 0.0)
        #: Answered; set last, and read by whoever waits.
        self.finished = False
        #: Why there is no answer and never will be.
        self.error: Exception | None = None

    def message(self) -> Message:
        """Return what is to be asked now."""
        raise NotImplementedError

    def on_reply(self, reply: Message, *, more: bool) -> bool:
        """Take a part of the answer; set `finished` with the last one.

        Returns:
            Whether the question must be asked again.
        """
        raise NotImplementedError

    def on_error(self, error: Exception) -> None:
        """Take note that there will be no answer."""
        self.error = error
        self.finished = True


class Question(Request):
    """A request with one answer."""

    def __init__(self, message: Message, to: str = JOBS) -> None:
        super().__init__()
        self.to = to
        self.counts_once = isinstance(message, Commit | Status)
        self.reply: Message | None = None
        self._message = message

    def message(self) -> Message:
        """See `Request.message`."""
        return self._message

    def on_reply(self, reply: Message, *, more: bool) -> bool:  # noqa: ARG002  a Request's
        """See `Request.on_reply`."""
        self.reply = reply
        self.finished = True
        return False


class Session:
    """One opened cloud.

    Args:
        head: the way to it.
        fence: (job, run) of the job whose handle this is; stamps every change.
        random: chance, for references, transactions and back-off; the simulation gives its own.
        head_timeout: seconds; see `HEAD_TIMEOUT_DEFAULT`.
        warning_after: seconds; see `WARNING_AFTER_DEFAULT`.
    """

    def __init__(
        self,
        head: Head,
        *,
        fence: Fence | None = None,
        random: Random | None = None,
        head_timeout: float = HEAD_TIMEOUT_DEFAULT,
        warning_after: float = WARNING_AFTER_DEFAULT,
    ) -> None:
        self.head = head
        self.fence = fence
        self.random: Random = random or SystemRandom()
        #: Makes job references.
        self.refs = JobRefs() if random is None else JobRefs(head.clock.time, random.randbytes)
        #: Digests of the functions that this head has been sent.
        self.known_functions: set[bytes] = set()
        self.closed = False
        #: What is to be forgotten with the head that was lost.
        self.on_new_head: list[Callable[[], None]] = [self.known_functions.clear]
        self._head_timeout = head_timeout
        self._warning_after = warning_after
        self._pid = os.getpid()
        self._open: dict[Request, Asking | None] = {}
        head.on_reset(self._on_reset)

    # -- requests ------------------------------------------------------------------------------------

    @property
    def is_forked(self) -> bool:
        """Whether this is a child process of the one that opened it."""
        return os.getpid() != self._pid

    def check(self) -> None:
        """See that this handle may be used here and now.

        Raises:
            ForkedCloud: in a child process of the one that opened it.
            ClosedCloud: after `close`.
        """
        if self.is_forked:
            raise ForkedCloud
        if self.closed:
            raise ClosedCloud

    def open(self, request: Request) -> None:
        """Ask `request` until it is answered or forgotten; does not block."""
        request.opened_at = self._now()
        self._open[request] = None
        self._ask(request)

    def forget(self, request: Request) -> None:
        """Want no answer any more."""
        asking = self._open.pop(request, None)
        if asking is not None:
            asking.forget()

    def call(self, message: Message, answer: type[M], *, to: str = JOBS) -> M:
        """Ask and wait for the answer.

        Args:
            message: an idempotent request.
            answer: the class of message that answers it.
            to: the actor that answers.

        Raises:
            HeadUnreachable: if no head answered for `head_timeout`.
            ActorCloudError: what the head answered instead.
        """
        self.check()
        question = Question(message, to)
        self.open(question)
        try:
            self.wait_finished(question)
        finally:
            self.forget(question)
        if not isinstance(question.reply, answer):
            raise WireError(f"the head answered {type(message).__name__} with {question.reply!r}")
        return question.reply

    def wait_finished(self, request: Request, refs: Callable[[], Sequence[JobRef[Any]]] = tuple) -> None:
        """Wait for the answer to `request`, and raise the error if it is one."""
        self.wait(lambda: request.finished, about=lambda: "an answer of the head", refs=refs)
        if isinstance(request.error, CommitUnknown):
            request.error.refs = tuple(refs())
        if request.error is not None:
            raise request.error

    def _now(self) -> tuple[float, float]:
        return self.head.clock.monotonic(), self.head.clock.time()

    def _ask(self, request: Request) -> None:
        asking = self.head.ask(request.to, request.message(), functools.partial(self._on_reply, request))
        if request in self._open:
            self._open[request] = asking
        elif not request.finished:
            asking.forget()

    def _on_reply(self, request: Request, reply: Message | Exception, more: bool) -> None:  # noqa: FBT001  an OnReply
        if request.finished:
            return
        if isinstance(reply, Exception):
            request.on_error(reply)
        elif request.on_reply(reply, more=more):
            self._ask(request)
        self._drop_finished(request)

    def _drop_finished(self, request: Request) -> None:
        if request.finished:
            self._open.pop(request, None)

    def _on_reset(self) -> None:
        for forget in self.on_new_head:
            forget()
        for request in list(self._open):
            # One of the two clocks stands still while the machine sleeps, the other one may be set.
            age = max(now - then for now, then in zip(self._now(), request.opened_at, strict=True))
            if request.counts_once and age > ASK_AGAIN_LIMIT:
                request.on_error(_forgotten(age))
                self._drop_finished(request)
            else:
                self._ask(request)

    def info(self, timeout: float = _INFO_TIMEOUT, unless: Callable[[], bool] = lambda: False) -> CloudInfo | None:
        """Return the statistics, None if they cannot be had soon or `unless` becomes true before."""
        question = Question(GetInfo())
        self.open(question)
        self.head.wait(lambda: question.finished or unless(), timeout)
        self.forget(question)
        return CloudInfo.of(question.reply) if isinstance(question.reply, Info) else None

    # -- waiting -------------------------------------------------------------------------------------

    def wait(
        self,
        ready: Callable[[], bool],
        timeout: float | None = None,
        *,
        about: Callable[[], str],
        refs: Callable[[], Sequence[JobRef[Any]]] = tuple,
        warns: bool = True,
    ) -> None:
        """Wait until `ready()`.

        Args:
            ready: cheap, raises nothing.
            timeout: seconds; None: as long as the head answers.
            about: says what is waited for.
            refs: the jobs that an error should name.
            warns: whether it is worth a warning that this takes long.

        Raises:
            ResultTimeout: after `timeout`.
            HeadUnreachable: when no head has answered for `head_timeout`; carries `refs`.
            ClosedCloud: when another thread closes this cloud.
        """
        if ready():
            return
        clock = self.head.clock
        start = clock.monotonic()
        deadline = None if timeout is None else start + timeout
        warning_at = start + self._warning_after if warns else None
        while not self.head.wait(lambda: self.closed or ready(), self._pause(deadline, warning_at)):
            now = clock.monotonic()
            if deadline is not None and now >= deadline:
                raise ResultTimeout(
                    f"{about()} did not come within {round(timeout or 0.0, 2):g} s; ask again, the work goes on"
                )
            self._give_up_without_head(now, about, refs)
            if warning_at is not None and now >= warning_at:
                warning_at = None
                self._warn(ready, about())
        if not ready():
            raise ClosedCloud(f"this Cloud was closed while a thread waited for {about()}")

    def _pause(self, deadline: float | None, warning_at: float | None) -> float:
        # Until the next moment at which something is to be decided; a head that goes away meanwhile
        # is noticed at the latest one `head_timeout` from now, and given the rest of its time then.
        now = self.head.clock.monotonic()
        away = self.head.away_since
        moments = [(now if away is None else away) + self._head_timeout]
        moments += [moment for moment in (deadline, warning_at) if moment is not None]
        return max(0.0, min(moments) - now)

    def _give_up_without_head(
        self, now: float, about: Callable[[], str], refs: Callable[[], Sequence[JobRef[Any]]]
    ) -> None:
        away = self.head.away_since
        if away is None or now < away + self._head_timeout:
            return
        error = HeadUnreachable(
            f"the head has not answered for {now - away:.0f} s (the limit is {self._head_timeout:g} s) while waiting "
            f"for {about()}; acknowledged jobs are safe in its store: start the head again, then ask again"
        )
        error.refs = tuple(refs())
        raise error

    def _warn(self, ready: Callable[[], bool], about: str) -> None:
        away = self.head.away_since
        if away is not None:
            gone = self.head.clock.monotonic() - away
            limit = self._head_timeout
            logger.warning("still waiting for %s: the head has been away for %.0f s, of %g s", about, gone, limit)
            return
        info = self.info(unless=ready)
        if not ready():
            summary = "the head is connected, but busy" if info is None else info.summary()
            logger.warning("still waiting for %s: %s", about, summary)

    # -- the end -------------------------------------------------------------------------------------

    def close(self) -> None:
        """Leave the head; whoever waits gets `ClosedCloud`. Idempotent."""
        if self.closed:
            return
        self.closed = True
        self._open.clear()
        # In a forked child the connection is the parent's.
        if not self.is_forked:
            self.head.close()


def _forgotten(age: float) -> CommitUnknown:
    return CommitUnknown(
        f"the answer to a call of {age / 3600:.0f} h ago was lost, and whether the head did what it asked for is not "
        f"known: it is not asked again after {ASK_AGAIN_LIMIT / 3600:.0f} h, as it may have forgotten; look for what "
        "the call was to change"
    )
