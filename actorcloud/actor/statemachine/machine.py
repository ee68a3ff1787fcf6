"""State machines: actors whose handling of a message depends on a state.

The shell around an `Agenda`: calls the handlers, keeps the timers, answers.

Thread: as any actor.

Reference: OTP's `gen_statem`; otp-semantics 2.9.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Self

import msgspec

from actorcloud.actor.actor import Actor
from actorcloud.actor.future.reply import ReplyTo
from actorcloud.actor.mailbox.mail import MailboxLimit
from actorcloud.actor.mailbox.mailbox import NoReply
from actorcloud.actor.party import check
from actorcloud.actor.statemachine.agenda import NOW, Agenda, Effect, Outcome, Start, StartTimer, Update
from actorcloud.actor.statemachine.event import Enter, Event, EventTimeout, StateTimeout, TimeoutKey
from actorcloud.actor.system.timers import Timer
from actorcloud.base.coroutine import is_coroutine
from actorcloud.base.errors import ActorError


class _Fired(msgspec.Struct, frozen=True):
    """The timer of a timeout; to itself."""

    key: TimeoutKey
    serial: int


class StateMachine(Actor):
    """An actor that handles events by its state.

    Either it has a method for each state, called with each event while the machine is in it:

    >>> class Door(StateMachine):
    ...     initial = "locked"
    ...     def locked(self, event):
    ...         if event == "1234":
    ...             self.goto("unlocked")
    ...             self.state_timeout(10.0)
    ...             return "welcome"
    ...         return "wrong code"
    ...     def unlocked(self, event):
    ...         match event:
    ...             case StateTimeout():
    ...                 self.goto("locked")
    >>> door = Door.start()
    >>> door.ask("0000"), door.ask("1234")
    ('wrong code', 'welcome')
    >>> door.stop()
    True

    Or it overrides `handle_event`, and its states may be any values that can be compared.

    An event is a message as it was sent, also a `Down` or an `Exit`, or one of `Internal`,
    `StateTimeout`, `EventTimeout`, `NamedTimeout` and `Enter`. What the handler returns answers an
    ask, as in any actor, before anything else happens. The methods below say what else an event is
    to bring about; they are for handlers of events, and some for `__init__`.
    """

    #: The state to begin with; `__init__` may choose another by `goto`. `start` raises if it has no method.
    initial: ClassVar[Any] = None
    #: Whether states are entered with an `Enter` event.
    state_enter: ClassVar[bool] = False

    # Slots, so that the user's own attributes are all that is in `__dict__`.
    __slots__ = ("_agenda", "_event", "_is_entering", "_outcome", "_timers")

    _checks_start: ClassVar[bool] = True

    _agenda: Agenda
    #: What is being handled.
    _event: Event | None
    #: What it is to bring about; None where nothing is handled.
    _outcome: Outcome | None
    _is_entering: bool
    _timers: dict[TimeoutKey, Timer]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check_plain(cls, "handle_event")

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Self:
        """Make the machine's own half first: a user's `__init__` need not call this one's."""
        machine = super().__new__(cls)
        machine._agenda = Agenda(cls.initial)
        machine._event = None
        machine._outcome = Outcome()
        machine._is_entering = False
        machine._timers = {}
        return machine

    # -- what a handler knows and does ------------------------------------------------------------

    @property
    def state(self) -> Any:
        """The state it is in; in a handler the one that the event came to, whatever `goto` said."""
        return self._agenda.state

    @property
    def sender(self) -> ReplyTo | None:
        """Where the answer to the event goes, now or later; None if nobody asked."""
        return super().sender if self._event is None else self._event.reply_to

    def goto(self, state: Any) -> None:
        """Go to another state after this handler; what was postponed is handled again there.

        Raises:
            ActorError: it has no method for that state, or this is no handler.
            TypeError: the method is a coroutine.
        """
        outcome = self._wanted("goto")
        self._check_state(state)
        if self._event is None:
            self._agenda.state = state  # in `__init__`: it begins there
        else:
            outcome.state = state

    def repeat(self) -> None:
        """Enter the state again after this handler, without leaving it: nothing is handled again."""
        self._wanted("repeat").is_repeated = True

    def postpone(self) -> None:
        """Handle the event again after the next change of state; who asked waits until then."""
        outcome = self._wanted("postpone")
        if self._event is None:
            raise ActorError("__init__ has no event that it could postpone")
        outcome.is_postponed = True

    def next_event(self, message: Any, reply_to: ReplyTo | None = None) -> None:
        """Handle `message` after this event, before all that waits; several in the order of the calls.

        Args:
            message: of any kind, see the class.
            reply_to: who gets the answer, if somebody waits for one.
        """
        self._wanted("next_event").inserted.append(Event(message, reply_to))

    def state_timeout(self, seconds: float | None, content: Any = None, *, at: float | None = None) -> None:
        """Send a `StateTimeout` unless the state changes before.

        Args:
            seconds: >= 0; 0 comes after what is queued, before any new message. None: never, the one
                that runs ends.
            content: for the event.
            at: a moment of `system.clock.monotonic()` instead; `seconds` is not looked at.
        """
        self._set(StateTimeout, seconds, content, at)

    def event_timeout(self, seconds: float | None, content: Any = None, *, at: float | None = None) -> None:
        """Send an `EventTimeout` unless any other event comes before. See `state_timeout`."""
        self._set(EventTimeout, seconds, content, at)

    def timeout(self, name: TimeoutKey, seconds: float | None, content: Any = None, *, at: float | None = None) -> None:
        """Send a `NamedTimeout`, whatever happens; one of each name at a time. See `state_timeout`."""
        self._set(name, seconds, content, at)

    def cancel_timeout(self, key: TimeoutKey) -> None:
        """End a timeout.

        Args:
            key: the class `StateTimeout` or `EventTimeout`, or a name.
        """
        self._set(key, None, None, None)

    def update_timeout(self, key: TimeoutKey, content: Any) -> None:
        """Give a timeout another content; one that does not run fires at once. See `cancel_timeout`."""
        self._wanted("update_timeout", entering=True).timeouts.append(Update(key, content))

    # -- hooks ------------------------------------------------------------------------------------

    def handle_event(self, event: Any, state: Any) -> Any:
        """Handle an event; what it returns answers an ask.

        Unless a class overrides it, it calls the method that is called like the state.
        """
        return getattr(self, state)(event)

    def system_get_state(self) -> Any:
        """Return (state, attributes) for `debug.get_state`."""
        return self.state, super().system_get_state()

    def system_replace_state(self, function: Callable[[Any], Any]) -> Any:
        """Let `function` make a new (state, attributes) from the old one; it is entered without `Enter`.

        Raises:
            TypeError: it made something else; nothing has changed then.
            ActorError: there is no method for the state.
        """
        new = function(self.system_get_state())
        if not isinstance(new, tuple) or len(new) != 2:  # noqa: PLR2004  a pair
            raise TypeError(f"the new state is {new!r}; it must be (state, attributes)")
        state, attributes = new
        self._check_state(state)
        super().system_replace_state(lambda _: attributes)
        self._agenda.state = state
        return new

    # -- the machine ------------------------------------------------------------------------------

    def _check_start(self) -> None:
        self._check_state(self.state)

    def on_start(self) -> None:
        """Enter the first state; a class that has an `on_start` of its own calls this one."""
        outcome = self._outcome or Outcome()
        if self.state_enter:
            self._enter(self.state)
        self._event = self._outcome = None
        self._perform(self._agenda.arrange(outcome))
        self._run()

    def _status_details(self) -> dict[str, Any]:
        agenda = self._agenda
        queue, postponed = ([event.message for event in events] for events in (agenda.queue, agenda.postponed))
        return {"queue": queue, "postponed": postponed, "timeouts": agenda.timeouts}

    def on_receive(self, message: Any) -> Any:
        """Handle a message as an event, and all that follows from it."""
        if self._outcome is not None:
            raise ActorError(f"{self} is not begun, or in a handler: an on_start of its own calls super().on_start()")
        if type(message) is _Fired:
            if self._agenda.fire(message.key, message.serial):
                del self._timers[message.key]
        else:
            asking = self._cell.asking
            self._agenda.arrive(Event(message, None if asking is None else asking.reply_to))
        self._run()
        return NoReply

    def _run(self) -> None:
        """Handle what is due, until only mail can bring more."""
        cell = self._cell
        while cell.stopping is None:
            check(cell)
            event, effects = self._agenda.take()
            self._perform(effects)
            if event is None:
                return
            try:
                self._handle(event)
            finally:
                self._event = self._outcome = None
            self._check_size()

    def _check_size(self) -> None:
        given = self._cell.kind.max_mailbox
        if given is None:
            return
        limit, count = MailboxLimit.of(given), len(self._agenda)
        if count > limit.size:
            self._cell.overflow(limit, count)

    def _handle(self, event: Event) -> None:
        self._event = event
        self._outcome = outcome = Outcome()
        agenda = self._agenda
        try:
            answer = self.handle_event(event.message, agenda.state)
        except Exception as error:
            if self.ask_errors != "reply" or event.reply_to is None:
                raise
            self.reply(event.reply_to, error)
            return
        if event.reply_to is not None and answer is not NoReply and not outcome.is_postponed:
            self._answer_with(event.reply_to, answer)
        if self._cell.stopping is not None:
            return
        old = agenda.state
        is_entered = self.state_enter and (outcome.is_repeated or agenda.is_left(outcome))
        self._perform(agenda.change(event, outcome))
        if is_entered:
            self._enter(old)
        self._perform(agenda.arrange(outcome))

    def _answer_with(self, to: ReplyTo, value: Any) -> None:
        """Answer with what the handler returned: also an exception is a value, as in any actor."""
        check(self._cell)
        self._cell.release(to)
        to.set(value)

    def _enter(self, old: Any) -> None:
        self._event = Event(Enter(old))
        self._is_entering = True
        try:
            self.handle_event(self._event.message, self._agenda.state)
        finally:
            self._is_entering = False

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, StartTimer):
                self._timers[effect.key] = self.send_at(effect.deadline, _Fired(effect.key, effect.serial))
            else:
                self._timers.pop(effect.key).cancel()

    def _set(self, key: TimeoutKey, seconds: float | None, content: Any, at: float | None) -> None:
        outcome = self._wanted("a timeout", entering=True)
        if at is None and seconds is not None and not (_is_number(seconds) and 0 <= seconds < math.inf):
            raise ValueError(f"{seconds!r} s is no time for a timeout; it must be finite and >= 0, or None for never")
        if at is not None and not (_is_number(at) and math.isfinite(at)):
            raise ValueError(f"a timeout cannot be at {at!r}; it must be a moment of `system.clock.monotonic()`")
        deadline = at
        if at is None and seconds is not None:
            deadline = self.system.clock.monotonic() + seconds if seconds else NOW
        outcome.timeouts.append(Start(key, content, deadline))

    def _wanted(self, what: str, *, entering: bool = False) -> Outcome:
        if self._outcome is None:
            raise ActorError(f"{what} is for handlers of events, and {self} handles none")
        if self._is_entering and not entering:
            raise ActorError(f"{what} is not for Enter events: the state was just entered")
        return self._outcome

    def _check_state(self, state: Any) -> None:
        if type(self).handle_event is not StateMachine.handle_event:
            return
        method: Callable[[Any], Any] | None = getattr(self, state, None) if isinstance(state, str) else None
        if not callable(method) or hasattr(StateMachine, state):
            raise ActorError(f"{type(self).__name__} has no method for the state {state!r}")
        _check_plain(type(self), state)


def _check_plain(cls: type[StateMachine], handler: str) -> None:
    if is_coroutine(getattr(cls, handler, None)):
        raise TypeError(f"{cls.__qualname__}.{handler} is a coroutine: a state machine's handlers are plain functions")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
