"""A client's link to the head of the moment, with delays, resets and duplicates.

What a link carries arrives in order and once, or not at all: it resumes or it is reset. After a reset the
answer to what was asked is lost, though the head may be at it; it is asked again of whoever is the head now, as
a client's session does, or the caller is told. Links are apart: between two, everything may overtake.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from actorcloud.base.errors import HeadUnreachable
from actorcloud.protocol.message import Message
from actorcloud.protocol.transaction import Commit, Committed, Status
from tests.proof.stage import Fiber, Stage
from tests.proof.staged import StagedHead


class Chances:
    """How often a link misbehaves, each from 0 to 1."""

    def __init__(self, *, slow: float = 0.02, duplicate: float = 0.01, give_up: float = 0.01) -> None:
        #: A message takes ten times as long.
        self.slow = slow
        #: A commit is made twice, as after a reset in the midst of making it.
        self.duplicate = duplicate
        #: At a reset, the client gives up.
        self.give_up = give_up


class Link:
    """See the module.

    Args:
        stage: on which it lies.
        chance: decides its delays.
        chances: how often it misbehaves.
    """

    #: Seconds that a message takes, and a reset.
    LATENCY, RESET = 0.0004, 0.002

    def __init__(self, stage: Stage, chance: random.Random, chances: Chances) -> None:
        self.head: StagedHead | None = None
        #: Number of the last commit that this client was told of.
        self.told: Committed | None = None
        self._stage = stage
        self._chance = chance
        self._chances = chances
        self._session = 0
        self._asked = 0
        self._there = self._back = 0.0
        self._waiting: tuple[Fiber, Message] | None = None

    def ask(self, message: Message) -> Message:
        """Send a message to the head and wait for the answer.

        Raises:
            ConnectionResetError: the answer to a commit was lost.
            HeadUnreachable: the client has given up.
        """
        self._asked += 1
        self._waiting = self._stage.current(), message
        self._send()
        answer = self._stage.wait()
        if isinstance(answer, BaseException):
            raise answer
        if isinstance(answer, Committed):
            self.told = answer
        return answer  # type: ignore[no-any-return]  # what the store answers

    def connect(self, head: StagedHead | None) -> None:
        """Leave the head for another one; None: there is none for now."""
        self._session += 1
        self._there = self._back = 0.0
        self.head = head
        if self._waiting is not None and head is not None:
            asked = self._asked
            self._stage.after(self.RESET * self._chance.random(), lambda: self._again(asked))

    def _again(self, asked: int) -> None:
        if self._waiting is None or asked != self._asked:
            return
        fiber, message = self._waiting
        draw = self._chance.random()
        if draw < self._chances.give_up:
            self._resume(fiber, HeadUnreachable())
        elif draw < 0.5 and isinstance(message, Commit | Status):
            self._resume(fiber, ConnectionResetError())
        else:
            self._send()

    def _resume(self, fiber: Fiber, answer: object) -> None:
        self._waiting = None
        self._stage.resume(fiber, answer)

    def _delay(self) -> float:
        longest = self.LATENCY * (10 if self._chance.random() < self._chances.slow else 1)
        return longest * self._chance.random()

    def _send(self) -> None:
        assert self._waiting is not None
        head, message, session, asked = self.head, self._waiting[1], self._session, self._asked
        if head is None:
            # Sent once there is one again.
            return

        def arrive() -> None:
            if session == self._session:
                head.tell(message, _Asker(self, session, asked))

        def arrive_again() -> None:
            if session == self._session:
                head.tell(message)

        self._schedule(arrive)
        if isinstance(message, Commit) and self._chance.random() < self._chances.duplicate:
            self._schedule(arrive_again)

    def _schedule(self, arrive: Callable[[], None]) -> None:
        """Let a message arrive, behind all that were sent before."""
        self._there = max(self._there, self._stage.now + self._delay())
        self._stage.after(self._there - self._stage.now, arrive)

    def answer(self, session: int, asked: int, value: Any) -> None:
        """Carry an answer back."""
        if session != self._session:
            return

        def arrive() -> None:
            if session == self._session and asked == self._asked and self._waiting is not None:
                self._resume(self._waiting[0], value)

        self._back = max(self._back, self._stage.now + self._delay())
        self._stage.after(self._back - self._stage.now, arrive)


class _Asker:
    """Where the store's answer goes."""

    __slots__ = ("_asked", "_link", "_session")

    def __init__(self, link: Link, session: int, asked: int) -> None:
        self._link = link
        self._session = session
        self._asked = asked

    def set(self, value: Any = None) -> None:
        self._link.answer(self._session, self._asked, value)
