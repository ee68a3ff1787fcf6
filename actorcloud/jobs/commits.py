"""The manager's way to the store.

Changes staged in a turn go as one message; each answer comes back to the function staged with it.

The manager never waits: a staged change is a promise kept later, in the manager's own turn. After
the manager's death nobody is called; the next one reads from the store what was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from actorcloud.actor import ActorRef
from actorcloud.base.errors import NoSpace
from actorcloud.protocol.record import JobRecord
from actorcloud.store import Applied, Apply, Change, Expect, Get, Got, Refused, Scan

#: Jobs in one change.
PARTS_LIMIT = 512

#: Seconds until a change that found no space is tried again: somebody has to make room.
NO_SPACE_PAUSE = 1.0

#: Gets None when the change is durable, else why it was refused.
Then = Callable[[Refused | None], None]

#: Gets the values of the keys that were read, None for those absent.
ThenValues = Callable[[Sequence[bytes | None]], None]


class Part(NamedTuple):
    """One job's part of a change that may go together with others."""

    expect: Expect
    ref: bytes
    record: JobRecord
    then: Then
    puts: tuple[tuple[bytes, bytes], ...] = ()


class StageAgain(msgspec.Struct, frozen=True):
    """To the manager itself: try this change again."""

    change: Change


class Commits:
    """Stages changes and reads.

    Args:
        store: the store actor.
        me: whose mailbox the answers go to; it hands them to `applied` and `got`.
        send_later: (delay in seconds, message) -> None, to `me`.
    """

    def __init__(self, store: ActorRef[Any], me: ActorRef[Any], send_later: Callable[[float, object], object]) -> None:
        self._store = store
        self._me = me
        self._send_later = send_later
        self._insisting: dict[object, Change] = {}
        self._count = 0
        self._staged: list[Change] = []
        self._then: dict[object, Then] = {}
        self._then_values: dict[object, ThenValues] = {}

    @property
    def pending(self) -> int:
        """Changes staged or sent, and not yet answered."""
        return len(self._then)

    def tag(self) -> int:
        """Return the tag of the next change."""
        self._count += 1
        return self._count

    def stage(self, change: Change, then: Then, *, insist: bool = False) -> None:
        """Send `change` at the end of this turn.

        Args:
            change: with a `tag` of ours.
            then: called when it is durable or refused.
            insist: try it again as long as the disk is full: for what nobody else would try again.
        """
        if insist:
            self._insisting[change.tag] = change
        self._staged.append(change)
        self._then[change.tag] = then

    def stage_all(self, parts: Sequence[Part]) -> None:
        """Stage parts as one change, which costs far less; if that is refused, each by itself.

        They are transitions, which nobody but us would try again: a full disk is waited out.
        """
        for start in range(0, len(parts), PARTS_LIMIT):
            self._stage_together(parts[start : start + PARTS_LIMIT])

    def _stage_together(self, parts: Sequence[Part]) -> None:
        def then(refused: Refused | None) -> None:
            if refused is None or len(parts) == 1:
                for part in parts:
                    part.then(refused)
            else:
                for part in parts:
                    self._stage_together((part,))

        change = Change(
            tag=self.tag(),
            expect=tuple(part.expect for part in parts),
            records=tuple((part.ref, part.record) for part in parts),
            puts=tuple(put for part in parts for put in part.puts),
        )
        self.stage(change, then, insist=True)

    def read(self, keys: Sequence[bytes], then: ThenValues) -> None:
        """Read `keys` from the last durable state."""
        tag = self.tag()
        self._then_values[tag] = then
        self._store.tell(Get(tag=tag, keys=tuple(keys), reply_to=self._me))

    def scan(self, tag: object, prefix: bytes, after: bytes, limit: int, *, reverse: bool = False) -> None:
        """Ask for a page of records; it comes as a `Page` of this tag."""
        self._store.tell(Scan(tag=tag, prefix=prefix, after=after, limit=limit, reverse=reverse, reply_to=self._me))

    def flush(self) -> None:
        """Send what was staged."""
        if self._staged:
            changes, self._staged = tuple(self._staged), []
            self._store.tell(Apply(changes=changes, reply_to=self._me))

    def applied(self, message: Applied) -> None:
        """Hand out the store's answers."""
        for tag, refused in message.answers:
            change = self._insisting.pop(tag, None)
            if change is not None and refused is not None and refused.code == NoSpace.code:
                self._send_later(NO_SPACE_PAUSE, StageAgain(change))
            else:
                self._then.pop(tag)(refused)

    def stage_again(self, message: StageAgain) -> None:
        """Try a change again that found no space."""
        self._insisting[message.change.tag] = message.change
        self._staged.append(message.change)

    def got(self, message: Got) -> None:
        """Hand out what was read."""
        self._then_values.pop(message.tag)(message.values)
