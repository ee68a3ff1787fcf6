"""Starting an actor: identity, name and links first, then `__init__`, then its life.

The starter learns the outcome of `__init__`: `start` returns when it has, or raises what it raised,
and then nothing is left behind.

Reference: otp-semantics 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, ParamSpec, TypeVar

import msgspec

from actorcloud.actor.cell import bonds, death
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorDeadError, ActorExit, Ignore, Stop
from actorcloud.actor.mailbox.mail import MailboxLimit
from actorcloud.actor.name import check_name
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import MonitorRef, new_monitor
from actorcloud.actor.system.system import System
from actorcloud.actor.thread.context import check_fence, current_system, fenced, local
from actorcloud.base.errors import ActorError, StartError
from actorcloud.base.exits import ExitReason

A = TypeVar("A")
P = ParamSpec("P")

#: Seconds that the `__init__` of an actor may take that does not run on its starter's stack.
START_TIMEOUT_DEFAULT = 30.0


class Isolation(msgspec.Struct, frozen=True):
    """How the process of an isolated actor is started."""

    #: Bytes that it may take beyond those of the bare process; None: as many as there are.
    memory: int | None
    #: Seconds that it may take until `__init__` has run there.
    start_timeout: float


#: Makes the class that stands for an isolated actor here; `isolation` comes in through the door, which is above both.
_isolators: list[Callable[[Any, Isolation], Any]] = []


def set_isolator(isolator: Callable[[Any, Isolation], Any]) -> None:
    """Say how to get the class that stands for an isolated one."""
    _isolators[:] = [isolator]


class Starter(Generic[P, A]):
    """A class and the options it will be started with; see `Actor.options`.

    To the type checker the class is what takes the arguments of its `__init__`, so that wrong ones are found.
    """

    __slots__ = ("_debug", "_isolation", "_kind", "_memory", "_name", "_start_timeout", "_system")

    def __init__(  # noqa: PLR0913  one for each option
        self,
        kind: Callable[P, A],
        *,
        name: str | NamedRef | None = None,
        mailbox: int | MailboxLimit | None = None,
        system: System | None = None,
        start_timeout: float | None = None,
        isolation: str | None = None,
        memory: int | None = None,
        debug: Iterable[Any] = (),
    ) -> None:
        if name is not None and not isinstance(name, NamedRef):
            check_name(name)
        if mailbox is not None:
            base: Any = kind
            facts = {
                "max_mailbox": MailboxLimit.of(mailbox),
                "__module__": base.__module__,
                "__qualname__": base.__qualname__,
            }
            kind = type(base.__name__, (base,), facts)
        self._kind = kind
        self._name = name
        self._system = system
        self._isolation = isolation
        self._memory = memory
        #: Kept, since a starter may start several; what is no such thing at all is logged as one.
        self._debug = tuple(debug) if isinstance(debug, Iterable) and not isinstance(debug, str) else (debug,)
        self._start_timeout = START_TIMEOUT_DEFAULT if start_timeout is None else start_timeout

    def start(self, *args: P.args, **kwargs: P.kwargs) -> ActorRef[A]:
        """See `Actor.start`."""
        return self._run(self._spawn(), args, kwargs)

    def start_link(self, *args: P.args, **kwargs: P.kwargs) -> ActorRef[A]:
        """See `Actor.start_link`."""
        parent = _caller("start_link")
        cell = self._spawn()
        cell.parent = parent.ref
        if not bonds.link(parent, cell.ref):
            # Killed since it was looked at, while this handler of it runs: nobody would ever end the child.
            death.die(cell, ExitReason.NOPROC)
            raise ActorExit(parent.end_reason())
        return self._run(cell, args, kwargs)

    def start_monitor(self, *args: P.args, **kwargs: P.kwargs) -> tuple[ActorRef[A], MonitorRef]:
        """See `Actor.start_monitor`."""
        watcher = _caller("start_monitor")
        cell = self._spawn()
        name = new_monitor(watcher.id)
        bonds.monitor(watcher, name, cell.ref, cell.ref)
        ref = None
        try:
            ref = self._run(cell, args, kwargs)
        finally:
            if ref is None:
                bonds.demonitor(watcher, name, flush=True)
        return ref, name

    def _spawn(self) -> Cell:
        if fenced:
            check_fence()
        kind: Any = self._settled_kind()
        system: System = self._system or current_system()
        home: Any = system.dispatcher
        if kind.dispatcher == "thread":
            home = system.dispatcher.pinned(kind.__name__, daemon=kind.use_daemon_thread)
        elif kind.dispatcher == "loop":
            home = system.dispatcher.loop()
        cell = system.spawn(kind, name=self._name, home=home)
        if self._debug and not hasattr(kind, "isolated"):
            from actorcloud.actor.debug.option import set_up  # noqa: PLC0415  few programs look, and the others need not wait

            set_up(cell, self._debug)
        return cell

    def _settled_kind(self) -> Any:
        """Return the class to start here: for an isolated actor, its warden's."""
        kind: Any = self._kind
        isolation = self._isolation or kind.isolation
        memory = self._memory or kind.memory
        if isolation not in {None, "process"}:
            raise ValueError(f'isolation of {kind.__qualname__} is {isolation!r}; it must be None or "process"')
        if memory is not None and (isolation is None or memory <= 0):
            needs = 'it takes bytes > 0, and isolation = "process"'
            raise ValueError(f"memory of {kind.__qualname__} is {memory!r}; {needs}")
        if isolation is not None and kind._reports_children:  # noqa: SLF001  one package
            raise ValueError(f"{kind.__qualname__} is a supervisor and cannot be isolated: isolate its children")
        return kind if isolation is None else _isolators[0](kind, Isolation(memory, self._start_timeout))

    def _run(self, cell: Cell, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ActorRef[A]:
        try:
            if cell.kind._begins_at_starter:  # noqa: SLF001  one package
                self._begin_here(cell, args, kwargs)
            else:
                cell.home.call(lambda: cell.start(args, kwargs), self._start_timeout)
        except Ignore:
            # Not in the type: only who writes such a class meets it.
            return None  # type: ignore[return-value]  # as said
        except StartError:
            death.kill(cell)
            death.die(cell, ExitReason.KILLED)
            if cell.kind.dispatcher != "pool":
                # `__init__` may have ended just now: its thread is to see that its actor has ended, too.
                cell.schedule()
            raise
        except (Stop, ActorExit, ActorDeadError) as error:
            if cell.reason is None and not cell.is_dead():
                raise
            raise StartError(f"{cell.ref} ended while it started: {cell.reason}", cell.reason) from error
        if self._debug and hasattr(cell.kind, "isolated"):
            from actorcloud.actor.debug.option import set_up_isolated  # noqa: PLC0415  as above

            set_up_isolated(cell, self._debug)
        ref: ActorRef[A] = cell.ref
        return ref

    def _begin_here(self, cell: Cell, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Run `__init__` on this stack, although the actor has a thread of its own."""
        try:
            cell.start(args, kwargs)
        except BaseException:
            # So that the thread sees that its actor has ended.
            cell.schedule()
            raise


def _caller(verb: str) -> Cell:
    cell: Cell | None = local.cell
    if cell is None:
        raise ActorError(
            f"{verb} binds the new actor to the one that calls it, and this is no actor; use start, or process()"
        )
    return cell
