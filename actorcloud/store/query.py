"""What is read for a question: which keys and ranges, and how the answer is made of what was found.

Pure. Each function here makes a `Query` of one question. The store actor reads once for all queries of a
turn, calls `found` of each, and what that returns when the answer may be known.

Reference: store-design 1.9.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from actorcloud.protocol.transaction import Read
from actorcloud.store import change as own
from actorcloud.store import keys, stored
from actorcloud.store.account import Question, answer_account, keys_of_account, scans_of_account
from actorcloud.store.engine import Scan
from actorcloud.store.extension import answer_read, scans_of_read
from actorcloud.store.quota import Quota
from actorcloud.store.validation import Touched
from actorcloud.store.view import Moment, View

#: Items of one page.
PAGE_LIMIT = 10_000


class Query(msgspec.Struct, frozen=True):
    """A read of this turn, and who takes what was found, and where that stands; it returns how to answer."""

    keys: set[bytes]
    scans: tuple[Scan, ...]
    found: Callable[[View, Moment], Callable[[], None]]


def query_of_read(read: Read, touched: Touched, answer: Callable[[object], None]) -> Query:
    """Return the query for a caller's read.

    Args:
        read: the message.
        touched: as its check says.
        answer: is called with the answer.
    """

    def found(view: View, moment: Moment) -> Callable[[], None]:
        return partial(answer, answer_read(view, moment, read, touched))

    return Query(touched.keys, scans_of_read(read), found)


def query_of_get(get: own.Get, fed: Callable[[], int]) -> Query:
    """Return the query for keys that the manager wants; `fed` says how many feeds it was told."""

    def found(view: View, _: Moment) -> Callable[[], None]:
        values = tuple(_payload(view.value(key)) for key in get.keys)

        def answer() -> None:
            get.reply_to.tell(own.Got(get.tag, values, fed()))

        return answer

    return Query(set(get.keys), (), found)


def query_of_scan(scan: own.Scan, fed: Callable[[], int]) -> Query:
    """Return the query for a page that the manager wants; `fed` says how many feeds it was told."""
    limit = min(scan.limit, PAGE_LIMIT)
    lo, hi = scan.prefix, keys.after_prefix(scan.prefix)
    if scan.after and scan.reverse:
        hi = scan.after
    elif scan.after:
        lo = scan.after + b"\0"
    wanted = Scan(lo, hi, limit, scan.reverse)

    def found(view: View, _: Moment) -> Callable[[], None]:
        items = tuple((key, stored.payload_of(value)) for key, value in view.items(wanted))

        def answer() -> None:
            scan.reply_to.tell(own.Page(scan.tag, items, len(items) == limit, fed()))

        return answer

    return Query(set(), (wanted,), found)


def query_of_account(question: Question, quota: Quota, answer: Callable[[object], None]) -> Query:
    """Return the query for a checked question about what spaces have."""

    def found(view: View, _: Moment) -> Callable[[], None]:
        return partial(answer, answer_account(view, question, quota))

    return Query(keys_of_account(question), scans_of_account(question), found)


class Answers:
    """The answers to one `Apply`, told together when the last is there."""

    def __init__(self, apply: own.Apply) -> None:
        self._apply = apply
        self._refused: list[own.Refused | None] = [None] * len(apply.changes)
        self._left = len(apply.changes)

    def slot(self, index: int) -> Callable[[Any], None]:
        """Return what takes the answer to the change of this index."""

        def fill(refused: own.Refused | None) -> None:
            self._refused[index] = refused
            self._left -= 1
            if self._left == 0:
                tags = (change.tag for change in self._apply.changes)
                self._apply.reply_to.tell(own.Applied(tuple(zip(tags, self._refused, strict=True))))

        return fill


def _payload(value: bytes | None) -> bytes | None:
    return None if value is None else stored.payload_of(value)
