"""Supervisors: actors that start, watch, restart and stop an ordered list of children.

Children start in order, inside the supervisor's own start, and stop in reverse. A child that ends
is replaced by a new actor according to the strategy; too many restarts end the supervisor itself,
with `SHUTDOWN`, and its own supervisor decides.

Reference: OTP's `supervisor`; otp-semantics section 3.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.child import ChildSpec, to_specs
from actorcloud.actor.errors import AlreadyPresent, AlreadyStarted, ChildRestarting, ChildRunning, Ignore
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.supervision.member import Child
from actorcloud.actor.supervision.oversight import Overseer
from actorcloud.actor.supervision.procedure import Procedure, Steps
from actorcloud.actor.supervision.strategy import STRATEGIES, affected, one_of
from actorcloud.actor.supervision.supervisor_ref import (
    ChildInfo,
    DeleteChild,
    GetChild,
    RestartChild,
    StartAnother,
    StartChild,
    SupervisorRef,
)
from actorcloud.base.errors import BadChildSpec, NoSuchChild, StartError
from actorcloud.base.exits import Crash


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
    #: never, any_significant, all_significant: whether the end of significant children ends this.
    auto_shutdown: ClassVar[str] = "never"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given: object = self.init(*args, **kwargs)
        if given is None:
            raise Ignore
        flags = given if isinstance(given, Flags) else Flags(children=given)  # type: ignore[arg-type]  # checked below
        self._open(flags.max_restarts, flags.max_seconds, flags.auto_shutdown or self.auto_shutdown)
        self._strategy = one_of("strategy", flags.strategy or self.strategy, STRATEGIES)
        self._by_ref: dict[Any, Child] = {}
        self._waiting: list[tuple[Any, ReplyTo]] = []
        self._start_all(to_specs(flags.children, significant=self._auto != "never"))

    def init(
        self,
        children: Sequence[Any] = (),
        *,
        strategy: str | None = None,
        max_restarts: int | None = None,
        max_seconds: float | None = None,
        auto_shutdown: str | None = None,
    ) -> Flags | Sequence[Any] | None:
        """Return the children, or `Flags`, or None for "not now"; overridden, with arguments of their own.

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

    def _start_all(self, specs: list[ChildSpec]) -> None:
        for spec in specs:
            child = Child(spec, spec.id)
            try:
                self._launch(child)
            except Exception as error:
                self._report("start_error", child, Crash.of(error), "the supervisor does not start")
                self._terminate_blocking(reversed(self._children.values()))
                raise StartError(f"{self} did not start: child {spec.id!r} failed: {error!r}") from error
            self._keep(child)

    def _keep(self, child: Child) -> None:
        if child.ref is not None or self._is_kept(child):
            self._children[child.key] = child

    def _launch(self, child: Child) -> Any:
        """See `Overseer._launch`."""
        result = super()._launch(child)
        if child.ref is not None:
            self._by_ref[child.ref.id] = child
        return result

    # -- how children are kept --------------------------------------------------------------------

    def _known(self, id: Hashable) -> Child:
        try:
            return self._children[id]
        except (KeyError, TypeError):  # it may not even be hashable
            raise NoSuchChild(f"{self} has no child {id!r}; it has {list(self._children)}") from None

    def _child_of(self, ref: ActorRef[Any]) -> Child | None:
        return self._by_ref.pop(ref.id, None)

    def _info(self, child: Child) -> ChildInfo:
        return child.info(child.key)

    def _is_kept(self, child: Child) -> bool:
        return child.spec.restart != "temporary"

    def _affected(self, child: Child) -> list[Child]:
        """Return who is restarted together with a child, in start order."""
        return [self._children[key] for key in affected(self._strategy, list(self._children), child.key)]

    def _renew(self, child: Child) -> Steps[tuple[Child, Exception] | None]:
        casualties = self._affected(child)
        for casualty in reversed(casualties):
            yield from self._end(casualty)
            if not self._is_kept(casualty):
                del self._children[casualty.key]
        for casualty in filter(self._is_kept, casualties):
            try:
                self._launch(casualty)
            except Exception as error:  # noqa: BLE001  whatever it is, it counts and is tried again
                return casualty, error
            self._renewed(casualty)
        return None

    def _end(self, child: Child) -> Procedure:
        """See `Overseer._end`."""
        if child.ref is not None:
            self._by_ref.pop(child.ref.id, None)
        yield from self._terminate([child])

    def _end_all(self) -> Procedure:
        for child in reversed(self._children.values()):
            yield from self._end(child)

    def _settled(self) -> None:
        self._answer_waiting()

    # -- requests ---------------------------------------------------------------------------------

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        """See `Overseer._begin`."""
        if not isinstance(message, GetChild):
            return super()._begin(message, sender)
        if sender is not None:
            self._waiting.append((message.id, sender))
            self._answer_waiting()
        return None

    def _request(self, message: Any) -> object:
        """See `Overseer._request`."""
        match message:
            case StartChild(spec):
                return self._start_child(spec)
            case StartAnother():
                raise BadChildSpec(f"{self} has no template: use start_child, with a spec")
            case RestartChild(id):
                return self._launch_or_refuse(self._idle(id))
            case DeleteChild(id):
                del self._children[self._idle(id).key]
                return None
            case _:
                return super()._request(message)

    def _start_child(self, entry: object) -> object:
        (spec,) = to_specs([entry], significant=self._auto != "never")
        known = self._children.get(spec.id)
        if known is not None and known.ref is not None:
            raise AlreadyStarted(f"child {spec.id!r} of {self} runs already: {known.ref}", known.ref)
        if known is not None:
            raise AlreadyPresent(f"{self} has a child {spec.id!r} that does not run; use restart_child")
        child = Child(spec, spec.id)
        result = self._launch_or_refuse(child)
        self._keep(child)
        return result

    def _idle(self, id: Hashable) -> Child:
        child = self._known(id)
        if child.is_restarting:
            raise ChildRestarting(f"child {id!r} of {self} is being restarted")
        if child.ref is not None:
            raise ChildRunning(f"child {id!r} of {self} runs: {child.ref}")
        return child

    def _answer_waiting(self) -> None:
        """Answer those who wait for a child that runs now, or never will."""
        waiting, self._waiting = self._waiting, []
        for id, sender in waiting:
            try:
                child = self._known(id)
            except NoSuchChild as error:
                self._answer(sender, error)
                continue
            if child.ref is not None and child.ref.is_alive():
                self._answer(sender, child.ref)
            elif child.ref is None and not self._will_run(child):
                self._answer(sender, NoSuchChild(f"child {id!r} of {self} does not run; use restart_child"))
            else:
                self._waiting.append((id, sender))

    def _will_run(self, child: Child) -> bool:
        """Whether a restart that is tried again will start it."""
        return any(child in self._affected(other) for other in self._children.values() if other.is_restarting)
