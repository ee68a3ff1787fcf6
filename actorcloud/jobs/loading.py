"""Reading the records at the start of a head, page by page.

Feeds may come between the pages: the store answers everything in order, so that a page is never
older than the last feed before it. Requests wait until the last page (the mailbox keeps them).
"""

from __future__ import annotations

import msgspec

from actorcloud.jobs.commits import Commits
from actorcloud.jobs.ledger import Ledger
from actorcloud.protocol.record import JobRecord
from actorcloud.store import Page, keys

#: Records in a page.
PAGE = 2_000

_record = msgspec.msgpack.Decoder(JobRecord)


class Loading:
    """Fills a ledger from the store.

    Args:
        commits: the way to the store; the pages come to the manager, which hands them to `page`.
        ledger: where the live records go.
    """

    def __init__(self, commits: Commits, ledger: Ledger) -> None:
        self._commits = commits
        self._ledger = ledger
        self.is_done = False

    def begin(self, after: bytes = b"") -> None:
        """Ask for the page after a reference."""
        self._commits.scan(self, keys.RECORD, after, PAGE)

    def page(self, message: Page) -> None:
        """Take in a page, and ask for the next."""
        self._ledger.load((keys.ref_of(key), _record.decode(value)) for key, value in message.items)
        if message.more:
            self.begin(message.items[-1][0])
        else:
            self.is_done = True

    def queue(self) -> list[bytes]:
        """Return the queued jobs in the order in which they were added."""
        queued = [(record.order, ref) for ref, record in self._ledger.live.items() if record.state == "queued"]
        return [ref for _, ref in sorted(queued)]
