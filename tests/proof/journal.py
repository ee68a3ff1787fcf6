"""Histories of processes that may be killed: written down as they happen, and put together again.

A line for each beginning, each run and each end; what a process had not written when it was killed was never
sent, for a run is written before its commit is. `time.monotonic_ns` is one clock for all processes of a machine.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.proof.history import Call, Run
from tests.proof.program import Book, Performance, settle


class Journal:
    """The file of one process.

    Args:
        path: of a file that does not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)

    def write(self, *entry: Any) -> None:
        """Append an entry; it is there once this returns, whatever becomes of the process."""
        self._file.write(pickle.dumps(entry))

    def close(self) -> None:
        """No more entries."""
        self._file.close()


class JournaledPerformance(Performance):
    """A performance whose runs are written down when they end."""

    journal: Journal

    def run_ended(self) -> None:
        call, attempt = self._book.calls[self._index], self._book.attempts[self._index][-1]
        run = call.runs[-1]
        run.ended = time.monotonic_ns()
        settle(run, attempt)
        self.journal.write("run", self._index, self._book.ids[self._index], run)


def read_journal(path: Path, process: int) -> Iterator[tuple[bytes, Call]]:
    """Yield (id of the transaction, call) of each that was begun; those without an end are unknown."""
    calls: dict[int, Call] = {}
    ids: dict[int, bytes] = {}
    for entry in _entries(path):
        kind, index = entry[:2]
        if kind == "begin":
            calls[index] = Call(process, entry[2])
        elif kind == "run":
            ids[index], run = entry[2:]
            assert isinstance(run, Run)
            calls[index].runs.append(run)
        else:
            call = calls[index]
            _, _, outcome, at, call.committed, call.seq, call.aborted = entry
            call.end(outcome, at)
    for index, call in calls.items():
        yield ids.get(index, b""), call


def begin(journal: Journal, book: Book, process: int) -> int:
    """Begin a call; return its index."""
    index = book.open(process, time.monotonic_ns())
    journal.write("begin", index, book.calls[index].invoked)
    return index


def end(journal: Journal, index: int, call: Call, outcome: str) -> None:
    """Write down how a call has ended."""
    journal.write("end", index, outcome, time.monotonic_ns(), call.committed, call.seq, call.aborted)


def _entries(path: Path) -> Iterator[tuple[Any, ...]]:
    with path.open("rb") as file:
        while True:
            try:
                yield pickle.load(file)
            except (EOFError, pickle.UnpicklingError):
                # The last one may be half: its process was killed while it wrote.
                return
