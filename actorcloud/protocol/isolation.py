"""Between a process and that of an actor which it keeps isolated (tags 160-189), over an inherited socketpair.

::

    warden (where it was started)        host (where it runs)
      | -- Launch --------------------------> |   first; runs `__init__`
      | <------------- Launched, NotLaunched  |
      | -- Inspect(ask) --------------------> |   debug calls
      | -- Deliver(body, ask) --------------> |   its mail, in order, within a window
      | <---------------- Room(freed)         |   so much of it was handled
      | <-> Answer(ask), Refusal(ask)         |   ... to asks of either side
      | <---------------- Send(to, body, ask) |   what it tells and asks others
      | <---- Watch, Unwatch, Bind, Order     |   its monitors, links, exit signals
      | -- Fired(watch) --------------------> |
      | <---------------- Ended(reason)       |   last; then its process ends

Bodies and reasons are pickles of the user's. Numbers of asks and watches are the sender's.

History: version 1, the first.
"""

from __future__ import annotations

import msgspec

from actorcloud.base.ids import ActorId
from actorcloud.protocol.message import Message

#: The status of a process that could not even say that its actor has taken more memory than it may.
OUT_OF_MEMORY = 86


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What was raised: a text for everybody, and the exception itself as a favour."""

    #: `ActorCloudError.code` of an error of ours.
    code: str
    type: str
    message: str
    traceback: str
    #: The pickled exception; empty if it cannot be had.
    value: bytes = b""


class Launch(Message, tag=160, frozen=True):
    """Start the actor of this process."""

    #: Its identity, where it was started.
    id: ActorId
    #: Who starts it as its child.
    parent: ActorId | None
    #: The pickled class, arguments and keyword arguments.
    code: bytes
    #: Bytes that it may take beyond those of the bare process; 0: as many as there are.
    memory: int = 0


class Launched(Message, tag=161, frozen=True):
    """Its `__init__` has run."""

    trapping: bool


class NotLaunched(Message, tag=162, frozen=True):
    """Its `__init__` raised."""

    fault: Fault
    #: It raised `Ignore`: there is nothing to do, and no actor.
    ignored: bool = False


class Deliver(Message, tag=163, frozen=True):
    """A message for the actor."""

    body: bytes
    #: The number of an ask; 0: it expects no answer.
    ask: int = 0


class Room(Message, tag=164, frozen=True):
    """So many messages of the window have been handled, from the beginning on."""

    freed: int
    #: Whether the actor traps exits, now.
    trapping: bool


class Answer(Message, tag=165, frozen=True):
    """The answer to an ask."""

    ask: int
    body: bytes


class Refusal(Message, tag=166, frozen=True):
    """The answer to an ask is an error."""

    ask: int
    fault: Fault


class Send(Message, tag=167, frozen=True):
    """A message for another actor."""

    to: ActorId
    body: bytes
    ask: int = 0


class Watch(Message, tag=168, frozen=True):
    """Tell me when this actor ends."""

    number: int
    to: ActorId
    #: The isolated actor itself wants to know, in the order of its mail.
    own: bool


class Unwatch(Message, tag=169, frozen=True):
    """Do not tell me any more."""

    number: int


class Fired(Message, tag=170, frozen=True):
    """A watched actor ended."""

    number: int
    reason: bytes


class Bind(Message, tag=171, frozen=True):
    """The isolated actor is linked to this one, or not any more."""

    to: ActorId
    linked: bool


class Order(Message, tag=172, frozen=True):
    """An exit signal for another actor."""

    to: ActorId
    reason: bytes
    #: The isolated actor sends it, not another thread of its process.
    own: bool


class Inspect(Message, tag=174, frozen=True):
    """A debug call, which overtakes the mail."""

    #: Its pickled name and arguments.
    body: bytes
    ask: int


class Ended(Message, tag=173, frozen=True):
    """The isolated actor has ended."""

    reason: bytes
