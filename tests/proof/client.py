"""A client process: uses the store of a real head until it is told to stop, or killed.

    python -m tests.proof.client ENDPOINT JOURNAL NUMBER

Its number is that of no other process. It ends when its input does.
"""

from __future__ import annotations

import random
import sys
import threading
from pathlib import Path
from typing import Any

from actorcloud import Cloud
from actorcloud.protocol.transaction import Committed
from tests.proof.journal import Journal, JournaledPerformance, begin, end
from tests.proof.program import Book, Plan, perform

#: Transactions of one process, at most: its unique numbers begin at so many times its own.
TRANSACTION_LIMIT = 1_000_000


class Ear:
    """Hears what the store answers, on its way to the caller."""

    def __init__(self, ask: Any) -> None:
        self.told: Committed | None = None
        self._ask = ask

    def ask(self, message: Any) -> Any:
        answer = self._ask(message)
        if isinstance(answer, Committed):
            self.told = answer
        return answer


def wait_for_end(stop: threading.Event) -> None:
    """Tell when the input ends."""
    sys.stdin.read()
    stop.set()


def work(endpoint: str, path: Path, number: int) -> None:
    """Perform transactions, one after the other, until the input ends."""
    stop = threading.Event()
    threading.Thread(target=wait_for_end, args=(stop,), daemon=True).start()
    chance = random.Random(number)
    book, journal = Book(number * TRANSACTION_LIMIT), Journal(path)
    with Cloud(endpoint) as cloud:
        transactions = cloud.room.transactions
        ear = Ear(transactions._ask)
        transactions._ask = ear.ask
        print("at work", flush=True)
        while not stop.is_set() and len(book.calls) < TRANSACTION_LIMIT:
            index = begin(journal, book, number)
            call, ear.told = book.calls[index], None
            function = JournaledPerformance(book, index, Plan(chance), transactions)
            function.journal = journal
            outcome = perform(transactions, call, function, timeout=30.0)
            if outcome == "ok" and ear.told is not None:
                call.seq = ear.told.seq
            end(journal, index, call, outcome)
    journal.close()


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
