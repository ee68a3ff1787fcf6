"""Actors: mailboxes and refs, links and monitors, supervisors, and the system they live in.

The door of the package; it alone imports Pykka. From the ground up, as a contract of `lint-imports` has it:

================  ==============================================================================
errors            errors of this floor; the exceptions that steer an actor
signals           signals between actors and the table of exits (pure)
thread            what the running thread does, the one way to block, where actors run (ports)
name              what actors can be found under
future            answers; waiting for several, or on an asyncio loop
mailbox           an actor's mail and state, as others reach them
dispatch          where actors run: pool, watchdog, guest of a host's thread, pinned threads, asyncio
cell              how an actor starts, takes turns and ends; its links and monitors; what is seen of it
ref               what actors know of each other: refs, also by name; proxies, aliases, facts
system            registry, clock, random, and what else is injected; names, timers, dead letters
child             child specs
party             what whoever has an identity can do
debug             looking at actors and at what they do: a door of its own
process           the identity of a plain thread
starter           starting
actor             the class that users subclass
async_actor       the same with coroutines
actor_registry    the live actors, by class and by URN
isolation         actors in processes of their own: warden here, host there
supervision       intensity and strategy (pure); what supervisors share; their kinds
statemachine      state machines: what is next (pure), and the actor
task              functions as actors: outcome (pure), process, claim, stream; `Task`; its supervisor
registry          actors found by key: tables, partitions, the ref that reads and writes them
group             named multisets of actors that peers share: what a scope knows (pure), the scope, `groups`
================  ==============================================================================

A message: `ref.tell(m)` -> `cell.mail` -> the dispatcher gives the cell a turn -> `on_receive`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from actorcloud.actor.actor import Actor
from actorcloud.actor.cell.report import ReportFormat, Status
from actorcloud.actor.child import BRUTAL_KILL, INFINITY, ChildSpec
from actorcloud.actor.dispatch.pool import Pool
from actorcloud.actor.errors import (
    ActorDeadError,
    ActorExit,
    AlreadyPresent,
    AlreadyRegistered,
    AlreadyStarted,
    AskTimeout,
    BadSize,
    CallbackFailed,
    CallingSelf,
    ChildRestarting,
    ChildRunning,
    Ignore,
    MaxChildren,
    NoPartition,
    NotOwner,
    ReceiveTimeout,
    Stop,
    Unwound,
)
from actorcloud.actor.future.future import Future
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.future.timeout import ASK_TIMEOUT_DEFAULT, DEFAULT, Timeout
from actorcloud.actor.mailbox.mail import MailboxLimit
from actorcloud.actor.mailbox.mailbox import NoReply
from actorcloud.actor.process import Process, process
from actorcloud.actor.ref.alias import Alias
from actorcloud.actor.ref.named_ref import NamedRef, named
from actorcloud.actor.ref.proxy import ActorProxy, CallableProxy, ProxyCall, ProxyGetAttr, ProxySetAttr, traversable
from actorcloud.actor.ref.ref import ActorRef, resolve
from actorcloud.actor.ref.request import Request
from actorcloud.actor.signals import (
    Demonitor,
    Down,
    DownSignal,
    Exit,
    ExitSignal,
    Link,
    Monitor,
    MonitorRef,
    Signal,
    SystemRequest,
    Unlink,
    new_monitor,
)
from actorcloud.actor.starter import Isolation, Starter, set_isolator
from actorcloud.actor.supervision.dynamic import DynamicFlags, DynamicSupervisor
from actorcloud.actor.supervision.supervisor import Flags, Supervisor
from actorcloud.actor.supervision.supervisor_ref import (
    ChildCount,
    ChildInfo,
    NamedSupervisorRef,
    StartAnother,
    StartChild,
    SupervisorRef,
    TerminateChild,
)
from actorcloud.actor.system.system import CLOSE_TIMEOUT_DEFAULT, System, current_system
from actorcloud.actor.system.timers import Cancelled, Expired, Timer, TimerRef, TimerThread
from actorcloud.actor.thread.context import check_exit, wait_as_actor
from actorcloud.actor.thread.context import local as thread_context
from actorcloud.actor.thread.latch import Latch
from actorcloud.actor.thread.ports import Dispatcher, Home, Waits

if TYPE_CHECKING:
    from actorcloud.actor.actor_registry import ActorRegistry
    from actorcloud.actor.async_actor import AsyncActor
    from actorcloud.actor.future.completion import as_completed, get_all, wait_any
    from actorcloud.actor.group import groups
    from actorcloud.actor.group.scope import Joined, Left
    from actorcloud.actor.isolation.ref import IsolatedRef
    from actorcloud.actor.ref.typed_proxy import TypedProxy, proxy_field, proxy_method
    from actorcloud.actor.registry.ledger import Registered, Unregistered
    from actorcloud.actor.registry.registry import Registry
    from actorcloud.actor.registry.registry_ref import NamedRegistryRef, RegistryRef
    from actorcloud.actor.registry.table import Entry
    from actorcloud.actor.statemachine.event import Enter, EventTimeout, Internal, NamedTimeout, StateTimeout
    from actorcloud.actor.statemachine.machine import StateMachine
    from actorcloud.actor.supervision.partition import NamedPartitionsRef, PartitionsRef, PartitionSupervisor
    from actorcloud.actor.task.outcome import TIMEOUT, Exited, Outcome, Returned, TaskReply
    from actorcloud.actor.task.process import callers
    from actorcloud.actor.task.stream import TaskStream
    from actorcloud.actor.task.supervisor import NamedTaskSupervisorRef, TaskSupervisor, TaskSupervisorRef
    from actorcloud.actor.task.task import TASK_TIMEOUT_DEFAULT, Task
    from actorcloud.actor.thread.report import log_thread_tracebacks

__all__ = [
    "ASK_TIMEOUT_DEFAULT",
    "BRUTAL_KILL",
    "CLOSE_TIMEOUT_DEFAULT",
    "DEFAULT",
    "INFINITY",
    "TASK_TIMEOUT_DEFAULT",
    "TIMEOUT",
    "Actor",
    "ActorDeadError",
    "ActorExit",
    "ActorProxy",
    "ActorRef",
    "ActorRegistry",
    "Alias",
    "AlreadyPresent",
    "AlreadyRegistered",
    "AlreadyStarted",
    "AskTimeout",
    "AsyncActor",
    "BadSize",
    "CallableProxy",
    "CallbackFailed",
    "CallingSelf",
    "Cancelled",
    "ChildCount",
    "ChildInfo",
    "ChildRestarting",
    "ChildRunning",
    "ChildSpec",
    "Demonitor",
    "Dispatcher",
    "Down",
    "DownSignal",
    "DynamicFlags",
    "DynamicSupervisor",
    "Enter",
    "Entry",
    "EventTimeout",
    "Exit",
    "ExitSignal",
    "Exited",
    "Expired",
    "Flags",
    "Future",
    "Home",
    "Ignore",
    "Internal",
    "IsolatedRef",
    "Joined",
    "Latch",
    "Left",
    "Link",
    "MailboxLimit",
    "MaxChildren",
    "Monitor",
    "MonitorRef",
    "NamedPartitionsRef",
    "NamedRef",
    "NamedRegistryRef",
    "NamedSupervisorRef",
    "NamedTaskSupervisorRef",
    "NamedTimeout",
    "NoPartition",
    "NoReply",
    "NotOwner",
    "Outcome",
    "PartitionSupervisor",
    "PartitionsRef",
    "Pool",
    "Process",
    "ProxyCall",
    "ProxyGetAttr",
    "ProxySetAttr",
    "ReceiveTimeout",
    "Registered",
    "Registry",
    "RegistryRef",
    "ReplyTo",
    "ReportFormat",
    "Request",
    "Returned",
    "Signal",
    "StartAnother",
    "StartChild",
    "Starter",
    "StateMachine",
    "StateTimeout",
    "Status",
    "Stop",
    "Supervisor",
    "SupervisorRef",
    "System",
    "SystemRequest",
    "Task",
    "TaskReply",
    "TaskStream",
    "TaskSupervisor",
    "TaskSupervisorRef",
    "TerminateChild",
    "Timeout",
    "Timer",
    "TimerRef",
    "TimerThread",
    "TypedProxy",
    "Unlink",
    "Unregistered",
    "Unwound",
    "Waits",
    "as_completed",
    "callers",
    "check_exit",
    "current_system",
    "get_all",
    "groups",
    "log_thread_tracebacks",
    "named",
    "new_monitor",
    "process",
    "proxy_field",
    "proxy_method",
    "register",
    "resolve",
    "thread_context",
    "traversable",
    "unregister",
    "wait_any",
    "wait_as_actor",
    "whereis",
]


#: What a program may never use, and heads and nodes do not: loaded at its first use.
_LATE = {
    "actor_registry": ("ActorRegistry",),
    "async_actor": ("AsyncActor",),
    "future.completion": ("as_completed", "get_all", "wait_any"),
    "group.scope": ("Joined", "Left"),
    "isolation.ref": ("IsolatedRef",),
    "registry.ledger": ("Registered", "Unregistered"),
    "registry.registry": ("Registry",),
    "registry.registry_ref": ("NamedRegistryRef", "RegistryRef"),
    "registry.table": ("Entry",),
    "statemachine.event": ("Enter", "EventTimeout", "Internal", "NamedTimeout", "StateTimeout"),
    "statemachine.machine": ("StateMachine",),
    "supervision.partition": ("NamedPartitionsRef", "PartitionSupervisor", "PartitionsRef"),
    "task.outcome": ("TIMEOUT", "Exited", "Outcome", "Returned", "TaskReply"),
    "task.process": ("callers",),
    "task.stream": ("TaskStream",),
    "task.supervisor": ("NamedTaskSupervisorRef", "TaskSupervisor", "TaskSupervisorRef"),
    "task.task": ("TASK_TIMEOUT_DEFAULT", "Task"),
    "thread.report": ("log_thread_tracebacks",),
    "ref.typed_proxy": ("TypedProxy", "proxy_field", "proxy_method"),
}
#: Likewise, modules that are used as such.
_LATE_MODULES = {"debug": "debug", "groups": "group.groups"}

_HOME_OF = {name: module for module, names in _LATE.items() for name in names}


def __getattr__(name: str) -> Any:
    # Called once a name: what is found becomes an attribute.
    if name in _LATE_MODULES:
        found = importlib.import_module(f"{__name__}.{_LATE_MODULES[name]}")
    elif name in _HOME_OF:
        found = getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found
    return found


def register(name: str, ref: ActorRef[Any]) -> None:
    """Give an actor a name in the current system; see `System.register`."""
    current_system().register(name, ref)


def unregister(name: str) -> None:
    """Take a name away in the current system; see `System.unregister`."""
    current_system().unregister(name)


def whereis(name: str) -> ActorRef[Any] | None:
    """Return who has a name in the current system, or None."""
    return current_system().whereis(name)


def _stand_in(kind: Any, settings: Isolation) -> Any:
    from actorcloud.actor.isolation.warden import stand_in

    return stand_in(kind, settings)


set_isolator(_stand_in)
