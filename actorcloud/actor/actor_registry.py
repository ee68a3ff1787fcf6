"""Pykka's registry: the live actors of the current system, by class, name of class and URN.

It holds nothing: the system knows its actors, and starting or ending one costs no search.

Thread: any.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar, overload

from actorcloud.actor.actor import Actor
from actorcloud.actor.future.future import Future
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.thread.context import current_system
from actorcloud.base.ids import ActorId

A = TypeVar("A", bound=Actor)


class ActorRegistry:
    """The live actors of the current system.

    >>> class Sleeper(Actor):
    ...     pass
    >>> ref = Sleeper.start()
    >>> ActorRegistry.get_by_class(Sleeper) == [ref]
    True
    >>> ActorRegistry.stop_all()
    [True]
    """

    @classmethod
    def get_all(cls) -> list[ActorRef[Any]]:
        """Return all, in the order in which they started; threads within `process()` are none."""
        found: list[ActorRef[Any]] = [ref for ref in current_system().actors() if _is_live_actor(ref)]
        return found

    @classmethod
    def get_by_class(cls, actor_class: type[A]) -> list[ActorRef[A]]:
        """Return those of a class or its subclasses."""
        return [ref for ref in cls.get_all() if issubclass(ref.actor_class, actor_class)]

    @classmethod
    def get_by_class_name(cls, actor_class_name: str) -> list[ActorRef[Any]]:
        """Return those whose class has exactly this name."""
        return [ref for ref in cls.get_all() if ref.actor_class.__name__ == actor_class_name]

    @classmethod
    def get_by_urn(cls, actor_urn: str) -> ActorRef[Any] | None:
        """Return the one with this `actor_urn`; None if there is none."""
        system = current_system()
        serial = actor_urn.rpartition(":")[2]
        if not serial.isascii() or not serial.isdigit():
            return None
        ref: ActorRef[Any] = system.ref(ActorId(system.peer, int(serial)))
        return ref if ref.is_alive() and ref.actor_urn == actor_urn else None

    @classmethod
    def broadcast(cls, message: Any, target_class: str | type[Actor] | None = None) -> None:
        """Tell all.

        Args:
            message: anything.
            target_class: a class or the name of one: only to those.
        """
        if target_class is None:
            targets = cls.get_all()
        elif isinstance(target_class, str):
            targets = cls.get_by_class_name(target_class)
        else:
            targets = cls.get_by_class(target_class)
        for ref in targets:
            ref.tell(message)

    @overload
    @classmethod
    def stop_all(cls, *, block: Literal[True] = ..., timeout: float | None = ...) -> list[bool]: ...

    @overload
    @classmethod
    def stop_all(cls, *, block: Literal[False], timeout: float | None = ...) -> list[Future[bool]]: ...

    @overload
    @classmethod
    def stop_all(cls, *, block: bool, timeout: float | None = ...) -> list[bool] | list[Future[bool]]: ...

    @classmethod
    def stop_all(cls, *, block: bool = True, timeout: float | None = None) -> Any:
        """Stop all, those that started last first.

        The children of a supervisor are stopped by it: stopped by others they would be restarted.

        Args:
            block: False returns at once.
            timeout: seconds for each; None waits for ever.

        Returns:
            For each that was stopped what `ActorRef.stop` returns.

        Raises:
            AskTimeout: one did not end in time; those that started before it were not told to.
            ActorDeadError: one did not end in order; likewise.
        Blocks:
            until all have ended, if `block`.
        """
        return [ref.stop(block=block, timeout=timeout) for ref in reversed(cls.get_all()) if not _is_supervised(ref)]


def _is_live_actor(ref: ActorRef[Any]) -> bool:
    return ref.is_alive() and not ref._cell.is_thread()  # noqa: SLF001  one package


def _is_supervised(ref: ActorRef[Any]) -> bool:
    parent = ref._cell.parent  # noqa: SLF001  one package
    return parent is not None and bool(parent.reports_children) and bool(parent.is_alive())
