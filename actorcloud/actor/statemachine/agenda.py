"""The agenda of a state machine: which event is handled next, and what a transition does to that. Pure.

No clock and no timers: `Effect`s say which timers to start and to stop. It is changed in place, for
what is postponed may be much.

A transition, in the order that counts:

1. The handler ran; its `Outcome` tells what it wants. Its answers are sent already.
2. `change`: the event is postponed if so told. If the state is another one, what was postponed is
   queued again before the rest, oldest first, and the state timeout ends.
3. The enter call runs, if there is one, and adds to the outcome.
4. `arrange`: inserted events go in front of everything; timeouts are set, in order.
5. `take`: the oldest queued event is next; without one, the oldest timeout of no time at all; without
   one, the mailbox. Whatever it is, the event timeout ends.

Reference: OTP's `gen_statem`, "transition options"; otp-semantics 2.9.
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import Any, Final

import msgspec

from actorcloud.actor.statemachine.event import Event, EventTimeout, StateTimeout, TimeoutKey, timed_out


class _Stay:
    """The type of `STAY`."""

    def __repr__(self) -> str:
        return "STAY"


#: As a state: the one it is in.
STAY: Final = _Stay()

#: As a deadline: a timeout of no time, for which no timer is needed.
NOW: Final = -1.0


class Start(msgspec.Struct, frozen=True):
    """Set a timeout, in place of the one that runs under this key."""

    key: TimeoutKey
    content: Any
    #: Monotonic seconds; `NOW`; None means never: the one that runs ends.
    deadline: float | None


class Update(msgspec.Struct, frozen=True):
    """Give a timeout another content; one that does not run fires at once."""

    key: TimeoutKey
    content: Any


class Outcome:
    """What the handler of one event wants."""

    __slots__ = ("inserted", "is_postponed", "is_repeated", "state", "timeouts")

    def __init__(self) -> None:
        self.state: Any = STAY
        self.is_repeated = False
        self.is_postponed = False
        self.inserted: list[Event] = []
        self.timeouts: list[Start | Update] = []


class StartTimer(msgspec.Struct, frozen=True):
    """Call `fire(key, serial)` at the deadline."""

    key: TimeoutKey
    serial: int
    deadline: float


class StopTimer(msgspec.Struct, frozen=True):
    """The timer of this key is no longer needed; if it fires nevertheless, nothing happens."""

    key: TimeoutKey


Effect = StartTimer | StopTimer


class _Running(msgspec.Struct, frozen=True):
    """A timeout that has a timer."""

    serial: int
    content: Any


class Agenda:
    """See the module.

    Args:
        state: the first one.
    """

    __slots__ = ("_instant", "_serials", "_timers", "postponed", "queue", "state")

    def __init__(self, state: Any) -> None:
        self.state = state
        #: Events to handle, the next one first.
        self.queue: deque[Event] = deque()
        #: Events that wait for another state, oldest first.
        self.postponed: list[Event] = []
        self._serials = itertools.count(1)
        self._timers: dict[TimeoutKey, _Running] = {}
        #: Timeouts of no time: key -> content, oldest first.
        self._instant: dict[TimeoutKey, Any] = {}

    def __len__(self) -> int:
        return len(self.queue) + len(self.postponed)

    @property
    def timeouts(self) -> dict[TimeoutKey, Any]:
        """The timeouts that run, and their contents."""
        return {key: running.content for key, running in self._timers.items()} | self._instant

    # -- events -----------------------------------------------------------------------------------

    def arrive(self, event: Event) -> None:
        """Queue what came by mail."""
        self.queue.append(event)

    def fire(self, key: TimeoutKey, serial: int) -> bool:
        """Queue the event of a timer; False, and nothing happens, if it was stopped or set anew."""
        running = self._timers.get(key)
        if running is None or running.serial != serial:
            return False
        del self._timers[key]
        self.queue.append(Event(timed_out(key, running.content)))
        return True

    def take(self) -> tuple[Event | None, list[Effect]]:
        """Return the event to handle now; None if only mail can bring one."""
        if self.queue:
            event = self.queue.popleft()
        elif self._instant:
            key = next(iter(self._instant))
            event = Event(timed_out(key, self._instant.pop(key)))
        else:
            return None, []
        return event, self._cancel(EventTimeout)

    # -- transitions ------------------------------------------------------------------------------

    def is_left(self, outcome: Outcome) -> bool:
        """Whether the state changes."""
        return outcome.state is not STAY and bool(outcome.state != self.state)

    def change(self, event: Event, outcome: Outcome) -> list[Effect]:
        """Postpone, and go to another state."""
        if outcome.is_postponed:
            self.postponed.append(event)
        if not self.is_left(outcome):
            return []
        self.state = outcome.state
        self.queue.extendleft(reversed(self.postponed))
        self.postponed.clear()
        return self._cancel(StateTimeout)

    def arrange(self, outcome: Outcome) -> list[Effect]:
        """Insert events, and set timeouts."""
        self.queue.extendleft(reversed(outcome.inserted))
        effects: list[Effect] = []
        for timeout in outcome.timeouts:
            effects += self._update(timeout) if isinstance(timeout, Update) else self._start(timeout)
        return effects

    def _start(self, timeout: Start) -> list[Effect]:
        effects = self._cancel(timeout.key)
        if timeout.deadline is None:
            return effects
        if timeout.deadline == NOW:
            self._instant[timeout.key] = timeout.content
            return effects
        serial = next(self._serials)
        self._timers[timeout.key] = _Running(serial, timeout.content)
        return [*effects, StartTimer(timeout.key, serial, timeout.deadline)]

    def _update(self, timeout: Update) -> list[Effect]:
        running = self._timers.get(timeout.key)
        if running is None:
            self._instant[timeout.key] = timeout.content
        else:
            self._timers[timeout.key] = _Running(running.serial, timeout.content)
        return []

    def _cancel(self, key: TimeoutKey) -> list[Effect]:
        self._instant.pop(key, None)
        return [] if self._timers.pop(key, None) is None else [StopTimer(key)]
