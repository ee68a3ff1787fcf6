"""Instruments: what debug calls have set up at one actor, and the lane that they come in.

A `SystemRequest` is served by the actor itself, before its next message; so an actor that is busy in
a handler does not answer. Where something is left that must see every message, the cell has an
instrument, and its turns run through `handle_mail` here instead of its own loop: an actor that
nobody watches pays for none of it.

A suspended actor lets its mail lie. It serves requests, and ends when it is told to: by its parent,
by `stop`, by a signal.

Thread: the actor's own turns, but for `requests`, which is filled under `GUARD`.

Reference: OTP's `sys`; otp-semantics 2.8.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from types import CodeType
from typing import Any, ClassVar, Final

import msgspec

from actorcloud.actor.cell import idle
from actorcloud.actor.cell.event import Event, Kind
from actorcloud.actor.cell.report import Status, shown
from actorcloud.actor.errors import CallbackFailed, Stop, Unwound
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mail import Ask, StopOrder
from actorcloud.actor.signals import Exit, SystemRequest
from actorcloud.actor.thread.context import GUARD, local
from actorcloud.base.errors import ActorError

logger = logging.getLogger("actorcloud.actor")


#: Debug calls that wait for one actor: more than ever look at once.
REQUESTS_LIMIT = 100


class _Done:
    """The type of `DONE`."""

    def __repr__(self) -> str:
        return "DONE"

    def __reduce__(self) -> str:
        # There is only one, also in code that travels by value.
        return "DONE"


#: Returned by a debug function: it need not be called any more.
DONE: Final = _Done()

#: The function that counts, by which an actor's time is measured too.
STATISTICS: Final = "statistics"

#: (its state, the event, the actor's ref) -> its next state, or `DONE`.
DebugFunction = Callable[[Any, Event, Any], Any]


class ActorStatus(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """An actor as `get_status` tells it."""

    ref: Any
    actor_class: type
    #: The name it is registered under.
    name: str | None
    is_suspended: bool
    #: The ref of who called `start_link`.
    parent: Any
    #: Messages that wait.
    mailbox: int
    #: The debug functions that are installed, by id.
    functions: list[Hashable]
    #: What `format_status` made of the rest.
    status: Status


class _Function:
    """A debug function and its state."""

    __slots__ = ("function", "state")

    def __init__(self, function: DebugFunction, state: Any) -> None:
        self.function = function
        self.state = state


class Instrument:
    """What is set up at one actor."""

    __slots__ = ("_began", "_busy", "_seen", "functions", "is_suspended", "requests")

    def __init__(self) -> None:
        #: At most `REQUESTS_LIMIT`; most have an asker who waits.
        self.requests: deque[SystemRequest] = deque()
        self.functions: dict[Hashable, _Function] = {}
        self.is_suspended = False
        #: Messages of a suspended actor that are no orders to end.
        self._seen = 0
        #: Seconds in turns since "statistics" was installed; when the one under way began.
        self._busy = 0.0
        self._began: float | None = None

    # -- time -------------------------------------------------------------------------------------

    def begin(self, cell: Any) -> None:
        """The actor's code begins to run; somebody may want to know for how long."""
        self._began = cell.system.clock.monotonic() if STATISTICS in self.functions else None

    def end(self, cell: Any) -> None:
        """It runs no longer."""
        if self._began is not None:
            self._busy += cell.system.clock.monotonic() - self._began
            self._began = None

    def busy_time(self, cell: Any) -> float | None:
        """Return how many seconds the actor's code has run; None if nobody counts. Thread: any."""
        if STATISTICS not in self.functions:
            return None
        began = self._began
        return self._busy + (0.0 if began is None else cell.system.clock.monotonic() - began)

    # -- turns: instead of the cell's own loop ----------------------------------------------------

    def handle_mail(self, cell: Any, limit: int) -> int:
        """Handle up to `limit` messages in view of the functions; return how many of `limit` are left."""
        self.begin(cell)
        try:
            return self._handle_mail(cell, limit)
        finally:
            self.end(cell)

    def _handle_mail(self, cell: Any, limit: int) -> int:
        if cell.urgent and not cell.attend():
            return limit
        left = limit
        while left and self.wants_turn(cell):
            if cell.urgent and (not cell.attend() or cell.preempted):
                break
            message = self.next_message(cell)
            if message is None:
                break
            left -= 1
            cell.handle(message)
        return left

    #: Whose frame in a traceback tells which message was handled.
    loop: ClassVar[CodeType] = _handle_mail.__code__

    def next_message(self, cell: Any) -> Any:
        """Take the next message and show it to the functions; None if there is nothing to handle.

        Of a suspended actor's mail only an order to end is taken, and that ends the suspension.
        """
        message = self._next_order(cell) if self.is_suspended else cell.mail.popleft()
        if type(message) is not Ask:
            if message is not None:
                self.note(cell, "in", message)
            return message
        self.note(cell, "in", message.message, is_ask=True)
        return Ask(message.message, _Observed(self, cell, message.reply_to))

    def wants_turn(self, cell: Any) -> bool:
        """Whether there is mail that may be looked at now."""
        return len(cell.mail or ()) > (self._seen if self.is_suspended else 0)

    def note(self, cell: Any, kind: Kind, value: Any, *, is_ask: bool = False) -> None:
        """Show an event to the functions; one that raises is removed."""
        if not self.functions:
            return
        event = Event(kind, value, cell.system.clock.time(), is_ask)
        for id, entry in list(self.functions.items()):
            try:
                entry.state = entry.function(entry.state, event, cell.ref)
            except Exception:
                logger.exception("debug function %r of %s raised and was removed", id, cell.ref)
                entry.state = DONE
            if entry.state is DONE and self.functions.get(id) is entry:
                del self.functions[id]

    def note_owed(self, cell: Any, ask: Ask) -> None:
        """Show that the handler left an ask for later, unless it was answered meanwhile."""
        if not _is_done(ask.reply_to):
            self.note(cell, "noreply", ask.message)

    def _next_order(self, cell: Any) -> Any:
        mail = cell.mail
        while mail and self._seen < len(mail):
            message = mail[self._seen]
            if type(message) is StopOrder or (type(message) is Exit and _is_from_parent(cell, message)):
                del mail[self._seen]
                self.is_suspended = False
                return message
            self._seen += 1
        return None

    # -- requests ---------------------------------------------------------------------------------

    def serve(self, cell: Any) -> bool:
        """Serve the requests.

        Returns:
            Whether that leaves something at work: the turn must end, so that the next one comes here.
        """
        if len(self.requests) == 0:
            return False
        while self.requests:
            request = self.requests.popleft()
            if _is_done(request.reply_to):
                continue  # who asked has given up
            try:
                value = _CALLS[request.call](self, cell, *request.args)
            except ActorError as error:
                request.reply_to.set_exception(error)
            except Stop:
                request.reply_to.set(None)
                raise
            except BaseException as error:
                # A hook that ends the actor; the asker hears of it, and the actor ends as by any handler.
                request.reply_to.set_exception(CallbackFailed(f"{request.call} ended {cell.ref}: {error!r}"))
                raise
            else:
                request.reply_to.set(value)
        if cell.kind._has_on_idle:  # noqa: SLF001  the class's half of the runtime
            idle.restart(cell)
        with GUARD:
            if cell.debug is self and not (len(self.requests) or self.functions or self.is_suspended):
                cell.debug = None
        return cell.debug is not None

    def accept(self, request: SystemRequest) -> bool:
        """Let a request wait; False if there is no room. Under `GUARD`."""
        if len(self.requests) >= REQUESTS_LIMIT:
            for old in [old for old in list(self.requests) if _is_done(old.reply_to)]:
                with suppress(ValueError):  # served just now
                    self.requests.remove(old)
        has_room = len(self.requests) < REQUESTS_LIMIT
        if has_room:
            self.requests.append(request)
        return has_room

    def refuse_all(self, error: BaseException) -> None:
        """Answer the requests that came too late."""
        while self.requests:
            try:
                request = self.requests.popleft()
            except IndexError:
                return  # another thread refuses too
            request.reply_to.set_exception(error)

    def _get_state(self, cell: Any) -> Any:
        return _call(cell, "system_get_state")

    def _get_children(self, cell: Any) -> Any:
        return _call(cell, "system_children")

    def _replace_state(self, cell: Any, function: Callable[[Any], Any]) -> Any:
        return _call(cell, "system_replace_state", function)

    def _get_status(self, cell: Any) -> ActorStatus:
        log = self.functions.get("log")
        try:
            state = cell.actor.system_get_state()
        except Exception as error:  # noqa: BLE001  the rest of the status is still worth having
            state = f"<system_get_state raised {type(error).__name__}>"
        events = list(log.state) if log is not None else []
        status = Status(state=state, log=events, **cell.actor._status_details())  # noqa: SLF001  the two halves of one thing
        return ActorStatus(
            ref=cell.ref,
            actor_class=cell.kind,
            name=cell.name,
            is_suspended=self.is_suspended,
            parent=cell.parent,
            mailbox=cell.queued(),
            functions=list(self.functions),
            status=shown(cell.actor, status),
        )

    def _suspend(self, cell: Any) -> None:  # noqa: ARG002  all calls are made alike
        if not self.is_suspended:
            self.is_suspended = True
            self._seen = 0

    def _resume(self, cell: Any) -> None:  # noqa: ARG002  as above
        self.is_suspended = False

    def install(self, cell: Any, id: Hashable, function: DebugFunction, state: Any) -> bool:  # noqa: ARG002
        """Call a function for each event from now on; False if there is one of this id.

        Thread: the actor's own turns, or before the first of them.
        """
        if id in self.functions:
            return False
        self.functions[id] = _Function(function, state)
        if id == STATISTICS:
            self._busy = 0.0
        return True

    def _remove(self, cell: Any, id: Hashable) -> Any:  # noqa: ARG002  as above
        found = self.functions.pop(id, None)
        return None if found is None else found.state

    def _peek(self, cell: Any, id: Hashable) -> Any:  # noqa: ARG002  as above
        found = self.functions.get(id)
        return None if found is None else found.state

    def _get_statistics(self, cell: Any) -> Any:
        counts = self._peek(cell, STATISTICS)
        return counts and msgspec.structs.replace(counts, busy_time=self.busy_time(cell))

    def _no_debug(self, cell: Any) -> None:  # noqa: ARG002  as above
        self.functions.clear()

    def _terminate(self, cell: Any, reason: object) -> None:
        self.is_suspended = False
        cell.handle(StopOrder(reason))


#: What a `SystemRequest` may ask for.
_CALLS: dict[str, Callable[..., Any]] = {
    name.lstrip("_"): getattr(Instrument, name)
    for name in (
        "_get_children",
        "_get_state",
        "_get_statistics",
        "_get_status",
        "install",
        "_no_debug",
        "_peek",
        "_remove",
        "_replace_state",
        "_resume",
        "_suspend",
        "_terminate",
    )
}


class _Observed:
    """Where an answer goes, seen by the answerer's instrument."""

    __slots__ = ("_cell", "_instrument", "_is_answered", "_to", "keeper")

    def __init__(self, instrument: Instrument, cell: Any, to: ReplyTo) -> None:
        self._instrument = instrument
        self._cell = cell
        self._to = to
        self._is_answered = False
        #: See `Future.keeper`.
        self.keeper: Any = None

    def is_done(self) -> bool:
        return self._is_answered

    def set(self, value: Any = None, /) -> object:
        self._is_answered = True
        self._note(value)
        return self._to.set(value)

    def set_exception(self, error: BaseException, /) -> object:
        self._is_answered = True
        self._note(error)
        return self._to.set_exception(error)

    def push(self, value: Any, /) -> None:
        self._to.push(value)
        self._note(value)

    def _note(self, value: Any) -> None:
        if self.keeper is not None:
            self.keeper.release(self)
        # Another actor may answer in its place; that is no event of this one.
        if local.cell is self._cell:
            self._instrument.note(self._cell, "out", value)


def _is_done(reply_to: Any) -> bool:
    """Whether there is an answer already; False where that cannot be told."""
    is_done: Callable[[], bool] | None = getattr(reply_to, "is_done", None)
    return is_done is not None and is_done()


def _is_from_parent(cell: Any, message: Exit) -> bool:
    return cell.parent is not None and message.sender == cell.parent


def _call(cell: Any, hook: str, *args: Any) -> Any:
    """Run a hook of the actor for someone else; what it raises is that one's error."""
    try:
        return getattr(cell.actor, hook)(*args)
    except Unwound:
        raise
    except Exception as error:
        raise CallbackFailed(f"{hook} of {cell.ref} raised {type(error).__name__}: {error}") from error
