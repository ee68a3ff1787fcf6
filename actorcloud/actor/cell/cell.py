"""The cell: how an actor starts, takes turns and ends.

A ref holds the cell, the cell holds the actor; a dead actor's object is freed although refs live on.

Thread: `turn` runs on one thread at a time, `start` before the first of them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, ClassVar

import msgspec
import pykka.messages
from pykka._introspection import get_attr_directly

from actorcloud.actor.cell import bonds, idle
from actorcloud.actor.cell.instrument import Instrument
from actorcloud.actor.cell.report import CrashReport, handled_at, report_crash
from actorcloud.actor.errors import ActorDeadError, ActorExit, Ignore, Stop, Unwound
from actorcloud.actor.future.future import ReplyTo
from actorcloud.actor.mailbox.mail import Ask, MailboxLimit, StopOrder, Tied
from actorcloud.actor.mailbox.mailbox import BUSY, DEAD, Mailbox, NoReply
from actorcloud.actor.signals import Down, Exit
from actorcloud.actor.thread.context import GUARD, fenced
from actorcloud.actor.thread.context import here as facts
from actorcloud.base.exits import Crash, ExitReason, is_normal
from actorcloud.base.frames import current_frames

logger = logging.getLogger("actorcloud.actor")


class Cell(Mailbox):
    """One actor's runtime; see the module's docstring."""

    __slots__ = ()

    def overflow(self, limit: MailboxLimit, count: int) -> None:
        """Log that more messages wait than may, and kill the actor, as `limit` says."""
        if limit.log:
            outcome = "is killed" if limit.kill else "goes on"
            logger.error("%s has %d messages, more than max_mailbox=%d, and %s", self.ref, count, limit.size, outcome)
        if limit.kill:
            bonds.kill(self)

    # -- starting: the thread that is the actor's home, or the starter's ------------------------

    def start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run `__init__` as the new actor; what it raises passes, and the actor has ended then."""
        here = facts()
        outer = here["cell"]
        here["cell"] = self
        self.thread = here["thread"]
        try:
            actor: Any = self.kind.__new__(self.kind)
            actor._cell = self  # noqa: SLF001  the two halves of one thing
            self.actor = actor
            actor.__init__(*args, **kwargs)
            if self.kind._checks_start:  # noqa: SLF001  as above
                actor._check_start()  # noqa: SLF001  as above
        except Unwound:
            raise
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            here["cell"] = outer
            self.quit_thread()
        if self.exiting is not None or self.state == DEAD:
            bonds.die(self, self.end_reason())
            raise ActorDeadError(f"{self.ref} was told to exit while it started", self.reason)
        if self.kind._has_on_start or self.kind._has_on_idle or self.stopping is not None or actor._continuations:  # noqa: SLF001  as above
            self.urgent = True
            self.schedule()
        else:
            self._rest()

    def _rest(self) -> None:
        """Become idle, unless something came in meanwhile."""
        with GUARD:
            if self.state == BUSY:
                self.rest()
        if self.mail or self.urgent:
            self.wake()

    def _abandon(self, error: BaseException) -> None:
        # The starter hears of it by what `start` raises, not also through the link.
        if self.parent is not None:
            bonds.unlink(self, self.parent)
        if isinstance(error, Ignore):
            bonds.die(self, ExitReason.NORMAL)
        else:
            bonds.die(self, error.reason if isinstance(error, (Stop, ActorExit)) else Crash.of(error))
        self.actor = None

    # -- running: one thread at a time ----------------------------------------------------------

    def turn(self, limit: int, here: dict[str, Any] | None = None) -> int:  # noqa: C901, PLR0912, PLR0915  a call costs too much
        """Handle up to `limit` messages as this actor.

        This is where a message's time goes: nothing is called that a plain turn does not need, and what
        it looks up more than once is kept.

        Args:
            limit: messages, >= 1.
            here: `context.here()` of this thread, for who has it.

        Returns:
            How many were handled.
        """
        here = here or facts()
        outer = here["cell"]
        here["cell"] = self
        self.thread = here["thread"]
        left = limit
        try:
            if self.debug is None:
                mail = None if self.urgent and not self.attend() else self.mail
            else:
                left, mail = self.debug.handle_mail(self, limit), None
            on_receive = self.actor.on_receive
            special = _SPECIAL.get
            while mail and left:
                if self.urgent and (not self.attend() or self.preempted):
                    break
                message = mail.popleft()
                left -= 1
                handle = special(type(message))
                if handle is None:
                    on_receive(message)
                else:
                    handle(self, message)
            if self.urgent:
                self.attend()
            if self.kind._has_turn_end:  # noqa: SLF001  the two halves of one thing
                deque(self.last_duties(handled=left != limit), maxlen=0)
        except Unwound:
            raise
        except BaseException as error:  # noqa: BLE001  whatever a handler raises ends its actor, and only it
            self._end(error)
        finally:
            here["cell"] = outer
            self.handled += limit - left
            self.preempted = False
            # In this order: who kills or ends an actor fences its thread and then looks at `thread` again.
            self.thread = None
            if fenced:
                self.leave_fence(rests=left > 0)
            elif left and self.state == BUSY:
                self.rest()
        if self.state == DEAD:
            self.actor = None
        elif not left:
            self.schedule()
        elif self.urgent or (self.mail if self.debug is None else self.debug.wants_turn(self)):
            self.wake()
        return limit - left

    def last_duties(self, *, handled: bool) -> Iterator[Any]:
        """Run what belongs to the end of a turn, and yield what it returns; `handled`: messages were."""
        kind = self.kind
        if kind._has_on_batch_end and handled and self.state != DEAD:  # noqa: SLF001  the two halves of one thing
            yield self.actor.on_batch_end()
        is_suspended = self.debug is not None and self.debug.is_suspended
        may_be_idle = kind._has_on_idle and not is_suspended and not self.is_ending()  # noqa: SLF001  as above
        if may_be_idle and idle.is_over(self, handled=handled):
            yield self.actor.on_idle()

    def attend(self) -> bool:
        """See to what overtakes messages; False if the turn must end."""
        if self.ends_now():
            return False
        deque(self.first_duties(), maxlen=0)
        goes_on = self.serve()
        if self.stopping is not None:
            self._finish(self.stopping[0])
            return False
        return goes_on and self.state != DEAD

    def ends_now(self) -> bool:
        """See to signals; True if they have ended the actor."""
        self.urgent = False
        if self.state != DEAD and self.exiting is not None:
            self.obey(self.exiting[0])
            return True
        return self.state == DEAD

    def serve(self) -> bool:
        """Serve debug calls; False if what they set up is for another turn to see."""
        return self.debug is None or not self.debug.serve(self)

    #: Whose frames in a traceback tell which message was handled, see `report.handled_at`.
    loops: ClassVar[set[CodeType]] = {turn.__code__, Instrument.loop}
    aside: ClassVar[CodeType] = attend.__code__

    def first_duties(self) -> Iterator[Any]:
        """Run `on_start`, and what the actor left to do before its next message; yield what they return."""
        actor = self.actor
        if actor is None:
            return
        if self.kind._has_on_start and not actor._was_started:  # noqa: SLF001
            yield actor.on_start()
            actor._was_started = True  # noqa: SLF001
        while actor._continuations and self.stopping is None and not self.is_ending():  # noqa: SLF001
            term = actor._continuations.popleft()  # noqa: SLF001
            if self.debug is not None:
                self.debug.note(self, "continue", term)
            yield actor.on_continue(term)

    def obey(self, reason: object) -> None:
        """End as a signal said."""
        if reason is ExitReason.SHUTDOWN and self._is_supervised():
            _hint_at_trap_exit(self.kind)
        bonds.die(self, reason)

    def quit_thread(self, *, rests: bool = False) -> None:
        """This actor's code no longer runs on this thread. With `rests` be idle."""
        self.preempted = False
        self.thread = None
        if fenced:
            self.leave_fence(rests=rests)
        elif rests and self.state == BUSY:
            self.rest()

    def leave_fence(self, *, rests: bool) -> None:
        """End a turn while somebody is fenced: with `rests` be idle, unless somebody ended this actor meanwhile."""
        with GUARD:
            fenced.discard(self)
            if rests and self.state == BUSY:
                self.rest()
        if self.state == DEAD:
            self.system.drop_zombie(self)

    def handle(self, message: Any) -> Any:
        """Handle one message in the running turn and return what the handler returned."""
        special = _SPECIAL.get(type(message))
        return self.actor.on_receive(message) if special is None else special(self, message)

    def frames(self) -> list[FrameType]:
        """Return what runs of this actor, innermost first, up to its turn or start. Thread: any."""
        thread = self.thread
        frame = None if thread is None else current_frames().get(thread)
        found: list[FrameType] = []
        while frame is not None:
            found.append(frame)
            is_ours = frame.f_code.co_name in {"turn", "start"} and frame.f_locals.get("self") is self
            frame = None if is_ours else frame.f_back
        return found

    def owe(self, reply_to: ReplyTo) -> None:
        """Remember an answer that will be given later, so that the actor's end is one."""
        deferred = self.deferred
        if deferred is None:
            deferred = self.deferred = {}
        # Without a lock: who ends this actor says so in `state`, and then answers what it finds here. This is
        # put here first, and `state` looked at afterwards; so one of us sees the other.
        deferred[id(reply_to)] = reply_to
        is_done: Callable[[], bool] | None = getattr(reply_to, "is_done", None)
        if hasattr(reply_to, "keeper"):
            reply_to.keeper = self  # a Future, or cluster's: it tells when it is answered elsewhere
        if self.state == DEAD:
            self.release(reply_to)
            reply_to.set_exception(self.dead_error(self.reason))
        elif is_done is not None and is_done():
            self.release(reply_to)

    # -- ending ---------------------------------------------------------------------------------

    def _end(self, error: BaseException) -> None:
        if self.state == DEAD:
            return
        if isinstance(error, Stop):
            self._finish(error.reason)
        elif isinstance(error, ActorExit):
            bonds.die(self, self.exiting[0] if self.exiting is not None else error.reason)
        else:
            self._crash(error)

    def _finish(self, reason: object) -> None:
        """End in order: the last batch, `on_stop`, the reply that is due, death."""
        self.reason = reason
        actor = self.actor
        try:
            if actor is not None:
                if self.kind._has_on_batch_end:  # noqa: SLF001
                    actor.on_batch_end()
                actor.on_stop()
        except Unwound:
            raise
        except BaseException as error:  # noqa: BLE001  a failing on_stop replaces the reason by its failure
            self._end_failed(error)
            return
        self._finished(reason)

    def _finished(self, reason: object) -> None:
        """Every hook has run: the reply that is due, death."""
        if self.final_reply is not None:
            reply_to, value = self.final_reply
            self.asking = None
            reply_to.set(value)
        if not is_normal(reason) and not self._is_reported():
            logger.error("%s stopped: %s", self.ref, reason)
        bonds.die(self, reason)

    def _end_failed(self, error: BaseException) -> None:
        if isinstance(error, ActorExit):
            bonds.die(self, self.exiting[0] if self.exiting is not None else error.reason)
        elif isinstance(error, Stop):
            bonds.die(self, error.reason)
        else:
            self._crash(error)

    def _crash(self, error: BaseException) -> None:
        """End by an exception: `on_failure`, death, then the asker hears of it."""
        reason = self._describe(error)
        self.reason = reason
        asked, self.asking = self.asking, None
        actor = self.actor
        try:
            if actor is not None:
                actor._on_crash(error)  # noqa: SLF001  the two halves of one thing
        except Unwound:
            raise
        except BaseException:
            logger.exception("on_failure of %s raised", self.ref)
        if not self._is_reported():
            self._log_crash(reason)
        bonds.die(self, reason)
        if asked is not None:
            # What would end the asker's thread, such as SystemExit, is this actor's end only.
            asked.reply_to.set_exception(error if isinstance(error, Exception) else self.dead_error(reason))

    def _describe(self, error: BaseException) -> Crash:
        crash = Crash.of(error)
        if self.actor is None:
            return crash
        handled = handled_at(error, self.loops, self.aside)
        report = report_crash(self, crash, handled, self.system.report_format)
        return msgspec.structs.replace(crash, report=report)

    def _log_crash(self, crash: Crash) -> None:
        report: CrashReport | None = crash.report
        if report is None:
            logger.error("%s crashed: %s", self.ref, crash, exc_info=crash.exception)
            return
        is_short = self.system.report_format.single_line
        # A traceback that `format_status` took out is not to come in again.
        error = crash.exception if report.traceback and not is_short else None
        logger.error("%s", report.text(single_line=is_short), exc_info=error, extra=report.extra)

    def _is_supervised(self) -> bool:
        parent = self.parent
        return parent is not None and parent.reports_children

    def _is_reported(self) -> bool:
        """Whether another logs how this actor ends, so that it is logged once: its supervisor, or the actor itself."""
        return self._is_supervised() or bool(self.kind._reports_itself)  # noqa: SLF001  the two halves of one thing


#: Classes that were hinted at; bounded by the program's classes.
_hinted: set[type] = set()


def _hint_at_trap_exit(kind: Any) -> None:
    """Say once that a class has an `on_stop` which its supervisor's shutdown does not run."""
    if kind._has_on_stop and kind not in _hinted:  # noqa: SLF001  the two halves of one thing
        _hinted.add(kind)
        logger.warning(
            "%s has on_stop, which does not run when a supervisor ends it, since it does not trap exits: "
            "set trap_exit = True on the class",
            kind.__qualname__,
        )


def _on_ask(cell: Cell, ask: Ask) -> None:
    cell.asking = ask
    if cell.state == DEAD:
        # Killed since the ask left the mailbox: who killed it answered what it owed, and did not see this one.
        cell.refuse_all(cell.reason)
        return
    try:
        value = cell.handle(ask.message)
    except Exception as error:
        if not refuse(cell, ask, error):
            raise
        return
    answer(cell, ask, value)


def refuse(cell: Cell, ask: Ask, error: Exception) -> bool:
    """Let only the asker hear of what a handler raised; False if the actor is to end by it."""
    if cell.kind.ask_errors != "reply" or cell.is_ending():
        return False
    cell.asking = None
    logger.info("%s answers with an error", cell.ref, exc_info=error)
    ask.reply_to.set_exception(error)
    return True


def answer(cell: Cell, ask: Ask, value: Any) -> None:
    """See to what the handler of an ask returned."""
    if cell.state == DEAD:
        return  # a zombie: its answer is dropped, and the asker has heard of the death
    if value is NoReply:
        cell.asking = None
        if cell.debug is not None:
            cell.debug.note_owed(cell, ask)
        cell.owe(ask.reply_to)
    elif cell.stopping is not None:
        # Stop with reply: on_stop runs first, then the reply is sent.
        cell.final_reply = (ask.reply_to, value)
    else:
        cell.asking = None
        ask.reply_to.set(value)


def _on_exit(cell: Cell, message: Exit) -> Any:
    if cell.parent is not None and message.sender == cell.parent:
        return _on_stop_order(cell, StopOrder(message.reason))
    return cell.actor.on_exit(message)


def _on_down(cell: Cell, message: Down) -> Any:
    with GUARD:
        if cell.downs is None or message.ref not in cell.downs:
            return None  # flushed
        cell.downs.discard(message.ref)
    return cell.actor.on_down(message)


def _on_tied(cell: Cell, tied: Tied) -> Any:
    return cell.actor.on_receive(tied.message) if cell.expects(tied.ref) else None


def _on_stop_order(cell: Cell, message: StopOrder) -> None:
    cell.actor._on_stop_order(message.reason)  # noqa: SLF001


def _on_pykka_stop(cell: Cell, message: Any) -> None:  # noqa: ARG001
    _on_stop_order(cell, StopOrder(ExitReason.NORMAL))


def _on_proxy_call(cell: Cell, message: pykka.messages.ProxyCall) -> Any:
    return get_attr_directly(cell.actor, message.attr_path)(*message.args, **message.kwargs)


def _on_proxy_get(cell: Cell, message: pykka.messages.ProxyGetAttr) -> Any:
    return get_attr_directly(cell.actor, message.attr_path)


def _on_proxy_set(cell: Cell, message: pykka.messages.ProxySetAttr) -> None:
    setattr(get_attr_directly(cell.actor, message.attr_path[:-1]), message.attr_path[-1], message.value)


#: How messages that are not the user's are handled; all others go to `on_receive`.
_SPECIAL: dict[type, Callable[[Cell, Any], Any]] = {
    Ask: _on_ask,
    Exit: _on_exit,
    Down: _on_down,
    Tied: _on_tied,
    StopOrder: _on_stop_order,
    pykka.messages._ActorStop: _on_pykka_stop,  # noqa: SLF001  what Pykka's own code sends
    pykka.messages.ProxyCall: _on_proxy_call,
    pykka.messages.ProxyGetAttr: _on_proxy_get,
    pykka.messages.ProxySetAttr: _on_proxy_set,
}
