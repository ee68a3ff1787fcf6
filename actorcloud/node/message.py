"""What the actors of a node say to each other; all in one process, never encoded.

::

    agent -- Assign, KillRuns, HeadAway, HeadBack --> port       one port for each worker process
    port --- Ready, Results, Returned, Waiting, Ended --> agent
    spawner - Said, Exited -------------------------> port
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.actor import ActorRef
from actorcloud.cluster import RemoteRef
from actorcloud.protocol.node import DoneItem, RunItem
from actorcloud.protocol.record import Fence

# -- from the agent --------------------------------------------------------------------------------


class Assign(msgspec.Struct, frozen=True):
    """Run these, in this order; `code` has the functions that this worker may lack."""

    items: tuple[RunItem, ...]
    code: dict[bytes, bytes]


class KillRun(msgspec.Struct, frozen=True):
    """End this run; answered by `Returned` if it was not begun, else by `Ended`."""

    run: Fence


class HeadAway(msgspec.Struct, frozen=True):
    """The head does not answer: calls wait."""


class HeadBack(msgspec.Struct, frozen=True):
    """The head answers; `refs` by name. With `reset` every open call is made again."""

    head: dict[str, RemoteRef]
    reset: bool


class Retire(msgspec.Struct, frozen=True):
    """End the worker process."""


# -- from a port -----------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True):
    """The worker can take work."""

    port: ActorRef[Any]


class Results(msgspec.Struct, frozen=True):
    """Runs that ended, in order, and how long each took, in seconds."""

    port: ActorRef[Any]
    items: tuple[DoneItem, ...]
    seconds: float
    #: Of these the head has the end already: there is nothing to tell it.
    stored: frozenset[Fence] = frozenset()
    #: The worker begins nothing after these, and is on its way out.
    is_spent: bool = False


class Waiting(msgspec.Struct, frozen=True):
    """The job of this worker begins to wait for other jobs, or does not any more."""

    port: ActorRef[Any]
    waits: bool


class Returned(msgspec.Struct, frozen=True):
    """These were not begun, and this worker will not begin them."""

    port: ActorRef[Any]
    runs: tuple[Fence, ...]


class Ended(msgspec.Struct, frozen=True):
    """The worker's process group is dead.

    What it had told was told before. `blamed` is the run that it died in, and how that counts;
    `returned` were behind it, not begun; `killed` was ended by order, with the tail of what it printed.
    """

    port: ActorRef[Any]
    blamed: DoneItem | None
    killed: tuple[tuple[Fence, bytes], ...]
    returned: tuple[Fence, ...]
    #: How the process ended, for people.
    status: str
    #: Whether it died without an order of ours.
    is_crash: bool


# -- from the spawner ------------------------------------------------------------------------------
