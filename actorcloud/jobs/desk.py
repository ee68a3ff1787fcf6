"""What the parts of the job manager share: its memory, its way out, its clock.

Each part (admission, dispatch, completion, removal, attachment, queries) is a plain class that
works on this desk within the manager's turn. Nothing here is shared with another thread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from actorcloud.actor import ActorRef
from actorcloud.base.clock import Clock
from actorcloud.jobs.commits import Commits
from actorcloud.jobs.ledger import Ledger
from actorcloud.jobs.waiters import Waiters
from actorcloud.protocol.node import Kill, Refused, Run, RunItem, Stored
from actorcloud.protocol.record import Fence, JobRecord, Outcome

T = TypeVar("T")

#: Bytes of arguments of queued jobs kept in memory; what is beyond is read from the store when it is placed.
ARGUMENTS_LIMIT_BYTES = 64 * 1024 * 1024


class Desk:
    """The manager's state.

    Args:
        commits: the way to the store.
        scheduler: the scheduler actor.
        clock: of the system.
        incarnation: of this head; makes its runs unlike any other head's.
    """

    def __init__(self, commits: Commits, scheduler: ActorRef[Any], clock: Clock, incarnation: int) -> None:
        self.commits = commits
        self.scheduler = scheduler
        self.clock = clock
        self.ledger = Ledger()
        self.waiters = Waiters()
        #: The proxies of the nodes that have said what they hold.
        self.proxies: dict[str, ActorRef[Any]] = {}
        self._outcomes: dict[bytes, tuple[JobRecord, Outcome]] = {}
        self.arguments = Arguments()
        #: Nodes of jobs that the scheduler placed before the store had fed their records.
        self.early: dict[bytes, str] = {}
        self._incarnation = incarnation.to_bytes(8, "big")
        self._runs = 0
        self._to_run: dict[str, list[RunItem]] = {}
        self._stored: dict[str, list[Fence]] = {}
        self._refused: dict[str, list[Fence]] = {}

    def now(self) -> float:
        """Return seconds since 1970."""
        return self.clock.time()

    def new_run(self) -> bytes:
        """Return a run token that no head has given before."""
        self._runs += 1
        return self._incarnation + self._runs.to_bytes(8, "big")

    def is_ours(self, run: bytes) -> bool:
        """Tell whether this head gave this run, and not one before it."""
        return run.startswith(self._incarnation)

    # -- how jobs end: told to waiters when the store has fed it ------------------------------------

    def expect_outcome(self, ref: bytes, record: JobRecord, outcome: Outcome) -> None:
        """A transition to `record` is staged; of several only the last is remembered."""
        self._outcomes[ref] = (record, outcome)

    def forget_outcome(self, ref: bytes, record: JobRecord) -> None:
        """That transition was refused."""
        if ref in self._outcomes and self._outcomes[ref][0] is record:
            del self._outcomes[ref]

    def take_outcome(self, ref: bytes, record: JobRecord | None) -> Outcome | None:
        """Return what was staged with this very record; None: the store knows, or the job is gone."""
        staged = self._outcomes.pop(ref, None)
        return staged[1] if staged is not None and staged[0] == record else None

    # -- what leaves at the end of the turn, a message a node ----------------------------------------

    def run(self, node: str, item: RunItem) -> None:
        """Hand a durably running job to its node."""
        self._to_run.setdefault(node, []).append(item)

    def stored(self, node: str, fence: Fence) -> None:
        """Tell a node that it may forget this end: it is durable."""
        self._stored.setdefault(node, []).append(fence)

    def refused(self, node: str, fence: Fence) -> None:
        """Tell a node that it may forget this end: it counts for nothing."""
        self._refused.setdefault(node, []).append(fence)

    def kill(self, node: str, runs: tuple[Fence, ...]) -> None:
        """Tell a node to end these runs."""
        if node in self.proxies:
            self.proxies[node].tell(Kill(runs))

    def flush(self) -> None:
        """Send what has gathered in this turn."""
        self.commits.flush()
        _send(self.proxies, self._stored, lambda runs: Stored(tuple(runs)))
        _send(self.proxies, self._refused, lambda runs: Refused(tuple(runs)))
        _send(self.proxies, self._to_run, lambda items: Run(tuple(items)))
        self.waiters.flush()


def _send(proxies: dict[str, ActorRef[Any]], gathered: dict[str, list[T]], make: Callable[[list[T]], object]) -> None:
    if not gathered:
        return
    # A node that is away gets nothing: its inventory will ask again.
    for node, items in gathered.items():
        if node in proxies:
            proxies[node].tell(make(items))
    gathered.clear()


class Arguments:
    """The arguments of jobs that wait, as far as memory is allowed for them."""

    def __init__(self, limit_bytes: int = ARGUMENTS_LIMIT_BYTES) -> None:
        self._by_ref: dict[bytes, bytes] = {}
        self._room = limit_bytes

    def keep(self, ref: bytes, arguments: bytes) -> None:
        """Remember these, unless the limit is reached."""
        if len(arguments) <= self._room and ref not in self._by_ref:
            self._room -= len(arguments)
            self._by_ref[ref] = arguments

    def take(self, ref: bytes) -> bytes | None:
        """Forget and return the arguments of a job; None if they are in the store alone."""
        arguments = self._by_ref.pop(ref, None)
        if arguments is not None:
            self._room += len(arguments)
        return arguments
