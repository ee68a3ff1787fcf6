"""What is counted in the store actor.

Pure, and bounded: a histogram has a fixed number of buckets, each a fifth wider than the one before,
so a quantile is right to a fifth whatever comes.

Reference: HdrHistogram; Prometheus' buckets.
"""

from __future__ import annotations

import math

from actorcloud.protocol.storestats import StoreFigures
from actorcloud.protocol.transaction import Conflict, Fenced, Refused
from actorcloud.store.engine import EngineStats

#: Each bucket is so much wider than the one before.
_GROWTH = 1.2
_LOG = math.log(_GROWTH)

#: From a millionth to a million and beyond.
_LEAST, _BUCKETS = 1e-6, 160


class Histogram:
    """How often values of which size came.

    >>> sizes = Histogram()
    >>> for size in (1, 1, 1, 100): sizes.add(size)
    >>> sizes.quantile(0.5), sizes.quantile(0.99)
    (1.0, 100.0)
    """

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._smallest, self._largest = math.inf, -math.inf
        #: Of all values.
        self.count = 0

    def add(self, value: float) -> None:
        """One more; what is too small or too large for the buckets counts as the smallest or largest."""
        index = 0 if value <= _LEAST else 1 + int(math.log(value / _LEAST) / _LOG)
        self._counts[min(index, _BUCKETS - 1)] += 1
        self._smallest, self._largest = min(self._smallest, value), max(self._largest, value)
        self.count += 1

    def quantile(self, share: float) -> float:
        """Return a value that this share of all does not exceed, from 0 to 1; 0.0 if there are none."""
        left = math.ceil(self.count * share)
        for index, count in enumerate(self._counts):
            left -= count
            if count and left <= 0:
                # The middle of the bucket, but nothing beyond what came.
                return float(max(self._smallest, min(_LEAST * _GROWTH ** (index - 0.5), self._largest)))
        return 0.0


class Metrics:
    """See the module. Owned by the store actor."""

    def __init__(self) -> None:
        self._commits = self._conflicts = self._refused = self._busy = 0
        self._sizes = Histogram()
        self._seconds = Histogram()

    def judged(self, verdict: object) -> None:
        """A caller's commit or read has its answer: what is no refusal and no conflict is not counted here."""
        match verdict:
            case Conflict():
                self._conflicts += 1
            case Refused() | Fenced():
                self._refused += 1

    def turned_away(self) -> None:
        """A caller's commit was refused unseen, as too many wait."""
        self._busy += 1

    def landed(self, transactions: int, seconds: float) -> None:
        """A batch is durable.

        Args:
            transactions: how many it has.
            seconds: that the engine took.
        """
        self._commits += transactions
        self._sizes.add(transactions)
        self._seconds.add(seconds)

    def figures(self, engine: EngineStats, *, seq: int, pending: int, cleaning: int) -> StoreFigures:
        """Return all of it.

        Args:
            engine: how full the engine is.
            seq: number of the last commit.
            pending: transactions that wait.
            cleaning: tasks of the janitor.
        """
        return StoreFigures(
            seq=seq,
            commits=self._commits,
            conflicts=self._conflicts,
            refused=self._refused,
            busy=self._busy,
            batches=self._sizes.count,
            batch_p50=self._sizes.quantile(0.5),
            batch_p99=self._sizes.quantile(0.99),
            commit_p50=self._seconds.quantile(0.5),
            commit_p99=self._seconds.quantile(0.99),
            pending=pending,
            cleaning=cleaning,
            entries=engine.entries,
            used_bytes=engine.used_bytes,
            limit_bytes=engine.limit_bytes,
            readers=engine.readers,
        )
