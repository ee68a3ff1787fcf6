"""References to actors: all that one actor knows of another.

`ActorRef` reaches an actor of this process through its cell. `cluster` subclasses it for actors of
other peers and overrides two primitives, `deliver` and `signal`; everything else is made of them.

A ref is hashable, ordered and picklable. It is unpickled in the system that is current then: an
actor of that system is found again, others are made by `System.remote_refs`.
"""

from __future__ import annotations

import threading
from typing import Any, Generic, Literal, TypeVar, cast, overload

import pykka

from actorcloud.actor.cell import bonds, tracing
from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.errors import ActorExit, CallingSelf
from actorcloud.actor.future.future import Future
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.future.timeout import ASK_TIMEOUT_DEFAULT, DEFAULT, Timeout, Unset, check_timeout
from actorcloud.actor.mailbox.mail import Ask, StopOrder
from actorcloud.actor.mailbox.mailbox import BUSY, IDLE
from actorcloud.actor.ref import info
from actorcloud.actor.ref.proxy import ActorProxy
from actorcloud.actor.ref.request import Asks, Receives
from actorcloud.actor.ref.view import Inbox, Stopped
from actorcloud.actor.ref.watcher import ANY, StopWatcher, Watch, take_back_given_up
from actorcloud.actor.signals import Demonitor, Down, ExitSignal, Monitor, MonitorRef, Signal, new_monitor
from actorcloud.actor.thread.context import GUARD, check_fence, current_system, fenced, local, running
from actorcloud.actor.thread.ports import Waits
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason, safe_str
from actorcloud.base.ids import ActorId

A_co = TypeVar("A_co", covariant=True)
M = TypeVar("M")
R = TypeVar("R")
V = TypeVar("V")

#: How deep inline turns nest on one stack; deeper, the actor is scheduled as usual.
_INLINE_DEPTH = 16

#: Messages an inline turn handles; what is left is scheduled.
_INLINE_TURN = 64

#: Of a long label in a text, its beginning.
_LABEL_CHARS = 60


class ActorRef(pykka.ActorRef[Any], Generic[A_co]):
    """A reference to one actor, alive or dead. Thread: any.

    Its types are those of the actor's class: a message that `on_receive` does not take is an error,
    and the answer to a `Request[R]` is an `R`.
    """

    #: Whether its timers can be told of the actor's death; not so for refs that `cluster` makes.
    _is_local = True
    #: Whether `stop` raises when the actor ended with another reason than it was given.
    _stop_tells_reason = True
    _cell: Cell

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    # -- identity ---------------------------------------------------------------------------------

    @property
    def id(self) -> ActorId:
        """The actor's identity, valid on every peer."""
        return self._cell.id

    @property
    def actor_class(self) -> type[A_co]:  # type: ignore[override]  # Pykka's are attributes; ours cost no memory
        """The class of the actor."""
        return cast("type[A_co]", self._cell.kind)

    @property
    def actor_urn(self) -> str:  # type: ignore[override]
        """Pykka's name of an actor."""
        return f"urn:actorcloud:{self.id.peer.name}:{self.id.peer.incarnation:x}:{self.id.serial}"

    @property
    def actor_inbox(self) -> Inbox:  # type: ignore[override]
        """What waits for the actor."""
        return Inbox(self)

    @property
    def actor_stopped(self) -> Stopped:  # type: ignore[override]
        """Looks like an event that is set when the actor has stopped."""
        return Stopped(self)

    @property
    def reports_itself(self) -> bool:
        """Whether this actor logs its own failures, with more than its supervisor knows."""
        return bool(getattr(self._cell.kind, "_reports_itself", False))

    @property
    def reports_children(self) -> bool:
        """Whether this is a supervisor: it logs the ends of its children itself."""
        return bool(getattr(self._cell.kind, "_reports_children", False))

    def __str__(self) -> str:
        cell = self._cell
        name = f" {cell.name!r}" if cell.name else ""
        label = f" [{safe_str(cell.label)[:_LABEL_CHARS]}]" if cell.label is not None else ""
        return f"{cell.kind.__name__}{cell.id}{name}{label}"

    def __repr__(self) -> str:
        return f"<ActorRef {self}>"

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, ActorRef) and self.id == other.id)

    def __lt__(self, other: ActorRef[Any]) -> bool:
        return self.id < other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[Any, ...]:
        return resolve, (self.id,)

    def is_alive(self) -> bool:
        """Whether the actor runs and was not told to exit."""
        return self._cell.is_alive()

    def _actor_weakref(self) -> Any:  # type: ignore[override]  # Pykka's proxy looks at the actor through it
        return self._cell.actor

    # -- the two primitives -----------------------------------------------------------------------

    def deliver(self, message: Any, reply_to: ReplyTo | None = None) -> None:
        """Queue `message`; its answer, or the actor's death, goes to `reply_to`.

        Never raises for a dead actor, never blocks.
        """
        self._cell.put(message if reply_to is None else Ask(message, reply_to))

    def signal(self, signal: Signal) -> None:
        """Let a signal take effect at the actor, at once. Never raises, never blocks."""
        bonds.receive(self._cell, signal)

    # -- Pykka's verbs ----------------------------------------------------------------------------

    def tell(self: ActorRef[Receives[M]], message: M) -> None:
        """Send a message and go on.

        A dead actor's message goes to the dead letters: counted, and logged once per actor.

        Raises:
            ActorExit: the sender itself was told to exit.
        """
        if fenced:
            tracing.pass_fence(self, message)
        # `Cell.put`, unrolled: a call less is a tenth of a tell.
        cell = self._cell
        mail = cell.mail
        if mail is None:
            with GUARD:
                mail = cell.open_mail()
        mail.append(message)
        if cell.state != BUSY:
            cell.wake()

    @overload  # type: ignore[override]  # checked against the class of the actor, which Pykka does not
    def ask(
        self: ActorRef[Receives[M]], message: Asks[M, R], *, block: Literal[True] = ..., timeout: Timeout = ...
    ) -> R: ...

    @overload
    def ask(
        self: ActorRef[Receives[M]], message: Asks[M, R], *, block: Literal[False], timeout: Timeout = ...
    ) -> Future[R]: ...

    @overload
    def ask(self: ActorRef[Receives[M]], message: M, *, block: Literal[True] = ..., timeout: Timeout = ...) -> Any: ...

    @overload
    def ask(
        self: ActorRef[Receives[M]], message: M, *, block: Literal[False], timeout: Timeout = ...
    ) -> Future[Any]: ...

    @overload
    def ask(self: ActorRef[Receives[M]], message: M, *, block: bool, timeout: Timeout = ...) -> Any: ...

    def ask(self, message: Any, *, block: bool = True, timeout: Timeout = DEFAULT) -> Any:
        """Send a message and wait for the answer.

        Args:
            message: anything.
            block: False returns a `Future` at once.
            timeout: seconds; `ASK_TIMEOUT_DEFAULT` unless given, None waits for ever. A `Future`
                keeps it as the limit of its `get`.

        Returns:
            What the handler returned, or a `Future` of it.

        Raises:
            AskTimeout: no answer in time; the message may still be handled.
            ActorDeadError: the actor was dead, or died before it answered.
            CallingSelf: the actor asks itself and waits.
            ValueError: `timeout` is no number of seconds >= 0; nothing was sent.
            Exception: what the handler raised; the actor is dead then.
        Blocks:
            until the answer, if `block`.
        """
        if fenced:
            tracing.pass_fence(self, message)
        limit: float | None = ASK_TIMEOUT_DEFAULT
        if not isinstance(timeout, Unset):
            check_timeout(timeout)
            limit = timeout
        future: Future[Any] = Future(self._waits(), limit, self)
        if not block:
            self.deliver(message, future)
            return future
        if self._is_me():
            raise CallingSelf(
                f"{self} waits on this stack already: it would ask itself; use block=False, or call the method"
            )
        if local.pooled and local.depth < _INLINE_DEPTH:
            self._ask_inline(message, future)
        else:
            self.deliver(message, future)
        return future.get()

    def _ask_inline(self, message: Any, future: Future[Any]) -> None:
        """Run an idle inline actor's turn on this stack: a call instead of two wake-ups."""
        cell = self._cell
        if cell.state != IDLE or not cell.kind.inline:
            self.deliver(message, future)
            return
        # First the message, which may be refused; then the turn.
        cell.append(Ask(message, future))
        if not cell.claim():
            if cell.state != BUSY:
                cell.wake()
            return
        local.depth += 1
        try:
            cell.turn(_INLINE_TURN)
        finally:
            local.depth -= 1

    @overload
    def stop(self, *, reason: object = ..., block: Literal[True] = ..., timeout: float | None = ...) -> bool: ...

    @overload
    def stop(self, *, reason: object = ..., block: Literal[False], timeout: float | None = ...) -> Future[bool]: ...

    @overload
    def stop(self, *, reason: object = ..., block: bool = ..., timeout: float | None = ...) -> bool | Future[bool]: ...

    def stop(self, *, reason: object = ExitReason.NORMAL, block: bool = True, timeout: float | None = None) -> Any:
        """Stop the actor after what is queued, and wait until it is dead.

        Args:
            reason: what it ends with.
            block: False returns a `Future` of the result.
            timeout: seconds; None waits for ever.

        Returns:
            True if it was alive; False if it was dead already.

        Raises:
            AskTimeout: it did not end in time.
            ActorDeadError: it ended with another `reason` than it was given; that is in the error.
            ValueError: `timeout` is no number of seconds >= 0; nothing was sent.
        """
        if fenced:
            check_fence()
        check_timeout(timeout)
        if block and self._is_me():
            raise CallingSelf(f"{self} stops itself and waits; use self.stop()")
        future: Future[bool] = Future(self._waits(), timeout, _End(self))
        watcher = StopWatcher(future, reason if self._stop_tells_reason else ANY)
        name = new_monitor()
        self.signal(Monitor(name, watcher, self))
        self.deliver(StopOrder(reason))
        return self._see_end(name, future) if block else future

    def _see_end(self, name: MonitorRef, future: Future[bool]) -> bool:
        """Wait for what this monitor will tell; who gives up takes it back."""
        try:
            return future.get()
        finally:
            if not future.is_done():
                self.signal(Demonitor(name))

    @overload
    def proxy(self) -> ActorProxy[A_co]: ...

    @overload
    def proxy(self, view: type[V]) -> V: ...

    def proxy(self, view: type[Any] | None = None) -> Any:
        """Return a proxy: methods and attributes as asks; arguments are bound here, at the caller.

        Args:
            view: for the type checker, a class that lists what there is; see `proxy_method`.

        Raises:
            ActorDeadError: the actor is dead.
        """
        return (view or ActorProxy)(actor_ref=self)

    # -- OTP's nouns ------------------------------------------------------------------------------

    def exit(self, reason: object) -> None:
        """Send an exit signal.

        A trapping actor gets `Exit(sender, reason)`; another ends with `reason`, unless that is
        `NORMAL`. `KILL` ends anyone, with `KILLED`.
        """
        if fenced:
            check_fence()
        me = running()
        self.signal(ExitSignal(None if me is None else me.ref, reason))
        if me is not None and me.is_ending():
            raise ActorExit(me.end_reason())

    def kill(self) -> None:
        """End the actor at once with `KILLED`; a handler that runs goes on, fenced."""
        self.exit(ExitReason.KILL)

    def monitor(self) -> Future[Down]:
        """Return a Future of the actor's `Down`; for code outside actors, which use `self.monitor`.

        Who drops the Future, and waits for it no more, has taken the monitor back.
        """
        return self._down(self)

    def info(self, *items: str) -> Any:
        """Tell facts about the actor, for people and for tools.

        ======================================  ==================================================================
        status                                  starting, waiting, running, suspended, exiting or zombie
        message_queue_len, messages             what waits: how many, and the messages themselves
        current_message, current_stacktrace     what it handles, and where that is
        links, monitors, monitored_by           its bonds
        parent, ancestors                       who started it with a link, and whose child that is, and so on
        registered_name, label, node            how it is called, and its peer
        initial_call, trap_exit                 its class; whether exit signals become messages
        started_at                              UTC seconds since 1970
        handled                                 messages, counted at the end of a turn
        busy_time                               seconds in its turns, waits included, since `debug.statistics`
                                                was turned on; None while it is off
        memory                                  bytes, an estimate; of an isolated actor, its process's
        ======================================  ==================================================================

        Args:
            items: one gives its value; several, or none for all but "messages" and "memory", give a dict in
                that order.

        Returns:
            As said; None if the actor is dead.

        Raises:
            ValueError: there is no such item.
            ActorError: the actor lives on another peer.
        """
        if not self._is_local:
            raise ActorError(f"{self} cannot be looked into from here: it lives on another peer")
        return info.tell(self._cell, items)

    def _down(self, target: object) -> Future[Down]:
        take_back_given_up()
        watch = Watch(self._waits(), self, new_monitor(), _End(self))
        self.signal(Monitor(watch.name, watch.watcher, target))
        return watch

    @staticmethod
    def _limit(timeout: Timeout) -> float | None:
        """Return the seconds that an ask waits.

        Raises:
            ValueError: `timeout` is no number of seconds >= 0.
        """
        if isinstance(timeout, Unset):
            return ASK_TIMEOUT_DEFAULT
        check_timeout(timeout)
        return timeout

    def _pass_fence(self, message: Any) -> None:
        """See to a send that is not this class's: a killed actor's is stopped, and a followed one's is told."""
        if fenced:
            tracing.pass_fence(self, message)

    def _waits(self) -> Waits | None:
        return self._cell.system.dispatcher

    def _is_me(self) -> bool:
        """Whether the actor's own code runs on this stack, so that a wait for it would never end.

        Also true deeper down: while a supervisor runs the `__init__` of its child.
        """
        return self._cell.thread == threading.get_ident()

    def _is_running(self) -> bool:
        """Whether it is this actor that runs here; its other tasks, which may wait for it, are nobody."""
        return running() is self._cell


class _End:
    """What is waited for, as text when it is asked for: most waits are over before."""

    __slots__ = ("_ref",)

    def __init__(self, ref: ActorRef[Any]) -> None:
        self._ref = ref

    def __str__(self) -> str:
        return f"the end of {self._ref}"

    def _is_me(self) -> bool:
        return self._ref._is_me()  # noqa: SLF001  one module

    def _is_running(self) -> bool:
        return self._ref._is_running()  # noqa: SLF001  one module


def resolve(actor_id: ActorId) -> ActorRef[Any]:
    """Return the ref of `actor_id` in the current system; what pickle calls."""
    found: ActorRef[Any] = current_system().ref(actor_id)
    return found
