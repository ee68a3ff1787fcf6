"""What the running thread is doing: for which actor, in which system.

Owns the thread-local `local`, the lock `GUARD` and the set `fenced`. Used by every other module
of the package; knows nothing about actors but what `Running` says.

`GUARD` is the one lock of the actor runtime. It guards the death, links, monitors and names of all
actors of this process; it is a leaf: nothing is called while it is held but dict and deque methods.
One lock for all costs nothing, since the interpreter's own lock lets one thread run anyway; a message
between living actors does not take it.

`fenced` has the cells whose running handler was told to exit. It is empty nearly always, so the check in
`tell` is one test of a global.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from actorcloud.actor.errors import ActorExit
from actorcloud.actor.thread.latch import Latch
from actorcloud.base.errors import ActorError
from actorcloud.base.ids import ActorId


class Running(Protocol):
    """What the rest of a thread sees of the actor that runs on it: its cell."""

    id: ActorId
    #: Its `ActorRef`.
    ref: Any
    #: Its `System`.
    system: Any
    #: What it waits on.
    latch: Latch | None

    def is_ending(self) -> bool:
        """Whether the running handler must unwind."""
        ...

    def end_reason(self) -> object:
        """Return what the actor ended with, or will."""
        ...


class Local(threading.local):
    """The facts of one thread."""

    #: The cell of the actor whose code runs on this thread; typed for those who only look.
    cell: Any = None
    #: The `System` that `System.activate` made current on this thread.
    system: Any = None
    #: Whether this is a thread of a pool: it may run an inline actor's turn on its own stack.
    pooled: bool = False
    #: The pool's `PoolGuest` where the thread is a host's.
    guest: Any = None
    #: How many turns are nested on this stack.
    depth: int = 0


local = Local()


def here() -> dict[str, Any]:
    """Return the facts of this thread as `local` keeps them, with `cell` and `thread` among them.

    Who runs many turns fetches them once: an entry of a dict costs a third of an attribute of `local`.
    """
    facts = local.__dict__
    if "thread" not in facts:
        facts["thread"] = threading.get_ident()
        facts.setdefault("cell", None)
    return facts


#: How a thread blocks: (latch, timeout) -> False if the timeout passed first.
Acquire = Callable[[Latch, float | None], bool]

#: Looks at a held `Guard` before its waiter sleeps for a moment in between.
_LOOKS = 100

#: Seconds of that moment.
_MOMENT = 50e-6


class Guard:
    """The lock that nobody queues for; all instances are one.

    A `threading.Lock` is handed over to who waits for it, which then owns it without running: it needs
    the interpreter's lock, whose holder soon waits for this one. Once two threads met so, each
    acquisition switched threads (a stop cost three times as much). Here who finds it held lets others
    run, and looks again.
    """

    __slots__ = ()

    _lock = threading.Lock()
    #: Whether somebody holds it; for the simulation.
    locked = _lock.locked
    # In C, and the tries as an iterator: between the lock's answer and its note, and before its release, there is
    # no step of the interpreter's in which a Ctrl-C could come and leave the lock held for ever.
    __exit__ = _lock.__exit__
    _tries = map(_lock.acquire, itertools.repeat(False))

    def __enter__(self) -> None:
        got, looks = False, 0
        try:
            for got in self._tries:
                if got:
                    return
                looks += 1
                time.sleep(0 if looks % _LOOKS else _MOMENT)
        except BaseException:
            if got:
                self._lock.release()
            raise


#: Guards the shared state of all cells; see the module's docstring.
GUARD = Guard()

#: The cells whose running handler must stop.
fenced: set[Running] = set()

_makers: list[Callable[[], Any]] = []


def running() -> Running | None:
    """Return the cell of the actor whose code runs on this thread."""
    cell: Running | None = local.cell
    return cell


def caller(what: str) -> Any:
    """Return the cell of the actor that calls.

    Args:
        what: what only an actor can do, for the text of the error.

    Raises:
        ActorError: this thread runs no actor.
        ActorExit: the actor was told to exit.
    """
    cell = running()
    if cell is None:
        raise ActorError(f"{what} is about the actor that calls, and this is no actor; process() makes a thread one")
    if cell.is_ending():
        raise ActorExit(cell.end_reason())
    return cell


def check_fence() -> None:
    """Stop the running handler if its actor was told to exit.

    Raises:
        ActorExit: with the reason of the actor.
    """
    cell = running()
    if cell is not None and cell in fenced:
        raise ActorExit(cell.end_reason())


def check_exit() -> None:
    """Stop the running handler if its actor was told to exit while it waited.

    Raises:
        ActorExit: with the reason of the actor.
    """
    cell = running()
    if cell is not None and cell.is_ending():
        raise ActorExit(cell.end_reason())


def wait_as_actor(latch: Latch, timeout: float | None, acquire: Acquire = Latch.acquire) -> bool:
    """Wait on this thread; if an actor runs here, an exit signal ends the wait.

    Args:
        latch: of this thread alone.
        timeout: seconds; None waits for ever.
        acquire: how this thread blocks.

    Returns:
        False if `timeout` passed first.

    Raises:
        ActorExit: the actor was told to exit.
    """
    cell = running()
    if cell is None:
        return acquire(latch, timeout)
    cell.latch = latch
    try:
        # Set before it is looked at, so that a signal after the look finds the latch.
        return not cell.is_ending() and acquire(latch, timeout)
    finally:
        cell.latch = None
        if cell.is_ending():
            raise ActorExit(cell.end_reason())


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Within this block the thread is nobody: signals to the actor that runs on it do not end what it does."""
    outer, local.cell = local.cell, None
    try:
        yield
    finally:
        local.cell = outer


@contextlib.contextmanager
def as_nobody_in(system: Any) -> Iterator[None]:
    """Within this block the thread is nobody, and `system` is current: what is unpickled finds its refs there."""
    outer, local.system = local.system, system
    try:
        with as_nobody():
            yield
    finally:
        local.system = outer


def set_default_system(maker: Callable[[], Any]) -> None:
    """Say how to get the process's default system; `system` does, when it is imported."""
    _makers[:] = [maker]


def current_system() -> Any:
    """Return the running actor's `System`, else the one activated on this thread, else the default."""
    cell = running()
    if cell is not None:
        return cell.system
    return local.system or _makers[0]()
