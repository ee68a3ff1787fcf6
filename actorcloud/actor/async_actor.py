"""The class of actors whose handlers are coroutines."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeVar

import pykka

from actorcloud.actor.actor import Actor
from actorcloud.actor.cell.async_cell import AsyncCell
from actorcloud.actor.errors import CallingSelf
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import Down, Exit

A = TypeVar("A", bound=pykka.Actor)


class AsyncRef(ActorRef[A]):
    """A reference to an actor that lives on its system's asyncio loop."""

    def _is_me(self) -> bool:
        home: Any = self._cell.home
        if home.is_here():
            text = f"{self} lives on the loop that would stand still while it waits for it"
            raise CallingSelf(f"{text}; await the answer: `await ref.ask(message, block=False)`")
        return False


class AsyncActor(Actor):
    """An actor whose handlers may await.

    >>> import asyncio
    >>> class Slow(AsyncActor):
    ...     async def on_receive(self, message):
    ...         await asyncio.sleep(0.001)
    ...         return message * 2
    >>> Slow.start().ask(21)
    42

    All asyncio actors of a system share one loop, on one thread. One awaits, and the others run; each
    handles one message at a time. `on_start`, `on_continue`, `on_receive`, `on_exit`, `on_down`, `on_idle`,
    `on_batch_end`, `on_stop` and the methods that a proxy calls may be coroutines or plain; `__init__` and
    `on_failure` are plain, and run on the loop too.

    Tasks that a handler creates are no part of the actor: they go on when it ends, and what they send is
    sent in nobody's name. `asyncio.TaskGroup` keeps them within the handler.
    """

    dispatcher: ClassVar[Literal["pool", "thread", "loop"]] = "loop"
    _cell_class = AsyncCell
    _ref_class: ClassVar[type[ActorRef[Any]]] = AsyncRef
    _may_await: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._has_on_start = cls.on_start is not AsyncActor.on_start
        cls._has_on_batch_end = cls.on_batch_end is not AsyncActor.on_batch_end
        cls._has_on_idle = cls.on_idle is not AsyncActor.on_idle
        cls._has_on_stop = cls.on_stop is not AsyncActor.on_stop

    async def on_start(self) -> None:  # type: ignore[override]  # a coroutine, or plain as there
        """See `Actor.on_start`."""

    async def on_receive(self, message: Any) -> Any:
        """See `Actor.on_receive`."""
        return super().on_receive(message)

    async def on_exit(self, message: Exit) -> None:  # type: ignore[override]  # as above
        """See `Actor.on_exit`."""
        await self.on_receive(message)

    async def on_down(self, message: Down) -> None:  # type: ignore[override]  # as above
        """See `Actor.on_down`."""
        await self.on_receive(message)

    async def on_continue(self, term: Any) -> None:  # type: ignore[override]  # as above
        """See `Actor.on_continue`."""
        super().on_continue(term)

    async def on_idle(self) -> None:  # type: ignore[override]  # as above
        """See `Actor.on_idle`."""

    async def on_batch_end(self) -> None:  # type: ignore[override]  # as above
        """See `Actor.on_batch_end`."""

    async def on_stop(self) -> None:  # type: ignore[override]  # as above
        """See `Actor.on_stop`."""
