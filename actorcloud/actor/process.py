"""An identity for plain threads: `with process() as me`.

Code outside actors can tell and ask without one. To be linked, to monitor, to be written to and to
receive, a thread needs an identity, as the shell and the tests of Erlang have one:

::

    with process(trap_exit=True) as me:
        worker = Worker.start_link(me.ref)
        worker.tell("go")
        result = me.receive(Result, timeout=5.0)

Within the block the thread is an actor to all others: it has a ref, a mailbox and bonds, and is what
`start_link` links to. Only, it takes its messages itself, by `receive`. An exit signal that it does
not trap ends it at its next wait or call of ours, by `ActorExit`.

Thread: the one that entered the block.

Reference: Erlang's `receive`; otp-semantics 1.1, 1.11.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, TypeVar, overload

from actorcloud.actor.cell import death
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorExit, ReceiveTimeout, Stop, Unwound
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mail import Ask, StopOrder, Tied
from actorcloud.actor.mailbox.mailbox import BUSY, IDLE
from actorcloud.actor.party import Party, check
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Down
from actorcloud.actor.system.system import System
from actorcloud.actor.thread.context import GUARD, current_system, fenced, local
from actorcloud.actor.thread.latch import Latch
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import Crash, ExitReason

R = TypeVar("R")
T = TypeVar("T")

#: What a message is looked for by: its type, one of several types, or a function of it.
Match = type | tuple[type, ...] | Callable[[Any], object]


class _Doorbell:
    """Where a process "runs": its thread is woken, and takes the messages itself."""

    def __init__(self) -> None:
        self.latch = Latch()

    def enqueue(self, cell: Any) -> None:
        """See `Home.enqueue`; there is one."""

    def hurry(self) -> None:
        """See `Home.hurry`."""
        self.latch.set()

    def call(self, function: Callable[[], R], timeout: float | None) -> R:  # noqa: ARG002  nothing to wait for
        """See `Home.call`."""
        return function()


class Process(Party):
    """The identity of a thread; made by `process`."""

    #: More messages than that kill it.
    max_mailbox: ClassVar[None] = None
    inline: ClassVar[bool] = False
    #: Whether this is no actor with handlers but a thread.
    is_thread: ClassVar[bool] = True
    _ref_class: ClassVar[type[ActorRef[Any]]] = ActorRef
    _cell_class: ClassVar[type[Cell]] = Cell

    def __init__(self, system: System, name: str | None, *, trap_exit: bool) -> None:
        #: Whether exit signals become `Exit` messages; may be changed at any time.
        self.trap_exit = trap_exit
        #: Where the answer of the message received last goes, if it was an ask; see `reply`.
        self.sender: ReplyTo | None = None
        self._doorbell = _Doorbell()
        self._cell = system.spawn(Process, name=name, home=self._doorbell)
        self._cell.actor = self
        self._cell.thread = threading.get_ident()

    def __repr__(self) -> str:
        return f"<Process {self.ref}: {self._cell.queued()} messages>"

    @property
    def ref(self) -> ActorRef[Any]:
        """What to give to others."""
        ref: ActorRef[Any] = self._cell.ref
        return ref

    @overload
    def receive(self, match: type[T], *, timeout: float | None = ...) -> T: ...

    @overload
    def receive(
        self, match: tuple[type, ...] | Callable[[Any], object] | None = ..., *, timeout: float | None = ...
    ) -> Any: ...

    def receive(self, match: Match | None = None, *, timeout: float | None = None) -> Any:
        """Take the oldest message that matches; the others stay, in order.

        Args:
            match: a type, a tuple of types, or a function of a message; None takes any.
            timeout: seconds; None waits for ever, 0 takes what is there or raises.

        Returns:
            The message. After an ask, `sender` is where its answer goes.

        Raises:
            ReceiveTimeout: nothing that matches came in time; nothing was taken.
            ActorExit: an exit signal, or `ref.stop()`, ends this process.
            TypeError: `match` is nothing to look for.
        Blocks:
            until there is such a message, at most `timeout`.
        """
        matches = _predicate(match)
        clock = self.system.clock
        deadline = None if timeout is None else clock.monotonic() + timeout
        seen = 0
        while True:
            check(self._cell)
            found, seen = self._look(matches, seen)
            if found:
                return found[0]
            left = None if deadline is None else deadline - clock.monotonic()
            if left is not None and left <= 0:
                raise ReceiveTimeout(
                    f"{self.ref} received nothing that matches within {timeout} s, and has {seen} others"
                )
            self._wait(seen, left)

    def _look(self, matches: Callable[[Any], object], seen: int) -> tuple[tuple[Any] | None, int]:
        """Look at the messages from number `seen` on; return what was found, and how many were seen."""
        mail = self._cell.mail
        while mail and seen < len(mail):
            # Only this thread takes messages out, so what is before `seen` stays there.
            entry = mail[seen]
            message = entry.message if type(entry) in {Ask, Tied} else entry
            if type(entry) is StopOrder:
                raise ActorExit(entry.reason)
            if not self._is_wanted(entry):
                del mail[seen]
            elif matches(message):
                del mail[seen]
                self._note(entry)
                return (message,), seen
            else:
                seen += 1
        return None, seen

    def _is_wanted(self, entry: Any) -> bool:
        """Whether this was not taken back meanwhile, with its monitor."""
        if type(entry) is Tied:
            return self._cell.expects(entry.ref)
        return type(entry) is not Down or entry.ref in (self._cell.downs or ())

    def _note(self, entry: Any) -> None:
        """Note what taking this message means: a monitor is over, an answer is owed."""
        self.sender = None
        cell = self._cell
        cell.handled += 1
        if type(entry) is Down:
            with GUARD:
                if cell.downs is not None:
                    cell.downs.discard(entry.ref)
        elif type(entry) is Ask:
            self.sender = entry.reply_to
            cell.owe(entry.reply_to)

    def _wait(self, seen: int, seconds: float | None) -> None:
        """Wait until there are more messages than `seen`; idle meanwhile, as an actor between two turns."""
        cell = self._cell
        self._doorbell.latch = Latch()
        with GUARD:
            if cell.state == BUSY:
                cell.thread = None
                cell.rest()
        try:
            # Who puts looks at the state after; so one of us sees the other.
            if cell.queued() == seen and not cell.is_ending():
                self.system.wait(self._doorbell.latch, seconds)
        finally:
            self._resume()

    def _resume(self) -> None:
        """Be busy again, on this thread."""
        cell = self._cell
        while not cell.claim() and cell.state == IDLE:
            # Someone has claimed it and will say so in a moment.
            time.sleep(0)
        with GUARD:
            cell.thread = threading.get_ident()
            if cell.is_ending():
                fenced.add(cell)

    def _end(self, reason: object, outer: Any) -> None:
        cell = self._cell
        death.die(cell, cell.end_reason() if cell.is_ending() else reason)
        local.cell = outer
        cell.quit_thread()
        cell.actor = None


@contextlib.contextmanager
def process(*, name: str | None = None, trap_exit: bool = False, system: System | None = None) -> Iterator[Process]:
    """Give the calling thread an identity within the block.

    It ends with the block: normally, with a `Crash` if the block raises, with its reason if it raises
    `Stop`, which goes no further.

    Args:
        name: to register.
        trap_exit: whether exit signals become messages.
        system: in which; the current one unless given.

    Raises:
        ActorError: the thread has an identity already.
        NameTaken: another has the name.
        ActorExit: an exit signal ended it.
    """
    outer = local.cell
    if outer is not None:
        raise ActorError(f"this thread is {outer.ref} already; use that, or another thread")
    me = Process(system or current_system(), name, trap_exit=trap_exit)
    local.cell = me._cell  # noqa: SLF001  one module
    reason: object = ExitReason.NORMAL
    try:
        yield me
    except Unwound:
        raise
    except Stop as stop:
        reason = stop.reason
    except ActorExit as error:
        reason = error.reason
        raise
    except BaseException as error:
        reason = Crash.of(error)
        raise
    finally:
        me._end(reason, outer)  # noqa: SLF001  one module


def _predicate(match: Match | None) -> Callable[[Any], object]:
    if match is None:
        return lambda _: True
    if isinstance(match, type) or (isinstance(match, tuple) and all(isinstance(kind, type) for kind in match)):
        return lambda message: isinstance(message, match)
    if isinstance(match, tuple) or not callable(match):
        raise TypeError(f"receive looks for a type, a tuple of types, or by a function of a message, not for {match!r}")
    return match
