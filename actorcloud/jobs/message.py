"""What the actors of this room say to each other; all on one peer, never encoded.

::

    manager -- Place, Queue, Free, Withdraw --> scheduler
    manager <-- Placed ------------------------ scheduler
    manager -- Seated, Closed, Opened, Removed --> scheduler
    proxy ---- Resized ------------------------> scheduler
    proxy ---- Attached, Paused, Detached, Ended, Unrun, Dead --> manager
    roster --- Parted, Detached ---------------> manager
    proxy <--- protocol.node.Run, Stored, Refused, Kill --------- manager
    roster --- Suspected, Resumed, Gone, messages of the node --> proxy
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.actor import ActorRef
from actorcloud.protocol.node import DoneItem, Inventory
from actorcloud.protocol.record import Fence

# -- to the scheduler ------------------------------------------------------------------------------


class Place(msgspec.Struct, frozen=True):
    """These are about to be added: answer at once with `Placed` of this batch; the rest is queued."""

    batch: int
    refs: tuple[bytes, ...]


class Queue(msgspec.Struct, frozen=True):
    """These wait for a node."""

    refs: tuple[bytes, ...]
    #: Before all new ones.
    again: bool = False
    #: May share a node with no other.
    alone: bool = False


class Withdraw(msgspec.Struct, frozen=True):
    """These need no node any more, whether queued or placed."""

    refs: tuple[bytes, ...]


class Seated(msgspec.Struct, frozen=True):
    """This node takes jobs, and holds these already."""

    node: str
    slots: int
    capacity: int
    held: tuple[bytes, ...]


class Closed(msgspec.Struct, frozen=True):
    """This node takes no jobs for now."""

    node: str


class Opened(msgspec.Struct, frozen=True):
    """This node takes jobs again."""

    node: str


class Resized(msgspec.Struct, frozen=True):
    """This node wants to hold this many jobs."""

    node: str
    capacity: int


class Removed(msgspec.Struct, frozen=True):
    """This node is gone, and what it held is queued again by who says so."""

    node: str


# -- to the manager --------------------------------------------------------------------------------


class Placed(msgspec.Struct, frozen=True):
    """These jobs go to these nodes. `batch`: the answer to that `Place`; None: they had waited."""

    batch: int | None
    nodes: dict[bytes, str]


class Attached(msgspec.Struct, frozen=True):
    """A node has said what it holds; its proxy takes orders."""

    node: str
    proxy: ActorRef[Any]
    inventory: Inventory
    facts: dict[str, str]


class Paused(msgspec.Struct, frozen=True):
    """A node does not answer, or answers again; it keeps what it holds."""

    node: str
    away: bool
    #: Of one that is away: seconds since it was heard last.
    silent: float = 0.0


class Detached(msgspec.Struct, frozen=True):
    """A node, or its proxy, is gone: what it held is lost. Ignored if `proxy` is not the current one."""

    node: str
    proxy: ActorRef[Any]
    #: For people.
    why: str = ""
    #: It was told to end, or was removed: nothing to worry about, and nothing that it held is to blame.
    is_meant: bool = False


class Parted(msgspec.Struct, frozen=True):
    """The proxy of a node has crashed; the node keeps what it holds, and will say so. Ignored as `Detached`."""

    node: str
    proxy: ActorRef[Any]


class Ended(msgspec.Struct, frozen=True):
    """Runs ended on a node; each is answered with Stored or Refused."""

    node: str
    proxy: ActorRef[Any]
    items: tuple[DoneItem, ...]


class Unrun(msgspec.Struct, frozen=True):
    """These were never begun."""

    runs: tuple[Fence, ...]


class Dead(msgspec.Struct, frozen=True):
    """The process groups of these runs are dead."""

    runs: tuple[Fence, ...]
    #: The tail of what a run printed; it is the only one then.
    output: bytes = b""


# -- to the roster ---------------------------------------------------------------------------------


class Joined(msgspec.Struct, frozen=True):
    """The manager has been told what this node holds: it is one of the cloud's."""

    node: str


# -- to a proxy ------------------------------------------------------------------------------------


class Suspected(msgspec.Struct, frozen=True):
    """The node does not answer."""

    #: Seconds since it was heard last.
    silent: float


class Resumed(msgspec.Struct, frozen=True):
    """The node answers again, and nothing was lost."""


class Gone(msgspec.Struct, frozen=True):
    """This incarnation of the node will not come back."""

    #: As in `Detached`.
    why: str
    is_meant: bool = False
