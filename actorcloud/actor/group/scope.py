"""Scopes: the actors that serve groups, one on each peer for each name.

The shell around an `Overlay`. Whoever monitors a group also monitors the scope, by the same
`MonitorRef`: the subscription lives as long as that monitor does, so neither has to be told of the
other's end.

Thread: the scope's own; its rolls are read by any.

Reference: OTP's `pg`; otp-semantics 4.9.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, get_args

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.group.overlay import (
    Changed,
    Effect,
    Event,
    Join,
    Leave,
    MemberDown,
    Overlay,
    PeerDown,
    Send,
    Unwatch,
    Watch,
)
from actorcloud.actor.group.roll import Group, unkeyed
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Down, MonitorRef


class Joined(msgspec.Struct, frozen=True):
    """To who monitors a group: these joined it."""

    #: What `monitor` returned.
    ref: MonitorRef
    group: Group
    members: tuple[Any, ...]


class Left(msgspec.Struct, frozen=True):
    """To who monitors a group: these left it, or ended."""

    ref: MonitorRef
    group: Group
    members: tuple[Any, ...]


class _All(msgspec.Struct, frozen=True):
    """The type of `ALL`."""


#: In place of a group: each of them.
ALL: Final = _All()


class Subscribe(msgspec.Struct, frozen=True, eq=False):
    """Answer with the members, and send `Joined` and `Left` for as long as the monitor lives."""

    ref: MonitorRef
    subscriber: Any
    #: Or `ALL`.
    group: Group


class Settle(msgspec.Struct, frozen=True):
    """Answer when all that was decided before is sent."""


#: Subscriptions are swept when there are so many, and twice as many as monitors.
_SWEEP_AT = 64

_EVENTS = get_args(Event)


class Scope(Actor):
    """Serves the groups of its name; see `groups`."""

    inline: ClassVar[bool] = True

    def __init__(self) -> None:
        self.overlay = Overlay(self.actor_ref)
        self._watched: dict[Any, MonitorRef] = {}
        self._watches: dict[MonitorRef, Watch] = {}
        #: Group or `ALL` -> who subscribed.
        self._subscribers: dict[Group, dict[MonitorRef, Any]] = {}
        self._count = 0

    def on_receive(self, message: Any) -> Any:
        """Serve requests and events.

        Raises:
            TypeError: it is neither, or about actors that live elsewhere: the scope ends.
        """
        if isinstance(message, Join | Leave):
            self._check_local(message.refs)
        if isinstance(message, _EVENTS):
            effects = self.overlay.handle(message)
            self._perform(effects)
            return any(isinstance(effect, Changed) for effect in effects)
        match message:
            case Subscribe():
                return self._subscribe(message)
            case Settle():
                return None
        raise TypeError(f"{message!r} is no message for a scope of groups; use actorcloud.actor.groups")

    def on_down(self, message: Down) -> None:
        """Drop what the dead had, here or there."""
        watch = self._watches.pop(message.ref)
        del self._watched[watch.ref]
        event = PeerDown(watch.ref) if watch.is_scope else MemberDown(watch.ref)
        self._perform(self.overlay.handle(event))

    def _check_local(self, refs: tuple[Any, ...]) -> None:
        for ref in refs:
            if not isinstance(ref, ActorRef) or ref.id.peer != self.system.peer:
                raise TypeError(f"{ref!r} is no actor of {self.system.peer}: only those join here")

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(to, message):
                    to.deliver(message)
                case Watch(ref):
                    self._watched[ref] = monitor = self.monitor(ref)
                    self._watches[monitor] = effect
                case Unwatch(ref):
                    monitor = self._watched.pop(ref)
                    del self._watches[monitor]
                    self.demonitor(monitor)
                case Changed():
                    self._tell_subscribers(effect)

    # -- subscriptions ----------------------------------------------------------------------------

    def _subscribe(self, request: Subscribe) -> Any:
        if self._count >= _SWEEP_AT and self._count > 2 * len(self._cell.monitors or ()):
            self._sweep()
        self._subscribers.setdefault(request.group, {})[request.ref] = request.subscriber
        self._count += 1
        return self.overlay.all.all() if request.group == ALL else self.overlay.all.members(request.group)

    def _tell_subscribers(self, change: Changed) -> None:
        kind = Joined if change.kind == "join" else Left
        live = self._cell.monitors or {}
        for key in (change.group, ALL):
            for ref, subscriber in list(self._subscribers.get(key, {}).items()):
                if ref in live:
                    subscriber.deliver(kind(ref, unkeyed(change.group), change.refs))
                else:
                    self._forget(key, ref)

    def _sweep(self) -> None:
        live = self._cell.monitors or {}
        for key, subscribers in list(self._subscribers.items()):
            for ref in [ref for ref in subscribers if ref not in live]:
                self._forget(key, ref)

    def _forget(self, key: Group, ref: MonitorRef) -> None:
        subscribers = self._subscribers[key]
        del subscribers[ref]
        self._count -= 1
        if not subscribers:
            del self._subscribers[key]
