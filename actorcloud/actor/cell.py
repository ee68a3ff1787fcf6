"""The cell: how an actor starts, takes turns and ends.

A ref holds the cell, the cell holds the actor; a dead actor's object is freed although refs live on.

Thread: `turn` runs on one thread at a time, `start` before the first of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import get_ident
from types import CodeType
from typing import Any, ClassVar

import pykka.messages
from pykka._introspection import get_attr_directly

from actorcloud.actor import bonds
from actorcloud.actor.context import GUARD, fenced
from actorcloud.actor.context import here as facts
from actorcloud.actor.errors import ActorDeadError, ActorExit, Stop, Unwound
from actorcloud.actor.future import ReplyTo
from actorcloud.actor.mail import Ask, MailboxLimit, StopOrder
from actorcloud.actor.mailbox import BUSY, DEAD, Mailbox, NoReply
from actorcloud.actor.signals import Down, Exit
from actorcloud.base.exits import Crash, ExitReason, brief, is_normal

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
        except Unwound:
            raise
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            here["cell"] = outer
            self.quit_thread(outer)
        if self.exiting is not None or self.state == DEAD:
            bonds.die(self, self.end_reason())
            raise ActorDeadError(f"{self.ref} was told to exit while it started", self.reason)
        if self.kind._has_on_start or self.stopping is not None:  # noqa: SLF001  as above
            self.urgent = True
            self.home.schedule(self)
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
        reason = error.reason if isinstance(error, (Stop, ActorExit)) else Crash.of(error)
        bonds.die(self, reason)
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
        if here is None:
            here = facts()
        outer = here["cell"]
        here["cell"] = self
        self.thread = here["thread"]
        left = limit
        try:
            mail = None if self.urgent and not self._attend() else self.mail
            on_receive = self.actor.on_receive
            special = _SPECIAL.get
            while mail and left:
                if self.urgent and (not self._attend() or self.preempted):
                    break
                message = mail.popleft()
                left -= 1
                handle = special(type(message))
                if handle is None:
                    on_receive(message)
                else:
                    handle(self, message)
            if self.urgent:
                self._attend()
            if self.kind._has_on_batch_end and left != limit and self.state != DEAD:  # noqa: SLF001  the two halves
                self.actor.on_batch_end()
        except Unwound:
            raise
        except BaseException as error:  # noqa: BLE001  whatever a handler raises ends its actor, and only it
            self._end(error)
        finally:
            here["cell"] = outer
            self.preempted = False
            # In this order: who kills or ends an actor fences its thread and then looks at `thread` again.
            self.thread = None
            if fenced:
                self._leave_fence(outer, rests=left > 0)
            elif left and self.state == BUSY:
                self.rest()
        if self.state == DEAD:
            self.actor = None
        elif not left:
            self.home.schedule(self)
        elif self.mail or self.urgent:
            self.wake()
        return limit - left

    #: The code whose `message` is the one that is being handled.
    _turn_code: ClassVar[CodeType] = turn.__code__

    def _last_message(self, error: BaseException) -> str | None:
        """Tell what the turn that `error` ended handled last; found in the traceback, so that no turn need note it."""
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code is not self._turn_code:
            trace = trace.tb_next
        if trace is None or "message" not in trace.tb_frame.f_locals:
            return None
        message = trace.tb_frame.f_locals["message"]
        return brief(message.message if type(message) is Ask else message)

    def _attend(self) -> bool:
        """See to what overtakes messages; False if the actor has ended."""
        self.urgent = False
        if self.state == DEAD:
            return False
        if self.exiting is not None:
            bonds.die(self, self.exiting[0])
            return False
        actor = self.actor
        if actor is not None and self.kind._has_on_start and not actor._was_started:  # noqa: SLF001
            actor.on_start()
            actor._was_started = True  # noqa: SLF001
        if self.stopping is not None:
            self._finish(self.stopping[0])
            return False
        return self.state != DEAD

    def quit_thread(self, outer: object, *, rests: bool = False) -> None:
        """This actor's code no longer runs on this thread; that of `outer` does, if any. With `rests` be idle."""
        self.preempted = False
        self.thread = None
        if fenced:
            self._leave_fence(outer, rests=rests)
        elif rests and self.state == BUSY:
            self.rest()

    def _leave_fence(self, outer: object, *, rests: bool = False) -> None:
        """End a turn while some thread is fenced: with `rests` be idle, unless somebody killed this actor meanwhile."""
        freed = None
        with GUARD:
            # The thread goes on as the one further up the stack, whose fence it keeps.
            if fenced.get(get_ident()) is not outer:
                freed = fenced.pop(get_ident(), None)
            if rests and self.state == BUSY:
                self.rest()
        if freed is not None:
            self.system.drop_zombie(freed)

    def handle(self, message: Any) -> Any:
        """Handle one message in the running turn and return what the handler returned."""
        special = _SPECIAL.get(type(message))
        return self.actor.on_receive(message) if special is None else special(self, message)

    def owe(self, reply_to: ReplyTo) -> None:
        """Remember an answer that will be given later, so that the actor's end is one."""
        is_done: Callable[[], bool] | None = getattr(reply_to, "is_done", None)
        if hasattr(reply_to, "keeper"):
            reply_to.keeper = self  # a Future, or cluster's: it tells when it is answered elsewhere
        with GUARD:
            is_dead = self.state == DEAD
            if not is_dead:
                if self.deferred is None:
                    self.deferred = {}
                self.deferred[id(reply_to)] = reply_to
        if is_dead:
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
        if not is_normal(reason) and not self._is_supervised():
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
        reason = Crash.of(error, last_message=self._last_message(error))
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
        if not self._is_supervised():
            # A supervisor reports its children itself, once.
            logger.error("%s crashed: %s; its last message: %s", self.ref, reason, reason.last_message, exc_info=error)
        bonds.die(self, reason)
        if asked is not None:
            # What would end the asker's thread, such as SystemExit, is this actor's end only.
            asked.reply_to.set_exception(error if isinstance(error, Exception) else self.dead_error(reason))

    def _is_supervised(self) -> bool:
        parent = self.parent
        return parent is not None and parent.reports_children


def _on_ask(cell: Cell, ask: Ask) -> None:
    cell.asking = ask
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
    StopOrder: _on_stop_order,
    pykka.messages._ActorStop: _on_pykka_stop,  # noqa: SLF001  what Pykka's own code sends
    pykka.messages.ProxyCall: _on_proxy_call,
    pykka.messages.ProxyGetAttr: _on_proxy_get,
    pykka.messages.ProxySetAttr: _on_proxy_set,
}
