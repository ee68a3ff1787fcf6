"""Between a node's agent and its proxy on the head (tags 100-129).

::

    agent                                   head's proxy
      | -- Inventory ------------------------> |   on each reset: what I hold, what I have done
      | <------------------------- Run(items) |   each durable as running(run) before it is sent
      | -- NeedCode(digests) ----------------> |   <- Code
      | -- DoneJobs(items) ------------------> |   kept by the agent until ...
      | <------------- Stored | Refused(runs) |   ... it is durable, or another run is current
      | <-------------------------- Kill(run) |   -> Killed: the process group is dead
      | -- NotRun(items) --------------------> |   never started: the job is queued again
      | -- Capacity(n) ----------------------> |   how many jobs I want to hold

Agents tell the actor "nodes" on the head; the head tells the actor "agent" on the node.
Nothing here is dropped by policy, each DoneJobs item is answered (design 6.1, rules 8, 13, 14).

History: version 1, the first.
"""

from __future__ import annotations

import msgspec

from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Fence, Outcome

#: Registered on the head: finds the proxy of the peer that sent a message.
NODES = "nodes"

#: Registered on the node.
AGENT = "agent"


class RunItem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One job to run."""

    ref: bytes
    run: bytes
    function: bytes
    arguments: bytes
    timeout: float | None = None
    attempt: int = 1


class DoneItem(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How one run ended.

    `kind`: "done"; "failed", it raised; "timeout", it was killed for its own `timeout`; "crashed",
    its process died; "lost", the node gave it up through no fault of the job.
    """

    ref: bytes
    run: bytes
    kind: str
    outcome: Outcome


class Inventory(Message, tag=100, frozen=True):
    """Said at each reset, before anything else."""

    #: Worker processes.
    slots: int
    #: Jobs it wants to hold.
    capacity: int
    #: Running and not yet started.
    held: tuple[Fence, ...]
    #: Ended, and not yet answered by Stored or Refused; the items follow in `DoneJobs`.
    done: tuple[Fence, ...]


class Run(Message, tag=101, frozen=True):
    """Run these."""

    items: tuple[RunItem, ...]


class NeedCode(Message, tag=102, frozen=True):
    """I do not have these functions."""

    functions: tuple[bytes, ...]


class Code(Message, tag=103, frozen=True):
    """A pickled function; empty if the head does not have it either."""

    function: bytes
    code: bytes


class DoneJobs(Message, tag=104, frozen=True):
    """These runs ended."""

    items: tuple[DoneItem, ...]


class Stored(Message, tag=105, frozen=True):
    """These ends are durable: forget them."""

    runs: tuple[Fence, ...]


class Refused(Message, tag=106, frozen=True):
    """These ends count for nothing: forget them."""

    runs: tuple[Fence, ...]


class Kill(Message, tag=107, frozen=True):
    """End these runs; answered by `Killed` for each, held or not."""

    runs: tuple[Fence, ...]


class Killed(Message, tag=108, frozen=True):
    """The process groups of these runs are dead, or they were never started."""

    runs: tuple[Fence, ...]
    #: The tail of what a run printed; it is the only one then.
    output: bytes = b""


class NotRun(Message, tag=109, frozen=True):
    """These were never started and never will be here."""

    runs: tuple[Fence, ...]


class Capacity(Message, tag=110, frozen=True):
    """I want to hold this many jobs."""

    jobs: int
