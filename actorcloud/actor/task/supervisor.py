"""Supervisors of tasks: tasks that end with their supervisor, in a tree, up to a number.

The supervisor starts the process of a task, the caller hands the work over (see `process`). Its
children are temporary unless told otherwise, and log their failures themselves.

Reference: Elixir's `Task.Supervisor`; otp-semantics 3.14.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Unpack

from actorcloud.actor.child import ChildSpec
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.supervision.dynamic import DynamicSupervisor
from actorcloud.actor.supervision.supervisor_ref import NamedSupervisorRef, StartChild, SupervisorRef
from actorcloud.actor.task.claim import Bond, Claim
from actorcloud.actor.task.process import AwaitingProcess, TaskProcess, Work
from actorcloud.actor.task.stream import StreamOptions, TaskStream
from actorcloud.actor.task.task import Task
from actorcloud.actor.thread.context import local

T = TypeVar("T")


class TaskSupervisorRef(SupervisorRef):
    """A ref to a `TaskSupervisor`.

    Options stand beside the arguments of the function; an argument of its own that is called like an
    option needs `functools.partial`.
    """

    def async_link(
        self, function: Callable[..., T], *args: Any, shutdown: float | str | None = None, **kwargs: Any
    ) -> Task[T]:
        """Start `function(*args, **kwargs)` as a task of the caller, linked to it if that is an actor.

        Args:
            function: what to run.
            args: for it.
            shutdown: how the supervisor ends it, as in `ChildSpec`.
            kwargs: for the function.

        Raises:
            MaxChildren: the supervisor is full.
            BadChildSpec: `shutdown` is wrong.
        Blocks:
            until the task has started.
        """
        return Task(self._claim(Work.of(function, args, kwargs), Bond.LINK, shutdown))

    def async_nolink(
        self, function: Callable[..., T], *args: Any, shutdown: float | str | None = None, **kwargs: Any
    ) -> Task[T]:
        """As `async_link`, but the caller outlives a failure: it only hears of it."""
        return Task(self._claim(Work.of(function, args, kwargs), Bond.MONITOR, shutdown))

    def start_child(  # type: ignore[override]  # its children are functions
        self,
        function: Callable[..., Any],
        *args: Any,
        restart: str = "temporary",
        shutdown: float | str | None = None,
        **kwargs: Any,
    ) -> ActorRef[Any]:
        """Run `function(*args, **kwargs)` as a child that nobody waits for.

        Args:
            function: what to run.
            args: for it.
            restart: when it is run again, as in `ChildSpec`.
            shutdown: how the supervisor ends it, as in `ChildSpec`.
            kwargs: for the function.

        Raises:
            MaxChildren: the supervisor is full.
            BadChildSpec: an option is wrong.
        Blocks:
            until it has started.
        """
        work = Work.of(function, args, kwargs)
        spec = ChildSpec(id=work.name, start=TaskProcess, args=(work,), restart=restart, shutdown=shutdown)
        return self.ask(StartChild(spec), timeout=None)  # type: ignore[no-any-return]

    def children(self) -> list[ActorRef[Any]]:
        """Return the tasks that run."""
        return [info.ref for info in self.which_children() if info.ref is not None]

    def stream(
        self,
        function: Callable[..., T],
        items: Iterable[Any],
        *args: Any,
        shutdown: float | str | None = None,
        **options: Unpack[StreamOptions],
    ) -> TaskStream[T]:
        """Return an iterable of the outcomes of `function(item, *args)`; see `Task.stream`.

        Args:
            function: called with each item.
            items: read one by one, as tasks start.
            args: further arguments.
            shutdown: how the supervisor ends the tasks, as in `ChildSpec`.
            options: see `StreamOptions`.

        Raises:
            ConfigError: an option is wrong.
            BadChildSpec: `shutdown` is wrong.
        """
        return TaskStream(self._launcher(function, args, Bond.STREAM, shutdown), items, **options)

    def stream_nolink(
        self,
        function: Callable[..., T],
        items: Iterable[Any],
        *args: Any,
        shutdown: float | str | None = None,
        **options: Unpack[StreamOptions],
    ) -> TaskStream[T]:
        """As `stream`, but who iterates outlives a failure: it is an outcome."""
        return TaskStream(self._launcher(function, args, Bond.STREAM_NOLINK, shutdown), items, **options)

    def _launcher(
        self, function: Callable[..., T], args: tuple[Any, ...], bond: Bond, shutdown: float | str | None
    ) -> Callable[[Any], Claim[T]]:
        _spec_for(None, shutdown)  # a wrong one is refused here, not at the first item
        return lambda item: self._claim(Work.of(function, (item, *args), {}), bond, shutdown)

    def _claim(self, work: Work, bond: Bond, shutdown: float | str | None) -> Claim[Any]:
        cell = local.cell
        spec = _spec_for(None if cell is None else cell.ref, shutdown)
        return Claim[Any](self.ask(StartChild(spec), timeout=None), work.name).hand_over(work, bond)


class NamedTaskSupervisorRef(NamedSupervisorRef, TaskSupervisorRef):
    """A `TaskSupervisor` by name: every use finds the one that runs then."""


def _spec_for(owner: ActorRef[Any] | None, shutdown: float | str | None) -> ChildSpec:
    return ChildSpec(id="task", start=AwaitingProcess, args=(owner,), restart="temporary", shutdown=shutdown)


class TaskSupervisor(DynamicSupervisor):
    """Runs tasks as its children; see `TaskSupervisorRef` for what it can be asked.

    >>> tasks = TaskSupervisor.start(max_children=100)
    >>> tasks.async_nolink(max, 3, 5).get()
    5
    >>> tasks.stop()
    True

    It takes the arguments of `DynamicSupervisor`.
    """

    _ref_class = TaskSupervisorRef
    _named_ref_class = NamedTaskSupervisorRef

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> TaskSupervisorRef:
        """Start the supervisor, without tasks."""
        ref: Any = super().start(*args, **kwargs)
        return ref  # type: ignore[no-any-return]  # made by `_ref_class`

    @classmethod
    def named(cls, name: str | NamedRef) -> NamedTaskSupervisorRef:
        """See `Supervisor.named`."""
        ref: Any = super().named(name)
        return ref  # type: ignore[no-any-return]  # made by `_named_ref_class`
