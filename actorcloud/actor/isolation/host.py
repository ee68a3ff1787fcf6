"""The process of an isolated actor, but for the process: its system, and what comes and goes.

The actor has here the identity that it has where it was started, so its own ref is its own everywhere.
Whatever else starts here is a plain actor of this system, and ends with it.

Bounds: of the actor's mail no more than a window is here, see `window`; asks to the outside, `ASKS_LIMIT`;
what goes out waits in its writes until it is read.

Thread: `receive` is for the one that reads; the rest for any.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

from actorcloud.actor.cell import bonds
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorDeadError, ActorExit, Ignore, Stop
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.isolation import parcel
from actorcloud.actor.isolation.hosted import hosted
from actorcloud.actor.isolation.outside import OutsideRef
from actorcloud.actor.isolation.reply import Reply
from actorcloud.actor.isolation.window import MESSAGES_LIMIT
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import (
    Demonitor,
    Down,
    DownSignal,
    ExitSignal,
    Link,
    Monitor,
    MonitorRef,
    SystemRequest,
    Unlink,
)
from actorcloud.actor.system.system import System
from actorcloud.actor.thread.latch import Latch
from actorcloud.actor.thread.ports import Home, Waits
from actorcloud.base.errors import ActorError, StartError
from actorcloud.base.exits import Crash, ExitReason, MemoryExceeded
from actorcloud.base.ids import ActorId
from actorcloud.protocol.isolation import (
    Answer,
    Bind,
    Deliver,
    Ended,
    Fired,
    Inspect,
    Launch,
    Launched,
    NotLaunched,
    Order,
    Refusal,
    Room,
    Send,
    Unwatch,
    Watch,
)
from actorcloud.protocol.message import Message

logger = logging.getLogger("actorcloud.actor")

#: Asks to the outside that are open; who has more has lost count of them.
ASKS_LIMIT = 100_000

#: Handled messages after which the other side is told.
_REPORT_EVERY = MESSAGES_LIMIT // 4


class Host:
    """See the module.

    Args:
        system: for this actor alone.
        send: (message) -> None, in order; blocks while the other end does not read.
        relax: lifts the limit of memory, so that the end of the actor can be told.
    """

    def __init__(self, system: System, send: Callable[[Message], None], relax: Callable[[], None]) -> None:
        self.system = system
        #: Set when the actor has ended and everybody outside who asked it has been told.
        self.over = Latch()
        self._send = send
        self._relax = relax
        self._numbers = itertools.count(1)
        self._asks: dict[int, ReplyTo] = {}
        self._watches: dict[int, Monitor] = {}
        self._names: dict[MonitorRef, int] = {}
        self._cell: Any = None
        self._memory = 0
        self._received = 0
        self._reported = 0
        self._was_trapping = False
        system.remote_refs = self._ref

    # -- the beginning and the end ------------------------------------------------------------------

    def launch(self, order: Launch) -> None:
        """Start the actor and tell how that went. Blocks: as long as its `__init__` does."""
        try:
            cell = self._start(order)
        except BaseException as error:  # noqa: BLE001  travels to the starter
            self._send(NotLaunched(parcel.pack_fault(_as_error(error)), isinstance(error, Ignore)))
            self.over.set()
            return
        self._was_trapping = cell.is_trapping()
        cell.ref.signal(Monitor(MonitorRef(0), _Mourner(self), cell.ref))
        self._send(Launched(self._was_trapping))

    def _start(self, order: Launch) -> Cell:
        self._memory = order.memory
        kind, args, kwargs = parcel.unpack(order.code, self.system)
        cell = self.system.spawn(hosted(kind), name=None, home=self._home(kind), id=order.id)
        cell.host = self  # type: ignore[attr-defined]  # both kinds of hosted cells have it
        self._cell = cell
        # Whoever it is: the end of this actor is reported outside.
        cell.parent = OutsideRef(self, order.parent or ActorId(order.id.peer, 0))
        if order.parent is not None:
            cell.links = {order.parent: cell.parent}
        with self.system.activate():
            cell.home.call(lambda: cell.start(args, kwargs), None)
        return cell

    def _home(self, kind: Any) -> Home:
        dispatcher = self.system.dispatcher
        if kind.dispatcher == "thread":
            return dispatcher.pinned(kind.__name__, daemon=True)
        return dispatcher.loop() if kind.dispatcher == "loop" else dispatcher

    @property
    def is_at_work(self) -> bool:
        """Whether the actor's code runs."""
        return self._cell is not None and self._cell.thread is not None

    def ended(self, reason: object) -> None:
        """The actor has ended."""
        if reason is ExitReason.NOPROC:
            # It ended before it was watched.
            reason = self._cell.reason
        if isinstance(reason, Crash) and isinstance(reason.exception, MemoryError) and self._memory:
            reason = MemoryExceeded(self._memory)
        self._send(Ended(parcel.pack_reason(reason)))
        self.over.set()

    def crashing(self, error: BaseException) -> None:
        """The actor is about to end by an exception."""
        if isinstance(error, MemoryError):
            self._relax()

    def rested(self) -> None:
        """Tell how much of the mail has been handled, now and then."""
        cell = self._cell
        freed = self._received - len(cell.mail or ())
        is_trapping = cell.is_trapping()
        if freed - self._reported >= _REPORT_EVERY or is_trapping is not self._was_trapping:
            self._reported = max(freed, self._reported)
            self._was_trapping = is_trapping
            self._send(Room(self._reported, is_trapping))

    # -- from outside: the thread that reads ----------------------------------------------------------

    def receive(self, message: Message) -> None:
        """Take what the warden says."""
        match message:
            case Deliver(body, ask):
                self._received += 1
                self._deliver(body, ask)
            case Inspect(body, ask):
                self._inspect(body, ask)
            case Answer(ask, body):
                reply_to = self._asks.pop(ask, None)
                if reply_to is not None:
                    self._answer(reply_to, body)
            case Refusal(ask, fault):
                reply_to = self._asks.pop(ask, None)
                if reply_to is not None:
                    reply_to.set_exception(parcel.unpack_fault(fault))
            case Fired(number, reason):
                self._fire(number, parcel.unpack_reason(reason, self.system))

    def _deliver(self, body: bytes, ask: int) -> None:
        reply_to = Reply(self._send, ask, f"the answer of {self._cell.ref}") if ask else None
        try:
            message = parcel.unpack(body, self.system)
        except Exception as error:  # unpickling may raise anything
            if reply_to is not None:
                reply_to.set_exception(error)
            else:
                logger.exception("a message to %s cannot be unpickled in its process and is dropped", self._cell.ref)
            return
        if isinstance(message, DownSignal):
            self._fire(message.down.ref.serial, message.down.reason)
        elif isinstance(message, (ExitSignal, Link, Unlink)):
            bonds.receive(self._cell, message)
        else:
            self._cell.ref.deliver(message, reply_to)

    def _inspect(self, body: bytes, ask: int) -> None:
        reply_to = Reply(self._send, ask, f"what is to be seen of {self._cell.ref}")
        try:
            call, args = parcel.unpack(body, self.system)
        except Exception as error:  # noqa: BLE001  as above
            reply_to.set_exception(error)
        else:
            self._cell.ref.signal(SystemRequest(call, args, reply_to))

    def _answer(self, reply_to: ReplyTo, body: bytes) -> None:
        try:
            reply_to.set(parcel.unpack(body, self.system))
        except Exception as error:  # noqa: BLE001  as above
            reply_to.set_exception(error)

    def _fire(self, number: int, reason: object) -> None:
        monitor = self._watches.pop(number, None)
        if monitor is not None:
            self._names.pop(monitor.ref, None)
            monitor.watcher.signal(DownSignal(Down(monitor.ref, monitor.target, reason)))

    # -- to the outside: a `Way` ----------------------------------------------------------------------

    @property
    def waits(self) -> Waits:
        """See `Way`."""
        return self.system.dispatcher

    def send(self, to: ActorId, message: object, reply_to: ReplyTo | None) -> None:
        """See `Way`."""
        body = parcel.pack(message, f"the message to {to}")
        number = 0
        if reply_to is not None:
            if len(self._asks) >= ASKS_LIMIT:
                raise ActorError(f"{len(self._asks):,} asks of this process are open; that is the limit")
            number = next(self._numbers)
            self._asks[number] = reply_to
        self._send(Send(to, body, number))

    def watch(self, to: ActorId, monitor: Monitor) -> None:
        """See `Way`."""
        number = next(self._numbers)
        self._watches[number] = monitor
        self._names[monitor.ref] = number
        self._send(Watch(number, to, self._is_own(monitor.watcher)))

    def unwatch(self, monitor: Demonitor) -> None:
        """See `Way`."""
        number = self._names.pop(monitor.ref, None)
        if number is not None:
            self._watches.pop(number, None)
            self._send(Unwatch(number))

    def bind(self, to: ActorId, sender: ActorRef[Any], *, linked: bool) -> bool:
        """See `Way`."""
        if not self._is_own(sender):
            return False
        self._send(Bind(to, linked))
        return True

    def order(self, to: ActorId, signal: ExitSignal) -> None:
        """See `Way`."""
        self._send(Order(to, parcel.pack_reason(signal.reason), self._is_own(signal.sender)))

    def _is_own(self, ref: object) -> bool:
        return self._cell is not None and isinstance(ref, ActorRef) and ref.id == self._cell.id

    def _ref(self, actor_id: ActorId) -> ActorRef[Any]:
        if self._cell is not None and actor_id == self._cell.id:
            own: ActorRef[Any] = self._cell.ref
            return own
        return OutsideRef(self, actor_id)


class _Mourner:
    """Watches the actor for its host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def signal(self, signal: object) -> None:
        if isinstance(signal, DownSignal):
            self._host.ended(signal.down.reason)


def _as_error(error: BaseException) -> BaseException:
    if isinstance(error, (Stop, ActorExit, ActorDeadError)):
        reason = getattr(error, "reason", ExitReason.NORMAL)
        return StartError(f"the actor ended while it started: {reason}")
    return error
