"""The cell: how an actor starts and takes turns; how it ends is in `ending`.

A ref holds the cell, the cell holds the actor; a dead actor's object is freed although refs live on.

Thread: `turn` runs on one thread at a time, `start` before the first of them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any, ClassVar

from actorcloud.actor.cell import bonds, death, handler, idle
from actorcloud.actor.cell.ending import Ending
from actorcloud.actor.cell.handler import HANDLERS
from actorcloud.actor.cell.instrument import Instrument
from actorcloud.actor.errors import ActorDeadError, ActorExit, Ignore, Stop, Unwound
from actorcloud.actor.mailbox.mail import MailboxLimit
from actorcloud.actor.mailbox.mailbox import BUSY, DEAD
from actorcloud.actor.thread.context import GUARD, fenced
from actorcloud.actor.thread.context import here as facts
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.base.frames import current_frames

logger = logging.getLogger("actorcloud.actor")


class Cell(Ending):
    """One actor's runtime; see the module's docstring."""

    __slots__ = ()

    #: For the instrument, which handles messages in place of `turn`.
    handle = handler.handle

    def overflow(self, limit: MailboxLimit, count: int) -> None:
        """Log that more messages wait than may, and kill the actor, as `limit` says."""
        if limit.log:
            outcome = "is killed" if limit.kill else "goes on"
            logger.error("%s has %d messages, more than max_mailbox=%d, and %s", self.ref, count, limit.size, outcome)
        if limit.kill:
            death.kill(self)

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
            death.die(self, self.end_reason())
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
            death.die(self, ExitReason.NORMAL)
        else:
            death.die(self, error.reason if isinstance(error, (Stop, ActorExit)) else Crash.of(error))
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
            special = HANDLERS.get
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
            self.end(error)
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
            self.finish(self.stopping[0])
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
