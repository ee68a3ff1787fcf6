"""Dead letters by actor: who is dead and written to all the same.

Thread: any; guarded by `GUARD`.
"""

from __future__ import annotations

import copy
import logging
from typing import Any

import msgspec

from actorcloud.actor.thread.context import GUARD
from actorcloud.base.ids import ActorId
from actorcloud.base.telemetry import Telemetry

logger = logging.getLogger("actorcloud.actor")

#: Dead actors that are remembered, so that their dead letters are logged once.
MOURNED_LIMIT = 1_000


class DeadLetters(msgspec.Struct, kw_only=True):
    """The messages that one dead actor got."""

    #: The actor, as text.
    actor: str
    count: int = 0
    #: The class of the last one, by name.
    last: str = ""


class Mourned:
    """The last dead actors that got messages."""

    def __init__(self) -> None:
        self._known: dict[ActorId, DeadLetters] = {}

    def add(self, ref: Any, message: object, telemetry: Telemetry) -> None:
        """Count a message to a dead actor; logged once per actor, told to `telemetry` each time."""
        kind, actor = type(message).__name__, str(ref)
        with GUARD:
            letters = self._known.get(ref.id)
            if letters is None:
                letters = self._known[ref.id] = DeadLetters(actor=actor)
                if len(self._known) > MOURNED_LIMIT:
                    del self._known[next(iter(self._known))]
            letters.count += 1
            letters.last = kind
            count = letters.count
        if count == 1:
            logger.info("%s is dead; %s and what follows is dropped", actor, kind)
        if telemetry.is_heard:
            telemetry.emit("actorcloud.actor.letter.dead", {"count": count}, {"actor": actor, "message": kind})

    def all(self) -> list[DeadLetters]:
        """Return a copy for each actor, in the order of their first."""
        with GUARD:
            return [copy.copy(letters) for letters in self._known.values()]
