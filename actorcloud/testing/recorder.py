"""The recorder: notes what is sent to the actors of a system, in order.

It stands in the refs: while one records, the two primitives of `ActorRef`, and `tell`, note what
passes, but for what a test says to its probes. Nothing else of a system changes, and without a
recorder nothing is noted.

Thread: any; what passes is noted on the thread that sends it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Self

import msgspec

from actorcloud.actor import ActorRef, ReplyTo, Signal, System, thread_context
from actorcloud.actor.isolation.ref import IsolatedRef
from actorcloud.actor.mailbox.mail import StopOrder, Tied
from actorcloud.testing.probe import PRIVATE

#: Records that are kept, the last ones: a long test's, at a hundred bytes each.
RECORDS_DEFAULT = 10_000

Kind = Literal["tell", "ask", "signal"]


class Record(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One thing that was sent."""

    #: Monotonic seconds of the system's clock.
    at: float
    #: "tell", "ask", or "signal": a link, a monitor, an exit, an order to stop.
    kind: Kind
    #: The actor that sent it; None for code outside actors, and timers.
    sender: ActorRef[Any] | None
    receiver: ActorRef[Any]
    #: The message itself, or the signal.
    message: Any

    def __str__(self) -> str:
        return f"{self.at:.6f} {self.kind} {self.sender or 'outside'} -> {self.receiver}: {self.message!r}"


class Recorder:
    """Records while it is entered.

    >>> from actorcloud.actor import Actor
    >>> class Greeter(Actor):
    ...     def on_receive(self, name):
    ...         return f"Hello, {name}"
    >>> with System() as system, Recorder(system) as recorder:
    ...     with system.activate():
    ...         Greeter.start().ask("Ada")
    'Hello, Ada'
    >>> [record.message for record in recorder.records("ask")]
    ['Ada']

    Args:
        system: whose actors receive.
        where: whether to keep a record; all unless given.
        limit: records that are kept; the oldest are dropped.
    """

    def __init__(
        self, system: System, *, where: Callable[[Record], bool] | None = None, limit: int = RECORDS_DEFAULT
    ) -> None:
        if limit < 1:
            raise ValueError(f"limit is {limit}; a recorder keeps at least one record")
        self._system = system
        self._where = where
        self._records: deque[Record] = deque(maxlen=limit)
        #: Records so far, kept or not.
        self.count = 0

    def __enter__(self) -> Self:
        _Tap.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _Tap.remove(self)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def dropped(self) -> int:
        """Records that there was no room for."""
        return self.count - len(self._records)

    def records(
        self,
        kind: Kind | None = None,
        *,
        sender: ActorRef[Any] | None = None,
        receiver: ActorRef[Any] | None = None,
        message: type | None = None,
    ) -> list[Record]:
        """Return the records that fit, oldest first; what is None fits all.

        Args:
            kind: of the record.
            sender: who sent it.
            receiver: who got it.
            message: the type of what was sent.
        """
        return [
            record
            for record in tuple(self._records)
            if (kind is None or record.kind == kind)
            and (sender is None or record.sender == sender)
            and (receiver is None or record.receiver == receiver)
            and (message is None or isinstance(record.message, message))
        ]

    def note(self, kind: Kind, receiver: ActorRef[Any], message: object) -> None:
        """Keep a record, if it is of this system; for the refs."""
        if isinstance(message, PRIVATE) or receiver._cell.system is not self._system:  # noqa: SLF001  testing may reach anything
            return
        running = thread_context.cell
        sender = None if running is None else running.ref
        at = self._system.clock.monotonic()
        record = Record(at=at, kind=kind, sender=sender, receiver=receiver, message=message)
        if self._where is None or self._where(record):
            self.count += 1
            self._records.append(record)


class _Tap:
    """What stands in the refs while anyone records."""

    _lock = threading.Lock()
    _recorders: tuple[Recorder, ...] = ()
    _originals: dict[tuple[type, str], Any] = {}  # noqa: RUF012  the state of the process

    @classmethod
    def add(cls, recorder: Recorder) -> None:
        with cls._lock:
            cls._recorders = (*cls._recorders, recorder)
            if not cls._originals:
                for kind, name, make in _TAPS:
                    cls._originals[kind, name] = original = getattr(kind, name)
                    setattr(kind, name, make(original))

    @classmethod
    def remove(cls, recorder: Recorder) -> None:
        with cls._lock:
            cls._recorders = tuple(known for known in cls._recorders if known is not recorder)
            if not cls._recorders:
                for (kind, name), original in cls._originals.items():
                    setattr(kind, name, original)
                cls._originals.clear()

    @classmethod
    def note(cls, kind: Kind, receiver: ActorRef[Any], message: object) -> None:
        for recorder in cls._recorders:
            recorder.note(kind, receiver, message)


def _tell(original: Callable[..., None]) -> Callable[..., None]:
    def tell(ref: ActorRef[Any], message: Any) -> None:
        _Tap.note("tell", ref, message)
        original(ref, message)

    return tell


def _deliver(original: Callable[..., None]) -> Callable[..., None]:
    def deliver(ref: ActorRef[Any], message: Any, reply_to: ReplyTo | None = None) -> None:
        kind: Kind = "ask" if reply_to is not None else "tell"
        sent = message.message if isinstance(message, Tied) else message
        _Tap.note("signal" if isinstance(message, StopOrder) else kind, ref, sent)
        original(ref, message, reply_to)

    return deliver


def _signal(original: Callable[..., None]) -> Callable[..., None]:
    def signal(ref: ActorRef[Any], signal: Signal) -> None:
        _Tap.note("signal", ref, signal)
        original(ref, signal)

    return signal


def _ask_inline(_original: Callable[..., None]) -> Callable[..., None]:
    def ask_inline(ref: ActorRef[Any], message: Any, future: ReplyTo) -> None:
        # An ask that runs as a call passes no primitive; while it is recorded it is a message as any other.
        ref.deliver(message, future)

    return ask_inline


_TAPS: tuple[tuple[type, str, Callable[..., Any]], ...] = (
    (ActorRef, "tell", _tell),
    (ActorRef, "deliver", _deliver),
    (ActorRef, "signal", _signal),
    (ActorRef, "_ask_inline", _ask_inline),
    (IsolatedRef, "signal", _signal),  # it calls no other's
)
