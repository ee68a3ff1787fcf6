"""The writer: does nothing but `engine.commit`, on a thread of its own.

LMDB wants each write to begin, work and end on one thread, and an fsync must not hold up the store
actor, which judges the next batch meanwhile.

A full disk is an answer. Everything else ends this actor, by its link the store, and with it the
head's core: the file decides after the next open. Nothing is retried here: after a failed fsync
Linux may have dropped the very pages that a second one would report as written.

Reference: store-design 1.2, 1.5; PostgreSQL's panic on fsync failure.
"""

from __future__ import annotations

import msgspec

from actorcloud.actor import Actor
from actorcloud.base.errors import NoSpace
from actorcloud.store.change import Recipient
from actorcloud.store.engine import RENEWALS, Engine, EngineFailed, Unresolved
from actorcloud.store.sequencer import InFlight


class Write(msgspec.Struct, frozen=True):
    """Commit this; answered with `Written`."""

    flight: InFlight
    epoch: int
    reply_to: Recipient


class Written(msgspec.Struct, frozen=True):
    """The batch is durable; or, with a `problem`, nothing of it was written."""

    problem: NoSpace | None = None
    #: That the engine took.
    seconds: float = 0.0


class Renew(msgspec.Struct, frozen=True):
    """To itself, where the engine has a lease: stay its owner."""


class WriterActor(Actor):
    """See the module.

    Args:
        engine: opened by the store actor.
    """

    hides_values = True
    dispatcher = "thread"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def on_start(self) -> None:
        """Renew the lease from time to time, where there is one."""
        if self._engine.caps.lease:
            self.send_after(self._engine.caps.lease / RENEWALS, Renew())

    def on_receive(self, message: object) -> object:
        """Take a `Write`."""
        if isinstance(message, Renew):
            self._engine.renew()
            self.send_after(self._engine.caps.lease / RENEWALS, message)
            return None
        if not isinstance(message, Write):
            return super().on_receive(message)
        clock = self.system.clock
        start = clock.monotonic()
        try:
            self._commit(message)
        except NoSpace as problem:
            message.reply_to.tell(Written(problem))
        else:
            message.reply_to.tell(Written(seconds=clock.monotonic() - start))
        return None

    def _commit(self, write: Write) -> None:
        batch, expect, new = write.flight
        try:
            self._engine.commit(batch, epoch=write.epoch, expect=expect, new=new)
        except Unresolved as error:
            if not self._engine.resolve(epoch=write.epoch, expect=expect, new=new):
                raise EngineFailed(f"commit {new} was not applied, and why is not known: {error}") from error
