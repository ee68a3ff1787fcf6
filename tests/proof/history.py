"""What the clients of a store saw: the histories that the checkers judge.

A `Call` is one `mutate_store`, with each `Run` of its function, the aborted ones too, and what each
run read and wrote, in order. What is written is unique: a value that is read names the run that wrote it.

Times are any numbers that grow: of one machine's clock, or of a simulation's events.

Reference: Kingsbury and Alvaro, "Elle" (VLDB 2020); store-design 4.2.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: "r": read this value. "append": one element, to a list. "w": this value, over whatever was there; None: deleted.
READ, APPEND, WRITE = "r", "append", "w"


class Op(NamedTuple):
    """One micro-operation.

    A list is read as a tuple, an absent key as None; an absent list is an empty one.
    """

    kind: str
    key: Hashable
    value: Any


@dataclass(slots=True)
class Run:
    """One run of a transaction's function."""

    #: From 1, within its call.
    number: int
    ops: list[Op] = field(default_factory=list)
    #: Number of the commit at whose state its reads hold; None: it read nothing from the store, or nobody knows.
    snapshot: int | None = None
    #: When it was over, whatever became of it.
    ended: float = math.inf
    #: Whether it began with what its caller remembered of an earlier commit.
    recalled: bool = False


@dataclass(slots=True)
class Call:
    """One transaction."""

    process: int
    invoked: float
    runs: list[Run] = field(default_factory=list)
    completed: float = math.inf
    #: "ok": committed. "fail": it did not, and never will. "info": nobody knows.
    outcome: str = "info"
    #: Number of the run that was committed, and of its commit; None: a transaction that only read.
    committed: int | None = None
    seq: int | None = None
    #: Number of the run that ended it on purpose.
    aborted: int | None = None
    #: (key, value) that must hold where it commits, though it did not read them: a fence.
    guards: tuple[tuple[Hashable, Any], ...] = ()

    def begin(self) -> Run:
        """Return a new run."""
        run = Run(len(self.runs) + 1)
        self.runs.append(run)
        return run

    def end(self, outcome: str, at: float) -> None:
        """It has returned, or raised."""
        self.outcome = outcome
        if outcome != "info":
            self.completed = at

    def may_be_old(self, run: Run) -> bool:
        """Tell whether a run may have seen what was so before this call: it was remembered, and nothing came of it."""
        return run.recalled and run.number not in {self.committed, self.aborted}

    @property
    def name(self) -> str:
        """For people."""
        return f"p{self.process}@{self.invoked:g}"

    @property
    def is_read_only(self) -> bool:
        """Whether the run that counts wrote nothing."""
        return all(op.kind == READ for op in self.runs[-1].ops) if self.runs else True


class Anomaly(NamedTuple):
    """Something that no strictly serializable store shows."""

    #: As the literature calls it: "G-single", "G1a-realtime" and so on.
    kind: str
    #: For people.
    text: str


class Outside(NamedTuple):
    """What a run saw of others, and leaves behind, without its own steps in between."""

    #: Key -> what was there before its own writes.
    reads: dict[Hashable, Any]
    #: Key -> its elements, in order, or its last value alone.
    writes: dict[Hashable, list[Any]]
    #: Keys whose `writes` are appended.
    lists: set[Hashable]
    #: What it wrote and then wrote over, or appended more to.
    passing: list[tuple[Hashable, Any]]
    #: What it read that contradicts what it had read or written itself.
    contradictions: list[str]


def outside(run: Run) -> Outside:
    """Take a run apart."""
    found = Outside({}, {}, set(), [], [])
    reads, writes = found.reads, found.writes
    state: dict[Hashable, Any] = {}
    for kind, key, value in run.ops:
        if kind == READ:
            if key in state or key in writes:
                _read_again(found, state, key, value)
            else:
                reads[key] = value
            state[key] = value
        elif kind == APPEND:
            _append(found, state, key, value)
        else:
            # That a key was absent names nobody.
            found.passing.extend([(key, old) for old in writes.get(key, ()) if old is not None])
            writes[key] = [value]
            state[key] = value
    return found


def _read_again(found: Outside, state: dict[Hashable, Any], key: Hashable, value: Any) -> None:
    """Read what the run itself has read or written before."""
    if key in state:
        if state[key] != value:
            found.contradictions.append(f"{key}: read {value!r} where it must see {state[key]!r}")
        return
    # Appended to before it was read: its own elements are at the end.
    own = tuple(found.writes[key])
    if tuple(value or ())[-len(own) :] != own:
        found.contradictions.append(f"{key}: read {value!r} without its own {own!r}")
    else:
        found.reads[key] = value[: -len(own)]


def _append(found: Outside, state: dict[Hashable, Any], key: Hashable, value: Any) -> None:
    found.lists.add(key)
    mine = found.writes.setdefault(key, [])
    if mine:
        found.passing.append((key, mine[-1]))
    mine.append(value)
    if key in state:
        state[key] = (*(state[key] or ()), value)
