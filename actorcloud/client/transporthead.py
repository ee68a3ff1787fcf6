"""The head over a transport: asks go out, answers come in, and a lost head is dialled until it is back.

::

    ask --> Ask(number, to, message) --> transport --> head
    on_reply <-- Reply(number, message, more) | Failed(number, code, text) <-- transport

The transport resumes a broken connection without loss; only when it tells of a reset (another head,
or one that has forgotten us) is everything open void, and `on_reset` called.

While the head restarts its inner actors, an ask may find nobody ("actor-dead"): such asks are parked,
and sent again by whoever waits, until a reset or an answer comes. What a full connection did not take
waits likewise. The order of asks is kept: one may rest on what the one before it brings.

Owns the transport. Thread: `ask` and `wait` any; events come on the transport's thread, where replies
are delivered too. What goes out does so under a lock, so that it keeps its order. The dict of open
asks needs none: numbers are never used twice.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable

import msgspec

from actorcloud.base.clock import Clock
from actorcloud.base.errors import ActorCloudError, ClosedCloud, HeadUnreachable, JoinRefused, WireError, from_code
from actorcloud.base.ids import Peer
from actorcloud.base.ports import DialFailed, PeerDown, PeerSuspect, PeerUp, Received, Transport, TransportEvent
from actorcloud.client.info import logger
from actorcloud.client.link import OnReply, Waiters
from actorcloud.protocol.message import Message, decode, encode
from actorcloud.protocol.signal import Ask, Failed, Forget, Reply

#: What the transport calls an endpoint where somebody answers who is not the head.
WRONG_KEY = "wrong-key"

#: Messages that the transport's full outbox did not take; further asks are parked.
_BACKLOG_LIMIT = 10_000

#: The code of an ask that found no live actor at the head.
_NOBODY = "actor-dead"

#: Seconds between two tries of parked asks: a head's core is back within some.
_RETRY_PAUSE = 0.05

#: Seconds without an answer after which a person begins to wonder.
_SILENCE = 3.0


class TransportHead:
    """See `client.Head`.

    Args:
        transport: not started yet; belongs to this head.
        endpoints: where the head may listen; all are dialled.
        clock: for whoever waits.
        waiters: the waits; another for those who wait with a baton.
    """

    def __init__(
        self, transport: Transport, endpoints: tuple[str, ...], clock: Clock, waiters: Waiters | None = None
    ) -> None:
        self.clock = clock
        self.away_since: float | None = clock.monotonic()
        self._transport = transport
        self._endpoints = endpoints
        self._waiters = waiters or Waiters()
        self._peer: Peer | None = None
        self._refused: Exception | None = None
        #: Whether the head has ever answered; before that: why not, and where somebody else does.
        self._has_met = False
        self._trouble: dict[str, str] = {}
        self._wrong_keys: set[str] = set()
        self._numbers = itertools.count(1)
        self._open: dict[int, tuple[OnReply, bytes]] = {}
        self._going_out = threading.Lock()  # guards what follows; nothing blocks under it
        self._parked: dict[int, None] = {}
        self._backlog: deque[bytes] = deque()
        self._reset: Callable[[], None] = lambda: None

    def start(self, timeout: float) -> None:
        """Connect.

        Raises:
            HeadUnreachable: nobody answered within `timeout` seconds.
            ActorCloudError: the head refused us, or the endpoint cannot be one.
        """
        self._transport.start(self._on_event)
        for endpoint in self._endpoints:
            self._transport.dial(endpoint)
        self._wait_first(timeout)
        if self._refused is not None:
            raise self._refused
        if self.away_since is not None:
            where = ", ".join(self._endpoints)
            why = "".join(f" ({text})" for text in sorted(set(self._trouble.values())))
            raise HeadUnreachable(
                f"no head answered at {where} within {timeout:g} s{why}; is `actorcloud head` running there?"
            )

    def _wait_first(self, timeout: float) -> None:
        def is_over() -> bool:
            return self.away_since is None or self._refused is not None

        patience = min(_SILENCE, timeout)
        if not self._waiters.wait(is_over, patience) and patience < timeout:
            logger.warning("no head has answered at %s yet; still waiting", ", ".join(self._endpoints))
            self._waiters.wait(is_over, timeout - patience)

    # -- the port ------------------------------------------------------------------------------------

    def ask(self, to: str, message: Message, on_reply: OnReply) -> _Asking:
        """See `Head.ask`."""
        number = next(self._numbers)
        data = encode(Ask(number, to, msgspec.Raw(encode(message))))
        self._open[number] = on_reply, data
        if self._refused is not None:
            self._deliver(number, self._refused, more=False)
        else:
            with self._going_out:
                self._send_ask(number, data)
            if self._is_stuck:
                self._waiters.check()
        # Without a peer there is nothing to do: when one comes, all that is open is asked again.
        return _Asking(self, number)

    def on_reset(self, callback: Callable[[], None]) -> None:
        """See `Head.on_reset`."""
        self._reset = callback

    def wait(self, ready: Callable[[], bool], timeout: float | None) -> bool:
        """See `Head.wait`."""
        deadline = None if timeout is None else self.clock.monotonic() + timeout
        while True:
            is_stuck = self._is_stuck
            pause = None if deadline is None else max(0.0, deadline - self.clock.monotonic())
            if is_stuck:
                pause = _RETRY_PAUSE if pause is None else min(pause, _RETRY_PAUSE)
            # Awake also for the first one that is stuck: from then on this wait has to try it again.
            self._waiters.wait(lambda was=is_stuck: ready() or (not was and self._is_stuck), pause)  # type: ignore[misc]
            if ready():
                return True
            if deadline is not None and self.clock.monotonic() >= deadline:
                return False
            self._send_backlog()
            self._send_parked()

    def wake(self) -> None:
        """See `Head.wake`."""
        self._waiters.check()

    def close(self) -> None:
        """See `Head.close`."""
        self._refused = self._refused or ClosedCloud()
        self._transport.close()
        self._open.clear()
        self._waiters.check()

    def forget(self, number: int) -> None:
        """Want no more answers to this ask."""
        if self._open.pop(number, None) is not None and self._peer is not None:
            with self._going_out:
                self._parked.pop(number, None)
                peer = self._peer
                if peer is not None and len(self._backlog) < _BACKLOG_LIMIT:
                    self._send(peer, encode(Forget(number)))

    # -- the transport -------------------------------------------------------------------------------

    @property
    def _is_stuck(self) -> bool:
        return bool(self._parked or self._backlog)

    def _send_ask(self, number: int, data: bytes) -> None:
        peer = self._peer
        if peer is None:
            return
        if self._parked or len(self._backlog) >= _BACKLOG_LIMIT:
            self._parked[number] = None
        else:
            self._send(peer, data)

    def _send(self, peer: Peer, data: bytes) -> None:
        if self._backlog or not self._transport.send(peer, (data,)):
            self._backlog.append(data)

    def _on_event(self, event: TransportEvent) -> None:
        match event:
            case Received(_, messages):
                for data in messages:
                    self._receive(data)
                self._send_backlog()
            case PeerUp(peer, _, reset):
                self._connected(peer, is_new=reset or peer != self._peer)
            case PeerSuspect(peer) if peer == self._peer:
                self._lost()
            case PeerDown(peer, _) if peer == self._peer:
                self._peer = None
                self._lost()
            case DialFailed(_, code, text, True):
                self._refuse(_refusal(code, text))
            case DialFailed(endpoint, code, text) if not self._has_met:
                self._not_in(endpoint, code, text)
        self._waiters.check()

    def _connected(self, peer: Peer, *, is_new: bool) -> None:
        with self._going_out:
            if is_new:
                self._open.clear()
                self._parked.clear()
                self._backlog.clear()
            self._peer = peer
        self._has_met = True
        self.away_since = None
        if is_new:
            self._reset()

    def _lost(self) -> None:
        if self.away_since is None:
            self.away_since = self.clock.monotonic()

    def _not_in(self, endpoint: str, code: str, text: str) -> None:
        self._trouble[endpoint] = text
        if code == WRONG_KEY:
            self._wrong_keys.add(endpoint)
        if self._wrong_keys.issuperset(self._endpoints):
            where = ", ".join(self._endpoints)
            self._refuse(JoinRefused(f"{where}: {text}; get the join string anew, by `actorcloud join-string` there"))

    def _refuse(self, error: Exception) -> None:
        self._refused = error
        for number in list(self._open):
            self._deliver(number, error, more=False)

    def _send_backlog(self) -> None:
        # What has arrived made room for what could not leave.
        with self._going_out:
            while self._backlog and self._peer is not None:
                if not self._transport.send(self._peer, (self._backlog[0],)):
                    return
                self._backlog.popleft()

    def _send_parked(self) -> None:
        with self._going_out:
            parked, self._parked = self._parked, {}
            for number in parked:
                _, data = self._open.get(number, (None, None))
                if data is not None:
                    self._send_ask(number, data)

    def _receive(self, data: bytes) -> None:
        try:
            message = decode(data)
        except WireError as error:
            logger.error("the head sent something unreadable: %s", error)
            return
        match message:
            case Reply(number, body, more):
                self._deliver(number, _decoded(body), more=more)
            case Failed(number, code) if code == _NOBODY:
                with self._going_out:
                    self._parked[number] = None
            case Failed(number, code, text):
                self._deliver(number, from_code(code, text), more=False)
            case _:
                logger.error("the head sent a %s, which no client takes", type(message).__name__)

    def _deliver(self, number: int, answer: Message | Exception, *, more: bool) -> None:
        found = self._open.get(number) if more else self._open.pop(number, None)
        if found is not None:
            found[0](answer, more)


class _Asking:
    """See `client.Asking`."""

    def __init__(self, head: TransportHead, number: int) -> None:
        self._head = head
        self._number = number

    def forget(self) -> None:
        """See `Asking.forget`."""
        self._head.forget(self._number)


def _refusal(code: str, text: str) -> ActorCloudError:
    error = from_code(code, text)
    # What the network calls "auth" or "proto" is all the same to who is not let in.
    return error if type(error) is not ActorCloudError else JoinRefused(text)


def _decoded(body: msgspec.Raw) -> Message | Exception:
    try:
        return decode(body)
    except WireError as error:
        return error
