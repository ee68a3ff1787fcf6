"""The ids of transactions of which the store has said that they were not committed, and never will be.

Pure. A caller asks after it has sent its last commit, and on one link nothing overtakes anything; so
what is refused here is only what a link has brought too late, in spite of all rules. In memory: with
the head its links end, too, and with them everything that was on its way.

Reference: store-design 2.9; docs/design/0005-sessions-are-links.md.
"""

from __future__ import annotations

#: Ids that are remembered; the oldest is forgotten for the next one.
CLOSED_LIMIT = 10_000


class ClosedIds:
    """See the module. Owned by the sequencer."""

    def __init__(self, limit: int = CLOSED_LIMIT) -> None:
        self._limit = limit
        #: In the order of their closing.
        self._ids: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, txn: bytes) -> bool:
        return txn in self._ids

    def add(self, txn: bytes) -> None:
        """Accept no commit of this transaction any more."""
        self._ids[txn] = None
        if len(self._ids) > self._limit:
            del self._ids[next(iter(self._ids))]
