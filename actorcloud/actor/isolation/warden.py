"""What stands for an isolated actor where it was started: its name, links, monitors and mailbox are here.

The warden's handlers send the actor's mail on; the code of the actor runs in a process of its own, its
host's. There is one way to die: the process ends, is reaped, and only then does anybody hear of it.

::

    started -- Launched --> runs -- Ended(reason), then the process ends ----> dead: reason
                             |----- an exit signal, a kill: SIGKILL ---------> dead: the signal's reason
                             '----- the process ends (crash, exit, memory) --> dead: ProcessDied, MemoryExceeded

Bounds: mail under way, `window`; the rest waits in the mailbox (`max_mailbox`), and a turn that finds no
room waits for it. What the host sends is handed on at once; it waits in its writes while we do not read.

Thread: handlers run in turns; `_heard` and what it calls on the spawner's thread.
"""

from __future__ import annotations

import functools
import itertools
import logging
from typing import Any, ClassVar

from actorcloud.actor.actor import Actor
from actorcloud.actor.cell import bonds, death
from actorcloud.actor.cell.report import CrashReport
from actorcloud.actor.errors import Ignore
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.isolation import parcel
from actorcloud.actor.isolation.cell import WardenCell
from actorcloud.actor.isolation.ref import IsolatedRef
from actorcloud.actor.isolation.reply import Reply
from actorcloud.actor.isolation.watcher import Watcher
from actorcloud.actor.isolation.window import Window
from actorcloud.actor.mailbox.mail import Ask
from actorcloud.actor.mailbox.mailbox import DEAD
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import (
    Demonitor,
    Down,
    DownSignal,
    ExitSignal,
    Monitor,
    MonitorRef,
    SystemRequest,
    new_monitor,
)
from actorcloud.actor.starter import Isolation
from actorcloud.actor.thread.latch import Latch
from actorcloud.base.errors import ActorCloudError, StartError
from actorcloud.base.exits import Crash, MemoryExceeded, ProcessDied, is_normal
from actorcloud.base.ports import Child, Exited, Said
from actorcloud.protocol.isolation import (
    OUT_OF_MEMORY,
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

logger = logging.getLogger("actorcloud.actor")


class Warden(Actor):
    """See the module; `stand_in` makes the class for each isolated one."""

    _cell_class = WardenCell
    _ref_class: ClassVar[type[ActorRef[Any]]] = IsolatedRef
    #: The class of the isolated actor; a proxy looks at it.
    isolated: ClassVar[Any]
    #: Whether its `__init__` has run over there.
    is_launched = False
    _settings: ClassVar[Isolation]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._window = Window()
        self._room: Latch | None = None
        self._numbers = itertools.count(1)
        #: Asks under way to the host.
        self._asks: dict[int, ReplyTo] = {}
        #: Errors of asks that came after the end: the askers hear of the death first.
        self._late: list[tuple[ReplyTo, Exception]] = []
        self._watches: dict[int, tuple[ActorRef[Any], MonitorRef]] = {}
        self._told: tuple[object] | None = None
        #: `__init__` raised over there: the starter's stack ends the actor, with what it raised.
        self._is_refused = False
        self._launched = self.system.future(None, "the start of an isolated actor")
        what = f"{self.isolated.__qualname__} and its arguments"
        code = parcel.pack((self.isolated, args, kwargs), what)
        self._child: Child = self.system.spawner.spawn(f"{self.isolated.__name__}{self._cell.id}", self._heard)
        parent = self._cell.parent
        self._child.send(Launch(self._cell.id, None if parent is None else parent.id, code, self._settings.memory or 0))
        try:
            self.trap_exit = self._wait_for_start()
            self.is_launched = True
        except BaseException:
            self.kill()
            raise

    def _wait_for_start(self) -> bool:
        limit = self._settings.start_timeout
        if not self.system.wait(self._launched, limit):
            raise StartError(f"{self} did not start within {limit} s; give options(start_timeout=...) more")
        is_trapping: bool = self._launched.get()
        return is_trapping

    def kill(self) -> None:
        """End the process. Thread: any."""
        self._child.kill()

    def forward(self, message: Any) -> None:
        """Send one message on; one that cannot travel is refused here.

        Blocks: while as much is under way as may be.
        """
        reply_to = None
        if type(message) is Ask:
            message, reply_to = message.message, message.reply_to
        try:
            body = parcel.pack(message, f"the message to {self}")
        except ActorCloudError as error:
            if reply_to is not None:
                reply_to.set_exception(error)
            else:
                logger.error("a message is dropped: %s", error)  # noqa: TRY400  no bug of ours
                self.system.dead_letters += 1
            return
        number = 0 if reply_to is None else self._expect(reply_to)
        self._wait_for_room(len(body))
        self._window.sent(len(body))
        self._child.send(Deliver(body, number))

    @property
    def pid(self) -> int | None:
        """The process's, while there is one; a simulated one has none."""
        found: int | None = getattr(self._child, "pid", None)
        return found

    def inspect(self, request: SystemRequest) -> None:
        """Send a debug call on, past the mail. Thread: any."""
        try:
            body = parcel.pack((request.call, request.args), f"the debug call of {self}")
        except ActorCloudError as error:
            request.reply_to.set_exception(error)
            return
        self._child.send(Inspect(body, self._expect(request.reply_to)))

    def _expect(self, reply_to: ReplyTo) -> int:
        """Remember who waits for an answer."""
        number = next(self._numbers)
        self._asks[number] = reply_to
        # Put before it is looked at: whoever ends the actor sees one of the two.
        if self._cell.is_dead() and self._asks.pop(number, None) is not None:
            reply_to.set_exception(self._cell.dead_error(self._cell.reason))
        return number

    def _wait_for_room(self, size: int) -> None:
        while True:
            # Set before it is looked at, so that what is freed after the look finds it.
            self._room = latch = self.system.latch()
            if self._window.has_room(size):
                self._room = None
                return
            self.system.wait(latch)

    def _make_room(self) -> None:
        """Let the turn that waits for room look again."""
        latch = self._room
        if latch is not None:
            latch.set()

    # -- what the host says: on the spawner's thread ------------------------------------------------

    def _heard(self, event: Said | Exited) -> None:
        if isinstance(event, Exited):
            self._exited(event)
            return
        for message in event.messages:
            try:
                self._take(message)
            except Exception:
                # Of this message alone; unpickling may raise anything.
                logger.exception("what the process of %s said could not be handled", self)

    def _take(self, message: object) -> None:
        match message:
            case Send(to, body, ask):
                self._send(to, body, ask)
            case Answer(ask, body):
                self._answer(ask, body)
            case Refusal(ask, fault):
                self._refuse(ask, parcel.unpack_fault(fault))
            case Room(freed, trapping):
                self.trap_exit = trapping
                self._window.free(freed)
                self._make_room()
            case Launched(trapping):
                self._launched.set(trapping)
            case NotLaunched(fault, ignored):
                self._is_refused = True
                self._launched.set_exception(Ignore() if ignored else parcel.unpack_fault(fault))
            case Ended(reason):
                self._told = (parcel.unpack_reason(reason, self.system),)
            case _:
                self._take_signal(message)

    def _take_signal(self, message: object) -> None:
        match message:
            case Watch(number, to, own):
                ref, name = self.system.ref(to), new_monitor()
                self._watches[number] = (ref, name)
                ref.signal(Monitor(name, Watcher(lambda reason: self._fire(number, reason, own=own)), ref))
            case Unwatch(number):
                watched = self._watches.pop(number, None)
                if watched is not None:
                    watched[0].signal(Demonitor(watched[1]))
            case Bind(to, linked):
                (bonds.link if linked else bonds.unlink)(self._cell, self.system.ref(to))
            case Order(to, reason, own):
                sender = self._cell.ref if own else None
                self.system.ref(to).signal(ExitSignal(sender, parcel.unpack_reason(reason, self.system)))

    def _fire(self, number: int, reason: object, *, own: bool) -> None:
        """Tell the host of an end. Thread: any."""
        self._watches.pop(number, None)
        if own:
            # In the order of the mail, as for every actor.
            self._cell.ref.queue(DownSignal(Down(MonitorRef(number), None, reason)))
        else:
            # At once: it may be what the actor's handler waits for.
            self._child.send(Fired(number, parcel.pack_reason(reason)))

    def _send(self, to: Any, body: bytes, ask: int) -> None:
        target = self.system.ref(to)
        reply_to = Reply(self._child.send, ask, f"the answer of {target}") if ask else None
        try:
            target.deliver(parcel.unpack(body, self.system), reply_to)
        except Exception as error:
            if reply_to is None:
                raise
            reply_to.set_exception(error)

    def _answer(self, ask: int, body: bytes) -> None:
        reply_to = self._asks.pop(ask, None)
        if reply_to is not None:
            try:
                reply_to.set(parcel.unpack(body, self.system))
            except Exception as error:  # noqa: BLE001  unpickling may raise anything
                reply_to.set_exception(error)

    def _refuse(self, ask: int, error: Exception) -> None:
        reply_to = self._asks.pop(ask, None)
        if reply_to is None:
            return
        if self._told is None:
            reply_to.set_exception(error)
        else:
            self._late.append((reply_to, error))

    # -- the end ------------------------------------------------------------------------------------

    def _exited(self, event: Exited) -> None:
        """The process is dead, and so is the actor."""
        cell = self._cell
        reason = self._reason_of(event)
        if not self._launched.is_done():
            self._launched.set_exception(StartError(f"{self} did not start: {reason}"))
            return
        if self._is_refused:
            return
        is_reported = cell.exiting is not None or is_normal(reason) or cell.is_supervised()
        if not is_reported and cell.state != DEAD:
            self._report(reason)
        death.die(cell, reason)
        cell.actor = None
        self._make_room()
        for number in list(self._watches):
            ref, name = self._watches.pop(number)
            ref.signal(Demonitor(name))
        for reply_to, error in self._late:
            reply_to.set_exception(error)
        while self._asks:
            _, reply_to = self._asks.popitem()
            reply_to.set_exception(cell.dead_error(reason))

    def _report(self, reason: object) -> None:
        report: CrashReport | None = reason.report if isinstance(reason, Crash) else None
        if report is None:
            logger.error("%s crashed: %s", self, reason)
        else:
            logger.error("%s\n%s", report.text(), report.traceback, extra=report.extra)

    def _reason_of(self, event: Exited) -> object:
        if self._told is not None:
            return self._told[0]
        exiting = self._cell.exiting
        if exiting is not None:
            return exiting[0]
        if event.code == OUT_OF_MEMORY and self._settings.memory:
            return MemoryExceeded(self._settings.memory)
        return ProcessDied(event.status, event.code)


@functools.lru_cache(maxsize=256)
def stand_in(kind: Any, settings: Isolation) -> type[Warden]:
    """Return the class of the wardens of `kind`. Nothing of it runs here."""
    facts = {
        "isolated": kind,
        "_settings": settings,
        "max_mailbox": kind.max_mailbox,
        "trap_exit": kind.trap_exit,
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
    }
    return type(kind.__name__, (Warden,), facts)
