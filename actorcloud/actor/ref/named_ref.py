"""References by name: every send goes to whoever has the name then."""

from __future__ import annotations

from typing import Any, cast

from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.future.future import Future
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.future.timeout import DEFAULT, Timeout
from actorcloud.actor.name import Name, PlainName, check_name
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Down, DownSignal, Monitor, Signal, SystemRequest
from actorcloud.actor.thread.context import current_system
from actorcloud.actor.thread.ports import Waits
from actorcloud.base.errors import NoSuchName
from actorcloud.base.exits import ExitReason


class Nobody:
    """Who has a name that nobody has; answers as the dead do."""

    def signal(self, signal: Signal) -> None:
        """See `ActorRef.signal`."""
        if isinstance(signal, Monitor):
            signal.watcher.signal(DownSignal(Down(signal.ref, signal.target, ExitReason.NOPROC)))
        elif isinstance(signal, SystemRequest):
            signal.reply_to.set_exception(ActorDeadError("no live actor has this name"))


class NamedRef(ActorRef[Any]):
    """A reference by name: every send goes to whoever has the name then.

    It is also what `options(name=...)` takes, so that the actor can be found by it.
    """

    _is_local = False

    def __init__(self, name: Name) -> None:
        self._name = name

    @property
    def name(self) -> Name:
        """The name."""
        return self._name

    @property
    def address(self) -> Any:
        """What `Down.target` is for a monitor by name: of a plain one, the name and the peer's."""
        return self._name.address

    def holder(self) -> ActorRef[Any] | Nobody:
        """Return who has the name now."""
        found: ActorRef[Any] | None = self._name.whereis()
        return Nobody() if found is None else found

    @property
    def _cell(self) -> Cell:  # type: ignore[override]  # resolved at each use
        return self._resolve()._cell  # noqa: SLF001  a ref of our own

    @property
    def actor_class(self) -> type[Any]:  # type: ignore[override]  # as in ActorRef
        """The class of who has the name."""
        return self._resolve().actor_class

    def _resolve(self) -> ActorRef[Any]:
        found = self._name.whereis()
        if found is None:
            raise self._missing()
        return cast("ActorRef[Any]", found)

    def _missing(self) -> ActorDeadError:
        return ActorDeadError(f"no live actor is registered as {self._name}")

    def __str__(self) -> str:
        return f"named {self._name}"

    def __repr__(self) -> str:
        return repr(self._name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedRef) and self._name == other._name

    def __hash__(self) -> int:
        return hash(self._name)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._name,)

    def is_alive(self) -> bool:
        """Whether an actor has the name."""
        return self._name.whereis() is not None

    def tell(self, message: Any) -> None:
        """Send to whoever has the name.

        Raises:
            NoSuchName: nobody has it; the one case in which `tell` raises.
        """
        found = self._name.whereis()
        if found is None:
            raise NoSuchName(f"no live actor is registered as {self._name}")
        found.tell(message)

    def deliver(self, message: Any, reply_to: ReplyTo | None = None) -> None:
        """See `ActorRef.deliver`; an ask of a missing name fails with `NOPROC`."""
        found = self._name.whereis()
        if found is not None:
            found.deliver(message, reply_to)
        elif reply_to is not None:
            reply_to.set_exception(self._missing())

    def signal(self, signal: Signal) -> None:
        """See `ActorRef.signal`; a missing name answers as a dead actor does."""
        self.holder().signal(signal)

    def monitor(self) -> Future[Down]:
        """See `ActorRef.monitor`; `Down.target` is the `address`."""
        return self._down(self.address)

    def info(self, *items: str) -> Any:
        """See `ActorRef.info`; None if nobody has the name."""
        found: ActorRef[Any] | None = self._name.whereis()
        return None if found is None else found.info(*items)

    def ask(self, message: Any, *, block: bool = True, timeout: Timeout = DEFAULT) -> Any:
        """See `ActorRef.ask`."""
        found = self._name.whereis()
        if found is not None:
            return found.ask(message, block=block, timeout=timeout)
        future: Future[Any] = Future(self._waits(), None, self)
        self.deliver(message, future)
        return future.get() if block else future

    def _waits(self) -> Waits | None:
        return cast("Waits", self._name.system.dispatcher)

    def _is_me(self) -> bool:
        found = self._name.whereis()
        return found is not None and bool(found._is_me())  # noqa: SLF001  as above


def holder_of(ref: ActorRef[Any]) -> ActorRef[Any]:
    """Return the ref that equals no other: of a ref by name, that of who has the name now.

    Raises:
        ActorDeadError: nobody has it.
    """
    return ref._resolve() if isinstance(ref, NamedRef) else ref  # noqa: SLF001  this file's


def named(name: str) -> NamedRef:
    """Return a ref that finds the actor registered as `name` in the current system at every send.

    Raises:
        ConfigError: it can be no name.
    """
    check_name(name)
    return NamedRef(PlainName(name, current_system()))
