"""Whether a request counts, and what it writes.

Pure: (view, moment, request) -> verdict. The view is the newest state, with everything accepted
before; the moment's number plus one is the request's own, if it is accepted. All reads hold at its own
place in the order, so the transaction is as good as run there. A refused one contributes nothing.

`commit` judges what callers send, `change` the manager's; `footprint` is what both have of a user's
transaction: what it has read, and what it writes.

Reference: store-design 2.4, 2.8, 2.9; Kung and Robinson 1981.
"""

from __future__ import annotations

from actorcloud.store.validation.change import ChangeVerdict, check_change, validate_change
from actorcloud.store.validation.commit import CommitVerdict, check_commit, validate_commit
from actorcloud.store.validation.footprint import (
    Touched,
    check_footprint,
    check_ranges,
    owners_of_ranges,
    stamps_of,
)
from actorcloud.store.validation.verdict import Accepted

__all__ = [
    "Accepted",
    "ChangeVerdict",
    "CommitVerdict",
    "Touched",
    "check_change",
    "check_commit",
    "check_footprint",
    "check_ranges",
    "owners_of_ranges",
    "stamps_of",
    "validate_change",
    "validate_commit",
]
