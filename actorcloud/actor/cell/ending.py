"""How an actor ends: as it was told, in order, or by a crash; what it owes, and what the log says.

Hooks run here: `on_batch_end`, `on_stop`, `on_failure`. What follows them is `death`.

Thread: the one that runs the actor.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.cell import death
from actorcloud.actor.cell.report import CrashReport, handled_at, report_crash
from actorcloud.actor.errors import ActorExit, Stop, Unwound
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mailbox import DEAD, Mailbox
from actorcloud.base.exits import Crash, ExitReason, is_normal

logger = logging.getLogger("actorcloud.actor")


class Ending(Mailbox):
    """What of an actor's runtime ends it; `Cell` adds what runs it."""

    __slots__ = ()

    #: Whose frames in a traceback tell which message was handled, see `report.handled_at`.
    loops: ClassVar[set[CodeType]]
    aside: ClassVar[CodeType]

    def obey(self, reason: object) -> None:
        """End as a signal said."""
        if reason is ExitReason.SHUTDOWN and self.is_supervised():
            _hint_at_trap_exit(self.kind)
        death.die(self, reason)

    def end(self, error: BaseException) -> None:
        """End by what came out of a turn: a `Stop`, an exit, or a crash."""
        if self.state == DEAD:
            return
        if isinstance(error, Stop):
            self.finish(error.reason)
        elif isinstance(error, ActorExit):
            death.die(self, self.exiting[0] if self.exiting is not None else error.reason)
        else:
            self.crash(error)

    def finish(self, reason: object) -> None:
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
            self.end_failed(error)
            return
        self.finished(reason)

    def finished(self, reason: object) -> None:
        """Every hook has run: the reply that is due, death."""
        if self.final_reply is not None:
            reply_to, value = self.final_reply
            self.asking = None
            reply_to.set(value)
        if not is_normal(reason) and not self._is_reported():
            logger.error("%s stopped: %s", self.ref, reason)
        death.die(self, reason)

    def end_failed(self, error: BaseException) -> None:
        """End by what a hook raised at the end in order."""
        if isinstance(error, ActorExit):
            death.die(self, self.exiting[0] if self.exiting is not None else error.reason)
        elif isinstance(error, Stop):
            death.die(self, error.reason)
        else:
            self.crash(error)

    def crash(self, error: BaseException) -> None:
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
        death.die(self, reason)
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

    def is_supervised(self) -> bool:
        """Whether a supervisor started it, which logs how it ends."""
        parent = self.parent
        return parent is not None and parent.reports_children

    def _is_reported(self) -> bool:
        """Whether another logs how this actor ends, so that it is logged once: its supervisor, or the actor itself."""
        return self.is_supervised() or bool(self.kind._reports_itself)  # noqa: SLF001  the two halves of one thing

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
