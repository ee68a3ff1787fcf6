"""What all supervisors share: procedures, the termination of a child, reports.

A supervisor does one thing at a time and never blocks. What takes time (a termination, and all that
contains one) is a *procedure*: a generator that yields to wait for the next event, a `Down` or a
`Deadline`. What comes in meanwhile waits in the backlog, as it would wait in the mailbox of an OTP
supervisor that blocks in a selective receive; each entry has an asker or is a child's end, so the
backlog is as bounded as they are.

Thread: all in the supervisor's own turns.

Reference: OTP's `supervisor`; otp-semantics 3.8, 3.9, 3.11.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Sequence
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.child import BRUTAL_KILL, INFINITY, ChildSpec
from actorcloud.actor.future import ReplyTo
from actorcloud.actor.mailbox import NoReply
from actorcloud.actor.ref import ActorRef
from actorcloud.actor.signals import Down, Exit, MonitorRef
from actorcloud.actor.supervision.intensity import Intensity
from actorcloud.actor.supervision.supervisor_ref import ChildCount
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import Crash, ExitReason, is_normal
from actorcloud.base.ids import ActorId

logger = logging.getLogger("actorcloud.actor")


class Deadline(msgspec.Struct, frozen=True):
    """The children told to end at the same time had their time."""

    serial: int


class ShutDown(msgspec.Struct, frozen=True, eq=False):
    """The supervisor was told to end."""

    reason: object


#: Yields to wait, is sent the next event.
Procedure = Generator[None, Down | Deadline, None]


class Child:
    """A child of a supervisor."""

    __slots__ = ("is_restarting", "ref", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        #: None while it does not run.
        self.ref: ActorRef[Any] | None = None
        self.is_restarting = False


def count(children: Sequence[Child]) -> ChildCount:
    """Return the counts of these children."""
    supervisors = sum(child.spec.child_type == "supervisor" for child in children)
    return ChildCount(
        specs=len(children),
        active=sum(child.ref is not None and child.ref.is_alive() for child in children),
        supervisors=supervisors,
        workers=len(children) - supervisors,
    )


class Overseer(Actor):
    """The base of the supervisors; subclasses say what an `Exit` and a request mean."""

    trap_exit = True
    shutdown: ClassVar[Any] = INFINITY
    _reports_children = True
    _intensity: Intensity

    def _open(self, intensity: Intensity) -> None:
        """Set up the state; called by `__init__`."""
        self._intensity = intensity
        self._procedure: Procedure | None = None
        self._backlog: deque[tuple[Any, ReplyTo | None]] = deque()
        #: Reasons of the exits in the backlog.
        self._exits: dict[ActorId, object] = {}
        self._deadlines = 0

    # -- one thing at a time ----------------------------------------------------------------------

    def on_receive(self, message: Any) -> Any:
        """Queue a request; it is answered when its turn has come."""
        if isinstance(message, Deadline):
            self._advance(message)
            return None
        self._backlog.append((message, self.sender))
        self._work_off()
        return NoReply

    def on_exit(self, message: Exit) -> None:
        """Queue the end of a child."""
        self._backlog.append((message, None))
        if message.sender is not None:
            self._exits[message.sender.id] = message.reason
        self._work_off()

    def on_down(self, message: Down) -> None:
        """Let the running procedure go on."""
        self._advance(message)

    def _on_stop_order(self, reason: object) -> None:
        self._backlog.append((ShutDown(reason), None))
        self._work_off()

    def _work_off(self) -> None:
        while self._procedure is None and self._backlog:
            message, sender = self._backlog.popleft()
            if isinstance(message, Exit) and message.sender is not None:
                self._exits.pop(message.sender.id, None)
            procedure = self._begin(message, sender)
            if procedure is not None:
                self._procedure = procedure
                self._resume(None)

    def _advance(self, event: Down | Deadline) -> None:
        if self._procedure is not None:
            self._resume(event)
            self._work_off()

    def _resume(self, event: Any) -> None:
        procedure = self._procedure
        try:
            procedure.send(event)  # type: ignore[union-attr]  # callers tested it
        except StopIteration:
            self._procedure = None
            self._settled()

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        """Handle one request or exit; what takes time is returned as a procedure."""
        raise NotImplementedError

    def _settled(self) -> None:
        """Run after each procedure."""

    def _serve(self, message: Any, sender: ReplyTo | None) -> None:
        """Answer a request that takes no time; what it raises of ours is the answer."""
        try:
            value = self._request(message)
        except ActorError as error:
            value = error
        self._answer(sender, value)

    def _request(self, message: Any) -> object:
        """Do what a request asks for and return the answer; subclasses know their own."""
        return super().on_receive(message)

    def _answer(self, sender: ReplyTo | None, value: object) -> None:
        if sender is not None:
            self.reply(sender, value)

    # -- children ---------------------------------------------------------------------------------

    def _launch(self, child: Child) -> object:
        """Start a child; what its start raises passes.

        Returns:
            The info its start function gave.
        """
        ref, info = child.spec.launch()
        child.ref = ref
        child.is_restarting = False
        if ref is not None:
            self.link(ref)
            self._adopt(ref)
            logger.debug("%s started child %r: %s", self, child.spec.id, ref)
        return info

    def _adopt(self, ref: ActorRef[Any]) -> None:
        """Be the parent of a child that a start function started in its own way."""
        if ref._is_local and ref._cell.parent is None:  # noqa: SLF001  one package
            ref._cell.parent = self.actor_ref  # noqa: SLF001

    def _terminate(self, children: list[Child]) -> Procedure:
        """End these children, all at the same time; afterwards none of them runs."""
        waiting: dict[MonitorRef, Child] = {}
        # The deadline of each distinct shutdown time.
        deadlines: dict[float, int] = {}
        for child in children:
            child.is_restarting = False
            if child.ref is not None:
                waiting[self.monitor(child.ref)] = child
                self._order(child, child.ref, deadlines)
        late = {serial: patience for patience, serial in deadlines.items()}
        while waiting:
            event = yield
            if isinstance(event, Down):
                if event.ref in waiting:
                    self._ended(waiting.pop(event.ref), event.reason)
            elif event.serial in late:
                for child in waiting.values():
                    if child.ref is not None and child.spec.patience == late[event.serial]:
                        child.ref.kill()

    def _order(self, child: Child, ref: ActorRef[Any], deadlines: dict[float, int]) -> None:
        """Tell a child to end, as its spec says."""
        patience = child.spec.patience
        if child.spec.shutdown == BRUTAL_KILL:
            ref.kill()
            return
        ref.exit(ExitReason.SHUTDOWN)
        if patience is not None and patience not in deadlines:
            deadlines[patience] = self._set_deadline(patience)

    def _set_deadline(self, seconds: float) -> int:
        self._deadlines += 1
        self.send_after(seconds, Deadline(self._deadlines))
        return self._deadlines

    def _ended(self, child: Child, reason: object) -> None:
        """Note that a child ended as it was told to, or otherwise."""
        ref, child.ref = child.ref, None
        if ref is None:
            return
        self.unlink(ref)
        # If it ended by itself before it was told to, that is the true reason.
        reason = self._exits.pop(ref.id, reason)
        expected = ExitReason.KILLED if child.spec.shutdown == BRUTAL_KILL else ExitReason.SHUTDOWN
        if reason == expected or (is_normal(reason) and child.spec.restart != "permanent"):
            return
        self._report("shutdown_error", child.spec, ref, reason)

    def _terminate_blocking(self, children: list[Child]) -> None:
        """End these children one after the other; only in `__init__`, where no event can be had."""
        for child in children:
            ref = child.ref
            if ref is None:
                continue
            ended = ref.monitor()
            if child.spec.shutdown == BRUTAL_KILL:
                ref.kill()
            else:
                ref.exit(ExitReason.SHUTDOWN)
            if not self.system.wait(ended, child.spec.patience):
                ref.kill()
                self.system.wait(ended)
            self._ended(child, ended.get().reason)

    # -- reports ----------------------------------------------------------------------------------

    def _report(self, context: str, spec: ChildSpec, ref: object, reason: object) -> None:
        """Log what happened to a child: once, here, for the whole tree."""
        text = reason.traceback if isinstance(reason, Crash) else reason
        logger.error(
            "%s: %s of child %r (%s): %s",
            self,
            context,
            spec.id,
            ref or "not running",
            text,
            extra={"supervisor": str(self), "context": context, "child": repr(spec.id), "reason": str(reason)},
        )
