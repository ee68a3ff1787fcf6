r"""Mailboxes: an actor's mail and state, as far as others reach them.

::

    idle --put--> busy (queued, then in a turn) --mail empty--> idle
      \____________________ die ____________________/ --> dead

Who puts appends to `mail` and then looks at `state`; who rests sets `state` and then looks at
`mail`: one of the two sees the other, so no message is left behind. A message put after death is
refused by whoever put it. The same order makes closing atomic with putting, without a lock in `tell`.

An idle cell is one of a set, and who wakes it takes it out: no lock there either. Only its own
thread makes a cell idle, and only while nobody can be killing it, which its turn's end looks for.

`urgent` is the lane of signals: it is looked at before every message.

Thread: `put`, `wake` and the facts are for any.
"""

from __future__ import annotations

from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.extra import Extra
from actorcloud.actor.mailbox.mail import Ask, ClosedMail, MailboxLimit, StopOrder, Tied, new_mail
from actorcloud.actor.name import Listing
from actorcloud.actor.signals import Down, DownSignal, Exit, ExitSignal, Link, MonitorRef, Unlink
from actorcloud.actor.thread.context import GUARD
from actorcloud.actor.thread.latch import Latch
from actorcloud.actor.thread.ports import Dispatcher, Home
from actorcloud.base.clock import Clock
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId

if TYPE_CHECKING:  # it is made by those above
    from actorcloud.actor.cell.instrument import Instrument
    from actorcloud.actor.cell.report import ReportFormat

#: Idle: nothing to do. Busy: queued for a turn, or in one. Dead: for ever.
IDLE, BUSY, DEAD = 0, 1, 2


class Host(Protocol):
    """What an actor needs of its system."""

    @property
    def dispatcher(self) -> Dispatcher:
        """Where it runs."""
        ...

    @property
    def clock(self) -> Clock:
        """Where its actors get their time from."""
        ...

    @property
    def copy_messages(self) -> bool:
        """Whether its actors get copies of messages."""
        ...

    @property
    def report_format(self) -> ReportFormat:
        """How crashes are reported."""
        ...

    def forget(self, cell: Any, /) -> None:
        """Release a dying actor's names and registration. Under GUARD."""
        ...

    @property
    def names(self) -> Listing:
        """Under what its actors are found."""
        ...

    def add_dead_letter(self, ref: Any, message: Any, /) -> None:
        """Count a message to a dead actor."""
        ...

    def add_zombie(self, cell: Any, /) -> None:
        """Note a killed actor whose handler runs."""
        ...

    def drop_zombie(self, cell: Any, /) -> None:
        """Note that the handler has come back."""
        ...

    def is_zombie(self, cell: Any, /) -> bool:
        """Whether it was killed and its handler runs still."""
        ...


class _NoReply:
    """The type of `NoReply`."""

    def __repr__(self) -> str:
        return "NoReply"

    def __reduce__(self) -> str:
        # There is one in each process: code that travels by value returns the receiver's.
        return "NoReply"


#: Returned by a handler: the answer comes later, through `self.reply(to, value)`.
NoReply = _NoReply()


#: What is no loss when its receiver is dead.
_UNCOUNTED = (Exit, Down, StopOrder, Tied, ExitSignal, DownSignal, Link, Unlink)


#: The idle cells. Who takes one out gives it a turn: to remove is atomic, so one does, without a lock.
_resting: set[Mailbox] = set()


class Mailbox:
    """What of an actor's runtime state others reach; `Cell` adds what runs it."""

    __slots__ = (
        "__weakref__",
        "actor",
        "asking",
        "debug",
        "deferred",
        "downs",
        "exiting",
        "extra",
        "final_reply",
        "handled",
        "home",
        "id",
        "kind",
        "latch",
        "links",
        "mail",
        "monitors",
        "name",
        "parent",
        "preempted",
        "reason",
        "ref",
        "started_at",
        "state",
        "stopping",
        "system",
        "thread",
        "timers",
        "urgent",
        "watching",
    )

    #: Its `ActorRef`.
    ref: Any

    def __init__(self, system: Host, kind: Any, id: ActorId, home: Home) -> None:
        self.system = system
        #: The `Actor` class.
        self.kind = kind
        self.id = id
        self.home = home
        #: The user's object; None before it is made and after death.
        self.actor: Any = None
        #: Made at the first message: an empty deque is 0.6 KiB.
        self.mail: deque[Any] | None = None
        # Busy from the start: what is put while `__init__` runs waits.
        self.state = BUSY
        #: UTC seconds since 1970.
        self.started_at = system.clock.time()
        #: Messages, so far; counted at the end of a turn.
        self.handled = 0
        self.urgent = False
        #: Others wait: the turn ends after this message.
        self.preempted = False
        #: (reason,) once a signal decided that the actor dies.
        self.exiting: tuple[object] | None = None
        #: (reason,) once `self.stop` was called.
        self.stopping: tuple[object] | None = None
        #: What the actor ended with.
        self.reason: object = None
        self.name: str | None = None
        #: The ref of who called `start_link`.
        self.parent: Any = None
        self.links: dict[ActorId, Any] | None = None
        #: Who watches this actor: ref -> (watcher, what it called us).
        self.monitors: dict[MonitorRef, tuple[Any, object]] | None = None
        #: Whom this actor watches.
        self.watching: dict[MonitorRef, Any] | None = None
        #: The monitors whose `Down` is in the mail.
        self.downs: set[MonitorRef] | None = None
        #: The `Timer`s that end with it.
        self.timers: dict[Any, None] | None = None
        #: The ask that is being handled.
        self.asking: Ask | None = None
        #: Answers that the actor owes.
        self.deferred: dict[int, ReplyTo] | None = None
        #: The answer of a handler that also stopped; sent after `on_stop`.
        self.final_reply: tuple[ReplyTo, Any] | None = None
        #: What few actors have.
        self.extra: Extra | None = None
        #: The thread that runs this actor's code now.
        self.thread: int | None = None
        #: What that thread waits on.
        self.latch: Latch | None = None
        #: What debug calls have set up; None nearly always.
        self.debug: Instrument | None = None

    # -- putting: any thread --------------------------------------------------------------------

    def put(self, message: Any) -> None:
        """Queue a message; refused if the actor is dead."""
        mail = self.mail
        if mail is None:
            with GUARD:
                mail = self.open_mail()
        mail.append(message)
        if self.state != BUSY:
            self.wake()

    def append(self, message: Any) -> None:
        """Queue a message; waking the actor is left to the caller."""
        mail = self.mail
        if mail is None:
            with GUARD:
                mail = self.open_mail()
        mail.append(message)

    def open_mail(self) -> deque[Any]:
        """Return the mailbox, made if need be. Under GUARD."""
        if self.mail is None:
            self.mail = new_mail(self, self.kind.max_mailbox, copies=self.system.copy_messages)
        return self.mail

    def wake(self) -> None:
        """See to what was put: give an idle actor a turn, refuse the mail of a dead one."""
        if self.claim():
            home = self.home  # `schedule`, unrolled: as that is called a Ctrl-C may come, and nobody else sees to it
            try:
                home.enqueue(self)
                home.hurry()
            except BaseException:
                home.hurry()
                raise
        elif self.state == DEAD:
            self.refuse_all(ExitReason.NOPROC)

    def schedule(self) -> None:
        """Give this busy cell a turn soon."""
        self.home.enqueue(self)
        self.home.hurry()

    def claim(self) -> bool:
        """Make an idle cell busy, for a turn that the caller sees to; False if it was not idle."""
        try:
            _resting.remove(self)
        except KeyError:
            return False
        except BaseException:
            # A Ctrl-C, which comes when that is done: the caller will not see to it.
            self.state = BUSY
            self.schedule()
            raise
        self.state = BUSY
        return True

    def rest(self) -> None:
        """Be idle. Its own thread only, which looks at the mail afterwards; see the module's docstring."""
        self.state = IDLE
        _resting.add(self)

    def preempt(self) -> None:
        """Ask the running turn to end after its message."""
        self.preempted = True
        self.urgent = True

    def refuse_all(self, reason: object) -> None:
        """Answer what a dead actor owes and has not read."""
        asking, self.asking = self.asking, None
        deferred, self.deferred = self.deferred, None
        if self.debug is not None:
            self.debug.refuse_all(self.dead_error(reason))
        if asking is not None:
            asking.reply_to.set_exception(self.dead_error(reason))
        for reply_to in list((deferred or {}).values()):
            reply_to.set_exception(self.dead_error(reason))
        mail = self.mail
        while mail is not None:
            self._refuse_mail(mail, reason)
            mail = mail.unread if type(mail) is ClosedMail else None

    def _refuse_mail(self, mail: deque[Any], reason: object) -> None:
        while mail:
            try:
                message = mail.popleft()
            except IndexError:
                # Another thread refuses too; between us, each message is refused once.
                return
            self.refuse(message, reason)

    def refuse(self, message: Any, reason: object) -> None:
        """Answer or count a message that will not be read."""
        if type(message) is Ask:
            message.reply_to.set_exception(self.dead_error(reason))
        elif type(message) not in _UNCOUNTED:
            self.system.add_dead_letter(self.ref, message)

    def unread(self) -> list[Any]:
        """Return the messages that wait, oldest first."""
        mail = self.mail
        if type(mail) is ClosedMail:
            mail = mail.unread
        while mail:
            try:
                return list(mail)
            except RuntimeError:
                # Someone put a message meanwhile: look again.
                continue
        return []

    def queued(self) -> int:
        """Return how many messages wait."""
        mail = self.mail
        if type(mail) is ClosedMail:
            mail = mail.unread
        return 0 if mail is None else len(mail)

    def close_mail(self) -> None:
        """Take no more messages, although the handler has not come back. Under GUARD."""
        if type(self.mail) is not ClosedMail:
            self.mail = ClosedMail(self, self.mail)

    def bury(self) -> None:
        """Be dead from now on. Under GUARD."""
        self.state = DEAD
        _resting.discard(self)

    def vanish(self) -> None:
        """Be dead, with nothing left to do. Under GUARD; see `System.abandon`."""
        self.bury()
        self.reason = ExitReason.KILLED
        self.urgent = True
        self.mail = self.links = self.monitors = self.watching = self.timers = None
        self.asking = self.deferred = None

    def dead_error(self, reason: object) -> ActorDeadError:
        """Return the error for who asks this dead actor."""
        when = "was dead already when it was asked" if reason is ExitReason.NOPROC else "ended before it answered"
        return ActorDeadError(f"{self.ref} {when} (it ended with: {self.end_reason()})", reason)

    # -- facts: any thread ----------------------------------------------------------------------

    def is_alive(self) -> bool:
        """Whether the actor runs and was not told to exit."""
        return self.state != DEAD and self.exiting is None

    def is_dead(self) -> bool:
        """Whether the actor has ended."""
        return self.state == DEAD

    def is_at_work_elsewhere(self) -> bool:
        """Whether a handler is under way, other than on this stack."""
        return self.thread is not None and self.thread != get_ident()

    def is_ending(self) -> bool:
        """Whether the running handler must unwind."""
        return self.exiting is not None or self.state == DEAD

    def end_reason(self) -> object:
        """Return what the actor ended with, or will."""
        if self.state != DEAD and self.exiting is not None:
            return self.exiting[0]
        return self.reason

    def is_thread(self) -> bool:
        """Whether this is the identity of a plain thread, which takes its messages itself and ends when it likes."""
        return bool(getattr(self.kind, "is_thread", False))

    @property
    def label(self) -> object:
        """What the actor called itself; None for nothing."""
        extra = self.extra
        return None if extra is None else extra.label

    def is_trapping(self) -> bool:
        """Whether exit signals become messages, now."""
        actor = self.actor
        return bool(self.kind.trap_exit if actor is None else actor.trap_exit)

    def expects(self, monitor: MonitorRef) -> bool:
        """Whether this monitor stands, or its `Down` is queued."""
        with GUARD:
            return monitor in (self.watching or ()) or monitor in (self.downs or ())

    def release(self, reply_to: ReplyTo) -> None:
        """Forget a deferred reply: it was given."""
        deferred = self.deferred
        if deferred is not None:
            deferred.pop(id(reply_to), None)

    def overflow(self, limit: MailboxLimit, count: int) -> None:
        """See to `count` messages, which is more than `limit` allows."""
        raise NotImplementedError
