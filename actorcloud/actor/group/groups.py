"""Groups: actors that are found together, on all peers.

    Supervisor.start([groups.child_spec(), ...])

    groups.join("news", ref)
    for member in groups.members("news"):
        member.tell("something happened")

A group is there as long as it has members. An actor may join many groups, and one several times; it
must leave as often. Its death ends all of its memberships.

Groups live in a *scope*, an actor that is started under the scope's name; scopes of the same name on
connected peers tell each other of their members. Who joins or leaves asks the scope of its own peer;
who reads reads what that knows, without a message, and may find an actor that has just died.

Thread: any.

Reference: OTP's `pg`; otp-semantics 4.9.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from actorcloud.actor.cell import bonds
from actorcloud.actor.child import ChildSpec
from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.group.overlay import Join, Leave
from actorcloud.actor.group.roll import Group, keyed, unkeyed
from actorcloud.actor.group.scope import ALL, Joined, Left, Scope, Settle, Subscribe
from actorcloud.actor.ref.named_ref import holder_of
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import MonitorRef, new_monitor
from actorcloud.actor.thread.context import caller, current_system

#: The scope that is meant where none is named.
SCOPE_DEFAULT = "groups"

#: One ref or several.
Refs = ActorRef[Any] | Iterable[ActorRef[Any]]


def start(scope: str = SCOPE_DEFAULT) -> ActorRef[Any]:
    """Start a scope.

    Raises:
        AlreadyStarted: it runs; `ref` is it.
    """
    return Scope.options(name=scope).start()


def child_spec(scope: str = SCOPE_DEFAULT) -> ChildSpec:
    """Return the spec by which a supervisor starts a scope; its restart forgets the local members."""
    return Scope.child_spec(name=scope)


def join(group: Group, refs: Refs | None = None, *, scope: str = SCOPE_DEFAULT) -> None:
    """Let actors of this peer join a group; readers find them when this returns.

    Args:
        group: anything hashable; compared exactly: 1, 1.0 and True are three groups.
        refs: who; the actor that calls unless given; by a name, who has it now.
        scope: where.

    Raises:
        TypeError: one of them is no actor of this peer; none has joined then.
        ActorDeadError: the scope does not run, or nobody has the name.
    """
    _scope(scope).ask(Join(keyed(group), _checked(refs)), timeout=None)


def leave(group: Group, refs: Refs | None = None, *, scope: str = SCOPE_DEFAULT) -> bool:
    """Let actors leave a group, each once. See `join`.

    Returns:
        False if none of them was a member.
    """
    return bool(_scope(scope).ask(Leave(keyed(group), _checked(refs)), timeout=None))


def members(group: Group, *, scope: str = SCOPE_DEFAULT) -> list[ActorRef[Any]]:
    """Return the members on all peers, each as often as it joined, in any order; none if there is no such group."""
    roll = _roll(scope)
    return [] if roll is None else list(roll.all.members(keyed(group)))


def local_members(group: Group, *, scope: str = SCOPE_DEFAULT) -> list[ActorRef[Any]]:
    """Return the members on this peer. See `members`."""
    roll = _roll(scope)
    return [] if roll is None else list(roll.local.members(keyed(group)))


def which_groups(*, scope: str = SCOPE_DEFAULT) -> list[Any]:
    """Return the groups that have members, in any order; none if the scope does not run."""
    roll = _roll(scope)
    return [] if roll is None else [unkeyed(key) for key in roll.all]


def monitor(group: Group, *, scope: str = SCOPE_DEFAULT) -> tuple[MonitorRef, list[ActorRef[Any]]]:
    """Watch a group: the actor that calls gets `Joined` and `Left`, and a `Down` if the scope ends.

    Returns:
        The name of the monitor, and the members at the moment from which on changes are told.

    Raises:
        ActorDeadError: the scope does not run.
        ActorError: this is no actor.
    """
    ref, found = _subscribe("groups.monitor", keyed(group), scope)
    return ref, list(found)


def monitor_scope(*, scope: str = SCOPE_DEFAULT) -> tuple[MonitorRef, dict[Any, list[ActorRef[Any]]]]:
    """Watch all groups. See `monitor`; the members come by group."""
    ref, found = _subscribe("groups.monitor_scope", ALL, scope)
    return ref, {unkeyed(key): list(refs) for key, refs in found.items()}


def demonitor(monitor: MonitorRef, *, scope: str = SCOPE_DEFAULT) -> bool:
    """Take back what `monitor` or `monitor_scope` set up; none of its messages comes after this returns.

    Returns:
        False if it was taken back before, or the scope has ended.
    """
    cell = caller("groups.demonitor")
    was_set = bonds.demonitor(cell, monitor, flush=True)
    if was_set:
        try:
            # What it decided to send before it heard of this is in the mailbox then.
            _scope(scope).ask(Settle(), timeout=None)
        except ActorDeadError:
            was_set = False
    bonds.flush(cell, lambda message: isinstance(message, Joined | Left) and message.ref == monitor)
    return was_set


def _subscribe(verb: str, group: Group, scope: str) -> tuple[MonitorRef, Any]:
    cell, server = caller(verb), _scope(scope)
    ref = new_monitor(cell.id)
    bonds.monitor(cell, ref, server, server)
    try:
        return ref, server.ask(Subscribe(ref, cell.ref, group), timeout=None)
    except BaseException:
        bonds.demonitor(cell, ref, flush=True)
        raise


def _checked(refs: Refs | None) -> tuple[ActorRef[Any], ...]:
    if refs is None:
        return (caller("joining and leaving without a ref").ref,)
    given = (refs,) if isinstance(refs, ActorRef) else tuple(refs)
    peer = current_system().peer
    for ref in given:
        if not isinstance(ref, ActorRef) or ref.id.peer != peer:
            raise TypeError(f"{ref!r} is no actor of {peer}: an actor joins and leaves on its own peer")
    return tuple(map(holder_of, given))


def _scope(name: str) -> ActorRef[Any]:
    found: ActorRef[Any] | None = current_system().whereis(name)
    if found is None:
        raise ActorDeadError(f"the scope {name!r} does not run; start it with groups.child_spec({name!r})")
    return found


def _roll(name: str) -> Any | None:
    """Return the `Overlay` of a scope, which has the two rolls; None if it does not run."""
    found: ActorRef[Any] | None = current_system().whereis(name)
    return None if found is None else getattr(found._cell.actor, "overlay", None)  # noqa: SLF001  one package
