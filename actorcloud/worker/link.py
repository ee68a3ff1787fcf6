"""The way from a job to the head: asks over the socketpair, relayed by the node's agent.

The agent keeps an ask over the loss of a head and makes it again, so nothing is ever void here:
a call of a job waits, as long as the node keeps the job. Time without a head counts for no
deadline: the clock by which a job's calls wait stands still meanwhile (design 6.1, rule 4).

::

    JobHead.ask --> Link: Ask(id) --> agent --> head
    JobHead's on_reply <-- Link <-- Reply(id, more) | Failed(id)

`Link` belongs to the process, `JobHead` to one run of one job: when that ends, its answers go nowhere.

Thread: any. One lock guards the open asks and is held for dict operations only; answers are
delivered by the reader thread, so `on_reply` must not block.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import msgspec

from actorcloud.base.clock import Clock
from actorcloud.base.errors import WireError, from_code
from actorcloud.client import OnReply, Waiters
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.signal import Ask, Failed, Forget, Reply

#: Seconds that count as none: the clock is a difference of floats, and who waits for less than they
#: can tell apart waits in vain, for ever.
_SLACK = 1e-6


class OutageClock:
    """The machine's clock, but `monotonic` stands still while the head is away.

    Args:
        monotonic: the real one.
        utc: the real time of day.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, utc: Callable[[], float] = time.time) -> None:
        self._monotonic = monotonic
        self._utc = utc
        self._lost = 0.0
        self._stopped_at: float | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the head is away."""
        return self._stopped_at is not None

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        stopped_at = self._stopped_at
        return (self._monotonic() if stopped_at is None else stopped_at) - self._lost

    def time(self) -> float:
        """See `Clock.time`."""
        return self._utc()

    def stop(self) -> None:
        """The head is away."""
        if self._stopped_at is None:
            self._stopped_at = self._monotonic()

    def go_on(self) -> None:
        """The head is back."""
        if self._stopped_at is not None:
            # First the sum: a reader in between sees a moment too early, never one too late.
            self._lost += self._monotonic() - self._stopped_at
            self._stopped_at = None


class Link:
    """The open asks of this process.

    Args:
        send: writes a message to the agent; may block.
        waiters: how threads wait; another kind for those that wait with a baton.
        clock: by which they wait.
    """

    def __init__(
        self, send: Callable[[Message], None], waiters: Waiters | None = None, clock: OutageClock | None = None
    ) -> None:
        self._send = send
        self._numbers = itertools.count(1)
        self._open: dict[int, OnReply] = {}
        self._lock = threading.Lock()
        self._waiters = waiters or Waiters()
        self.clock = clock or OutageClock()

    def ask(self, to: str, message: Message, on_reply: OnReply) -> int:
        """Ask; return the number under which the answers come."""
        with self._lock:
            number = next(self._numbers)
            self._open[number] = on_reply
        self._send(Ask(number, to, msgspec.Raw(encode(message))))
        return number

    def forget(self, number: int) -> None:
        """Want no more answers; harmless if all have come."""
        with self._lock:
            was_open = self._open.pop(number, None) is not None
        if was_open:
            self._send(Forget(number))

    def receive(self, message: Message) -> None:
        """Take an answer. Thread: the reader."""
        match message:
            case Reply(number, body, more):
                self._deliver(number, _decoded(body), more=more)
            case Failed(number, code, text):
                self._deliver(number, from_code(code, text), more=False)
            case _:
                raise WireError(f"an agent does not send {type(message).__name__}")

    def outage(self, *, away: bool) -> None:
        """Take note that the head went away, or is back. Thread: the reader."""
        if away:
            self.clock.stop()
        else:
            self.clock.go_on()
        self._waiters.check()

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `Head.wait`; the seconds are those of `clock`."""
        clock = self.clock
        deadline = None if timeout is None else clock.monotonic() + timeout
        while not ready():
            stopped = clock.is_stopped
            left = None if deadline is None or stopped else deadline - clock.monotonic()
            if left is not None and left <= _SLACK:
                return False
            # Awake also when the clock stops or goes on, to reckon again.
            self._waiters.wait(lambda was=stopped: ready() or clock.is_stopped != was, left)  # type: ignore[misc]
        return True

    def wake(self) -> None:
        """See `Head.wake`."""
        self._waiters.check()

    def _deliver(self, number: int, answer: Message | Exception, *, more: bool) -> None:
        with self._lock:
            on_reply = self._open.get(number) if more else self._open.pop(number, None)
        if on_reply is not None:
            on_reply(answer, more)
            self._waiters.check()


class JobHead:
    """The head as one run of a job sees it; implements `client.Head`.

    Args:
        link: of this process.
    """

    #: Whether the head answers is the agent's business: a job's calls never give up for that.
    away_since: float | None = None

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asked: set[int] = set()

    @property
    def clock(self) -> Clock:
        """See `Head.clock`; stands still while the head is away."""
        return self._link.clock

    def ask(self, to: str, message: Message, on_reply: OnReply) -> JobAsking:
        """See `Head.ask`."""

        def deliver(answer: Message | Exception, more: bool) -> None:  # noqa: FBT001  an `OnReply`
            if not more:
                self._asked.discard(number)
            on_reply(answer, more)

        number = 0
        number = self._link.ask(to, message, deliver)
        self._asked.add(number)
        return JobAsking(self._link, number)

    def on_reset(self, callback: Callable[[], None]) -> None:
        """See `Head.on_reset`: never called, the agent asks again by itself."""

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `Head.wait`."""
        return self._link.wait(ready, timeout)

    def wake(self) -> None:
        """See `Head.wake`."""
        self._link.wake()

    def close(self) -> None:
        """Forget what is still open; the socket is the worker's."""
        for number in tuple(self._asked):
            self._link.forget(number)
        self._asked.clear()
        self._link.wake()


class JobAsking:
    """An ask on its way; see `client.Asking`."""

    def __init__(self, link: Link, number: int) -> None:
        self._link = link
        self._number = number

    def forget(self) -> None:
        """See `Asking.forget`."""
        self._link.forget(self._number)


def _decoded(body: msgspec.Raw) -> Message | Exception:
    try:
        return decode(body)
    except WireError as error:
        return error
