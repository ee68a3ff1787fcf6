"""Supervisors of children that come and go: no order, no ids, one_for_one.

All children are told to end at the same time when the supervisor ends.

Reference: Elixir's `DynamicSupervisor`; otp-semantics 3.12.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

import msgspec

from actorcloud.actor.child import to_spec
from actorcloud.actor.errors import AlreadyStarted, MaxChildren
from actorcloud.actor.future import ReplyTo
from actorcloud.actor.ref import ActorRef
from actorcloud.actor.signals import Exit
from actorcloud.actor.supervision.intensity import MAX_RESTARTS_DEFAULT, MAX_SECONDS_DEFAULT, Intensity
from actorcloud.actor.supervision.oversight import Child, Overseer, Procedure, ShutDown, count
from actorcloud.actor.supervision.strategy import Decision, decide, is_reported
from actorcloud.actor.supervision.supervisor_ref import (
    ChildInfo,
    CountChildren,
    GetSpec,
    StartChild,
    SupervisorRef,
    TerminateChild,
    WhichChildren,
)
from actorcloud.base.errors import BadChildSpec, ConfigError, NoSuchChild, StartError
from actorcloud.base.exits import Crash, ExitReason
from actorcloud.base.ids import ActorId


class _TryAgain(msgspec.Struct, frozen=True, eq=False):
    """The restart of the child that was this actor failed; to itself."""

    id: ActorId


class DynamicSupervisor(Overseer):
    """Watches any number of children, started by `ref.start_child(spec)`.

    A child is known by its ref. While its restart fails it is known by its old one, so that
    `terminate_child` can give it up.

    Args:
        max_children: how many may run or be restarting; None means no limit.
        max_restarts: the class's unless given.
        max_seconds: the class's unless given.
    """

    max_restarts: ClassVar[int] = MAX_RESTARTS_DEFAULT
    max_seconds: ClassVar[float] = MAX_SECONDS_DEFAULT

    _ref_class = SupervisorRef

    def __init__(
        self,
        *,
        max_children: int | None = None,
        max_restarts: int | None = None,
        max_seconds: float | None = None,
    ) -> None:
        if max_children is not None and (not isinstance(max_children, int) or max_children < 0):
            raise ConfigError(f"max_children is {max_children!r}; it must be an integer >= 0, or None")
        self._open(
            Intensity(
                max_restarts=self.max_restarts if max_restarts is None else max_restarts,
                max_seconds=self.max_seconds if max_seconds is None else max_seconds,
            )
        )
        self._max_children = max_children
        self._children: dict[ActorId, Child] = {}

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> SupervisorRef:  # a ref with more verbs
        """Start the supervisor, without children; see the class for the arguments."""
        ref: Any = super().start(*args, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by `_ref_class`

    def _begin(self, message: Any, sender: ReplyTo | None) -> Procedure | None:
        match message:
            case Exit():
                return self._child_ended(message)
            case _TryAgain(id):
                child = self._children.get(id)
                return self._restart(id, child) if child is not None and child.is_restarting else None
            case ShutDown(reason):
                return self._shut_down(reason)
            case TerminateChild(ref):
                return self._terminate_one(ref, sender)
            case _:
                self._serve(message, sender)
        return None

    def _request(self, message: Any) -> object:
        """See `Overseer._request`."""
        match message:
            case StartChild(spec):
                return self._start_child(spec)
            case WhichChildren():
                return [
                    ChildInfo(id=None, ref=child.ref, is_restarting=child.is_restarting, type=child.spec.child_type)
                    for child in self._children.values()
                ]
            case CountChildren():
                return count(list(self._children.values()))
            case GetSpec(ref):
                return self._known(ref).spec
            case _:
                return super()._request(message)

    def _known(self, ref: Hashable) -> Child:
        child = self._children.get(ref.id) if isinstance(ref, ActorRef) else None
        if child is None:
            raise NoSuchChild(f"{ref!r} is no child of {self}; give the ref that start_child returned")
        return child

    def _start_child(self, entry: object) -> object:
        spec = to_spec(entry)
        if spec.significant:
            raise BadChildSpec(f"child {spec.id!r} is significant; a DynamicSupervisor knows no auto_shutdown")
        if self._max_children is not None and len(self._children) >= self._max_children:
            raise MaxChildren(f"{self} has {len(self._children)} children, which is max_children")
        child = Child(spec)
        try:
            self._launch(child)
        except AlreadyStarted:
            raise
        except Exception as error:
            raise StartError(f"a child of {self} did not start: {error!r}") from error
        if child.ref is not None:
            self._children[child.ref.id] = child
        return child.ref

    def _child_ended(self, message: Exit) -> Procedure | None:
        if message.sender is None or message.sender.id not in self._children:
            return None
        id = message.sender.id
        child = self._children[id]
        if child.ref is None:
            return None  # it is being restarted; this is the echo of its first end
        if is_reported(child.spec.restart, message.reason):
            self._report("child_terminated", child.spec, child.ref, message.reason)
        child.ref = None
        if decide(child.spec.restart, message.reason) is Decision.RESTART:
            return self._restart(id, child)
        del self._children[id]
        return None

    def _restart(self, id: ActorId, child: Child) -> Procedure:
        self._intensity = self._intensity.add(self.system.clock.monotonic())
        if self._intensity.is_exceeded:
            self._report("shutdown", child.spec, None, "reached max_restarts")
            del self._children[id]
            yield from self._shut_down(ExitReason.SHUTDOWN)
            return
        try:
            self._launch(child)
        except Exception as error:  # noqa: BLE001  whatever it is, it counts and is tried again
            self._report("start_error", child.spec, None, Crash.of(error))
            child.is_restarting = True
            self.actor_ref.tell(_TryAgain(id))
            return
        del self._children[id]
        if child.ref is not None:
            self._children[child.ref.id] = child

    def _shut_down(self, reason: object) -> Procedure:
        yield from self._terminate(list(self._children.values()))
        self.stop(reason)

    def _terminate_one(self, ref: Any, sender: ReplyTo | None) -> Procedure:
        try:
            child = self._known(ref)
        except NoSuchChild as error:
            self._answer(sender, error)
            return
        del self._children[ref.id]
        yield from self._terminate([child])
        self._answer(sender, None)
