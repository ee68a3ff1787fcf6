"""The ports of this floor: where actors run, and how threads wait. Protocols only.

Real ones are in `pool` and `pinned`; the simulation brings its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from actorcloud.actor.thread.latch import Latch
from actorcloud.base.ports import Guest

R = TypeVar("R")


class Runnable(Protocol):
    """What a dispatcher sees of an actor: its cell."""

    #: The thread that runs it now.
    thread: int | None
    #: A turn was asked to end early.
    preempted: bool

    def turn(self, limit: int, here: dict[str, Any] | None = None) -> int:
        """Handle up to `limit` messages, on one thread at a time; returns how many.

        `here` is `context.here()` of the thread, for who has it.
        """
        ...

    def preempt(self) -> None:
        """Ask the running turn to end after its message. Thread: any."""
        ...

    def is_dead(self) -> bool:
        """Whether it has ended."""
        ...


class Home(Protocol):
    """Where an actor runs."""

    @property
    def enqueue(self) -> Callable[[Any], object]:
        """Queue a busy cell (a `Runnable`) for a turn; `hurry` is called then. Thread: any; never blocks.

        A function of C's where a Ctrl-C may come: it comes before that or after.
        """
        ...

    def hurry(self) -> None:
        """See to it that what is queued gets its turns soon; once more does no harm. Thread: any; never blocks."""
        ...

    def call(self, function: Callable[[], R], timeout: float | None, /) -> R:
        """Run `function` where the actors of this home run, and wait for it up to `timeout` seconds."""
        ...


class Waits(Protocol):
    """How a thread waits."""

    def wait(self, latch: Latch, timeout: float | None, /) -> bool:
        """Wait until the latch is set.

        Args:
            latch: a latch that only this thread waits on.
            timeout: seconds; None waits for ever.

        Returns:
            False if `timeout` passed first.

        Raises:
            ActorExit: the actor that waits was told to exit.
        """
        ...


class Dispatcher(Home, Waits, Protocol):
    """Where the actors of a system run, and how its threads wait."""

    def pinned(self, name: str, /, *, daemon: bool = True) -> Home:
        """Return a home of its own for one actor; without `daemon` the interpreter stays until it ends."""
        ...

    def loop(self) -> Home:
        """Return the home of all actors that await."""
        ...

    def guest(self) -> Guest | None:
        """Return what a transport's thread takes in, to run actors there; None if they run elsewhere."""
        ...

    def close(self, timeout: float, /) -> None:
        """End the threads; waits up to `timeout` seconds for those that run."""
        ...
