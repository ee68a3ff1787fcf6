"""An engine in memory whose commits fail, and whose machine loses power.

A `CrashingEngine` is a `MemoryEngine` on a `CrashingDisk`. The disk outlives it: after `crash()` a new
engine opens what was durable, as a restarted head would. A seeded chance decides each commit::

    ok              durable when it returns; before or after that it takes a while
    NoSpace         nothing is written, life goes on
    Unresolved      it may be on the disk or not; the next `open` throws the coin

`acknowledges_early` is a planted bug: commits return before they are durable, and a crash loses
them. The checkers must find it, or they find nothing.

Reference: store-design 4.3; FoundationDB's simulation; etcd issue 14370.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple

from actorcloud.base.errors import NoSpace
from actorcloud.base.ports import Random
from actorcloud.store import Batch, MemoryDisk, MemoryEngine, Opened, Unresolved


class Chances(NamedTuple):
    """How often commits fail, each from 0 to 1."""

    no_space: float = 0.0
    unresolved: float = 0.0
    #: The longest that a commit takes, seconds.
    latency: float = 0.0


#: A disk that never fails, but may lose power.
RELIABLE = Chances()


class CrashingDisk:
    """What a crash leaves.

    Args:
        random: decides all chances, and makes the incarnation.
        chances: of failures.
        acknowledges_early: the planted bug.
    """

    def __init__(self, random: Random, chances: Chances = RELIABLE, *, acknowledges_early: bool = False) -> None:
        self.random = random
        self.chances = chances
        self.acknowledges_early = acknowledges_early
        #: What survives.
        self.durable = MemoryDisk(random.randbytes)
        #: What an engine works on until the next crash.
        self.volatile = copy.deepcopy(self.durable)
        #: Told each batch that has become durable, and its number; must not raise.
        self.watchers: list[Callable[[Batch, int], object]] = []
        self._in_doubt: tuple[Batch, int] | None = None

    def __repr__(self) -> str:
        return f"<CrashingDisk durable at {self.durable.seq}, volatile at {self.volatile.seq}>"

    def crash(self) -> None:
        """Lose power: what was not durable is gone, what is in doubt is there or not."""
        doubt, self._in_doubt = self._in_doubt, None
        if doubt is not None and self.random.random() < 0.5:  # noqa: PLR2004  a coin
            self._harden(*doubt)
        self.volatile = copy.deepcopy(self.durable)

    def settle(self) -> None:
        """Decide what is in doubt, as whoever opens the file finds it decided."""
        if self._in_doubt is not None:
            self.crash()

    def put(self, batch: Batch, seq: int) -> None:
        """Commit, by chance.

        Raises:
            NoSpace, Unresolved: as chance has it.
        """
        draw = self.random.random()
        if draw < self.chances.no_space:
            raise NoSpace("the simulated disk is full")
        if draw < self.chances.no_space + self.chances.unresolved:
            self._in_doubt = batch, seq
            raise Unresolved("the simulated disk does not answer")
        self.volatile.apply(batch, seq)
        if not self.acknowledges_early:
            self._harden(batch, seq)
            self.durable.epoch = self.volatile.epoch

    def _harden(self, batch: Batch, seq: int) -> None:
        self.durable.apply(batch, seq)
        for watch in self.watchers:
            watch(batch, seq)


class CrashingEngine(MemoryEngine):
    """See the module.

    Args:
        crashing: the disk; others may have had it before.
        sleep: waits that many seconds, in virtual time; None: commits take no time.
    """

    def __init__(self, crashing: CrashingDisk, sleep: Callable[[float], object] | None = None) -> None:
        super().__init__(crashing.volatile)
        self._crashing = crashing
        self._sleep = sleep

    def open(self, owner: str) -> Opened:
        """See `Engine.open`."""
        self._crashing.settle()
        self.disk = self._crashing.volatile
        opened = super().open(owner)
        # The real one commits its epoch before it serves.
        self._crashing.durable.epoch = opened.epoch
        return opened

    def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
        """See `Engine.commit`; fails by chance, and takes a while: before it is durable, or after."""
        latency, random = self._crashing.chances.latency, self._crashing.random
        pause = latency * random.random() if self._sleep is not None and latency else 0.0
        is_early = bool(pause) and random.random() < 0.5  # noqa: PLR2004  a coin
        if is_early:
            self._pause(pause)
        with self._lock:
            self._check(epoch, expect)
            self._crashing.put(batch, new)
        if pause and not is_early:
            self._pause(pause)

    def _pause(self, seconds: float) -> None:
        if self._sleep is not None:
            self._sleep(seconds)

    def resolve(self, *, epoch: int, expect: int, new: int) -> bool:  # noqa: ARG002  the port's
        """See `Engine.resolve`; this disk can tell only after a crash."""
        raise Unresolved("the simulated disk still does not answer")
