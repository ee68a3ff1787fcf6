"""What `cloud.info()` gives: the statistics of jobs and nodes, readable by people and by programs."""

from __future__ import annotations

import logging

import msgspec

from actorcloud.base.brief import counted
from actorcloud.base.ids import NodeRef
from actorcloud.protocol.job import Info, NodeLine
from actorcloud.protocol.storestats import StoreFigures

logger = logging.getLogger("actorcloud.client")


class NodeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of the cloud."""

    ref: NodeRef
    #: "up", "suspect": it is silent, or "away": it has jobs, and has not come back since this head started.
    state: str
    #: Worker processes; of one that is away they are not known, and 0.
    workers: int
    #: Jobs it holds, running or about to.
    held: int
    #: What it told of itself: versions, cpus.
    facts: dict[str, str]

    @classmethod
    def of(cls, line: NodeLine) -> NodeInfo:
        """Return what the head's line says."""
        return cls(ref=NodeRef(line.name), state=line.state, workers=line.slots, held=line.held, facts=line.facts)

    def __str__(self) -> str:
        if self.state == "away":
            return f"{self.ref}  away  {self.held} held; the head waits for it since its own start"
        return f"{self.ref}  {self.state}  {counted(self.workers, 'worker')}  {self.held} held"


class CloudInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The statistics of a cloud at one moment.

    `print(cloud.info())` shows it as a table.
    """

    queued: int
    running: int
    suspended: int
    #: Ended since this head started.
    done: int
    failed: int
    nodes: tuple[NodeInfo, ...]
    #: Seconds since this head started.
    uptime: float
    #: Of the head's actorcloud.
    version: str
    #: How the store is doing; all nought where it was not asked.
    store: StoreFigures = StoreFigures()

    @classmethod
    def of(cls, info: Info, store: StoreFigures | None = None) -> CloudInfo:
        """Return what the head's answers say."""
        return cls(
            queued=info.live.get("queued", 0),
            running=info.live.get("running", 0),
            suspended=info.live.get("suspended", 0),
            done=info.ended.get("done", 0),
            failed=info.ended.get("failed", 0),
            nodes=tuple(NodeInfo.of(line) for line in info.nodes),
            uptime=info.uptime,
            version=info.version,
            store=store or StoreFigures(),
        )

    @property
    def commits(self) -> int:
        """Transactions committed since the head started; 0 where the store was not asked."""
        return self.store.commits

    @property
    def workers(self) -> int:
        """Worker processes of the nodes that are up."""
        return sum(node.workers for node in self.nodes if node.state == "up")

    @property
    def unfinished(self) -> int:
        """Jobs that will end by themselves: queued and running ones; suspended ones wait for a person."""
        return self.queued + self.running

    def summary(self) -> str:
        """Return one line, made for a person who wonders why nothing happens."""
        if not self.nodes:
            return f"0 nodes have joined, {counted(self.queued, 'job')} queued; `actorcloud node` makes a machine join"
        up = sum(node.state == "up" for node in self.nodes)
        away = f" ({len(self.nodes) - up} away)" if up < len(self.nodes) else ""
        machines = f"{counted(len(self.nodes), 'node')}{away}, {counted(self.workers, 'worker')}"
        return f"{machines}; {self.queued} queued, {self.running} running, {self.suspended} suspended"

    def __str__(self) -> str:
        # The number of the last one tells only that the store was asked: an import makes it jump.
        commits = f", {counted(self.commits, 'commit')}" if self.store.seq else ""
        ended = f"since the head's start {self.done} done, {self.failed} failed"
        lines = [
            f"actorcloud {self.version}, up {self.uptime:.0f} s{commits}",
            f"jobs   {self.queued} queued, {self.running} running, {self.suspended} suspended; {ended}",
        ]
        lines += [f"node   {node}" for node in self.nodes] or ["node   none has joined"]
        return "\n".join([*lines, *([f"store  {self._store_line()}"] if self.store.seq else [])])

    def _store_line(self) -> str:
        store = self.store
        used = f"{counted(store.entries, 'key')}, {store.used_bytes / 1e6:,.1f} MB"
        speed = f"a commit takes {store.commit_p50 * 1e3:.1f} ms, 99 of 100 at most {store.commit_p99 * 1e3:.1f} ms"
        return f"{used}; {speed}; {store.conflicts} conflicts, {store.pending} waiting" if store.batches else used
