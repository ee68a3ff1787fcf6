"""Durable jobs: the manager, the scheduler, a proxy for each node.

=============  ===================================================================================
`transition`   the table of legal transitions, and the rules that choose among them; pure
`placement`    which queued job goes to which node; pure
`ledger`       what the manager remembers: exactly what the store fed it; pure
`waiters`      who waits for which job
`manager`      the actor that stages every transition; its parts: `admission`, `dispatch`,
               `completion`, `removal`, `attachment`, `query`, `loading`, on one `desk`
`scheduler`    the actor that owns the queue
`proxy`        the actor that speaks with one node; `roster` starts one for each node that joins
=============  ===================================================================================
"""

from __future__ import annotations

from actorcloud.jobs.manager import JobManager
from actorcloud.jobs.roster import Roster
from actorcloud.jobs.scheduler import Scheduler

__all__ = ["JobManager", "Roster", "Scheduler"]
