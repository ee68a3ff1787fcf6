"""Supervisors: actors that start, watch, restart and stop an ordered list of children.

Children start in order, inside the supervisor's own start, and stop in reverse. A child that ends
is replaced by a new actor according to the strategy; too many restarts end the supervisor itself,
with `SHUTDOWN`, and its own supervisor decides.

A restart whose start fails is tried again through the mailbox, so that requests and the order to
end are served between the attempts; each attempt counts.

Reference: OTP's `supervisor`; otp-semantics section 3.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.child import ChildSpec, to_spec
from actorcloud.actor.errors import AlreadyPresent, AlreadyStarted, ChildRestarting, ChildRunning
from actorcloud.actor.future import ReplyTo
from actorcloud.actor.signals import Exit
from actorcloud.actor.supervision.intensity import MAX_RESTARTS_DEFAULT, MAX_SECONDS_DEFAULT, Intensity
from actorcloud.actor.supervision.oversight import Child, Overseer, Procedure, ShutDown, count
from actorcloud.actor.supervision.strategy import (
    AUTO_SHUTDOWNS,
    STRATEGIES,
    Decision,
    affected,
    decide,
    is_reported,
    shuts_down,
)
from actorcloud.actor.supervision.supervisor_ref import (
    ChildInfo,
    CountChildren,
    DeleteChild,
    GetChild,
    GetSpec,
    RestartChild,
    StartChild,
    SupervisorRef,
    TerminateChild,
    WhichChildren,
)
from actorcloud.base.errors import BadChildSpec, ConfigError, NoSuchChild, StartError
from actorcloud.base.exits import Crash, ExitReason


class _TryAgain(msgspec.Struct, frozen=True):
    """The restart of this child failed; to itself."""

    id: Any


class Flags(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` may return instead of a list of children."""

    children: Sequence[Any] = ()
    strategy: str | None = None
    max_restarts: int | None = None
    max_seconds: float | None = None
    auto_shutdown: str | None = None


class Supervisor(Overseer):
    """Watches an ordered list of children.

    Either `Supervisor.start(children, strategy="one_for_all")`, or a subclass whose `init` returns
    the children, with class attributes for the rest.

    >>> class Sleeper(Actor):
    ...     pass
    >>> family = Supervisor.start([Sleeper.child_spec(id="one")])
    >>> family.child("one").is_alive()
    True
    >>> family.stop()
    True
    """

    #: one_for_one: only the child that ended. one_for_all: all. rest_for_one: it and those after it.
    strategy: ClassVar[str] = "one_for_one"
    max_restarts: ClassVar[int] = MAX_RESTARTS_DEFAULT
    max_seconds: ClassVar[float] = MAX_SECONDS_DEFAULT
    #: never, any_significant, all_significant: whether the end of significant children ends this.
    auto_shutdown: ClassVar[str] = "never"

    _ref_class = SupervisorRef

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = self.init(*args, **kwargs)
        flags = given if isinstance(given, Flags) else Flags(children=given)
        self._strategy = _one_of("strategy", flags.strategy or self.strategy, STRATEGIES)
        self._auto = _one_of("auto_shutdown", flags.auto_shutdown or self.auto_shutdown, AUTO_SHUTDOWNS)
        self._open(
            Intensity(
                max_restarts=self.max_restarts if flags.max_restarts is None else flags.max_restarts,
                max_seconds=self.max_seconds if flags.max_seconds is None else flags.max_seconds,
            )
        )
        #: In start order.
        self._children: dict[Any, Child] = {}
        self._by_ref: dict[Any, Child] = {}
        self._waiting: list[tuple[Any, ReplyTo]] = []
        self._start_all([self._checked(entry) for entry in flags.children])

    def init(
        self,
        children: Sequence[Any] = (),
        *,
        strategy: str | None = None,
        max_restarts: int | None = None,
        max_seconds: float | None = None,
        auto_shutdown: str | None = None,
    ) -> Flags | Sequence[Any]:
        """Return the children, or `Flags`; overridden by subclasses, with arguments of their own.

        Args:
            children: specs or `Actor` classes, in start order.
            strategy: the class's unless given, as the others.
            max_restarts: restarts allowed in `max_seconds`.
            max_seconds: seconds, > 0.
            auto_shutdown: see the class.
        """
        return Flags(
            children=children,
            strategy=strategy,
            max_restarts=max_restarts,
            max_seconds=max_seconds,
            auto_shutdown=auto_shutdown,
        )

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> SupervisorRef:  # a ref with more verbs
        """Start the supervisor and its children; see `init` for the arguments.

        Raises:
            StartError: a child could not be started; those before it were stopped.
            BadChildSpec: a spec is wrong.
            ConfigError: a flag is wrong.
        """
        ref: Any = super().start(*args, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by `_ref_class`

    # -- starting ---------------------------------------------------------------------------------

    def _checked(self, entry: object) -> ChildSpec:
        spec = to_spec(entry)
        if spec.significant and self._auto == "never":
            raise BadChildSpec(f"child {spec.id!r} is significant, but auto_shutdown is never")
        return spec

    def _start_all(self, specs: list[ChildSpec]) -> None:
        for spec in specs:
            if spec.id in self._children:
                self._terminate_blocking(list(reversed(self._children.values())))
                raise BadChildSpec(f"two children have the id {spec.id!r}")
            child = Child(spec)
            try:
                self._launch_known(child)
            except Exception as error:
                self._report("start_error", spec, None, error)
                self._terminate_blocking(list(reversed(self._children.values())))
                raise StartError(f"{self} did not start: child {spec.id!r} failed: {error!r}") from error
            if child.ref is not None or spec.restart != "temporary":
                self._children[spec.id] = child

    def _launch_known(self, child: Child) -> object:
        info = self._launch(child)
        if child.ref is not None:
            self._by_ref[child.ref.id] = child
        return info

    # -- events -----------------------------------------------------------------------------------

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        match message:
            case Exit():
                return self._child_ended(message)
            case _TryAgain(id):
                child = self._children.get(id)
                return self._restart(child) if child is not None and child.is_restarting else None
            case ShutDown(reason):
                return self._shut_down(reason)
            case TerminateChild(id):
                return self._terminate_one(id, sender)
            case GetChild(id):
                self._get_child(id, sender)
            case _:
                self._serve(message, sender)
        return None

    def _request(self, message: Any) -> object:
        """See `Overseer._request`."""
        match message:
            case StartChild(spec):
                return self._start_child(spec)
            case RestartChild(id):
                return self._restart_child(id)
            case DeleteChild(id):
                self._delete_child(id)
                return None
            case WhichChildren():
                return [_info(child) for child in reversed(self._children.values())]
            case CountChildren():
                return count(list(self._children.values()))
            case GetSpec(id):
                return self._known(id).spec
            case _:
                return super()._request(message)

    def _child_ended(self, message: Exit) -> Procedure | None:
        child = self._by_ref.pop(message.sender.id, None) if message.sender is not None else None
        if child is None or child.ref != message.sender:
            return None  # a stranger, or one that was replaced meanwhile
        spec, ref = child.spec, child.ref
        if is_reported(spec.restart, message.reason):
            self._report("child_terminated", spec, ref, message.reason)
        child.ref = None
        decision = decide(spec.restart, message.reason)
        if decision is Decision.RESTART:
            return self._restart(child)
        if decision is Decision.REMOVE:
            self._children.pop(spec.id, None)
        self._answer_waiting()
        others = any(
            other.spec.significant and (other.ref is not None or other.is_restarting)
            for other in self._children.values()
        )
        if shuts_down(self._auto, significant=spec.significant, others_left=others):
            return self._shut_down(ExitReason.SHUTDOWN)
        return None

    def _restart(self, child: Child) -> Procedure:
        self._intensity = self._intensity.add(self.system.clock.monotonic())
        if self._intensity.is_exceeded:
            self._report("shutdown", child.spec, None, "reached max_restarts")
            child.is_restarting = False
            yield from self._shut_down(ExitReason.SHUTDOWN)
            return
        ids = affected(self._strategy, list(self._children), child.spec.id)
        for id in reversed(ids):
            yield from self._end(self._children[id])
        for id in ids:
            casualty = self._children[id]
            if casualty.spec.restart == "temporary" and casualty is not child:
                del self._children[id]
                continue
            try:
                self._launch_known(casualty)
            except Exception as error:  # noqa: BLE001  whatever it is, it counts and is tried again
                self._report("start_error", casualty.spec, None, Crash.of(error))
                casualty.is_restarting = True
                self.actor_ref.tell(_TryAgain(casualty.spec.id))
                return

    def _end(self, child: Child) -> Procedure:
        if child.ref is not None:
            self._by_ref.pop(child.ref.id, None)
        yield from self._terminate([child])

    def _shut_down(self, reason: object) -> Procedure:
        for child in reversed(self._children.values()):
            yield from self._end(child)
        self.stop(reason)

    def _settled(self) -> None:
        self._answer_waiting()

    # -- requests ---------------------------------------------------------------------------------

    def _known(self, id: Hashable) -> Child:
        child = self._children.get(id)
        if child is None:
            raise NoSuchChild(f"{self} has no child {id!r}; it has {list(self._children)}")
        return child

    def _start_child(self, entry: object) -> object:
        spec = self._checked(entry)
        known = self._children.get(spec.id)
        if known is not None and known.ref is not None:
            raise AlreadyStarted(f"child {spec.id!r} of {self} runs already: {known.ref}", known.ref)
        if known is not None:
            raise AlreadyPresent(f"{self} has a child {spec.id!r} that does not run; use restart_child")
        child = Child(spec)
        self._launch_or_refuse(child)
        if child.ref is not None or spec.restart != "temporary":
            self._children[spec.id] = child
        return child.ref

    def _restart_child(self, id: Hashable) -> object:
        child = self._idle(id)
        self._launch_or_refuse(child)
        return child.ref

    def _launch_or_refuse(self, child: Child) -> None:
        try:
            self._launch_known(child)
        except AlreadyStarted:
            raise  # the child's own name is taken: the caller can use who has it
        except Exception as error:
            raise StartError(f"child {child.spec.id!r} of {self} did not start: {error!r}") from error

    def _delete_child(self, id: Hashable) -> None:
        self._idle(id)
        del self._children[id]

    def _idle(self, id: Hashable) -> Child:
        child = self._known(id)
        if child.is_restarting:
            raise ChildRestarting(f"child {id!r} of {self} is being restarted")
        if child.ref is not None:
            raise ChildRunning(f"child {id!r} of {self} runs: {child.ref}")
        return child

    def _terminate_one(self, id: Hashable, sender: ReplyTo | None) -> Procedure:
        child = self._children.get(id)
        if child is None:
            self._answer(sender, NoSuchChild(f"{self} has no child {id!r}; it has {list(self._children)}"))
            return
        yield from self._end(child)
        if child.spec.restart == "temporary":
            self._children.pop(id, None)
        self._answer(sender, None)

    def _get_child(self, id: Hashable, sender: ReplyTo | None) -> None:
        if sender is not None:
            self._waiting.append((id, sender))
            self._answer_waiting()

    def _answer_waiting(self) -> None:
        """Answer those who wait for a child that runs now, or never will."""
        waiting, self._waiting = self._waiting, []
        for id, sender in waiting:
            child = self._children.get(id)
            if child is None:
                self._answer(sender, NoSuchChild(f"{self} has no child {id!r}; it has {list(self._children)}"))
            elif child.ref is not None and child.ref.is_alive():
                self._answer(sender, child.ref)
            elif child.ref is None and not child.is_restarting:
                self._answer(sender, NoSuchChild(f"child {id!r} of {self} does not run; use restart_child"))
            else:
                self._waiting.append((id, sender))


def _info(child: Child) -> ChildInfo:
    return ChildInfo(id=child.spec.id, ref=child.ref, is_restarting=child.is_restarting, type=child.spec.child_type)


def _one_of(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ConfigError(f"{field} is {value!r}; it must be one of {', '.join(allowed)}")
    return value
