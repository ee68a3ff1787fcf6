"""What all supervisors share: the end of a child, restarts and their limit, termination, reports.

A restart whose start fails is tried again through the mailbox, so that requests and the order to
end are served between the attempts; each attempt counts.

Thread: all in the supervisor's own turns.

Reference: OTP's `supervisor`; otp-semantics 3.3, 3.5-3.9, 3.11.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.child import BRUTAL_KILL, INFINITY, SHUTDOWN_DEFAULT, ChildSpec
from actorcloud.actor.errors import AlreadyStarted
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.ref.named_ref import NamedRef, named
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Down, Exit, MonitorRef
from actorcloud.actor.supervision.intensity import MAX_RESTARTS_DEFAULT, MAX_SECONDS_DEFAULT, Intensity
from actorcloud.actor.supervision.member import Child, Ended, count
from actorcloud.actor.supervision.procedure import Procedural, Procedure, ShutDown, Steps
from actorcloud.actor.supervision.report import Report, log_progress
from actorcloud.actor.supervision.strategy import (
    AUTO_SHUTDOWNS,
    Decision,
    decide,
    is_reported,
    one_of,
    shuts_down,
)
from actorcloud.actor.supervision.supervisor_ref import (
    ChildInfo,
    CountChildren,
    GetSpec,
    NamedSupervisorRef,
    SupervisorRef,
    TerminateChild,
    WhichChild,
    WhichChildren,
)
from actorcloud.base.brief import brief
from actorcloud.base.errors import ActorError, StartError
from actorcloud.base.exits import Crash, ExitReason, is_normal

logger = logging.getLogger("actorcloud.actor")


class TryAgain(msgspec.Struct, frozen=True, eq=False):
    """The restart of the child with this key failed; the supervisor tells it itself."""

    key: Any


class Overseer(Procedural):
    """The base of the supervisors, which say how children are kept, renewed and ended together."""

    #: Restarts allowed in `max_seconds`; one more ends the supervisor.
    max_restarts: ClassVar[int] = MAX_RESTARTS_DEFAULT
    #: Seconds, > 0.
    max_seconds: ClassVar[float] = MAX_SECONDS_DEFAULT

    trap_exit = True
    shutdown: ClassVar[Any] = INFINITY
    _reports_children = True
    _ref_class = SupervisorRef
    _named_ref_class: ClassVar[type[NamedSupervisorRef]] = NamedSupervisorRef

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls) and hasattr(super(cls, cls), "init"):
            raise TypeError(f"{cls.__qualname__} has an __init__; override init instead, which takes its arguments")

    @classmethod
    def named(cls, name: str | NamedRef) -> NamedSupervisorRef:
        """Return a ref that finds the supervisor of this name at every use, also after a restart.

        Args:
            name: a text; or a ref by name, such as `registry.via(key)`, to use what it finds as a supervisor.

        Raises:
            ConfigError: it can be no name.
        """
        place = name if isinstance(name, NamedRef) else named(name)
        return cls._named_ref_class(place.name)

    def _open(self, max_restarts: int | None, max_seconds: float | None, auto_shutdown: str) -> None:
        """Set up the state; called by `__init__`, with what is None left to the class."""
        self._auto = one_of("auto_shutdown", auto_shutdown, AUTO_SHUTDOWNS)
        self._intensity = Intensity(
            max_restarts=self.max_restarts if max_restarts is None else max_restarts,
            max_seconds=self.max_seconds if max_seconds is None else max_seconds,
        )
        #: In start order.
        self._children: dict[Any, Child] = {}
        self._clear()

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        """See `Procedural._begin`."""
        match message:
            case Exit():
                return self._child_ended(message)
            case TryAgain(key):
                child = self._children.get(key)
                return self._restart(child, None) if child is not None and child.is_restarting else None
            case ShutDown(reason):
                return self._shut_down(reason)
            case TerminateChild(id):
                return self._terminate_child(id, sender)
            case _:
                self._serve(message, sender)
                return None

    # -- requests ---------------------------------------------------------------------------------

    def _serve(self, message: Any, sender: ReplyTo | None) -> None:
        """Answer a request that takes no time; what it raises of ours is the answer."""
        try:
            value = self._request(message)
        except ActorError as error:
            value = error
        self._answer(sender, value)

    def system_children(self) -> list[ChildInfo]:
        """Return the children, oldest first, at once: also while requests wait. For `debug`."""
        return [self._info(child) for child in self._children.values()]

    def _request(self, message: Any) -> object:
        """Do what a request asks for and return the answer; subclasses know their own."""
        match message:
            case WhichChildren():
                return [self._info(child) for child in reversed(self._children.values())]
            case WhichChild(id):
                return self._info(self._known(id))
            case GetSpec(id):
                return self._known(id).spec.filled()
            case CountChildren():
                return count(self._children.values())
            case _:
                return Actor.on_receive(self, message)

    def _answer(self, sender: ReplyTo | None, value: object) -> None:
        if sender is not None:
            self.reply(sender, value)

    def _terminate_child(self, id: Any, sender: ReplyTo | None) -> Procedure:
        try:
            child = self._known(id)
        except ActorError as error:
            self._answer(sender, error)
            return
        yield from self._end(child)
        if not self._is_kept(child):
            self._children.pop(child.key, None)
        self._answer(sender, None)

    # -- how children are kept: for subclasses ----------------------------------------------------

    def _known(self, id: Any) -> Child:
        """Return a child by what users call it, or raise `NoSuchChild`."""
        raise NotImplementedError

    def _child_of(self, ref: ActorRef[Any]) -> Child | None:
        """Return the child that is, or was, this actor; asked when that has ended."""
        raise NotImplementedError

    def _info(self, child: Child) -> ChildInfo:
        """Return what `which_children` tells about a child."""
        raise NotImplementedError

    def _is_kept(self, child: Child) -> bool:
        """Whether the child stays in the list when it does not run."""
        raise NotImplementedError

    def _renew(self, child: Child) -> Steps[tuple[Child, Exception] | None]:
        """Start a child anew, and with it whom the strategy says; returns whose start failed, and how."""
        raise NotImplementedError

    def _end(self, child: Child) -> Procedure:
        """End one child."""
        return self._terminate([child])

    def _end_all(self) -> Procedure:
        """End all children."""
        raise NotImplementedError

    # -- what becomes of a child that ended -------------------------------------------------------

    def _child_ended(self, message: Exit) -> Procedure | None:
        child = None if message.sender is None else self._child_of(message.sender)
        if child is None or child.ref is None or child.ref != message.sender:
            return None  # a stranger, or one that was replaced meanwhile
        ended = Ended(child, child.ref, message.reason)
        child.ref = None
        decision = decide(child.spec.restart, message.reason)
        if decision is Decision.RESTART:
            return self._restart(child, ended)
        if decision is Decision.REMOVE or not self._is_kept(child):
            self._children.pop(child.key, None)
        self._report_end(ended, "removed")
        self._settled()
        if self._is_over(child):
            return self._shut_down(ExitReason.SHUTDOWN)
        return None

    def _is_over(self, ended: Child) -> bool:
        """Whether the end of this child, which is not restarted, is that of the supervisor."""
        if self._auto == "never":
            return False
        others = any(
            other.spec.significant and (other.ref is not None or other.is_restarting)
            for other in self._children.values()
        )
        return shuts_down(self._auto, significant=ended.spec.significant, others_left=others)

    def _restart(self, child: Child, ended: Ended | None) -> Procedure:
        """Start a child anew after its end, or after a start of it that failed."""
        self._intensity = self._intensity.add(self.system.clock.monotonic())
        if self._intensity.is_exceeded:
            yield from self._give_up(child, ended)
            return
        failure = yield from self._renew(child)
        if failure is None:
            self._report_end(
                ended, f"restarted as {child.ref}" if child.ref else "not restarted, as its start declined"
            )
            return
        failed, error = failure
        self._report_end(ended, "being restarted")
        failed.is_restarting = True
        self._report("start_error", failed, Crash.of(error), "tried again")
        self.actor_ref.tell(TryAgain(failed.key))

    def _renewed(self, child: Child) -> None:
        """Count a restart; the new actor runs."""
        child.restarts += 1
        telemetry = self.system.telemetry
        if telemetry.is_heard:
            facts = {"supervisor": str(self), "child": brief(child.spec.id), "actor": str(child.ref)}
            telemetry.emit("actorcloud.actor.child.restart", {"restarts": child.restarts}, facts)

    def _give_up(self, child: Child, ended: Ended | None) -> Procedure:
        limit = f"more than {self._intensity.max_restarts} restarts in {self._intensity.max_seconds} s"
        self._report_end(ended, "not restarted")
        self._report("shutdown", child, limit, "the supervisor ends")
        child.is_restarting = False
        yield from self._shut_down(ExitReason.SHUTDOWN)

    def _shut_down(self, reason: object) -> Procedure:
        yield from self._end_all()
        self.stop(reason)

    # -- children ---------------------------------------------------------------------------------

    def _launch(self, child: Child) -> Any:
        """Start a child; what its start raises passes.

        Returns:
            What its start returned.
        """
        try:
            ref, result = child.spec.launch()
        except AlreadyStarted as taken:
            if not self._outlasts(taken.ref):
                raise
            ref, result = child.spec.launch()
        child.ref = ref
        child.is_restarting = False
        if ref is not None:
            self.link(ref)
            self._adopt(ref)
            if logger.isEnabledFor(logging.DEBUG):
                log_progress(str(self), child.offender(ref))
        if child.spec.restart == "temporary":
            child.spec = child.spec.without_arguments()
        return result

    def _outlasts(self, holder: ActorRef[Any]) -> bool:
        """Wait for who has the name of a child if it is about to end; False if it is not.

        So it is with what a killed supervisor leaves behind, while the supervisor is restarted.

        Blocks:
            the supervisor's turn, at most 5 s (`SHUTDOWN_DEFAULT`).
        """
        parent = holder._cell.parent  # noqa: SLF001  one package
        is_orphan = parent is not None and not parent.is_alive() and parent._cell.reason is not ExitReason.NORMAL  # noqa: SLF001
        if holder.is_alive() and not is_orphan:
            return False
        return self.system.wait(holder.monitor(), SHUTDOWN_DEFAULT)

    def _launch_or_refuse(self, child: Child) -> Any:
        """Start a child as somebody asked; what its start raises is the cause of the answer."""
        try:
            return self._launch(child)
        except AlreadyStarted:
            raise  # the child's own name is taken: the caller can use who has it
        except Exception as error:
            raise StartError(f"child {child.spec.id!r} of {self} did not start: {error!r}") from error

    def _adopt(self, ref: ActorRef[Any]) -> None:
        """Be the parent of a child that a start function started in its own way."""
        if ref._is_local and ref._cell.parent is None:  # noqa: SLF001  one package
            ref._cell.parent = self.actor_ref  # noqa: SLF001

    def _terminate(self, children: Iterable[Child]) -> Procedure:
        """End these children, all at the same time; afterwards none of them runs."""
        waiting: dict[MonitorRef, Child] = {}
        patiences: set[float] = set()
        for child in children:
            child.is_restarting = False
            if child.ref is not None:
                waiting[self.monitor(child.ref)] = child
                self._order(child.spec, child.ref)
                if child.spec.shutdown != BRUTAL_KILL and child.spec.patience is not None:
                    patiences.add(child.spec.patience)
        # One deadline for each distinct shutdown time.
        deadlines = dict(self._set_deadline(patience) for patience in patiences)
        while waiting:
            event = yield
            if isinstance(event, Down):
                if event.ref in waiting:
                    self._ended(waiting.pop(event.ref), event.reason)
            elif event.serial in deadlines:
                _kill_late(waiting.values(), deadlines[event.serial][0])
        for _, timer in deadlines.values():
            timer.cancel()

    def _order(self, spec: ChildSpec, ref: ActorRef[Any]) -> None:
        """Tell a child to end, as its spec says."""
        if spec.shutdown == BRUTAL_KILL:
            ref.kill()
        else:
            ref.exit(ExitReason.SHUTDOWN)

    def _ended(self, child: Child, reason: object) -> None:
        """Note that a child ended as it was told to, or otherwise."""
        ref, child.ref = child.ref, None
        assert ref is not None
        self.unlink(ref)
        # If it ended by itself before it was told to, that is the true reason.
        reason = self._exits.pop(ref.id, reason)
        expected = ExitReason.KILLED if child.spec.shutdown == BRUTAL_KILL else ExitReason.SHUTDOWN
        if reason == expected or (is_normal(reason) and child.spec.restart != "permanent"):
            return
        self._report("shutdown_error", child, reason, "ended all the same", ref)

    def _terminate_blocking(self, children: Iterable[Child]) -> None:
        """End these children one after the other; only in `__init__`, where no event can be had."""
        for child in children:
            ref = child.ref
            if ref is None:
                continue
            ended = ref.monitor()
            self._order(child.spec, ref)
            if not self.system.wait(ended, child.spec.patience):
                ref.kill()
                self.system.wait(ended)
            self._ended(child, ended.get().reason)

    # -- reports ----------------------------------------------------------------------------------

    def _report_end(self, ended: Ended | None, action: str) -> None:
        """Report the end of a child, once it is known what was done about it; a task has said it all itself."""
        if ended is None or ended.ref.reports_itself:
            return
        if is_reported(ended.child.spec.restart, ended.reason):
            self._report("child_terminated", ended.child, ended.reason, action, ended.ref)

    def _report(self, context: str, child: Child, reason: object, action: str, ref: object = None) -> None:
        """Log what happened to a child: once, here, for the whole tree."""
        offender = child.offender(ref)
        Report(supervisor=str(self), context=context, offender=offender, reason=reason, action=action).log(
            single_line=self.system.report_format.single_line
        )


def _kill_late(children: Iterable[Child], patience: float) -> None:
    for child in children:
        if child.ref is not None and child.spec.patience == patience:
            child.ref.kill()
