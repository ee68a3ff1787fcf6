"""A store whose system calls fail: what the program says that `strace` interferes with.

It commits one transfer after the other through a real store actor on LMDB, and says::

    acked N | refused N CODE        each commit's answer
    died                            the store has ended, and so does the program, with DIED
    unstarted CODE                  it could not be opened; the program ends with UNSTARTED
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from lmdb import verify

from actorcloud.actor import ActorDeadError, System
from actorcloud.base.errors import ActorCloudError
from actorcloud.protocol.transaction import Commit, Committed
from actorcloud.store import Batch, LmdbEngine, ReadPlan, StoreActor, encode_key, keys
from tests.store.local import raw

ROOT = Path(__file__).parents[2]

#: Of one program. Some of their values are pages of their own, so that pages are written one by one and together.
COMMITS = 8

#: Seconds: for what is a matter of one.
LONG = 30.0

#: How the program ends.
DONE, DIED, UNSTARTED = 0, 3, 4

MAP_BYTES = 64 << 20


def entry(number: int) -> bytes:
    """Return the key that commit `number` writes."""
    return keys.user("log", encode_key(number))


def value(number: int) -> bytes:
    """Return what it writes there."""
    return bytes([number]) * (100 if number % 2 else 9000)


def run(path: str) -> int:
    """Be the program; return how it ends."""
    system = System()
    try:
        store = StoreActor.options(system=system).start(LmdbEngine(path, map_bytes=MAP_BYTES))
    except ActorCloudError as error:
        print("unstarted", error.code, flush=True)
        return UNSTARTED
    try:
        for number in range(1, COMMITS + 1):
            answer = store.ask(Commit(bytes(15) + bytes([number]), 1, writes=((entry(number), raw(value(number))),)))
            said = ("acked", number) if isinstance(answer, Committed) else ("refused", number, answer.code)
            print(*said, flush=True)
        store.stop()
    except ActorDeadError:
        print("died", flush=True)
        return DIED
    return DONE


def burst(path: str, count: int) -> None:
    """Send so many commits at once, and say how many batches the engine had to write for them."""
    batches: list[int] = []

    class Counting(LmdbEngine):
        def commit(self, batch: Batch, *, epoch: int, expect: int, new: int) -> None:
            super().commit(batch, epoch=epoch, expect=expect, new=new)
            batches.append(new - expect)

    system = System()
    store = StoreActor.options(system=system).start(Counting(path, map_bytes=MAP_BYTES))
    commits = [Commit(number.to_bytes(16, "big"), 1, writes=((entry(number), raw(b"v")),)) for number in range(count)]
    answers = [store.ask(commit, block=False) for commit in commits]
    assert all(isinstance(answer.get(LONG), Committed) for answer in answers)
    system.close()
    print(len(batches), sum(batches))


class Outcome(NamedTuple):
    """What the program said, and how it ended."""

    acked: list[int]
    #: Number -> code.
    refused: dict[int, str]
    #: The code of the error with which it did not start.
    unstarted: str | None
    #: How it ended; negative: the signal.
    code: int


def run_with(path: Path, injection: str, only: Path | None = None) -> Outcome:
    """Run the program under strace.

    Args:
        path: of its store.
        injection: what `strace -e inject=` is told.
        only: a file or directory, where calls about others do not matter.
    """
    code = f"import sys; from tests.store import faulty; sys.exit(faulty.run({str(path)!r}))"
    ended = _strace(code, injection, only)
    lines = [line.split() for line in ended.stdout.splitlines()]
    return Outcome(
        [int(line[1]) for line in lines if line[0] == "acked"],
        {int(line[1]): line[2] for line in lines if line[0] == "refused"},
        next((line[1] for line in lines if line[0] == "unstarted"), None),
        ended.returncode,
    )


def burst_with(path: Path, injection: str, count: int) -> tuple[int, int]:
    """Run the burst under strace, and return (batches, commits)."""
    ended = _strace(f"from tests.store import faulty; faulty.burst({str(path)!r}, {count})", injection)
    assert ended.returncode == 0, ended.stderr
    batches, commits = map(int, ended.stdout.split())
    return batches, commits


def _strace(code: str, injection: str, only: Path | None = None) -> subprocess.CompletedProcess[str]:
    traced = ["-e", f"trace={injection.partition(':')[0]}", "-e", f"inject={injection}"]
    traced += [] if only is None else ["-P", str(only)]
    command = ["strace", "-f", "-qqq", "-o", os.devnull, *traced, sys.executable, "-c", code]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)


def left(path: Path) -> list[int]:
    """Return the commits that are there when the store is opened anew, without strace."""
    file = path / "data" / "data.mdb"
    if file.exists():
        assert verify.verify(str(file)) == []  # type: ignore[no-untyped-call]  # py-lmdb has no stub
    engine = LmdbEngine(path, map_bytes=MAP_BYTES)
    try:
        seq = engine.open("after").seq
        numbers = {entry(number): number for number in range(1, COMMITS + 1)}
        found = engine.read(ReadPlan(numbers)).values
        there = [numbers[key] for key, stored in found.items() if stored is not None]
        assert all((found[entry(number)] or b"").endswith(value(number)) for number in there)
        assert seq == len(there)
    finally:
        engine.close()
    return there
