"""A graph of dependencies between transactions, and the cycles in it.

Pure. An edge u -> v of a kind says that u comes before v in every serial order: "ww" v overwrote u's
version, "wr" v read it, "rw" v overwrote what u had read, "rt" u had ended before v began.

Most graphs have no cycle, and taking away what has no predecessor, again and again, shows it in linear
time; only what is left is looked at closely, from the gravest kind of cycle to the least.

Reference: Adya's thesis (1999) for the kinds; Kosaraju's knots; Kahn 1962.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

#: Kinds of edges.
WW, WR, RW, RT = "ww", "wr", "rw", "rt"

#: (name, an edge that such a cycle has, and the kinds of all others), the gravest first.
_CLASSES = (
    ("G0", WW, (WW,)),
    ("G1c", WR, (WW, WR)),
    ("G-single", RW, (WW, WR)),
    ("G2", RW, (WW, WR, RW)),
)

#: The shortest of so many cycles is short enough to be understood.
_ENOUGH = 20


class Cycle(NamedTuple):
    """A cycle, which no serial order has."""

    kind: str
    #: (node, kind of the edge to the next one), the last one's leads to the first.
    steps: tuple[tuple[int, str], ...]


class Graph:
    """See the module.

    Args:
        size: nodes are 0 ... size - 1.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._edges: list[tuple[int, int, str]] = []

    def add(self, before: int, after: int, kind: str) -> None:
        """Add an edge; one to itself says nothing."""
        if before != after:
            self._edges.append((before, after, kind))

    def cycles(self) -> list[Cycle]:
        """Return one cycle, the gravest, of each knot."""
        left = self._left()
        if not left:
            return []
        out: dict[int, list[tuple[int, str]]] = {node: [] for node in left}
        for before, after, kind in self._edges:
            if before in left and after in left:
                out[before].append((after, kind))
        return [_gravest(knot, out) for knot in _knots(out)]

    def _left(self) -> set[int]:
        """Return what is on a cycle, or behind one."""
        out: list[list[int]] = [[] for _ in range(self._size)]
        into = [0] * self._size
        for before, after, _ in self._edges:
            out[before].append(after)
            into[after] += 1
        free = [node for node in range(self._size) if not into[node]]
        for node in free:
            for after in out[node]:
                into[after] -= 1
                if not into[after]:
                    free.append(after)
        return set(range(self._size)).difference(free) if len(free) < self._size else set()


_Out = dict[int, list[tuple[int, str]]]


def _knots(out: _Out) -> Iterator[set[int]]:
    """Yield the strongly connected components of more than one node."""
    into: dict[int, list[int]] = {node: [] for node in out}
    for node, edges in out.items():
        for after, _ in edges:
            into[after].append(node)
    taken: set[int] = set()
    for root in reversed(_in_order_of_end(out)):
        knot, waiting = set[int](), [root]
        while waiting:
            node = waiting.pop()
            if node not in taken:
                taken.add(node)
                knot.add(node)
                waiting += into[node]
        if len(knot) > 1:
            yield knot


def _in_order_of_end(out: _Out) -> list[int]:
    """Return the nodes as a depth-first search leaves them."""
    ended: list[int] = []
    seen: set[int] = set()
    for root in out:
        work = [] if root in seen else [(root, iter(out[root]))]
        seen.add(root)
        while work:
            node, edges = work[-1]
            after = next((after for after, _ in edges if after not in seen), None)
            if after is None:
                ended.append(node)
                work.pop()
            else:
                seen.add(after)
                work.append((after, iter(out[after])))
    return ended


def _gravest(knot: set[int], out: _Out) -> Cycle:
    for suffix, extra in (("", ()), ("-realtime", (RT,))):
        for name, first, rest in _CLASSES:
            found = _short(knot, out, first, {*rest, *extra})
            if found:
                return Cycle(name + suffix, found)
    raise AssertionError("a knot without a cycle")


def _short(knot: set[int], out: _Out, first: str, rest: set[str]) -> tuple[tuple[int, str], ...] | None:
    """Return a short cycle of an edge of the kind `first`, and then edges of these kinds; None: there is none."""
    inner = [knot]
    if first in rest:
        # Such a cycle lies in a knot of these kinds alone; so nothing is looked for that is not there.
        kept = {node: [edge for edge in out[node] if edge[0] in knot and edge[1] in rest] for node in sorted(knot)}
        inner = list(_knots(kept))
    found: list[tuple[tuple[int, str], ...]] = []
    for within in inner:
        for start in sorted(within):
            for after, kind in out[start]:
                path = _path(after, start, within, out, rest) if kind == first and after in within else None
                if path is not None:
                    found.append(((start, first), *path))
            if len(found) > _ENOUGH:
                break
    return min(found, key=len, default=None)


def _path(start: int, end: int, knot: set[int], out: _Out, kinds: set[str]) -> tuple[tuple[int, str], ...] | None:
    """Return (node, kind of the edge to the next) from `start` until `end` is next."""
    came: dict[int, tuple[int, str]] = {}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        for after, kind in out[node]:
            if kind not in kinds or after not in knot or after in came:
                continue
            came[after] = (node, kind)
            if after == end:
                steps = [came[end]]
                while steps[-1][0] != start:
                    steps.append(came[steps[-1][0]])
                return tuple(reversed(steps))
            waiting.append(after)
    return None
