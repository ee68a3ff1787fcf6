"""What the actors of two peers say to each other through their gateways; also a worker and its agent.

::

    asker                                      answerer
      | -- Ask(id) ---------------------------> |
      | <-- Reply(id, more) ... Reply(id) ----- |   or Failed(id), once, as the last
      | -- Forget(id) ------------------------> |   the asker wants no more
      | -- Tell ------------------------------> |
      | -- Watch(id) / Unwatch(id) -----------> |
      | <-- Ended(id, reason) ----------------- |   once
      | -- ExitOrder -------------------------> |

Ids are the asker's and unique in its process. `to` is a registered name or an actor's serial number.
A body is a control message of ours, a `UserMessage` that only its receiver may unpickle, or nil.
"""

from __future__ import annotations

import msgspec

from actorcloud.base.ids import ActorId
from actorcloud.protocol.message import Message


class Tell(Message, frozen=True, tag=1):
    """A message that expects no answer."""

    to: str | int
    body: msgspec.Raw


class Ask(Message, frozen=True, tag=2):
    """A message that expects one answer, or a stream of them."""

    id: int
    to: str | int
    body: msgspec.Raw


class Reply(Message, frozen=True, tag=3):
    """An answer; with `more` another one follows."""

    id: int
    body: msgspec.Raw
    more: bool = False


class Failed(Message, frozen=True, tag=4):
    """The last answer is an error."""

    id: int
    #: `ActorCloudError.code`, or "remote" for an error of the user's.
    code: str
    #: For people.
    text: str
    #: The formatted traceback, "" for errors of ours.
    traceback: str = ""
    #: Of the error for an actor that is dead: what it ended with.
    reason: Reason | None = None


class Forget(Message, frozen=True, tag=5):
    """The asker gave up."""

    id: int


class Reason(msgspec.Struct, frozen=True, array_like=True):
    """An exit reason; what is not one of ours travels as text."""

    #: A value of `base.exits.ExitReason`, or "shutdown-info", "crash", "other".
    kind: str
    text: str = ""
    #: Of a crash.
    type: str = ""
    traceback: str = ""


class Watch(Message, frozen=True, tag=6):
    """Tell me when this actor ends."""

    id: int
    to: str | int


class Unwatch(Message, frozen=True, tag=7):
    """Do not tell me any more."""

    id: int


class Ended(Message, frozen=True, tag=8):
    """A watched actor ended, or did not exist."""

    id: int
    reason: Reason


class ExitOrder(Message, frozen=True, tag=9):
    """An exit signal."""

    to: str | int
    #: Who sends it; None for a thread that is no actor.
    sender: ActorId | None
    reason: Reason


class UserMessage(Message, frozen=True, tag=10):
    """A body of the user's: a pickle. Heads and agents pass it on and never open it."""

    data: bytes
