"""How long it takes from `python script.py` to the first result on the screen."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import REPEATS, durable_path, in_turns, median
from bench.registry import Figure, benchmark

OURS = """
from actorcloud import Cloud

def answer():
    return 42

with Cloud(workers=2) as cloud:
    print(cloud.result(cloud.add_job(answer)), flush=True)
"""

PEER = """
from concurrent.futures import ProcessPoolExecutor

def answer():
    return 42

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        print(pool.submit(answer).result(), flush=True)
"""

#: Seconds after which a script has failed.
PATIENCE = 60


@benchmark("coldstart")
def cold_start() -> Iterator[Figure]:
    """Measure both scripts, each in a fresh interpreter."""
    with durable_path() as path:
        path.mkdir()
        ours, peer = path / "ours.py", path / "peer.py"
        ours.write_text(OURS, encoding="utf-8")
        peer.write_text(PEER, encoding="utf-8")
        mine, theirs = in_turns(lambda: _first_line_ms(ours), lambda: _first_line_ms(peer), repeats=REPEATS)
    yield Figure(
        name="coldstart",
        ours=median(mine),
        peer=median(theirs),
        unit="ms",
        better="lower",
        against="ProcessPoolExecutor",
        ours_p99=max(mine),
        peer_p99=max(theirs),
    )


def _first_line_ms(script: Path) -> float:
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        elapsed = time.perf_counter() - begin
        process.wait(PATIENCE)
    if line != "42\n" or process.returncode:
        raise RuntimeError(f"{script.name} printed {line!r} and ended with {process.returncode}")
    return elapsed * 1000
