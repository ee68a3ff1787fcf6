"""What the clients do: transactions drawn by chance, which write down what they see.

Lists ("L...") only grow, by what was read, or by atomic operations ("B..."); values ("V...") are written over
blindly or not; accounts ("A...") hold a sum that no run may see wrong. Everything written is unique.
"""

from __future__ import annotations

import itertools
import random
from typing import Any

from actorcloud.base.errors import CommitUnknown, HeadUnreachable, NoSpace, TransactionError
from actorcloud.store import Abort, Transaction, Transactions
from actorcloud.store.caller.attempt import Attempt
from tests.proof.history import APPEND, READ, WRITE, Call, Op, Run

#: The space of it all.
SPACE = "proof"

#: Few, so that transactions meet.
LISTS, VALUES, ACCOUNTS = 5, 4, 5

#: Lists that grow by atomic operations: places after those of the others.
BLIND_LISTS = 2

#: Of an element in one of these.
_ELEMENT_BYTES = 8

#: Elements, after which another list takes the place of one.
LIST_LIMIT = 12

#: Of each account at the start.
BALANCE = 100


#: A step of most transactions -> how often it is drawn.
_STEPS = {
    "read": 5,
    "append": 6,
    "get": 3,
    "put": 3,
    "swap": 3,
    "delete": 1,
    "scan_values": 2,
    "scan_list": 1,
    "grow": 3,
    "look": 2,
}

_KINDS, _CUMULATED = tuple(_STEPS), tuple(itertools.accumulate(_STEPS.values()))

_READS = {"read", "get", "look", "scan_values", "scan_list", "audit"}


class Book:
    """What is shared by the programs of one world: the history, and which lists are in use.

    Args:
        base: of the unique numbers that are written; each process of its own has another.
    """

    def __init__(self, base: int = 0) -> None:
        self.base = base
        self.calls: list[Call] = []
        #: Of each call the transaction's id, and the attempts behind its runs.
        self.ids: list[bytes] = []
        self.attempts: list[list[Attempt]] = []
        self._generations = [0] * (LISTS + BLIND_LISTS)

    def open(self, process: int, tick: int) -> int:
        """Begin a call; return its index."""
        self.calls.append(Call(process, tick))
        self.ids.append(b"")
        self.attempts.append([])
        return len(self.calls) - 1

    def list_names(self, slot: int) -> list[str]:
        """Return all lists that have been in this place, or will be next."""
        return sorted(f"L{slot}.{generation}" for generation in range(self._generations[slot] + 2))

    def list_name(self, slot: int) -> str:
        """Return the list that is in this place now."""
        return f"{'L' if slot < LISTS else 'B'}{slot}.{self._generations[slot]}"

    def note_length(self, slot: int, name: str, length: int) -> None:
        """A list has grown; a long one makes room for another."""
        if length >= LIST_LIMIT and name == self.list_name(slot):
            self._generations[slot] += 1

    def settle(self) -> None:
        """Copy what the attempts know into the runs."""
        for call, attempts in zip(self.calls, self.attempts, strict=True):
            for run, attempt in zip(call.runs, attempts, strict=True):
                settle(run, attempt)


def settle(run: Run, attempt: Attempt) -> None:
    """Copy what an attempt knows into its run."""
    run.snapshot = attempt.snapshot[1] if attempt.snapshot is not None else None
    run.recalled = attempt.is_recalled


class Plan:
    """One transaction's steps, drawn in advance: each run does the same."""

    def __init__(self, chance: random.Random) -> None:
        draw = chance.random()
        self.steps: list[tuple[str, int, int]] = []
        if draw < 0.15:
            first, second = chance.sample(range(ACCOUNTS), 2)
            self.steps = [("transfer", first, second)]
        elif draw < 0.25:
            self.steps = [("audit", chance.randrange(60), 0)]
        else:
            kinds = chance.choices(_KINDS, cum_weights=_CUMULATED, k=6)
            self.steps = [(kind, chance.randrange(60), chance.randrange(60)) for kind in kinds[: chance.randint(1, 6)]]
            if draw < 0.30:
                self.steps.append(("audit", chance.randrange(60), 0))
        self.aborts = chance.random() < 0.03
        #: A function that catches everything must not commit half a run.
        self.swallows = chance.random() < 0.02


class Performance:
    """One call's function: performs a plan and writes down what it saw."""

    def __init__(self, book: Book, index: int, plan: Plan, transactions: Transactions) -> None:
        self._book = book
        self._index = index
        self._plan = plan
        self._transactions = transactions
        self._count = 0

    def run_ended(self) -> None:
        """A run has returned, or raised; for those who write it down elsewhere."""

    @property
    def only_reads(self) -> bool:
        """Whether no step writes; then it is a read-only snapshot."""
        return all(step[0] in _READS for step in self._plan.steps)

    def __call__(self) -> int:
        """Return the number of the run, which is the value of the transaction."""
        transaction = self._transactions.current()
        assert transaction is not None
        self._book.ids[self._index] = transaction.id
        self._book.attempts[self._index].append(transaction._attempt)
        run = self._book.calls[self._index].begin()
        try:
            self._perform(transaction, run)
        finally:
            self.run_ended()
        return run.number

    def _perform(self, transaction: Transaction, run: Run) -> None:
        for what, first, second in self._plan.steps:
            try:
                getattr(self, what)(transaction, run, first, second)
            except WrongSum:
                raise
            except BaseException:
                if not self._plan.swallows:
                    raise
        if self._plan.aborts:
            raise Abort("by chance")

    def _unique(self, run: Run) -> int:
        self._count += 1
        return ((self._book.base + self._index) << 16) + (min(run.number, 255) << 8) + self._count % 256

    def _fetch(self, transaction: Transaction, run: Run, key: str) -> Any:
        value = transaction.fetch(SPACE, key)
        run.ops.append(Op(READ, key, value))
        return value

    def _store(self, transaction: Transaction, run: Run, key: str, value: Any) -> None:
        if value is None:
            transaction.delete(SPACE, key)
        else:
            transaction.store(SPACE, key, value)
        run.ops.append(Op(WRITE, key, value))

    # -- steps ------------------------------------------------------------------------------------

    def read(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        self._fetch(transaction, run, self._book.list_name(first % LISTS))

    def append(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        slot = first % LISTS
        key = self._book.list_name(slot)
        before = self._fetch(transaction, run, key) or ()
        element = self._unique(run)
        transaction.store(SPACE, key, (*before, element))
        run.ops.append(Op(APPEND, key, element))
        self._book.note_length(slot, key, len(before))

    def grow(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        key, element = self._book.list_name(LISTS + first % BLIND_LISTS), self._unique(run)
        transaction.append(SPACE, key, element.to_bytes(_ELEMENT_BYTES, "big"))
        run.ops.append(Op(APPEND, key, element))

    def look(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        slot = LISTS + first % BLIND_LISTS
        key = self._book.list_name(slot)
        found = transaction.fetch(SPACE, key) or b""
        chunks = [found[at : at + _ELEMENT_BYTES] for at in range(0, len(found), _ELEMENT_BYTES)]
        run.ops.append(Op(READ, key, tuple(int.from_bytes(chunk, "big") for chunk in chunks)))
        self._book.note_length(slot, key, len(chunks))

    def get(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        self._fetch(transaction, run, f"V{first % VALUES}")

    def put(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        self._store(transaction, run, f"V{first % VALUES}", self._unique(run))

    def swap(self, transaction: Transaction, run: Run, first: int, second: int) -> None:
        self.get(transaction, run, first, 0)
        self.put(transaction, run, second, 0)

    def delete(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        self._store(transaction, run, f"V{first % VALUES}", None)

    def scan_values(self, transaction: Transaction, run: Run, first: int, second: int) -> None:
        limit = (None, None, 1, 2)[second % 4]
        self._scan(transaction, run, "V", [f"V{number}" for number in range(VALUES)], limit, reverse=first % 2 == 1)

    def scan_list(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        # What lists there are is noted before, as another client may add one while this one waits.
        names = self._book.list_names(first % LISTS)
        self._scan(transaction, run, f"L{first % LISTS}.", names, None, reverse=False)

    def _scan(  # noqa: PLR0913  all that a scan has
        self, transaction: Transaction, run: Run, prefix: str, names: list[str], limit: int | None, *, reverse: bool
    ) -> None:
        """Scan, and write down a read of each name that the scan decides, absent ones too."""
        found: list[tuple[Any, Any]] = transaction.scan(SPACE, prefix, limit=limit, reverse=reverse)
        values = dict(found)
        assert [key for key, _ in found] == sorted(values, reverse=reverse), "a scan is in order"
        for name in names:
            beyond = limit is not None and len(found) == limit and (name < found[-1][0]) == reverse
            if name in values or not beyond:
                run.ops.append(Op(READ, name, values.get(name)))

    def transfer(self, transaction: Transaction, run: Run, first: int, second: int) -> None:
        have, other = (balance_of(self._fetch(transaction, run, f"A{number}")) for number in (first, second))
        amount = self._index % 7 + 1
        self._store(transaction, run, f"A{first}", f"{have - amount} {self._unique(run)}")
        self._store(transaction, run, f"A{second}", f"{other + amount} {self._unique(run)}")

    def audit(self, transaction: Transaction, run: Run, first: int, _: int) -> None:
        names = [f"A{number}" for number in range(ACCOUNTS)]
        if first % 2:
            self._scan(transaction, run, "A", names, None, reverse=False)
            total = sum(balance_of(op.value) for op in run.ops[-ACCOUNTS:])
        else:
            total = sum(balance_of(self._fetch(transaction, run, name)) for name in names)
        if total != ACCOUNTS * BALANCE:
            raise WrongSum(f"a run sees the sum {total}")


class WrongSum(BaseException):
    """A run has seen accounts that no serial order shows together."""


def balance_of(value: str | None) -> int:
    """Return what an account holds; its value is the balance and a unique number."""
    return BALANCE if value is None else int(value.split()[0])


def perform(transactions: Transactions, call: Call, function: Performance, timeout: float) -> str:
    """Run one transaction; return its outcome. A `FencedRun` goes through."""
    try:
        if function.only_reads:
            call.committed = transactions.snapshot(function, timeout=timeout)
            return "ok"
        outcome = transactions.mutate(function, timeout=timeout)
    except CommitUnknown:
        return "info"
    except (TransactionError, HeadUnreachable, NoSpace):
        return "fail"
    except Abort:
        outcome = None
    if not outcome:
        call.aborted = len(call.runs)
        return "fail"
    call.committed = outcome.value
    return "ok"
