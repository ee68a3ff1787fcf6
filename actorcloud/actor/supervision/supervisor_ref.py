"""The requests a supervisor serves, and the ref that makes them.

Requests are served one at a time and wait while a child starts or ends, however long that takes;
so they have no timeout, and fail only with the supervisor.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec

from actorcloud.actor.child import ChildSpec, to_spec
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.ref.request import Request


class StartChild(msgspec.Struct, frozen=True, eq=False):
    """Start a child and keep it."""

    spec: ChildSpec


class StartAnother(msgspec.Struct, frozen=True, eq=False):
    """Start a child by the template."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class TerminateChild(msgspec.Struct, frozen=True, eq=False):
    """End a child; a `Supervisor` knows it by id, a `DynamicSupervisor` by ref."""

    id: Any


class RestartChild(msgspec.Struct, frozen=True, eq=False):
    """Start a child that was ended."""

    id: Any


class DeleteChild(msgspec.Struct, frozen=True, eq=False):
    """Forget a child that does not run."""

    id: Any


class GetChild(msgspec.Struct, Request[ActorRef[Any]], frozen=True, eq=False):
    """Answer with the child's ref, as soon as it runs."""

    id: Any


class GetSpec(msgspec.Struct, Request[ChildSpec], frozen=True, eq=False):
    """Answer with the child's spec, defaults filled in."""

    id: Any


class WhichChild(msgspec.Struct, Request["ChildInfo"], frozen=True, eq=False):
    """Answer with the child's `ChildInfo`."""

    id: Any


class WhichChildren(msgspec.Struct, Request["list[ChildInfo]"], frozen=True):
    """Answer with a list of `ChildInfo`."""


class CountChildren(msgspec.Struct, Request["ChildCount"], frozen=True):
    """Answer with a `ChildCount`."""


#: What users call a request, for errors.
VERBS: dict[type[Any], str] = {
    StartChild: "start_child",
    StartAnother: "start_another",
    RestartChild: "restart_child",
    DeleteChild: "delete_child",
    GetChild: "child",
}


class ChildInfo(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One child as `which_children` tells it."""

    id: Any
    #: None while it does not run.
    ref: ActorRef[Any] | None
    #: A restart failed and is tried again.
    is_restarting: bool
    #: "worker" or "supervisor".
    type: str
    #: How often the supervisor started it anew; not counting what it was asked for.
    restarts: int = 0


class ChildCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many children a supervisor has."""

    #: All of them.
    specs: int
    #: Those alive.
    active: int
    #: Those that are supervisors, alive or not.
    supervisors: int
    #: Those that are not, alive or not.
    workers: int


class SupervisorRef(ActorRef[Any]):
    """A ref to a supervisor. Every method blocks until the supervisor has done it."""

    def child(self, id: Hashable, timeout: float | None = None) -> ActorRef[Any]:
        """Return a child, waiting for one that is being restarted.

        Raises:
            NoSuchChild: there is none of this id, or it was stopped.
            AskTimeout: not within `timeout` seconds.
        """
        return self.ask(GetChild(id), timeout=timeout)

    def start_child(self, spec: object, *args: Any, **kwargs: Any) -> Any:
        """Start a child; of a `Supervisor` it is the last one.

        Args:
            spec: a spec, or an `Actor` class.
            args: for the class's `__init__`.
            kwargs: as for `Actor.child_spec`.

        Returns:
            Its ref; what else its start function returned: `(ref, info)`, or None for "not now".

        Raises:
            AlreadyStarted: a child of this id runs; `ref` is it.
            AlreadyPresent: a child of this id does not run.
            BadChildSpec: the spec is wrong.
            StartError: it did not start; nothing is kept.
            MaxChildren: a `DynamicSupervisor` is full.
        """
        return self.ask(StartChild(to_spec(spec, *args, **kwargs)), timeout=None)

    def start_another(self, *args: Any, **kwargs: Any) -> Any:
        """Start a child by the template of a `DynamicSupervisor`.

        Args:
            args: put behind those of the template.
            kwargs: put over those of the template.

        Returns:
            As `start_child`.

        Raises:
            BadChildSpec: the supervisor has no template.
            StartError: it did not start.
            MaxChildren: the supervisor is full.
        """
        return self.ask(StartAnother(args, kwargs), timeout=None)

    def terminate_child(self, id: Any) -> None:
        """End a child and wait for it; its spec is kept unless it is temporary.

        Args:
            id: its id; its ref for a `DynamicSupervisor`.

        Raises:
            NoSuchChild: there is none.
        """
        self.ask(TerminateChild(id), timeout=None)

    def restart_child(self, id: Hashable) -> Any:
        """Start a child that was terminated, or had ended; returns as `start_child`. It is no restart that counts.

        Raises:
            NoSuchChild: there is none.
            ChildRunning: it runs.
            ChildRestarting: it is being restarted.
            StartError: it did not start.
        """
        return self.ask(RestartChild(id), timeout=None)

    def delete_child(self, id: Hashable) -> None:
        """Forget a child that does not run.

        Raises:
            NoSuchChild: there is none.
            ChildRunning: it runs.
            ChildRestarting: it is being restarted.
        """
        self.ask(DeleteChild(id), timeout=None)

    def which_child(self, id: Any) -> ChildInfo:
        """Return what is known about a child.

        Raises:
            NoSuchChild: there is none.
        """
        return self.ask(WhichChild(id), timeout=None)

    def which_children(self) -> list[ChildInfo]:
        """Return the children, newest first."""
        return self.ask(WhichChildren(), timeout=None)

    def count_children(self) -> ChildCount:
        """Return how many children there are."""
        return self.ask(CountChildren(), timeout=None)

    def child_spec(self, id: Any) -> ChildSpec:
        """Return a child's spec with its defaults filled in; of a temporary child without the arguments.

        Raises:
            NoSuchChild: there is none.
        """
        return self.ask(GetSpec(id), timeout=None)


class NamedSupervisorRef(NamedRef, SupervisorRef):
    """A supervisor by name: every use finds the one that runs then.

    Every method raises `ActorDeadError` if nobody has the name.
    """
