"""The system: the actors of one process, their names, and what is injected into them.

A `System` owns the registry of actors, the names, a dispatcher, timers, a clock and a random
source; nothing under it reads the wall clock or makes a thread by itself. Programs use
`System.default()`, made at the first start and closed at interpreter exit; the simulation makes one
for each simulated process.

Thread: any. The registry and the names are guarded by `GUARD`.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import random as random_module
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

from actorcloud.actor.cell import life, tracing
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.cell.report import ReportFormat
from actorcloud.actor.dispatch.pool import Pool
from actorcloud.actor.errors import AlreadyStarted
from actorcloud.actor.future.future import Future
from actorcloud.actor.mailbox.mailbox import DEAD
from actorcloud.actor.name import Name, PlainName, check_name
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.signals import ExitSignal
from actorcloud.actor.system.dead_letter import Mourned
from actorcloud.actor.system.farewell import Farewell
from actorcloud.actor.system.names import Names
from actorcloud.actor.system.timers import TimerThread
from actorcloud.actor.thread import context
from actorcloud.actor.thread.context import GUARD, local
from actorcloud.actor.thread.latch import Latch
from actorcloud.actor.thread.ports import Dispatcher, Home
from actorcloud.base.clock import Clock, SystemClock
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason
from actorcloud.base.ids import ActorId, Peer, new_incarnation
from actorcloud.base.ports import Random, Spawner, Timers
from actorcloud.base.telemetry import Telemetry
from actorcloud.base.telemetry import telemetry as process_telemetry

logger = logging.getLogger("actorcloud.actor")

#: Seconds that `close` gives all actors together.
CLOSE_TIMEOUT_DEFAULT = 5.0

# Reentrant for signal handlers, as `System.actors`.
_default_lock = threading.RLock()
_spawner_lock = threading.Lock()


class _Gone:
    """The class of an actor of which only the id is known."""

    inline: ClassVar[bool] = False
    trap_exit: ClassVar[bool] = False
    max_mailbox: ClassVar[int | None] = None


class System:
    """The actors of one process.

    >>> with System(name="demo") as system:
    ...     system.peer.name
    'demo'

    Args:
        name: the peer's name, as `base.ids.PEER_NAME`.
        clock: the clock of this machine unless given.
        timers: a timer thread unless given.
        dispatcher: a `Pool` unless given.
        random: the operating system's randomness unless given.
        telemetry: where events go; the process's own unless given.
        spawner: starts the processes of isolated actors; real ones unless given.
        copy_messages: give actors pickled copies of messages and answers, as another process would
            get them; for tests and debugging.
    """

    _default: System | None = None

    def __init__(  # noqa: PLR0913  one for each thing that is injected
        self,
        *,
        name: str = "local",
        clock: Clock | None = None,
        timers: Timers | None = None,
        dispatcher: Dispatcher | None = None,
        random: Random | None = None,
        telemetry: Telemetry | None = None,
        spawner: Spawner | None = None,
        copy_messages: bool = False,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.timers: Timers = timers or TimerThread(self.clock)
        self.dispatcher: Dispatcher = dispatcher or Pool()
        self.random: Random = random or random_module.SystemRandom()
        self.telemetry = process_telemetry if telemetry is None else telemetry
        self._spawner = spawner
        #: Whether messages are copied; read when an actor gets its first.
        self.copy_messages = copy_messages
        #: This start of this process.
        self.peer = Peer(name, new_incarnation(self.random.randbytes))
        #: Makes the refs of other peers' actors; set by `cluster`.
        self.remote_refs: Callable[[ActorId], ActorRef[Any]] | None = None
        #: How crashes are written to the log.
        self.report_format = ReportFormat()
        #: Messages to dead actors, so far.
        self.dead_letters = 0
        self._serials = itertools.count(1)
        self._cells: dict[int, Cell] = {}
        #: Under what the actors are found.
        self.names = Names(self.peer)
        self._zombies: dict[ActorId, Cell] = {}
        #: Messages to dead actors, by actor.
        self.mourned = Mourned()
        self._is_closed = False

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else f"{len(self._cells)} actors"
        return f"<System {self.peer}: {state}>"

    # -- the current system -----------------------------------------------------------------------

    @classmethod
    def default(cls) -> System:
        """Return the process's own system, made at the first call and closed at interpreter exit."""
        with _default_lock:
            if System._default is None or System._default.is_closed:
                System._default = System()
                atexit.register(System._default._close_at_exit)  # noqa: SLF001  this class
            return System._default

    @contextlib.contextmanager
    def activate(self) -> Iterator[System]:
        """Make this system current on this thread: `Actor.start()` starts in it."""
        outer, local.system = local.system, self
        try:
            yield self
        finally:
            local.system = outer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- actors -----------------------------------------------------------------------------------

    def spawn(self, kind: Any, *, name: str | NamedRef | None, home: Home, id: ActorId | None = None) -> Cell:
        """Make the cell of a new actor, found under `name`; for `Starter`.

        Args:
            kind: its class.
            name: its name, if it has one.
            home: where it will run.
            id: its identity, if it has one already: elsewhere, where it was started. The others that start
                here are numbered from there on.

        Raises:
            AlreadyStarted: another actor has the name; `ref` is it.
            ActorError: the system is closed, or the name is none of this system.
            ConfigError: `name` is neither a text nor a ref by name, or empty.
        """
        place = None if name is None else self._place(name)
        if id is None:
            id = ActorId(self.peer, next(self._serials))
        else:
            self._serials = itertools.count(id.serial + 1)
        # The class knows its kinds of cell and of ref.
        cell: Cell = kind._cell_class(self, kind, id, home)  # noqa: SLF001
        cell.ref = kind._ref_class(cell)  # noqa: SLF001
        with GUARD:
            is_closed = self._is_closed
            taken = None if place is None or is_closed else place.claim(cell)
            if taken is None and not is_closed:
                self._cells[cell.id.serial] = cell
        if taken is not None:
            raise AlreadyStarted(f"{taken.ref} is registered as {place} already", taken.ref)
        if is_closed:
            raise ActorError(f"{kind.__name__} cannot start: {self!r} is closed")
        if place is not None:
            place.announce(cell)
        life.tell_start(cell)
        return cell

    @property
    def spawner(self) -> Spawner:
        """What starts the processes of isolated actors; made when the first is wanted."""
        with _spawner_lock:
            if self._spawner is None:
                from actorcloud.actor.system.spawner import ProcessSpawner  # noqa: PLC0415  10 ms, and few programs need it

                self._spawner = ProcessSpawner()
            return self._spawner

    def _place(self, name: str | NamedRef) -> Name:
        if not isinstance(name, NamedRef):
            check_name(name)
            return PlainName(name, self)
        if name.name.system is not self:
            raise ActorError(f"{name} leads into {name.name.system}; it is of no use in {self}")
        return name.name

    def forget(self, cell: Cell) -> None:
        """Release a dying actor's names and registration. Under GUARD."""
        self._cells.pop(cell.id.serial, None)
        self.names.forget(cell)

    def ref(self, actor_id: ActorId) -> ActorRef[Any]:
        """Return a ref for `actor_id`, wherever it lives, and whether it lives or not."""
        if actor_id.peer == self.peer:
            cell = self._cells.get(actor_id.serial)
            if cell is not None:
                found: ActorRef[Any] = cell.ref
                return found
        elif self.remote_refs is not None:
            return self.remote_refs(actor_id)
        return self._dead_ref(actor_id)

    def actors(self) -> list[ActorRef[Any]]:
        """Return the live actors, oldest first."""
        return [cell.ref for cell in self.cells()]

    def cells(self) -> list[Cell]:
        """Return the cells of the live actors, oldest first."""
        # One step of the interpreter, so without GUARD: a signal handler may ask, whatever it interrupts.
        return list(self._cells.values())

    def zombies(self) -> list[ActorRef[Any]]:
        """Return the killed actors whose handler still runs."""
        with GUARD:
            return [cell.ref for cell in self._zombies.values()]

    def add_zombie(self, cell: Cell) -> None:
        """Note that `cell` is killed in the middle of a handler. Under GUARD."""
        self._zombies[cell.id] = cell

    def drop_zombie(self, cell: Cell) -> None:
        """Note that the handler of a killed actor has come back."""
        with GUARD:
            was_one = self._zombies.pop(cell.id, None) is not None
        if was_one:
            life.tell_zombie_stop(cell)

    def is_zombie(self, cell: Cell) -> bool:
        """Whether `cell` was killed and its handler runs still."""
        return cell.id in self._zombies

    def add_dead_letter(self, ref: ActorRef[Any], message: Any) -> None:
        """Count a message to a dead actor; logged once per actor, for the last thousand actors."""
        self.dead_letters += 1
        self.mourned.add(ref, message, self.telemetry)

    # -- names ------------------------------------------------------------------------------------

    def register(self, name: str, ref: ActorRef[Any]) -> None:
        """Give a live local actor a name.

        Raises:
            NameTaken: another actor has the name, or this one has a name already.
            ActorError: the actor is dead or lives elsewhere.
            ConfigError: `name` is no text, or empty.
        """
        self.names.register(name, ref)

    def unregister(self, name: str) -> None:
        """Take a name away.

        Raises:
            NoSuchName: nobody has it.
        """
        self.names.unregister(name)

    def whereis(self, name: str) -> ActorRef[Any] | None:
        """Return the actor that has the name, or None."""
        return self.names.whereis(name)

    def lookup(self, name: str) -> ActorRef[Any]:
        """Return the actor that has the name.

        Raises:
            NoSuchName: nobody has it.
        """
        return self.names.lookup(name)

    def registered(self) -> list[str]:
        """Return the names in use."""
        return self.names.all()

    def named(self, name: str) -> NamedRef:
        """Return a ref that finds the name's holder at every send."""
        return NamedRef(PlainName(name, self))

    # -- waiting ----------------------------------------------------------------------------------

    def latch(self) -> Latch:
        """Return a latch to wait on once with `wait`."""
        return Latch()

    def future(self, timeout: float | None = None, what: object = None) -> Future[Any]:
        """Return a Future whose `get` blocks through this system; see `Future` for the arguments."""
        return Future(self.dispatcher, timeout, what)

    def wait(self, until: Latch | Future[Any], timeout: float | None = None) -> bool:
        """Wait for a latch or a future, whatever its outcome.

        Returns:
            False if `timeout` seconds passed first.

        Raises:
            ActorExit: the actor that waits was told to exit.
        Blocks:
            as said; the pool runs others meanwhile, the simulation too.
        """
        if isinstance(until, Future):
            latch = Latch()
            if not until.add_waiter(latch.set):
                return True
            try:
                return self.dispatcher.wait(latch, timeout) or until.is_done()
            finally:
                until.drop_waiter(latch.set)
        return self.dispatcher.wait(until, timeout) or until.is_set

    def sleep(self, seconds: float | None) -> None:
        """Sleep, for ever if None; in an actor an exit signal ends it, in the simulation no time passes outside."""
        self.dispatcher.wait(Latch(), seconds)

    # -- the end ----------------------------------------------------------------------------------

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def close(self, timeout: float = CLOSE_TIMEOUT_DEFAULT) -> None:
        """Shut all actors down, those at the top newest first, and free every thread.

        Args:
            timeout: seconds for all together; who takes more than half of what is left while
                others wait for their turn is killed.

        Blocks:
            at most about `timeout`.
        """
        if self._is_closed:
            return
        with context.as_nobody():
            self._close(self.clock.monotonic() + timeout)

    def _close_at_exit(self) -> None:
        """Close, and do not wait for who is busy once there is another Ctrl-C: who pressed it knows what it ends."""
        with contextlib.suppress(KeyboardInterrupt):
            try:
                self.close()
            except KeyboardInterrupt:
                self.close(0.0)

    def _close(self, deadline: float) -> None:
        Farewell(self, deadline).shut_down()
        with GUARD:
            self._is_closed = True
        for ref in reversed(self.actors()):
            ref.signal(ExitSignal(None, ExitReason.KILL))
        closing = getattr(self.timers, "close", None)
        if closing is not None:
            closing()
        if self._spawner is not None:
            self._spawner.close()
        self.dispatcher.close(max(0.1, deadline - self.clock.monotonic()))
        tracing.forget(self)
        if System._default is self:
            atexit.unregister(self._close_at_exit)

    def abandon(self) -> None:
        """Vanish as a killed process does: no hook runs, nobody is told. For the simulation."""
        with GUARD:
            cells = self.cells()
            self._cells.clear()
            self.names.clear()
            self._is_closed = True
            for cell in cells:
                cell.vanish()
        tracing.forget(self)

    def _dead_ref(self, actor_id: ActorId) -> ActorRef[Any]:
        cell = Cell(self, _Gone, actor_id, self.dispatcher)
        cell.state = DEAD
        cell.reason = ExitReason.NOPROC
        cell.ref = ref = ActorRef[Any](cell)
        return ref


def current_system() -> System:
    """Return the running actor's system, else the one activated on this thread, else the default."""
    system: System = context.current_system()
    return system


context.set_default_system(System.default)
