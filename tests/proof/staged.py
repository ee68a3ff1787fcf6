"""A head on a stage: the real store actor and writer, without the actors' machinery around them.

What the machinery does is done by the stage: messages arrive in order, a turn takes all that have, the writer
commits a little later, and its word takes a while. A head that fails is dead; nothing of it answers any more.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from actorcloud.actor import NoReply
from actorcloud.store import Engine, EngineFailed, FencedOut, StoreActor, Unresolved, WriterActor
from actorcloud.store.writer import Write
from tests.proof.stage import Stage

#: Seconds; what the store puts off for longer than this comes soon, or no seed would live to see it.
_LONG = 60.0


class Mailbox:
    """Takes messages for whoever is on the stage; stands in for an actor's ref."""

    def __init__(self, take: Callable[[Any], None]) -> None:
        self.tell = take


class StagedStore(StoreActor):
    """The store actor; its runtime's attributes are the stage's.

    Args:
        stage: on which it lives.
        head: whose it is.
        engine: not yet opened.
    """

    # What a cell gives in a system.
    system: Any = None
    actor_ref: Any = None
    sender: Any = None

    def __init__(self, stage: Stage, head: StagedHead, engine: Engine, clock: Callable[[], float]) -> None:
        self.system = SimpleNamespace(clock=SimpleNamespace(time=clock, monotonic=lambda: stage.now))
        self.actor_ref = Mailbox(head.tell_soon)
        self._stage = stage
        self._head = head
        super().__init__(engine, writer=Mailbox(head.write))  # type: ignore[arg-type]  # all that it calls is `tell`

    def link(self, ref: Any) -> None:
        """The head ends with its writer without a link."""

    def reply(self, to: Any, value: Any = None) -> None:
        """Answer; as the machinery does."""
        to.set(value)

    def send_after(self, delay: float, message: Any, to: Any = None) -> Any:
        """Send itself a message later."""
        # An hour of a head is a moment here; still longer than any client asks again.
        self._stage.after(delay if delay < _LONG else 0.1, lambda: self._head.tell(message))


class StagedWriter(WriterActor):
    """The writer, likewise."""

    system: Any = None

    def __init__(self, engine: Engine, system: Any) -> None:
        self.system = system
        super().__init__(engine)


class StagedHead:
    """A head: its mailbox, its turns, its writer.

    Args:
        stage: on which it lives.
        chance: decides how long everything takes.
        engine: not yet opened.
        clock: seconds since 1970.
        died: called once, at its end by a failure of its own.
    """

    #: Seconds that a turn, a commit and the word of it take at most.
    TURN, COMMIT, WORD = 0.0003, 0.0012, 0.0005

    def __init__(
        self,
        stage: Stage,
        chance: random.Random,
        engine: Engine,
        clock: Callable[[], float],
        died: Callable[[StagedHead], None],
    ) -> None:
        self.is_dead = False
        self._stage = stage
        self._chance = chance
        self._died = died
        self._mail: list[tuple[Any, Any]] = []
        self._has_turn = False
        self.store = StagedStore(stage, self, engine, clock)
        self._writer = StagedWriter(engine, self.store.system)
        self.store.on_start()

    def tell(self, message: Any, asker: Any = None) -> None:
        """Put a message into the mailbox.

        Args:
            message: for the store.
            asker: its `set` is called with the answer.
        """
        if self.is_dead:
            return
        self._mail.append((message, asker))
        if not self._has_turn:
            self._has_turn = True
            self._stage.after(self.TURN * self._chance.random(), self._turn)

    def tell_soon(self, message: Any) -> None:
        """Put a message of the head's own actors into the mailbox, after a while."""
        self._stage.after(self.WORD * self._chance.random(), lambda: self.tell(message))

    def write(self, write: Write) -> None:
        """Commit, after a while."""
        self._stage.after(self.COMMIT * self._chance.random(), lambda: self._commit(write))

    def kill(self) -> None:
        """End at once: nothing that was on its way arrives."""
        self.is_dead = True
        self._mail.clear()

    def _turn(self) -> None:
        if self.is_dead:
            return
        self._has_turn = False
        mail, self._mail = self._mail, []
        try:
            for message, asker in mail:
                self.store.sender = asker
                answer = self.store.on_receive(message)
                if answer is not NoReply and asker is not None:
                    asker.set(answer)
            self.store.on_batch_end()
        except FencedOut:
            self._end()

    def _commit(self, write: Write) -> None:
        if self.is_dead:
            return
        try:
            self._writer.on_receive(write)
        except (FencedOut, Unresolved, EngineFailed):
            self._end()

    def _end(self) -> None:
        self.kill()
        self._died(self)
