"""A line: what this process has under way with one stream to one peer. No zmq, no actor needed.

It numbers asks and watches, sends them through a `Link`, and matches what comes back. When the stream
ends, every open ask fails and every watch fires with `noconnection`, once, after all that did arrive.

::

    ask -> [open] -- Reply(more) --> on_reply(value, True) ... -- Reply --> on_reply(value, False)
              '---- Failed, or the line is lost -----------------------> on_reply(error, False)

Thread: any. One leaf lock guards the tables; callbacks run on the thread that brings the news, never
under the lock, and must not block.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from actorcloud.actor import ActorDeadError
from actorcloud.base.errors import ActorCloudError, WireError
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId
from actorcloud.cluster.payload import pack, unpack, unpack_error
from actorcloud.cluster.reason import pack_reason, unpack_reason
from actorcloud.protocol.message import Message, encode
from actorcloud.protocol.signal import Ask, Ended, ExitOrder, Failed, Forget, Reply, Tell, Unwatch, Watch

#: Open asks of one line; who has more has lost count of them.
ASKS_LIMIT = 1_000_000

#: Gets each part of an answer and whether another one follows; an error is always the last.
OnReply = Callable[[object, bool], None]

#: Gets the reason with which a watched actor ended.
OnEnd = Callable[[object], None]

#: Where an actor is found at its peer: a registered name, or its serial number.
To = str | int

#: Unique in the process, so that an answer of an older stream is never taken for one of the new.
_numbers = itertools.count(1)


class Link(Protocol):
    """A way to send messages to one peer: a transport's stream, or a pipe to a parent process."""

    def send(self, messages: Sequence[bytes]) -> bool:
        """Take messages, in order; False if the other end is gone or cannot take more. Never blocks."""
        ...


class Asking:
    """An ask under way. Thread: any."""

    __slots__ = ("_line", "_number")

    def __init__(self, line: Line, number: int) -> None:
        self._line = line
        self._number = number

    def forget(self) -> None:
        """Want no more answers; harmless if all have come."""
        self._line.forget(self._number)


class Line:
    """The asking half of one stream.

    Args:
        link: where messages go.
        who: of the other end, for texts.
        may_unpickle: whether answers of users may be opened in this process.
    """

    def __init__(self, link: Link, who: str, *, may_unpickle: bool = False) -> None:
        self._link = link
        self._who = who
        self._may_unpickle = may_unpickle
        self._lock = threading.Lock()  # guards what follows
        self._asks: dict[int, OnReply] = {}
        self._watches: dict[int, OnEnd] = {}
        self._is_lost = False

    def __repr__(self) -> str:
        return f"<Line to {self._who}{' lost' if self._is_lost else ''} asks={len(self._asks)}>"

    @property
    def is_lost(self) -> bool:
        """Whether the stream is gone."""
        return self._is_lost

    # -- sending ------------------------------------------------------------------------------------

    def tell(self, to: To, message: object) -> bool:
        """Send a message; False if the line cannot take it.

        Raises:
            Unpicklable: if it cannot travel.
        """
        return not self._is_lost and self._send(Tell(to, pack(message)))

    def ask(self, to: To, message: object, on_reply: OnReply) -> Asking:
        """Ask; what goes wrong is told to `on_reply` too, perhaps before this returns.

        Raises:
            Unpicklable: if the message cannot travel.
        """
        body = pack(message)
        number = next(_numbers)
        with self._lock:
            if problem := self._problem():
                pass
            else:
                self._asks[number] = on_reply
        if problem:
            on_reply(problem, False)
        elif not self._send(Ask(number, to, body)):
            text = f"the connection to {self._who} is full or gone; ask again later"
            self._fail(number, ActorDeadError(text, ExitReason.NOCONNECTION))
        return Asking(self, number)

    def forget(self, number: int) -> None:
        """Want no more answers to this ask."""
        with self._lock:
            was_open = self._asks.pop(number, None) is not None
        if was_open:
            self._send(Forget(number))

    def watch(self, to: To, on_end: OnEnd) -> int:
        """Have `on_end` called once, when that actor ends or the line is lost; returns the watch's number."""
        number = next(_numbers)
        with self._lock:
            is_lost = self._is_lost
            if not is_lost:
                self._watches[number] = on_end
        if is_lost or not self._send(Watch(number, to)):
            self._end(number, on_end)
        return number

    def unwatch(self, number: int) -> None:
        """Take a watch back; harmless if it has fired."""
        with self._lock:
            was_open = self._watches.pop(number, None) is not None
        if was_open:
            self._send(Unwatch(number))

    def exit(self, to: To, sender: ActorId | None, reason: object) -> None:
        """Send an exit signal; lost if the line is."""
        if not self._is_lost:
            self._send(ExitOrder(to, sender, pack_reason(reason)))

    def send(self, message: Message) -> bool:
        """Send a message of the protocol; for the answering half."""
        return not self._is_lost and self._send(message)

    def overflow(self, why: str) -> None:
        """Give up the stream: what did not fit must not be lost alone. A link that cannot reset stays as it is."""
        reset = getattr(self._link, "reset", None)
        if reset is not None:
            reset(why)

    # -- what comes back ----------------------------------------------------------------------------

    def receive(self, message: Message) -> bool:
        """Take an answer of the other end.

        Returns:
            False if the message is none: it is for the answering half.
        """
        match message:
            case Reply(number, body, more):
                self._answer(number, self._value(body), more=more)
            case Failed(number):
                self._answer(number, unpack_error(message), more=False)
            case Ended(number, reason):
                with self._lock:
                    on_end = self._watches.pop(number, None)
                if on_end is not None:
                    on_end(unpack_reason(reason))
            case _:
                return False
        return True

    def lose(self) -> None:
        """The stream is gone: fail all that is open."""
        with self._lock:
            self._is_lost = True
            asks, self._asks = self._asks, {}
            watches, self._watches = self._watches, {}
        for on_reply in asks.values():
            on_reply(self._gone(), False)
        for on_end in watches.values():
            on_end(ExitReason.NOCONNECTION)

    # -- within -------------------------------------------------------------------------------------

    def _send(self, message: Message) -> bool:
        return self._link.send((encode(message),))

    def _value(self, body: object) -> object:
        try:
            return unpack(body, may_unpickle=self._may_unpickle)  # type: ignore[arg-type]  # Reply says so
        except ActorCloudError as error:
            return error

    def _answer(self, number: int, value: object, *, more: bool) -> None:
        is_last = not more or isinstance(value, Exception)
        with self._lock:
            on_reply = self._asks.pop(number, None) if is_last else self._asks.get(number)
        if on_reply is None:
            return
        if is_last and more:
            # We cannot go on with this stream; the other end need not either.
            self._send(Forget(number))
        on_reply(value, not is_last)

    def _fail(self, number: int, error: Exception) -> None:
        with self._lock:
            on_reply = self._asks.pop(number, None)
        if on_reply is not None:
            on_reply(error, False)

    def _end(self, number: int, on_end: OnEnd) -> None:
        with self._lock:
            self._watches.pop(number, None)
        on_end(ExitReason.NOCONNECTION)

    def _problem(self) -> Exception | None:
        if self._is_lost:
            return self._gone()
        if len(self._asks) >= ASKS_LIMIT:
            return WireError(f"{len(self._asks)} asks to {self._who} are open; that is the limit")
        return None

    def _gone(self) -> ActorDeadError:
        return ActorDeadError(
            f"{self._who} is not connected; whether it did what it was asked is unknown", ExitReason.NOCONNECTION
        )
