"""What a cloud costs that has nothing to do: memory (PSS) and processor time of head, node and two workers.

PSS counts a page that n processes share as 1/n to each, so the sum is what the machine really gives.
The peer is the floor: as many bare Python processes. Linux only.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from actorcloud import Cloud
from bench.jobs import WORKERS, noop
from bench.measure import durable_path
from bench.registry import Figure, benchmark

#: Seconds over which processor time is counted, and before that, seconds to come to rest.
WATCHED = 10.0
REST = 3.0

KIB_PER_MIB = 1024


@benchmark("idle")
def idle() -> Iterator[Figure]:
    """Measure an idle cloud, then as many bare interpreters."""
    with durable_path() as path, Cloud(path=path, workers=WORKERS) as cloud:
        list(cloud.map(noop, range(100)))
        time.sleep(REST)
        processes = psutil.Process().children(recursive=True)
        ours_cpu = _cpu_percent(processes)
        ours_mib = _pss_mib(processes)
        count = len(processes)
    peer_mib = _bare_mib(count)
    against = f"{count} bare Python processes"
    yield Figure(name="idle memory", ours=ours_mib, peer=peer_mib, unit="MiB", better="lower", against=against)
    yield Figure(name="idle cpu", ours=ours_cpu, peer=None, unit="%", better="lower", against="nothing")


def _cpu_percent(processes: Sequence[psutil.Process]) -> float:
    """Return the percentage of one processor that they use together."""
    before, begin = _cpu_seconds(processes), time.perf_counter()
    time.sleep(WATCHED)
    return 100 * (_cpu_seconds(processes) - before) / (time.perf_counter() - begin)


def _cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Return user and system time to the nanosecond: `cpu_times` counts in steps of 10 ms."""
    total = 0
    for process in processes:
        for task in Path(f"/proc/{process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return total / 1e9


def _pss_mib(processes: Sequence[psutil.Process]) -> float:
    return sum(_pss_kib(process.pid) for process in processes) / KIB_PER_MIB


def _pss_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss line")


def _bare_mib(count: int) -> float:
    children = []
    try:
        for _ in range(count):
            child = subprocess.Popen(
                [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            children.append(child)
            assert child.stdout is not None
            child.stdout.readline()
        return _pss_mib([psutil.Process(child.pid) for child in children])
    finally:
        for child in children:
            child.communicate(b"\n")
