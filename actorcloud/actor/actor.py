"""The class that users subclass.

An `Actor` is a `pykka.Actor` with a loop of our own: verbs are Pykka's, nouns are OTP's. All that
is the runtime's lives in its `Cell`; the object holds only what the user puts there.

Reference: Pykka's `Actor`; OTP's `gen_server`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Literal, ParamSpec, Self, TypeVar

import pykka

from actorcloud.actor.cell.cell import Cell
from actorcloud.actor.cell.kind import check_kind
from actorcloud.actor.cell.report import Status
from actorcloud.actor.child import ChildSpec, spec_of
from actorcloud.actor.errors import Stop
from actorcloud.actor.future.future import Future
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mail import MailboxLimit
from actorcloud.actor.party import Party, check
from actorcloud.actor.ref.named_ref import NamedRef
from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.ref.view import Inbox, Stopped
from actorcloud.actor.signals import Down, Exit, MonitorRef
from actorcloud.actor.starter import Starter
from actorcloud.actor.system.system import System
from actorcloud.base.errors import ActorError
from actorcloud.base.exits import ExitReason

logger = logging.getLogger("actorcloud.actor")

A = TypeVar("A", bound="Actor")
P = ParamSpec("P")

#: The attributes of an actor that are not its own.
_RUNTIME = {"_cell", "_continuations", "_idle", "_was_started"}

#: Kinds of messages warned about once each; a set, so that it is bounded by the program's classes.
_unexpected: set[tuple[type, type]] = set()


class _NotStarted:
    """Stands where the runtime of an actor would be, in an object that was made and not started."""

    def __get__(self, actor: object | None, kind: type) -> Any:
        if actor is None:
            return self
        raise ActorError(f"this {kind.__name__} was made, not started: only {kind.__name__}.start() gives it a life")


class Actor(Party, pykka.Actor):
    """Something with a mailbox and a life of its own.

    >>> class Counter(Actor):
    ...     def __init__(self, start):
    ...         self.count = start
    ...     def on_receive(self, message):
    ...         self.count += message
    ...         return self.count
    >>> counter = Counter.start(40)
    >>> counter.tell(1)
    >>> counter.ask(1)
    42
    >>> counter.stop()
    True

    `__init__` runs as the new actor, on the stack of who starts it, and `start` raises what it
    raises. An exception in a handler ends the actor, and whoever is linked to it.
    """

    #: "pool": runs with the others on a few threads. "thread": has a thread of its own. "loop": `AsyncActor`.
    dispatcher: ClassVar[Literal["pool", "thread", "loop"]] = "pool"
    #: Of an actor with a thread of its own: whether the interpreter ends without waiting for its end.
    use_daemon_thread: ClassVar[bool] = True
    #: "process": lives in an OS process of its own, behind the same ref; see docs/kinds.md.
    isolation: ClassVar[Literal["process"] | None] = None
    #: Bytes that an isolated actor may take beyond those of the bare process (Linux); None: as many as there are.
    memory: ClassVar[int | None] = None
    #: Its handlers never block: an ask may run it on the asker's stack.
    inline: ClassVar[bool] = False
    #: Exit signals become `Exit` messages, handled by `on_exit`.
    trap_exit: bool = False
    #: Seconds without a message after which `on_idle` runs; None means never. It may change at any time.
    idle_timeout: float | None = None
    #: More messages than that kill the actor, or do what a `MailboxLimit` says; None means no limit.
    max_mailbox: ClassVar[int | MailboxLimit | None] = None
    #: "crash": a handler that raises ends the actor. "reply": in an ask, only the asker hears of it.
    ask_errors: ClassVar[Literal["crash", "reply"]] = "crash"
    #: Crash reports, `debug.get_status` and `info` tell how large its messages and attributes are, and not what is in
    #: them.
    hides_values: ClassVar[bool] = False

    #: Defaults of `child_spec`; see `ChildSpec`.
    restart: ClassVar[str] = "permanent"
    shutdown: ClassVar[Any] = None
    id: ClassVar[Any] = None

    _ref_class: ClassVar[type[ActorRef[Any]]] = ActorRef
    _cell: Any = _NotStarted()
    _cell_class: ClassVar[type[Cell]] = Cell
    _may_await: ClassVar[bool] = False
    _reports_children: ClassVar[bool] = False
    _reports_itself: ClassVar[bool] = False
    #: Whether `_check_start` runs after `__init__`.
    _checks_start: ClassVar[bool] = False
    _has_on_start: ClassVar[bool] = False
    _has_on_batch_end: ClassVar[bool] = False
    #: Of an actor with a thread of its own: `__init__` runs on the starter's stack all the same.
    _begins_at_starter: ClassVar[bool] = False
    _has_on_idle: ClassVar[bool] = False
    _has_on_stop: ClassVar[bool] = False
    _has_turn_end: ClassVar[bool] = False
    #: Whether `on_start` has run, without raising.
    _was_started = False
    #: What `continue_with` was given.
    _continuations: deque[Any] | tuple[()] = ()
    #: Its `IdleWatch`.
    _idle: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._has_on_start = cls.on_start is not Actor.on_start
        cls._has_on_batch_end = cls.on_batch_end is not Actor.on_batch_end
        check_kind(cls)
        cls._has_on_idle = cls.on_idle is not Actor.on_idle
        cls._has_on_stop = cls.on_stop is not Actor.on_stop
        cls._has_turn_end = cls._has_on_batch_end or cls._has_on_idle

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        # Nothing to do: the cell exists already. So `super().__init__()` is optional.
        pass

    # -- starting ---------------------------------------------------------------------------------

    @classmethod
    def start(cls: Callable[P, A], *args: P.args, **kwargs: P.kwargs) -> ActorRef[A]:
        """Start an actor; returns when its `__init__` has.

        Returns:
            Its ref; None if `__init__` raised `Ignore`, which only such classes need to reckon with.

        Raises:
            Exception: whatever `__init__` raised; nothing is left behind then.
            StartError: it stopped or was told to exit meanwhile; `reason` is what it ended with.
        """
        return Starter(cls).start(*args, **kwargs)

    @classmethod
    def start_link(cls: Callable[P, A], *args: P.args, **kwargs: P.kwargs) -> ActorRef[A]:
        """Start an actor linked to the one that calls, which is its parent. See `start`."""
        return Starter(cls).start_link(*args, **kwargs)

    @classmethod
    def start_monitor(cls: Callable[P, A], *args: P.args, **kwargs: P.kwargs) -> tuple[ActorRef[A], MonitorRef]:
        """Start an actor monitored by the one that calls. See `start`."""
        return Starter(cls).start_monitor(*args, **kwargs)

    @classmethod
    def options(  # noqa: PLR0913  one for each option
        cls: Callable[P, A],
        *,
        name: str | NamedRef | None = None,
        mailbox: int | MailboxLimit | None = None,
        system: System | None = None,
        start_timeout: float | None = None,
        isolation: Literal["process"] | None = None,
        memory: int | None = None,
        debug: Iterable[Any] = (),
    ) -> Starter[P, A]:
        """Return a starter with options, whose `start` takes the arguments of `__init__`.

        Args:
            name: registered before `__init__` runs; a text, or a ref by name such as `registry.via(key)`.
            mailbox: as `max_mailbox`, for this one.
            system: where; the current one unless given.
            start_timeout: seconds that `__init__` may take where it does not run on the starter's stack.
            isolation: as the class attribute, for this one.
            memory: as the class attribute, for this one.
            debug: what of `actorcloud.actor.debug` is on from its first message: "trace", "statistics", "log",
                ("log", how many events), ("log_to_file", path), ("install", function, its first state). What is
                none of these is logged and passed over. In an isolated actor they are on when it has started, and
                may miss its first messages.
        """
        return Starter(
            cls,
            name=name,
            mailbox=mailbox,
            system=system,
            start_timeout=start_timeout,
            isolation=isolation,
            memory=memory,
            debug=debug,
        )

    @classmethod
    def child_spec(
        cls,
        *args: Any,
        id: Any = None,
        name: str | NamedRef | None = None,
        restart: str | None = None,
        shutdown: Any = None,
        significant: bool = False,
        **kwargs: Any,
    ) -> ChildSpec:
        """Return the spec by which a supervisor starts this class with these arguments.

        Args:
            args: for `__init__`.
            id: the child's; the class's `id`, else `name`, else the class's name.
            name: the name to register.
            restart: the class's unless given.
            shutdown: the class's unless given.
            significant: its end may end the supervisor, see `auto_shutdown`.
            kwargs: for `__init__`; one that is called like an option goes into a `ChildSpec` made by hand.
        """
        return spec_of(cls, args, kwargs, id=id, name=name, restart=restart, shutdown=shutdown, significant=significant)

    # -- what an actor knows ----------------------------------------------------------------------

    @property
    def actor_ref(self) -> ActorRef[Self]:
        """The actor's own ref; what to give to others instead of `self`."""
        ref: ActorRef[Self] = self._cell.ref
        return ref

    @property
    def actor_urn(self) -> str:  # type: ignore[override]  # Pykka's are attributes; ours cost no memory
        """Pykka's name of the actor."""
        return self.actor_ref.actor_urn

    @property
    def actor_inbox(self) -> Inbox:  # type: ignore[override]
        """What waits for the actor."""
        return Inbox(self._cell.ref)

    @property
    def actor_stopped(self) -> Stopped:  # type: ignore[override]
        """Looks like an event that is set when the actor has stopped."""
        return Stopped(self._cell.ref)

    @property
    def sender(self) -> ReplyTo | None:
        """Where the answer of the ask that is being handled goes; None for a message that was told."""
        asking = self._cell.asking
        return None if asking is None else asking.reply_to

    @property
    def exit_reason(self) -> object:
        """In `on_stop` and `on_failure`: what the actor ends with."""
        return self._cell.reason

    def __str__(self) -> str:
        return str(self._cell.ref) if "_cell" in vars(self) else f"{type(self).__name__} (not started)"

    # -- what an actor does -----------------------------------------------------------------------

    def stop(self, reason: object = ExitReason.NORMAL) -> None:
        """End after the message that is being handled; `on_stop` runs, then its answer is sent."""
        cell = self._cell
        check(cell)
        if cell.stopping is None:
            cell.stopping = (reason,)
            cell.urgent = True

    def continue_with(self, term: Any) -> None:
        """Have `on_continue(term)` run after this handler and its answer, before any message that waits.

        Several are run in order. In `__init__` too; `on_start` comes first then.
        """
        check(self._cell)
        if not self._continuations:
            self._continuations = deque()
        self._continuations.append(term)
        self._cell.urgent = True

    # -- hooks ------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Run first of all on the actor's own time, after `start` has returned to the starter."""

    def on_continue(self, term: Any) -> None:
        """Go on with what `continue_with(term)` left to do, before any message that waits.

        Raises:
            NotImplementedError: the class has no such method, which is a crash like any other.
        """
        raise NotImplementedError(f"{type(self).__name__} has no on_continue, and is to continue with {term!r}")

    def on_idle(self) -> None:
        """Run once when no message came for `idle_timeout` seconds.

        The wait begins when the actor has started, and anew after each message. 0 means as soon as no
        message waits. Debug calls are no messages; one makes the wait begin anew if it is on.
        """

    def on_receive(self, message: Any) -> Any:
        """Handle a message; what it returns answers an ask.

        Warns once for each kind of message that no handler was written for.
        """
        kind = type(self), type(message)
        if kind not in _unexpected:
            _unexpected.add(kind)
            logger.warning("%s has no handler for %s; further ones are dropped silently", self, type(message).__name__)

    def on_exit(self, message: Exit) -> None:
        """Handle an exit signal, in an actor with `trap_exit`; the parent's ends the actor instead."""
        self.on_receive(message)

    def on_down(self, message: Down) -> None:
        """Handle the end of a monitored actor."""
        self.on_receive(message)

    def on_batch_end(self) -> None:
        """Run at the end of each turn in which messages were handled: commit, flush."""

    def on_stop(self) -> None:
        """Run at an orderly end: `stop`, `Stop`, or the parent's order in an actor with `trap_exit`."""

    def on_failure(
        self,
        exception_type: type[BaseException] | None,
        exception_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Run when a handler raised, before the others hear of it."""

    def format_status(self, status: Status) -> Status:
        """Return what `debug.get_status` and crash reports may show; the place to leave secrets out.

        Args:
            status: has everything; change it with `msgspec.structs.replace`.
        """
        return status

    def system_get_state(self) -> Any:
        """Return what `debug.get_state` is to show: the attributes, unless a class knows better."""
        return {name: value for name, value in vars(self).items() if name not in _RUNTIME}

    def system_replace_state(self, function: Callable[[Any], Any]) -> Any:
        """Let `function` make a new state from that of `system_get_state`, and return it.

        Raises:
            TypeError: the new state is no mapping; nothing has changed then.
        """
        state = function(self.system_get_state())
        if not isinstance(state, Mapping):
            raise TypeError(f"the new state is {state!r}; it must be a mapping of attributes")
        for name in [name for name in vars(self) if name not in _RUNTIME and name not in state]:
            delattr(self, name)
        for name, value in state.items():
            setattr(self, name, value)
        return state

    def _check_start(self) -> None:
        """Refuse to start as `__init__` left it; what this raises `start` raises."""

    def _status_details(self) -> dict[str, Any]:
        """Return what a `Status` tells beyond the state, by its names."""
        return {}

    def _on_crash(self, error: BaseException) -> None:
        self.on_failure(type(error), error, error.__traceback__)

    def _on_stop_order(self, reason: object) -> None:
        """Obey an order to stop; a supervisor takes its time."""
        raise Stop(reason)

    # -- Pykka's extension points -----------------------------------------------------------------

    @staticmethod
    def _create_actor_inbox() -> Any:
        raise NotImplementedError("a cell is the inbox")

    @staticmethod
    def _create_future() -> Future[Any]:
        return Future()

    def _start_actor_loop(self) -> None:
        raise NotImplementedError("the dispatcher is the loop")
