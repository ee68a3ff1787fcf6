"""The tree of a head: what is supervised by what, readable in one place.

::

    root (one_for_one, gives up when a child ends: no restart is allowed)
      clients        of a private head only: who uses it; ends it with the last
      core (one_for_all, at most 3 restarts in 60 s)
        store        and, linked, its writer
        scheduler
        jobs         the job manager
        proxies (dynamic)  a proxy for each node that is up; temporary, see `jobs.roster`
        nodes        the roster, which has them started
        gateway      the network; last, so that whom it lets in finds everybody there

The end of any part of the core restarts it whole: sockets closed, links reset, memory read anew from
the store, exactly as a restarted process would come up (design 6.1, rule 2). When that happens too
often the process ends, and its parent starts it again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import msgspec

from actorcloud.actor import INFINITY, ActorRef, ChildSpec, DynamicSupervisor, Supervisor
from actorcloud.base.ports import Transport
from actorcloud.cluster import Gateway, Neighbours
from actorcloud.jobs import JobManager, Roster, Scheduler
from actorcloud.protocol.job import JOBS, STORE
from actorcloud.protocol.node import NODES
from actorcloud.store import PLAN_DEFAULT, QUOTA_DEFAULT, Engine, Plan, Quota, StoreActor

#: Restarts of the core that are allowed, and in how many seconds.
CORE_RESTARTS, CORE_SECONDS = 3, 60.0

#: Beyond the lease of a node, before its runs are given to others: so that it has surely stopped.
GRACE_MARGIN = 1.0

GATEWAY = "gateway"
SCHEDULER = "scheduler"
PROXIES = "proxies"


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the tree is built from; the simulation gives other parts than a real process."""

    #: Makes the engine of the store, not yet opened; called at each start of the core.
    make_engine: Callable[[], Engine]
    #: Makes the transport, not yet started; called at each start of the core.
    make_transport: Callable[[], Transport]
    #: The peers of this process.
    neighbours: Neighbours
    #: Seconds.
    node_timeout: float
    #: Others who want to know which peers come and go.
    subscribers: tuple[ActorRef[Any], ...] = ()
    #: Who this is, for the next who wants the store.
    owner: str = "head"
    #: What to do with a store of an older format.
    plan: Plan = PLAN_DEFAULT
    #: What each job and each named space may have in the store.
    quota: Quota = QUOTA_DEFAULT
    #: The minor version of Python that jobs are pickled for.
    python: str = f"{sys.version_info.major}.{sys.version_info.minor}"


class Core(Supervisor):
    """See the module."""

    strategy: ClassVar[str] = "one_for_all"
    max_restarts: ClassVar[int] = CORE_RESTARTS
    max_seconds: ClassVar[float] = CORE_SECONDS

    def init(self, parts: Parts) -> Sequence[ChildSpec]:  # type: ignore[override]  # a supervisor of its own
        """Return the children, in start order."""
        named = self.system.named
        jobs, store, scheduler = named(JOBS), named(STORE), named(SCHEDULER)
        neighbours = parts.neighbours
        grace = parts.node_timeout * 4 / 3 + GRACE_MARGIN

        def start_store() -> ActorRef[Any]:
            options = StoreActor.options(name=STORE)
            return options.start_link(parts.make_engine(), None, jobs, parts.owner, parts.plan, quota=parts.quota)

        actors = {"manager": jobs, "scheduler": scheduler, "store": store}
        return [
            # A batch that is being written is finished: INFINITY.
            ChildSpec(id=STORE, start=start_store, shutdown=INFINITY),
            Scheduler.child_spec(jobs, name=SCHEDULER),
            JobManager.child_spec(store, scheduler, grace=grace, name=JOBS),
            DynamicSupervisor.child_spec(name=PROXIES),
            Roster.child_spec(neighbours, python=parts.python, proxies=named(PROXIES), actors=actors, name=NODES),
            Gateway.child_spec(
                parts.make_transport,
                neighbours,
                doors=(JOBS, STORE, NODES),
                marks_sender=True,
                subscribers=(named(NODES), *parts.subscribers),
                name=GATEWAY,
            ),
        ]
