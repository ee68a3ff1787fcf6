"""Between an agent and one of its worker processes (tags 130-159), over an inherited socketpair.

::

    agent                                worker
      | -- Code(function) ----------------> |   node.Code; once per worker and function
      | -- Work(items) -------------------> |   run in order
      | <-------------------- Output(text) |   as it is printed
      | <------------------ Finished(item) |   as soon as it is done
      | -- Revoke(runs) ------------------> |   only what has not begun
      | <------------------ Revoked(runs)  |
      | <---------- signal.Ask, Forget     |   the job's own calls to the head ...
      | -- signal.Reply, Failed ----------> |   ... relayed by the agent

A frame is a little-endian 32-bit length and a message. End of file means that the other is dead.

History: version 1, the first.
"""

from __future__ import annotations

from actorcloud.protocol.message import Message
from actorcloud.protocol.node import DoneItem, RunItem
from actorcloud.protocol.record import Fence


class WorkerReady(Message, tag=130, frozen=True):
    """The worker can take work."""

    pid: int


class Work(Message, tag=131, frozen=True):
    """Run these, in this order."""

    items: tuple[RunItem, ...]


class Finished(Message, tag=132, frozen=True):
    """One run ended; `reusable` is False if threads or children of the job are left."""

    item: DoneItem
    reusable: bool = True
    #: The head has the end already (it went with an `on_done` transaction).
    stored: bool = False
    #: Seconds that the run took, as the worker measured it.
    seconds: float = 0.0


class Output(Message, tag=133, frozen=True):
    """What a run printed."""

    run: Fence
    text: bytes


class Revoke(Message, tag=134, frozen=True):
    """Give back what has not begun of these."""

    runs: tuple[Fence, ...]


class Revoked(Message, tag=135, frozen=True):
    """These will not be begun here."""

    runs: tuple[Fence, ...]


class Outage(Message, tag=136, frozen=True):
    """Whether the head is away; time without it counts for no deadline."""

    away: bool
