"""Handing jobs to nodes, driven by what is durable.

A job leaves the head when the store has fed its record as running under a run of this head, never
before (design 6.1, rule 6). If its node has gone meanwhile, the run was never sent: it is taken
back, and the job waits again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actorcloud.jobs import transition
from actorcloud.jobs.commits import Part
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.message import Queue, Withdraw
from actorcloud.protocol.node import RunItem
from actorcloud.protocol.record import Fence, JobRecord
from actorcloud.store import Expect, Refused, keys


class Dispatch:
    """Sends jobs out. One of the parts of the manager; `flush` ends its turn."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._placing: list[Part] = []
        self._fetching: list[tuple[bytes, JobRecord]] = []
        #: By (again, alone).
        self._waiting: dict[tuple[bool, bool], list[bytes]] = {}

    def assigned(self, nodes: dict[bytes, str], adding: set[bytes]) -> None:
        """Commit jobs that had waited as running on these nodes."""
        unknown = []
        for ref, node in nodes.items():
            record = self._desk.ledger.live.get(ref)
            if record is not None and record.state == "queued":
                self._place(ref, record, node)
            elif ref in adding:
                self._desk.early[ref] = node
            else:
                unknown.append(ref)
        if unknown:
            self._desk.scheduler.tell(Withdraw(tuple(unknown)))

    def queued(self, ref: bytes, record: JobRecord) -> bool:
        """A record was fed as queued; True if the scheduler had a node for it already."""
        node = self._desk.early.pop(ref, None)
        if node is not None:
            self._place(ref, record, node)
        return node is not None

    def running(self, ref: bytes, record: JobRecord) -> None:
        """A record was fed as running under a run of this head: hand it to its node."""
        if record.node not in self._desk.proxies:
            self.unrun([(ref, record.run)])
            return
        arguments = self._desk.arguments.take(ref)
        if arguments is not None:
            self._send(ref, record, arguments)
        else:
            self._fetching.append((ref, record))

    def unrun(self, runs: Iterable[Fence]) -> None:
        """Take back runs that were never begun; those no longer current are ignored."""
        now, parts = self._desk.now(), []
        for ref, run in runs:
            record = self._desk.ledger.live.get(ref)
            if record is not None and record.state == "running" and record.run == run:
                # A refusal means that the job went on another way, which is fed.
                expect = Expect(ref, "running", run)
                parts.append(Part(expect, ref, transition.unrun(record, now), lambda _refused: None))
        self._desk.commits.stage_all(parts)

    def wait(self, ref: bytes, record: JobRecord, *, again: bool) -> None:
        """Let a durably queued job wait for a node."""
        self._waiting.setdefault((again, transition.goes_alone(record)), []).append(ref)

    def flush(self) -> None:
        """Send what the turn has gathered."""
        for (again, alone), refs in self._waiting.items():
            self._desk.scheduler.tell(Queue(tuple(refs), again=again, alone=alone))
        self._waiting.clear()
        if self._placing:
            placing, self._placing = self._placing, []
            self._desk.commits.stage_all(placing)
        if self._fetching:
            jobs, self._fetching = self._fetching, []
            wanted = [keys.arguments(ref) for ref, _ in jobs]
            self._desk.commits.read(wanted, lambda values: self._fetched(jobs, values))

    def _place(self, ref: bytes, record: JobRecord, node: str) -> None:
        desk = self._desk

        def then(refused: Refused | None) -> None:
            if refused is not None:
                desk.scheduler.tell(Withdraw((ref,)))

        placed = transition.place(record, node, desk.new_run(), desk.now())
        self._placing.append(Part(Expect(ref, "queued", record.run), ref, placed, then))

    def _fetched(self, jobs: list[tuple[bytes, JobRecord]], values: Sequence[bytes | None]) -> None:
        for (ref, record), arguments in zip(jobs, values, strict=True):
            now = self._desk.ledger.live.get(ref)
            if now is None or now.run != record.run or now.state != "running" or arguments is None:
                continue
            if record.node in self._desk.proxies:
                self._send(ref, record, arguments)
            else:
                self.unrun([(ref, record.run)])

    def _send(self, ref: bytes, record: JobRecord, arguments: bytes) -> None:
        item = RunItem(ref, record.run, record.function, arguments, record.timeout, record.attempt)
        self._desk.run(record.node, item)
