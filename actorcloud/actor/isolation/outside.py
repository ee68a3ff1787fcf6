"""Refs of an isolated actor's process to the actors outside of it.

Only the isolated actor itself can link itself to them; others that it starts in its process can tell,
ask and monitor, and a link of theirs fails with `NOCONNECTION`.

Thread: any.
"""

from __future__ import annotations

from typing import Any, Protocol

from actorcloud.actor.actor import Actor
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Demonitor, ExitSignal, Link, Monitor, Signal, Unlink
from actorcloud.actor.thread.ports import Waits
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId


class Way(Protocol):
    """The way out: a `Host`."""

    @property
    def waits(self) -> Waits:
        """How the threads of this process wait."""
        ...

    def send(self, to: ActorId, message: object, reply_to: ReplyTo | None, /) -> None:
        """Send a message to an actor outside."""
        ...

    def watch(self, to: ActorId, monitor: Monitor, /) -> None:
        """Monitor it."""
        ...

    def unwatch(self, monitor: Demonitor, /) -> None:
        """Do not any more."""
        ...

    def bind(self, to: ActorId, sender: ActorRef[Any], /, *, linked: bool) -> bool:
        """Link `sender` with it, or not any more; False if `sender` is not the isolated actor."""
        ...

    def order(self, to: ActorId, signal: ExitSignal, /) -> None:
        """Send it an exit signal."""
        ...


class OutsideRef(ActorRef[Any]):
    """A reference to an actor outside.

    Args:
        way: of this process.
        id: the actor's.
    """

    _is_local = False

    def __init__(self, way: Way, id: ActorId) -> None:
        # No cell: that is outside.
        self._way = way
        self._id = id

    @property
    def id(self) -> ActorId:
        """The actor's identity."""
        return self._id

    @property
    def actor_class(self) -> type[Any]:  # type: ignore[override]  # as in ActorRef
        """`Actor`: the real class is known there, not here."""
        return Actor

    @property
    def reports_children(self) -> bool:
        """True: how an isolated actor ends is reported outside."""
        return True

    def __str__(self) -> str:
        return str(self._id)

    def __repr__(self) -> str:
        return f"<OutsideRef {self}>"

    def is_alive(self) -> bool:
        """True: no more can be known without asking; monitor it."""
        return True

    def _actor_weakref(self) -> Any:  # type: ignore[override]
        raise TypeError(f"{self} lives in another process: its attributes cannot be looked at; send it messages")

    def deliver(self, message: Any, reply_to: ReplyTo | None = None) -> None:
        """See `ActorRef.deliver`.

        Raises:
            Unpicklable: it cannot travel.
        """
        self._way.send(self._id, message, reply_to)

    def tell(self, message: Any) -> None:
        """See `ActorRef.tell`.

        Raises:
            Unpicklable: it cannot travel.
        """
        self._pass_fence(message)
        self._way.send(self._id, message, None)

    def signal(self, signal: Signal) -> None:
        """See `ActorRef.signal`."""
        match signal:
            case Monitor():
                self._way.watch(self._id, signal)
            case Demonitor():
                self._way.unwatch(signal)
            case Link(sender):
                if not self._way.bind(self._id, sender, linked=True):
                    sender.signal(ExitSignal(self, ExitReason.NOCONNECTION, linked=True))
            case Unlink(sender):
                self._way.bind(self._id, sender, linked=False)
            case ExitSignal(linked=False):
                self._way.order(self._id, signal)

    def _ask_inline(self, message: Any, future: Any) -> None:
        self.deliver(message, future)

    def _waits(self) -> Waits | None:
        return self._way.waits

    def _is_me(self) -> bool:
        return False

    def _is_running(self) -> bool:
        return False

    def __getattr__(self, name: str) -> Any:
        # What a supervisor's or a registry's ref can do beside is done by looking into its process.
        raise AttributeError(
            f"{self!r} has no {name!r}: the actor lives outside of this process; it can be told, asked, monitored "
            "and linked from here, but what only a registry or a supervisor has works where it lives"
        )
