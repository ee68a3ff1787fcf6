"""The table of all actors of a system: who has much mail, who does not come back.

Read from outside; no actor is asked.

Thread: any.

Reference: Erlang's observer and `etop`; otp-semantics 5.2.
"""

from __future__ import annotations

from typing import Any

import msgspec

from actorcloud.actor.ref.ref import ActorRef
from actorcloud.actor.system.system import System
from actorcloud.actor.thread.context import current_system
from actorcloud.base.brief import brief

#: Characters of a message that are shown.
_CHARS = 40

_HEADS = ("actor", "status", "waiting", "links", "handles")


class Row(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One actor."""

    ref: ActorRef[Any]
    #: Its class and id, its name and its label.
    title: str
    #: As `ref.info("status")` tells it.
    status: str
    #: Messages that wait.
    mailbox: int
    links: int
    #: What it is handling, cut; empty if nothing.
    handles: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns as text."""
        return self.title, self.status, str(self.mailbox), str(self.links), self.handles


class Table(msgspec.Struct, frozen=True, eq=False):
    """The actors of a system; `print` shows it."""

    #: Those with most mail first, then the oldest.
    rows: list[Row]

    def __str__(self) -> str:
        lines = [_HEADS, *(row.cells for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADS))]
        padded = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
        return "\n".join(line.rstrip() for line in padded)

    def rich(self) -> Any:
        """Return a `rich.table.Table`, for those who print with rich."""
        import rich.table  # noqa: PLC0415  costs 50 ms, and few look
        from rich.markup import escape  # noqa: PLC0415  as above

        drawn = rich.table.Table(*_HEADS)
        for row in self.rows:
            drawn.add_row(*(escape(text) for text in row.cells))
        return drawn


def table(system: System | None = None) -> Table:
    """Return the table of a system's actors; the current one's unless given."""
    refs: list[ActorRef[Any]] = (system or current_system()).actors()
    rows = [row for ref in refs if (row := _row(ref)) is not None]
    return Table(sorted(rows, key=lambda row: -row.mailbox))


def _row(ref: ActorRef[Any]) -> Row | None:
    facts = ref.info("status", "message_queue_len", "links", "current_message")
    if facts is None:
        return None  # it ended meanwhile
    message = facts["current_message"]
    return Row(
        ref=ref,
        title=str(ref),
        status=facts["status"],
        mailbox=facts["message_queue_len"],
        links=len(facts["links"]),
        handles="" if message is None else brief(message, chars=_CHARS),
    )
