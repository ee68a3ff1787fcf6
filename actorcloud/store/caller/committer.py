"""How one transaction ends: its commits, and what became of them.

::

    commit(run) --Commit--> Committed(attempt)   the value of that attempt, an earlier one's if that won
                       |--> Conflict             run the function again
                       '--> Refused, Fenced      raised

    resolve()   --Status--> Committed(attempt)   an attempt was committed all the same
                       '--> NotCommitted         and never will be

A commit whose answer was lost is sent again as it is, so one attempt may reach the store twice, and
of the two copies the second may be accepted after the first was refused: a key that was read as
absent was there for a moment only. All attempts have one id, and at most one of them counts. So
whatever ends a transaction after it has sent a commit - an `Abort`, an error, nothing to write, the
deadline - asks `Status` first: "not committed" closes the id, and is for good. `CommitUnknown`
remains for a head that stays away.

Thread: the one that called `mutate_store`.

Reference: store-design 2.9; docs/design/0005-sessions-are-links.md.
"""

from __future__ import annotations

import itertools
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

from actorcloud.base.errors import ClosedCloud, CommitUnknown, HeadUnreachable, WireError, from_code
from actorcloud.protocol import transaction as wire
from actorcloud.protocol.message import Message
from actorcloud.store.caller.attempt import ANEW
from actorcloud.store.caller.memory import Memory
from actorcloud.store.caller.outcome import Commit, FencedRun
from actorcloud.store.caller.pacer import Pacer
from actorcloud.store.caller.transaction import Ask, Transaction

#: Ids in one message of those whose answers have arrived; more wait for the next one.
ACKED_IN_ONE = 64

#: Attempts whose values are kept: more than are made while a second copy of one is parked at the store.
KEPT_ATTEMPTS = 64

#: Conflicts after which a transaction wants its turn, and seconds: few get so far where there is no rush.
TICKET_AFTER_CONFLICTS = 5
TICKET_AFTER = 0.25


class Ran(NamedTuple):
    """A run of the function that returned."""

    outcome: Commit[Any]
    transaction: Transaction


class Committer:
    """See the module.

    Args:
        ask: the way to the store.
        pacer: of this transaction.
        acked: ids of earlier transactions whose answers have arrived; shared by all of this caller's.
        memory: of this caller's commits.
    """

    def __init__(self, ask: Ask, pacer: Pacer, acked: deque[bytes], memory: Memory) -> None:
        self._ask = ask
        self._pacer = pacer
        self._acked = acked
        self._memory = memory
        #: Runs that were sent and may have been committed, by attempt.
        self._sent: dict[int, Ran] = {}

    def commit(self, transaction: Transaction, outcome: Commit[Any]) -> Ran | wire.Conflict:
        """Commit a run that has ended; return the one that counts, or why it must be run again."""
        attempt, ran = transaction.end(), Ran(outcome, transaction)
        if attempt.is_read_only:
            return self.resolve() or ran
        self._sent[attempt.number] = ran
        self._sent.pop(attempt.number - KEPT_ATTEMPTS, None)
        acked = self._take_acked()
        answer = None
        try:
            answer = self._send(attempt.to_commit(acked, self._pace(attempt.number)), is_guess=attempt.is_recalled)
        finally:
            if not isinstance(answer, wire.Committed):
                self._acked.extend(acked)
        return answer if isinstance(answer, wire.Conflict) else self._won(answer)

    def resolve(self) -> Ran | None:
        """Return the run that was committed although nobody said so; None: none was, and none will be.

        Raises:
            CommitUnknown: the head does not answer.
        """
        if not self._sent:
            return None
        txn = next(iter(self._sent.values())).transaction.id
        for number in itertools.count(1):
            match self._ask_once(wire.Status(txn)):
                case wire.Committed() as answer:
                    return self._won(answer)
                case wire.NotCommitted():
                    self._sent.clear()
                    return None
                case None | wire.Refused("busy"):
                    if self._pacer.is_over():
                        raise CommitUnknown
                case answer:
                    raise WireError(f"the store answered a Status with {answer!r}")
            self._pacer.pause(number)
        raise AssertionError("unreachable")

    def _take_acked(self) -> tuple[bytes, ...]:
        """Take the oldest ids whose answers have arrived; transactions of other threads take from them too."""
        taken: list[bytes] = []
        with suppress(IndexError):
            while len(taken) < ACKED_IN_ONE:
                taken.append(self._acked.popleft())
        return tuple(taken)

    def _pace(self, number: int) -> float | None:
        """Return how long one attempt takes, if this transaction has tried for so long that it wants its turn."""
        elapsed = self._pacer.elapsed
        tries = number - self._pacer.guesses
        wants = tries > TICKET_AFTER_CONFLICTS or (tries > 1 and elapsed >= TICKET_AFTER)
        return elapsed / number if wants else None

    def _send(self, commit: wire.Commit, *, is_guess: bool) -> wire.Committed | wire.Conflict:
        """Ask until there is an answer that counts."""
        for number in itertools.count(1):
            answer = self._ask_once(commit)
            decided = "the connection was reset" if answer is None else _decide(answer, is_guess=is_guess)
            if not isinstance(decided, str):
                return decided
            if self._pacer.is_over():
                raise self._pacer.error(number, decided)
            self._pacer.pause(number)
        raise AssertionError("unreachable")

    def _ask_once(self, message: Message) -> Message | None:
        """Ask; None: the answer was lost."""
        try:
            return self._ask(message)
        except ConnectionResetError:
            # It may be there already; the same id again gives the same answer.
            return None
        except (HeadUnreachable, ClosedCloud, TimeoutError) as error:
            raise CommitUnknown from error

    def _won(self, answer: wire.Committed) -> Ran:
        ran = self._sent.get(answer.attempt)
        if ran is None:
            raise WireError(f"the store has committed attempt {answer.attempt} of a transaction, which was never sent")
        self._acked.append(ran.transaction.id)
        self._memory.keep(ran.transaction.end(), answer.seq)
        return ran


def _decide(answer: object, *, is_guess: bool) -> wire.Committed | wire.Conflict | str:
    """Return the store's verdict; a text if it is to be asked again; raise what is final."""
    match answer:
        case wire.Committed() | wire.Conflict():
            return answer
        case wire.Refused("busy", text):
            return text
        case wire.Refused("need-function"):
            # Collected between the call that brought it and this commit: run again, it is brought again.
            return ANEW
        case wire.Refused() if is_guess:
            # What led to it may be no longer so; the store looks at that last.
            return ANEW
        case wire.Refused(code, text):
            raise from_code(code, text)
        case wire.Fenced():
            raise FencedRun("another run of this job has taken over")
        case _:
            raise TypeError(f"the store answered a Commit with {answer!r}")
