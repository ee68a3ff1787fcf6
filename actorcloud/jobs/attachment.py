"""Nodes that come, pause and go.

A node's inventory is believed at its reset, and at once: what it does not hold of what the records
give it is lost; what it holds beyond them is killed (design 6.1, rule 14). Nodes that the records
name and that have not come back within the grace after the head's start lose their runs: head
losses, which are never the job's fault.

A node whose proxy has crashed is parted from the head, and keeps its runs: nothing is sent to it until
its next inventory, after the reset of its link, has told what it holds.

The log has a line for each node that joins, comes back or is gone, which says what becomes of its jobs.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

from actorcloud.actor import ActorRef
from actorcloud.base.brief import counted
from actorcloud.base.telemetry import telemetry
from actorcloud.jobs.completion import Completion
from actorcloud.jobs.desk import Desk
from actorcloud.jobs.message import Attached, Closed, Detached, Opened, Parted, Paused, Removed, Seated
from actorcloud.jobs.removal import Removal
from actorcloud.protocol.job import NodeLine
from actorcloud.protocol.record import JobRecord, StateName

logger = logging.getLogger("actorcloud.jobs")


class Attachment:
    """Knows the nodes. One of the parts of the manager."""

    def __init__(self, desk: Desk, completion: Completion, removal: Removal) -> None:
        self._desk = desk
        self._completion = completion
        self._removal = removal
        self._lines: dict[str, NodeLine] = {}
        #: The crashed proxies of nodes that have not said again what they hold; one for each node at most.
        self._parted: dict[str, ActorRef[Any]] = {}
        #: Since when nodes have not answered, on the monotonic clock.
        self._silent_since: dict[str, float] = {}

    def attached(self, message: Attached) -> None:
        """Reconcile what the node holds with what the records say."""
        desk, node, inventory = self._desk, message.node, message.inventory
        desk.proxies[node] = message.proxy
        verb = "is served again" if self._parted.pop(node, None) else "has joined"
        self._silent_since.pop(node, None)
        expected = desk.ledger.on_node(node)
        told = {*inventory.held, *inventory.done}
        held = tuple(ref for ref, record in expected.items() if (ref, record.run) in told)
        lost = {ref: record for ref, record in expected.items() if (ref, record.run) not in told}
        surplus = tuple((ref, run) for ref, run in inventory.held if ref not in expected or expected[ref].run != run)
        desk.scheduler.tell(Seated(node, inventory.slots, inventory.capacity, held))
        self._lines[node] = NodeLine(node, "up", inventory.slots, len(held), message.facts)
        if surplus:
            desk.kill(node, surplus)
        # A run of an earlier head may never have left it: nobody can say that the job is to blame.
        fate = self._lose(lost, {ref for ref, record in lost.items() if not desk.is_ours(record.run)})
        what = [counted(inventory.slots, "worker"), *([f"{counted(len(held), 'job')} kept"] if held else []), *fate]
        logger.info("node %s %s: %s", node, verb, ", ".join(what))
        counts = {"held": len(held), "lost": len(lost), "killed": len(surplus)}
        telemetry.emit("actorcloud.jobs.node.attached", counts, {"node": node})

    def paused(self, message: Paused) -> None:
        """Place nothing more on a node that does not answer; or place again."""
        if message.node not in self._desk.proxies:
            return
        self._show(message.node, "suspect" if message.away else "up")
        self._desk.scheduler.tell(Closed(message.node) if message.away else Opened(message.node))
        now = self._desk.clock.monotonic()
        if message.away:
            self._silent_since[message.node] = now - message.silent
        else:
            since = self._silent_since.pop(message.node, now)
            held = counted(len(self._desk.ledger.on_node(message.node)), "job")
            logger.info("node %s is back after %.1f s of silence: %s kept", message.node, now - since, held)

    def _show(self, node: str, state: str) -> None:
        line = self._lines[node]
        self._lines[node] = NodeLine(line.name, state, line.slots, line.held, line.facts)

    def parted(self, message: Parted) -> None:
        """Send nothing to a node until it says again what it holds; what it holds goes on."""
        node = message.node
        if self._desk.proxies.get(node) == message.proxy:
            self._parted[node] = self._desk.proxies.pop(node)
            self._show(node, "suspect")
            self._desk.scheduler.tell(Closed(node))

    def detached(self, message: Detached) -> None:
        """Lose what a node held; a word of a proxy that was replaced counts for nothing."""
        if message.proxy not in (self._desk.proxies.get(message.node), self._parted.get(message.node)):
            return
        self._desk.proxies.pop(message.node, None)
        self._parted.pop(message.node, None)
        self._lines.pop(message.node, None)
        self._silent_since.pop(message.node, None)
        self._desk.scheduler.tell(Removed(message.node))
        lost = self._desk.ledger.on_node(message.node)
        self._removal.dead([(ref, record.run) for ref, record in lost.items()])
        level = logging.INFO if message.is_meant else logging.WARNING
        fate = ", ".join(self._lose(lost, has_left=message.is_meant)) or "it had no jobs"
        logger.log(level, "node %s is gone (%s): %s", message.node, message.why, fate)
        telemetry.emit("actorcloud.jobs.node.detached", {"lost": len(lost)}, {"node": message.node})

    def grace_ended(self) -> None:
        """Lose the runs of nodes that have not come back since the head started."""
        for node in self._desk.ledger.nodes():
            if node in self._desk.proxies or node in self._parted:
                continue
            lost = self._desk.ledger.on_node(node)
            logger.warning(
                "node %s has not come back since the head's start: %s", node, ", ".join(self._lose(lost, lost))
            )

    def _lose(
        self, runs: Mapping[bytes, JobRecord], by_head: Container[bytes] = (), *, has_left: bool = False
    ) -> list[str]:
        """End runs that are lost, or whose node has left; returns what becomes of their jobs, for people."""
        states = Counter(
            self._completion.lost(ref, record, head_lost=ref in by_head, has_left=has_left)
            for ref, record in runs.items()
        )
        words: dict[StateName, str] = {"queued": "queued again", "suspended": "suspended"}
        return [f"{counted(states[state], 'job')} {words[state]}" for state in words if states[state]]

    def lines(self) -> tuple[NodeLine, ...]:
        """Return the nodes as people see them, by name; also those that have jobs and have not come back yet."""
        lines = {name: NodeLine(name, "away", 0, 0, {}) for name in self._desk.ledger.nodes()} | self._lines
        return tuple(
            NodeLine(name, line.state, line.slots, len(self._desk.ledger.on_node(name)), line.facts)
            for name, line in sorted(lines.items())
        )
