"""Writers that are killed, and the ledger of what they were told.

A writer is a process with a real store actor on LMDB that transfers money between accounts as fast
as it can. `Writers` is a process without threads that has everything imported and forks them, so
that fifty of them take seconds. What a writer says on its pipe::

    started PID
    sent COMMIT          about to be asked of the store
    acked TXN SEQ        answered
    ended CODE           said by the template: it is dead, and has said all that it will

The ledger is the parent's and outlives them all.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pickle
import random
import select
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

from lmdb import verify

from actorcloud.actor import ActorRef, System
from actorcloud.protocol.transaction import Commit, Committed, Conflict, Read, Values
from actorcloud.store import LmdbEngine, StoreActor, WriterActor, encode_key, keys
from actorcloud.store.writer import Write, Written
from tests.store.local import raw

ROOT = Path(__file__).parents[2]

#: What is on each account at first.
EACH = 100
ACCOUNTS = tuple(keys.user("bank", encode_key(number)) for number in range(12))

#: Transfers that wait for their answers; each has two accounts for itself.
IN_FLIGHT = 4

MAP_BYTES = 64 << 20

#: Seconds: for what is a matter of milliseconds.
LONG = 20.0


def entry(number: int) -> bytes:
    """Return the key under which a transfer notes itself."""
    return keys.user("log", encode_key(number))


# -- the processes --------------------------------------------------------------------------------


def serve(*, acknowledges_early: bool) -> None:
    """Fork a writer for each line `FIRST PATH`.

    Args:
        acknowledges_early: the planted bug: commits are answered before they are on the disk.
    """
    if acknowledges_early:
        WriterActor.on_receive = answer_and_commit  # type: ignore[method-assign]  # that is the bug
    for line in sys.stdin:
        first, path = line.rstrip("\n").split(" ", 1)
        pid = os.fork()
        if pid == 0:
            write(path, int(first))
        say("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def say(*words: object) -> None:
    """One write: a line is said wholly or not at all."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def write(path: str, first: int) -> None:
    """Transfer until killed; the transfers are numbered from `first`."""
    say("started", os.getpid())
    store = StoreActor.options(system=System()).start(LmdbEngine(path, map_bytes=MAP_BYTES))
    found = store.ask(Read(ACCOUNTS))
    accounts = deque((key, *balance(value)) for key, value in zip(ACCOUNTS, found.values, strict=True))
    chance, waiting = random.Random(first), deque[tuple[Commit, Any]]()
    for number in itertools.count(first):
        commit = transfer(number, found.snapshot, [accounts.popleft(), accounts.popleft()], chance)
        say("sent", pickle.dumps(commit).hex())
        waiting.append((commit, store.ask(commit, block=False)))
        if len(waiting) == IN_FLIGHT:
            commit, answer = waiting.popleft()
            committed = answer.get(LONG)
            assert isinstance(committed, Committed)
            say("acked", commit.txn.hex(), committed.seq)
            accounts.extend((key, committed.seq, int((value or b"")[1:])) for key, value in commit.writes[:2])


def answer_and_commit(self: WriterActor, message: object) -> None:
    """Be a writer that has it the wrong way round."""
    assert isinstance(message, Write)
    message.reply_to.tell(Written())
    self._commit(message)


def transfer(number: int, snapshot: Any, between: list[tuple[bytes, int, int]], chance: random.Random) -> Commit:
    (payer, payer_seq, has), (payee, payee_seq, had) = between
    amount = chance.randrange(1, 50)
    return Commit(
        number.to_bytes(16, "big"),
        1,
        snapshot,
        reads=((payer, payer_seq), (payee, payee_seq)),
        writes=(
            (payer, raw(str(has - amount).encode())),
            (payee, raw(str(had + amount).encode())),
            (entry(number), raw(bytes(chance.randrange(300)))),
        ),
    )


def balance(found: tuple[int, bytes] | None) -> tuple[int, int]:
    """Return (seq, balance) of an account."""
    return (0, EACH) if found is None else (found[0], int(found[1][1:]))


class Writers:
    """The template of all writers; see `serve`."""

    def __init__(self, *, acknowledges_early: bool = False) -> None:
        code = f"from tests.store import transfers; transfers.serve(acknowledges_early={acknowledges_early})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._buffer = b""

    def run_and_kill(self, path: Path, first: int, after: float) -> list[list[str]]:
        """Let a writer write for `after` seconds, kill it, and return what it said."""
        said = self.start(path, first)
        said += self._read(time.monotonic() + after, None)
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(said[0][1]), signal.SIGKILL)
        said += [] if said[-1][0] == "ended" else self._read(time.monotonic() + LONG, "ended")
        assert said[-1][1] == str(-signal.SIGKILL), "the writer has found its store wrong, and ended by itself"
        return said

    def start(self, path: Path, first: int) -> list[list[str]]:
        """Let a writer begin; return what it said."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{first} {path}\n".encode())
        return self._read(time.monotonic() + LONG, "started")

    def close(self) -> None:
        """End the template, and a writer that a test has left: its output is the template's."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _read(self, deadline: float, last: str | None) -> list[list[str]]:
        """Return lines up to one that begins with `last`, or until the deadline if there is none."""
        said: list[list[str]] = []
        while True:
            *lines, self._buffer = self._buffer.split(b"\n")
            said += [line.decode().split(" ") for line in lines]
            # Not only as the last of them: a writer that is quick has sent the next line, too.
            if any(line[0] == last for line in said):
                return said
            assert self._process.stdout is not None
            ready, _, _ = select.select([self._process.stdout], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                assert last is None, f"no {last!r} came, but {said[-3:]}"
                return said
            read = os.read(self._process.stdout.fileno(), 65536)
            assert read, "the template has died"
            self._buffer += read


# -- the ledger -----------------------------------------------------------------------------------


class Ledger:
    """What was sent to the store at `path`, and what is known of it; only ever added to.

    Args:
        path: of the store; there may be none yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.committed: dict[int, Commit] = {}
        self.refused = 0
        self.settled_late = 0
        self._open: dict[bytes, Commit] = {}

    def note(self, said: list[list[str]]) -> None:
        """Take what a writer said."""
        for word, *rest in said:
            if word == "sent":
                commit = pickle.loads(bytes.fromhex(rest[0]))
                self._open[commit.txn] = commit
            elif word == "acked":
                self._book(self._open.pop(bytes.fromhex(rest[0])), int(rest[1]))

    def check(self) -> None:
        """Open the store as a restarted head does, settle what is open, and compare."""
        file = self.path / "data" / "data.mdb"
        if file.exists():
            assert verify.verify(str(file)) == []  # type: ignore[no-untyped-call]  # py-lmdb has no stub
        with contextlib.closing(System()) as system:
            store = StoreActor.options(system=system).start(LmdbEngine(self.path, map_bytes=MAP_BYTES))
            self._settle(store)
            self._compare(store)
            store.stop()

    def _settle(self, store: ActorRef[Any]) -> None:
        """Send again what was not answered: as after a lost reply, that tells what became of it."""
        for commit in self._open.values():
            answer = store.ask(commit)
            assert isinstance(answer, Committed | Conflict)
            if isinstance(answer, Committed):
                self._book(commit, answer.seq)
                self.settled_late += 1
            else:
                self.refused += 1
                found = store.ask(Read((commit.writes[2][0],)))
                assert found.values == (None,), "a transfer that was refused has left something behind"
        self._open.clear()

    def _book(self, commit: Commit, seq: int) -> None:
        assert seq not in self.committed, f"two transfers were told that they are commit {seq}"
        self.committed[seq] = commit

    def _compare(self, store: ActorRef[Any]) -> None:
        """Everything that was acknowledged is there, under its number, and nothing else."""
        expected: dict[bytes, tuple[int, bytes | None]] = {}
        for seq in sorted(self.committed):
            expected.update({key: (seq, value) for key, value in self.committed[seq].writes})
        found = store.ask(Read(tuple(expected)))
        assert isinstance(found, Values)
        assert dict(zip(expected, found.values, strict=True)) == expected
        assert found.snapshot[1] == len(self.committed)
        balances = [balance(value)[1] for value in store.ask(Read(ACCOUNTS)).values]
        assert sum(balances) == EACH * len(ACCOUNTS)
