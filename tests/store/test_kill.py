"""A head that is killed with SIGKILL at any moment, on LMDB.

The child commits as fast as it can, several at a time, and prints each acknowledged commit; the
parent kills it somewhere in between, opens the store, and looks for everything that was printed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lmdb import verify

from actorcloud.store import LmdbEngine, ReadPlan, encode_key, keys

#: Commits n, n+1, ... in flight eight at a time; prints what is durable.
CHILD = """
import itertools, sys
from actorcloud.actor import System
from actorcloud.protocol.transaction import Commit, Committed
from actorcloud.store import LmdbEngine, StoreActor, encode_key, keys

store = StoreActor.options(system=System()).start(LmdbEngine(sys.argv[1]))
waiting = []
for number in itertools.count(int(sys.argv[2])):
    key = keys.user("test", encode_key(number))
    waiting.append((number, store.ask(Commit(number.to_bytes(16, "big"), 1, writes=((key, b"v" * 200),)), block=False)))
    if len(waiting) == 8:
        number, answer = waiting.pop(0)
        assert isinstance(answer.get(), Committed)
        print(number, flush=True)
"""

ROOT = Path(__file__).parents[2]


def run_and_kill(path: Path, first: int, count: int) -> list[int]:
    """Return the numbers that were acknowledged before the child was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        acked = [int(child.stdout.readline()) for _ in range(count)]
    finally:
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate(timeout=10)
    return acked + [int(line) for line in rest.splitlines() if line.strip().isdigit()]


@pytest.mark.slow
@pytest.mark.chaos
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path, acked = tmp_path / "store", list[int]()
    for count in (1, 40, 200):
        # When
        acked += run_and_kill(path, len(acked) + 1000 * count, count)
        # Then
        assert verify.verify(str(path / "data" / "data.mdb")) == []  # type: ignore[no-untyped-call]  # py-lmdb has no stub
        engine = LmdbEngine(path)
        opened = engine.open("test")
        wanted = [keys.user("test", encode_key(number)) for number in acked]
        assert None not in engine.read(ReadPlan(wanted)).values.values()
        assert opened.seq >= len(acked)
        engine.close()
