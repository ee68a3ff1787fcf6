"""The agent of a node: takes jobs from the head, hands them to workers, keeps their ends.

::

    head's proxy == Run ==> waiting --Assign--> port ==> worker
    head's proxy <== DoneJobs == done <--Results-- port
    head's proxy == Stored | Refused ==> forgotten

User code never runs here, so that the node's answers never wait for it. The agent decides nothing
about a job: it tells the head what happened, until the head has answered. When the head is away it
goes on with what it holds; after the lease it begins nothing new; after `orphan_time` it gives up
its runs, which are then lost, never failed (design 6.1, rules 4, 5, 14).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from actorcloud.actor import Actor, ActorRef, Timer
from actorcloud.base.exits import Shutdown
from actorcloud.base.ids import JobRef, Peer
from actorcloud.base.ports import DialFailed, PeerDown, PeerSuspect, PeerUp
from actorcloud.cluster import RemoteRef
from actorcloud.node.crew import Crew
from actorcloud.node.functions import Functions
from actorcloud.node.holding import Holding
from actorcloud.node.message import (
    Assign,
    Ended,
    HeadAway,
    HeadBack,
    KillRun,
    Ready,
    Results,
    Retire,
    Returned,
    Waiting,
)
from actorcloud.node.pace import PATIENCE, Pace
from actorcloud.protocol.job import JOBS, STORE
from actorcloud.protocol.node import (
    NODES,
    Capacity,
    Code,
    DoneItem,
    DoneJobs,
    Inventory,
    Kill,
    Killed,
    NeedCode,
    NotRun,
    Refused,
    Run,
    RunItem,
    Stored,
)
from actorcloud.protocol.record import Fence

#: Seconds that a node goes on with its jobs without a head.
ORPHAN_TIME_DEFAULT = 600.0

#: Bytes of ends in one message to the head; a larger one goes alone.
DONE_MESSAGE_LIMIT_BYTES = 256 * 1024

#: The code of a refusal that is about this incarnation only.
FENCED = "fenced"

logger = logging.getLogger("actorcloud.node")


class _Orphaned(msgspec.Struct, frozen=True):
    """To the agent itself: the head has been away for `orphan_time`."""


class _Look(msgspec.Struct, frozen=True):
    """To the agent itself: is what waits here stuck behind long jobs?"""


class NodeAgent(Actor):
    """Registered as "agent" on a node.

    Args:
        make_crew: makes the keeper of the workers' ports.
        head_actor: (peer, name) -> ref of that actor on the head.
        orphan_time: seconds to go on without a head.
    """

    hides_values = True

    def __init__(
        self,
        make_crew: Callable[[], Crew],
        head_actor: Callable[[Peer, str], RemoteRef],
        *,
        orphan_time: float = ORPHAN_TIME_DEFAULT,
    ) -> None:
        self.holding = Holding()
        self._functions = Functions()
        self._pace = Pace()
        self.crew = make_crew()
        self._head_actor = head_actor
        self._orphan_time = orphan_time
        self._orphaned: Timer | None = None
        self._head: ActorRef[Any] | None = None
        self._back: HeadBack | None = None
        #: After the lease nothing new is begun.
        self._may_begin = False
        self._capacity = 0
        self._progress_at = self.system.clock.monotonic()
        self._is_looking = False
        self._killing: set[Fence] = set()
        self._done: list[DoneItem] = []
        self._killed: list[Fence] = []
        self._routes = self._make_routes()

    def on_start(self) -> None:
        """Start the workers, which takes longer than finding the head."""
        self.crew.begin()

    def on_receive(self, message: object) -> None:
        """Handle what the head, a worker's port or the network says."""
        self._routes[type(message)](message)

    def on_batch_end(self) -> None:
        """Hand out jobs and tell the head what this turn has brought."""
        self._fill()
        for port in self.crew.dismiss():
            port.tell(Retire())
        self._tell_head()

    def _make_routes(self) -> dict[type, Callable[[Any], object]]:
        return {
            PeerUp: self._head_up,
            PeerSuspect: lambda _: self._head_away(),
            PeerDown: self._head_down,
            # A head that is away is dialled on; the process says so.
            DialFailed: self._refused,
            Run: self._run,
            Code: lambda message: self._functions.put(message.function, message.code),
            Stored: lambda message: self.holding.answered(message.runs),
            Refused: lambda message: self.holding.answered(message.runs),
            Kill: lambda message: self._kill(message.runs),
            Ready: self._ready,
            Results: self._results,
            Returned: self._returned,
            Waiting: self._waiting,
            Ended: self._ended,
            _Orphaned: lambda _: self._give_up(),
            _Look: self._look,
        }

    # -- the head ---------------------------------------------------------------------------------

    def _head_up(self, message: PeerUp) -> None:
        self._may_begin = True
        if self._orphaned is not None:
            self._orphaned.cancel()
            self._orphaned = None
        refs = {name: self._head_actor(message.peer, name) for name in (JOBS, STORE, NODES)}
        self._head = refs[NODES]
        self._back = HeadBack(refs, message.reset)
        self.crew.tell_all(self._back)
        if not message.reset:
            return
        self._functions.forget_asked()
        self._done, self._killed = list(self.holding.done.values()), []
        self._capacity = self._wanted()
        held, done = self.holding.held(), tuple(self.holding.done)
        self._head.tell(Inventory(self.crew.slots, self._capacity, held, done))
        self._ask_code(self.holding.waiting.values())

    def _head_away(self) -> None:
        self.crew.tell_all(HeadAway())
        if self._orphaned is None:
            self._orphaned = self.send_after(self._orphan_time, _Orphaned())

    def _head_down(self, _message: PeerDown) -> None:
        # Our lease is over: the head may give these jobs to others, so that none is begun here.
        self._may_begin = False
        self._head = None
        self._head_away()

    def _refused(self, message: DialFailed) -> None:
        if message.final and message.code == FENCED:
            # The head has given our jobs to others: the whole tree begins anew, as another incarnation.
            logger.warning("the head had given this node up; it kills what it runs and joins anew")
            self.stop(Shutdown(FENCED))

    def _give_up(self) -> None:
        logger.warning(
            "the head has been away for %g s: %d jobs are given up", self._orphan_time, len(self.holding.held())
        )
        self._done += self.holding.give_up()
        self._killing.clear()
        self.crew.spend_all()
        self.crew.tell_all(Retire())

    def _run(self, message: Run) -> None:
        self.holding.take(message.items)
        self._ask_code(message.items)

    def _ask_code(self, items: Iterable[RunItem]) -> None:
        missing = self._functions.missing({item.function for item in items})
        if missing and self._head is not None:
            self._head.tell(NeedCode(missing))

    def _kill(self, runs: Iterable[Fence]) -> None:
        for run in runs:
            if run in self.holding.at_worker:
                self._killing.add(run)
                port: Any = self.holding.at_worker[run][1]
                port.tell(KillRun(run))
            else:
                self.holding.drop(run)
                self._killed.append(run)

    # -- the workers ------------------------------------------------------------------------------

    def _ready(self, message: Ready) -> None:
        self.crew.ready(message.port)
        if self._back is not None:
            message.port.tell(self._back)

    def _results(self, message: Results) -> None:
        self._pace.note(len(message.items), message.seconds)
        self._progress_at = self.system.clock.monotonic()
        self.crew.finished(message.port, len(message.items))
        if message.is_spent:
            self.crew.spend(message.port)
        for item in message.items:
            self._end(item, is_stored=(item.ref, item.run) in message.stored)

    def _returned(self, message: Returned) -> None:
        self._pace.note_slow(PATIENCE)
        self.crew.finished(message.port, len(message.runs))
        self._give_back(message.runs)

    def _waiting(self, message: Waiting) -> None:
        if message.waits:
            self.crew.lend(message.port)
        else:
            self.crew.reclaim(message.port)

    def _ended(self, message: Ended) -> None:
        if message.blamed is not None:
            self._end(message.blamed)
        for run, output in message.killed:
            self._forget_killed(run, output)
        self._give_back(message.returned)
        # What we sent it while its end was on the way to us has reached nobody.
        self._give_back(self.holding.at(message.port))
        if message.is_crash and message.blamed is not None:
            logger.warning("the process that ran job %s died: %s", JobRef(message.blamed.ref), message.status)
        self.crew.gone(message.port, message.status)

    def _end(self, item: DoneItem, *, is_stored: bool = False) -> None:
        run = (item.ref, item.run)
        if run in self._killing:
            self._forget_killed(run, item.outcome.output)
        elif is_stored:
            self.holding.drop(run)
        elif self.holding.end(item):
            self._done.append(item)

    def _give_back(self, runs: tuple[Fence, ...]) -> None:
        self.holding.give_back(runs)
        for run in [run for run in runs if run in self._killing]:
            self._forget_killed(run)

    def _forget_killed(self, run: Fence, output: bytes = b"") -> None:
        self._killing.discard(run)
        self.holding.drop(run)
        if output and self._head is not None:
            self._head.tell(Killed((run,), output))
        else:
            self._killed.append(run)

    def _look(self, _message: _Look) -> None:
        self._is_looking = False
        self._ask_code(self.holding.waiting.values())
        stuck = self.system.clock.monotonic() - self._progress_at
        if self.holding.waiting and self.crew.is_busy and stuck >= PATIENCE:
            self._pace.note_slow(stuck)

    # -- the end of a turn ------------------------------------------------------------------------

    def _fill(self) -> None:
        if not self._may_begin or not self.holding.waiting:
            return
        if not self._is_looking:
            self._is_looking = True
            self.send_after(PATIENCE, _Look())
        batch = self._pace.batch()
        ports = self.crew.free(batch)
        for index, (port, room) in enumerate(ports):
            share = -(-len(self.holding.waiting) // (len(ports) - index))
            items = self.holding.hand(port, min(room, share), self._functions)
            if items:
                self.crew.handed(port, len(items))
                port.tell(Assign(items, {item.function: self._functions[item.function] for item in items}))

    def _tell_head(self) -> None:
        if self._head is None:
            return
        if self._done:
            done, self._done = self._done, []
            for part in _parts(done):
                self._head.tell(DoneJobs(part))
        if self._killed:
            killed, self._killed = tuple(self._killed), []
            self._head.tell(Killed(killed))
        self._tell_capacity(self._head)

    def _tell_capacity(self, head: ActorRef[Any]) -> None:
        wanted = self._wanted()
        # Not every small change: one that would leave workers idle, or jobs stuck here.
        is_small = self._capacity * 0.7 <= wanted <= self._capacity * 1.4
        is_starved = wanted > self._capacity and self.holding.count >= self._capacity
        if is_starved or not is_small:
            self._capacity = wanted
            head.tell(Capacity(wanted))
            # What is held beyond could run elsewhere; it goes back after the head knows to send no more.
            surplus = self.holding.surplus(wanted)
            if surplus:
                head.tell(NotRun(surplus))

    def _wanted(self) -> int:
        return 0 if self.holding.is_full else self.crew.wanted * self._pace.held()


def _parts(items: list[DoneItem]) -> list[tuple[DoneItem, ...]]:
    parts: list[tuple[DoneItem, ...]] = []
    part: list[DoneItem] = []
    size = 0
    for item in items:
        weight = 128 + len(item.outcome.value) + len(item.outcome.output)
        if part and size + weight > DONE_MESSAGE_LIMIT_BYTES:
            parts.append(tuple(part))
            part, size = [], 0
        part.append(item)
        size += weight
    return [*parts, tuple(part)]
