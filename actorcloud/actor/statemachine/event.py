"""Events: what a state machine handles. A message is an event as it is; here are the others.

Reference: OTP's `gen_statem:event_type()`.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import msgspec


class Enter(msgspec.Struct, frozen=True):
    """The state was entered; handled before all other events, if the class has `state_enter`."""

    #: Where it came from; the same state at the start and after `repeat`.
    old_state: Any


class Internal(msgspec.Struct, frozen=True):
    """An event that the machine sent to itself by `next_event`; any other message would do too."""

    content: Any = None


class StateTimeout(msgspec.Struct, frozen=True):
    """The machine has been in its state for as long as `state_timeout` said."""

    content: Any = None


class EventTimeout(msgspec.Struct, frozen=True):
    """No event came for as long as `event_timeout` said."""

    content: Any = None


class NamedTimeout(msgspec.Struct, frozen=True):
    """The time given to `timeout` is over."""

    name: Hashable
    content: Any = None


#: Which timeout is meant: the class `StateTimeout`, the class `EventTimeout`, or a name.
TimeoutKey = Hashable


def timed_out(key: TimeoutKey, content: Any) -> StateTimeout | EventTimeout | NamedTimeout:
    """Return the event of a timeout."""
    if key is StateTimeout:
        return StateTimeout(content)
    if key is EventTimeout:
        return EventTimeout(content)
    return NamedTimeout(key, content)


class Event:
    """Something to be handled, and who waits for an answer."""

    __slots__ = ("message", "reply_to")

    def __init__(self, message: Any, reply_to: Any = None) -> None:
        self.message = message
        #: A `ReplyTo`, or None.
        self.reply_to = reply_to

    def __repr__(self) -> str:
        return f"<Event {self.message!r}>"
