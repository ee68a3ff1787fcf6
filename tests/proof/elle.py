"""The black-box checker: finds what is not strictly serializable from what clients saw alone.

Pure. Lists show the order of their versions: each list that was read must begin like all that were read
before it. A value that was written over one that the same transaction had read comes right after it.
From that order follow the edges of `graph`, and from real time some more; a cycle is an anomaly.

Runs that were aborted are transactions that only read: what each saw must fit into the same order, too
(opacity), so that no function ever runs on a state that never was.

Reference: Kingsbury and Alvaro, "Elle" (VLDB 2020); Adya 1999; Guerraoui and Kapalka on opacity (2008).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from tests.proof.graph import RT, RW, WR, WW, Cycle, Graph
from tests.proof.history import Anomaly, Call, Outside, Run, outside

#: (key, value): a version; of a list, its last element. The value None: before all.
Version = tuple[Hashable, Any]

#: Elements after the last one of a list that an anomaly quotes.
_SHOWN = 8


class _Node(NamedTuple):
    """A transaction: a run of a call, as others see it."""

    call: Call
    run: Run
    seen: Outside
    #: "ok": its writes count. "info": they may. "fail": they do not, and nobody may see them.
    outcome: str
    #: It took effect between these.
    earliest: float
    latest: float

    @property
    def name(self) -> str:
        return f"{self.call.name}#{self.run.number}({self.outcome})"


def find_anomalies(calls: Sequence[Call]) -> list[Anomaly]:
    """Judge a history; an empty list is what a strictly serializable store shows."""
    return _Judge(calls).judge()


class _Judge:
    """One history's nodes and versions, and what was found."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self.found: list[Anomaly] = []
        self.nodes = [node for call in calls for node in _nodes_of(call)]
        self.writer: dict[Version, int] = {}
        #: Version -> those that come right after it.
        self.after: dict[Version, set[Any]] = {}
        self.deleted: set[Hashable] = set()
        self.passing = {version for node in self.nodes for version in node.seen.passing}

    def judge(self) -> list[Anomaly]:
        self._index_writes()
        self._settle_unknown()
        lists = self._order_lists()
        self._order_values(lists)
        for node in self.nodes:
            for text in node.seen.contradictions:
                self._add("internal", f"{node.name} {text}")
        self._check_reads(lists)
        self.found += self._cycles(lists)
        return self.found

    def _add(self, kind: str, text: str) -> None:
        self.found.append(Anomaly(kind, text))

    # -- who wrote what ---------------------------------------------------------------------------

    def _index_writes(self) -> None:
        for index, node in enumerate(self.nodes):
            for key, values in node.seen.writes.items():
                if values == [None]:
                    self.deleted.add(key)
                    continue
                for value in values:
                    if (key, value) in self.writer:
                        self._add("duplicate", f"{key}: {value!r} was written by two runs; the history is no use")
                    self.writer[key, value] = index
            for version in node.seen.passing:
                self.writer.setdefault(version, index)

    def _settle_unknown(self) -> None:
        """Whoever's outcome is not known was committed if somebody has seen what it wrote."""
        unknown = {version: index for version, index in self.writer.items() if self.nodes[index].outcome == "info"}
        written = {key for key, _ in unknown}
        committed: dict[int, int] = {}
        for node in self.nodes:
            if written.isdisjoint(node.seen.reads):
                continue
            for version in _versions_read(node.seen):
                index = unknown.get(version)
                if index is None:
                    continue
                call = id(self.nodes[index].call)
                if committed.setdefault(call, index) != index:
                    name = self.nodes[committed[call]].name
                    self._add("duplicate", f"{name} and {self.nodes[index].name} of one call were both committed")
        for index in committed.values():
            node = self.nodes[index]
            # It was no guess that came to nothing.
            self.nodes[index] = node._replace(outcome="ok", earliest=node.call.invoked)

    # -- in which order ---------------------------------------------------------------------------

    def _order_lists(self) -> dict[Hashable, tuple[Any, ...]]:
        """Return the longest state of each list."""
        states: dict[Hashable, dict[tuple[Any, ...], _Node]] = {}
        for node in self.nodes:
            for key, state in _lists_of(node):
                states.setdefault(key, {}).setdefault(state, node)
        longest = {key: max(seen, key=len) for key, seen in states.items()}
        for key, seen in states.items():
            whole = longest[key]
            for state, node in seen.items():
                if state != whole[: len(state)]:
                    at = next((i for i, (a, b) in enumerate(zip(state, whole, strict=False)) if a != b), 0)
                    ours, theirs = state[at : at + _SHOWN], whole[at : at + _SHOWN]
                    text = f"{key}: after {at} elements {node.name} has {ours}, {seen[whole].name} has {theirs}"
                    self._add("incompatible-order", text)
            if len(set(whole)) < len(whole):
                self._add("duplicate", f"{key}: an element is twice in {whole[-_SHOWN:]}")
            before = None
            for value in whole:
                self.after.setdefault((key, before), set()).add(value)
                before = value
        return longest

    def _order_values(self, lists: dict[Hashable, tuple[Any, ...]]) -> None:
        for node in self.nodes:
            if node.outcome != "ok":
                continue
            for key, values in node.seen.writes.items():
                if key in lists or key in node.seen.lists or key not in node.seen.reads or values == [None]:
                    continue
                before = node.seen.reads[key]
                if before is not None or key not in self.deleted:
                    self.after.setdefault((key, before), set()).add(values[-1])

    def _check_reads(self, lists: dict[Hashable, tuple[Any, ...]]) -> None:
        sound = {key: self._sound_part(key, whole) for key, whole in lists.items()}
        for index, node in enumerate(self.nodes):
            for key, value in node.seen.reads.items():
                # What many have read alike was looked at once.
                if key in node.seen.writes or key not in sound or value != sound[key][: len(value or ())]:
                    for element in _elements(value):
                        self._check_element(index, (key, element))
                last = _last(value)
                if last is not None and (key, last) in self.passing and self.writer.get((key, last), index) != index:
                    writer = self.nodes[self.writer[key, last]]
                    self._add("G1b", f"{node.name} read {key} = {last!r}, which {writer.name} wrote and wrote over")

    def _sound_part(self, key: Hashable, whole: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the elements of a list up to the first one that nobody wrote, or an aborted one."""
        for at, element in enumerate(whole):
            writer = self.writer.get((key, element))
            if writer is None or self.nodes[writer].outcome == "fail":
                return whole[:at]
        return whole

    def _check_element(self, index: int, version: Version) -> None:
        writer = self.writer.get(version)
        if writer is None:
            self._add("garbage", f"{self.nodes[index].name} read {version[0]}: {version[1]!r}, which nobody wrote")
        elif self.nodes[writer].outcome == "fail" or writer == index:
            name, other = self.nodes[index].name, self.nodes[writer].name
            self._add("G1a", f"{name} read {version[0]}: {version[1]!r} of the aborted {other}")

    # -- the graph --------------------------------------------------------------------------------

    def _cycles(self, lists: dict[Hashable, tuple[Any, ...]]) -> list[Anomaly]:
        graph = Graph(len(self.nodes))
        counts = [node.outcome == "ok" for node in self.nodes]
        for (key, value), values in self.after.items():
            writer = self.writer.get((key, value))
            for later in values:
                after = self.writer.get((key, later))
                if writer is not None and after is not None and counts[writer] and counts[after]:
                    graph.add(writer, after, WW)
        for index, node in enumerate(self.nodes):
            for key, value in node.seen.reads.items():
                self._add_read(graph, index, (key, _last(value)), counts)
        _add_real_time(graph, self.nodes)
        return [Anomaly(cycle.kind, self._told(cycle)) for cycle in graph.cycles()]

    def _add_read(self, graph: Graph, index: int, version: Version, counts: list[bool]) -> None:
        writer = self.writer.get(version)
        if writer is not None and counts[writer]:
            graph.add(writer, index, WR)
        for later in self.after.get(version, ()):
            after = self.writer.get((version[0], later))
            if after is not None and counts[after]:
                graph.add(index, after, RW)

    def _told(self, cycle: Cycle) -> str:
        steps = " ".join(f"{self.nodes[node].name} -{kind}->" for node, kind in cycle.steps)
        return f"{steps} {self.nodes[cycle.steps[0][0]].name}"


def _nodes_of(call: Call) -> list[_Node]:
    nodes = []
    for run in call.runs:
        if call.outcome == "info":
            outcome, latest = "info", math.inf
        elif call.outcome == "ok" and run.number == call.committed:
            outcome, latest = "ok", call.completed
        else:
            outcome, latest = "fail", run.ended
        earliest = -math.inf if call.may_be_old(run) else call.invoked
        nodes.append(_Node(call, run, outside(run), outcome, earliest, latest))
    return nodes


def _versions_read(seen: Outside) -> list[Version]:
    versions: list[Version] = []
    for key, value in seen.reads.items():
        versions.extend([(key, element) for element in _elements(value)])
    return versions


def _elements(value: Any) -> tuple[Any, ...]:
    """Return what was read one by one: a list's elements, or a value alone; nothing of an absent one."""
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _lists_of(node: _Node) -> list[tuple[Hashable, tuple[Any, ...]]]:
    """Return the states of lists that the node proves: those it read, and what it made of them."""
    states = [(key, value) for key, value in node.seen.reads.items() if isinstance(value, tuple)]
    if node.outcome == "ok":
        read = node.seen.reads
        states += [(key, (*(read[key] or ()), *node.seen.writes[key])) for key in node.seen.lists if key in read]
    return states


def _last(value: Any) -> Any:
    if isinstance(value, tuple):
        return value[-1] if value else None
    return value


def _add_real_time(graph: Graph, nodes: Sequence[_Node]) -> None:
    """Whoever had ended before another one began comes before it; edges to the last ones imply the others."""
    events = [(node.earliest, 1, index) for index, node in enumerate(nodes)]
    events += [(node.latest, 0, index) for index, node in enumerate(nodes) if node.latest < math.inf]
    events.sort()
    frontier: list[int] = []
    for _, is_begin, index in events:
        if is_begin:
            for before in frontier:
                graph.add(before, index, RT)
        else:
            began = nodes[index].earliest
            frontier = [other for other in frontier if nodes[other].latest >= began]
            frontier.append(index)
