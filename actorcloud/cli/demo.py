"""`actorcloud demo`: the average of four years of weather, while a node and the head are killed.

::

    a temporary directory   a head (kept alive by its parent) and two nodes, each a process
    293 jobs                each adds its part into the store with `once=`
    a third is done         SIGKILL to a node; its jobs go on elsewhere
    half is done            SIGKILL to the head; it comes back, the node and this program find it
    the end                 the average is checked against `statistics.fmean`, every job is looked at

What it says at the end is counted, not assumed: a job is lost if it has no result or has not added
its part, and counted twice if it has added it more than once.
"""

from __future__ import annotations

import csv
import math
import shutil
import signal
import statistics
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from actorcloud.base.errors import ActorCloudError, ConfigError
from actorcloud.base.exitcode import ExitCode
from actorcloud.base.ids import JobRef
from actorcloud.cli.demojob import COUNTED, SPACE, SUMS, add_part
from actorcloud.cli.demoprocess import Processes, need
from actorcloud.cli.exits import Failure
from actorcloud.cli.option import option
from actorcloud.cli.place import opened
from actorcloud.cli.screen import Screen
from actorcloud.client import Cloud

#: Days in one job.
DAYS_OF_A_JOB = 5

#: Worker processes of each of the two nodes.
WORKERS = 2

#: Seconds of silence after which a node counts as lost.
NODE_TIMEOUT = 2.0

#: Seconds that the jobs may take; they take about ten.
PATIENCE = 60.0

#: Shares of the jobs that are done when the node and when the head is killed.
NODE_DIES_AT, HEAD_DIES_AT = 1 / 3, 1 / 2

#: The observations: in a checkout, and where an installed package has them.
_FILES = (
    Path(__file__).parents[2] / "examples" / "data" / "seattle-weather.csv",
    Path(sysconfig.get_path("data")) / "share" / "actorcloud" / "seattle-weather.csv",
)


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted at the end."""

    jobs: int
    #: Jobs without a result, or whose part is missing.
    lost: int
    #: Jobs whose part was added more than once.
    twice: int
    #: From the store, in degrees.
    average: float
    #: What `statistics.fmean` says.
    expected: float

    @property
    def is_right(self) -> bool:
        """Whether all is as promised."""
        return self.lost == self.twice == 0 and math.isclose(self.average, self.expected, rel_tol=1e-9)


@click.command(short_help="Kill a node and the head, and lose nothing.")
@option("quiet", "-q")
def demo(*, quiet: bool) -> None:
    """Compute an average while a node and the head are killed; lose nothing.

    Runs a head and two nodes in a temporary directory, for some ten seconds.
    """
    temperatures = read_temperatures()
    directory = Path(tempfile.mkdtemp(prefix="actorcloud-demo-"))
    processes = Processes(directory, node_timeout=NODE_TIMEOUT)
    # Ended from outside it cleans up too; a command line has no signal handler of its own to restore.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with Screen(quiet=quiet) as screen:
            count = _run(processes, temperatures, screen)
    except Exception:
        click.echo(processes.last_words(), err=True)
        raise
    finally:
        processes.close()
        shutil.rmtree(directory, ignore_errors=True)
    click.echo(
        f"average of {len(temperatures)} days in Seattle: {count.average:.4f} degrees "
        f"(statistics.fmean: {count.expected:.4f})"
    )
    click.echo(f"{count.jobs} jobs: jobs lost {count.lost}, counted twice {count.twice}")
    if not count.is_right:
        raise Failure("that is not what is promised; please report it", ExitCode.FAILED)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def read_temperatures() -> list[float]:
    """Return the highest temperature of each day, in degrees Celsius.

    Raises:
        ConfigError: the file of the observations is not installed.
    """
    for path in _FILES:
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                return [float(row["temp_max"]) for row in csv.DictReader(file)]
    raise ConfigError(f"the observations are missing: {_FILES[-1]}; install actorcloud again")


def split(temperatures: Sequence[float]) -> list[list[int]]:
    """Return the parts of the jobs, in tenths of a degree: whole numbers add up exactly, in any order."""
    tenths = [round(degrees * 10) for degrees in temperatures]
    return [tenths[start : start + DAYS_OF_A_JOB] for start in range(0, len(tenths), DAYS_OF_A_JOB)]


def _run(processes: Processes, temperatures: Sequence[float], screen: Screen) -> Count:
    screen.say("a head and two nodes start, each a process of its own")
    head = processes.start_head()
    for name in ("n1", "n2"):
        processes.start_node(name, WORKERS)
    # What is unfinished when somebody interrupts it goes with the directory: nothing is to be said about it.
    with opened(head.endpoint, screen.say) as cloud:
        _wait_nodes(cloud, 2)
        refs = cloud.add_jobs(add_part, split(temperatures))
        screen.say(f"{len(refs)} jobs are on disk, for {2 * WORKERS} workers")
        _follow(cloud, refs, _accidents(processes, screen, len(refs)), screen)
        return _count(cloud, refs, statistics.fmean(temperatures))


def _accidents(processes: Processes, screen: Screen, jobs: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield what happens, and after how many jobs."""

    def kill_node() -> None:
        screen.warn(f"kill -9 {processes.kill_node('n2')}: a node is gone, with what it ran")

    def kill_head() -> None:
        start = time.monotonic()
        pid = processes.kill_head()
        screen.warn(f"kill -9 {pid}: the head is gone")
        back = processes.wait_head(other_than=pid)
        screen.say(f"the head is back after {time.monotonic() - start:.1f} s, as process {back.pid}")

    yield int(jobs * NODE_DIES_AT), kill_node
    yield int(jobs * HEAD_DIES_AT), kill_head


def _follow(
    cloud: Cloud, refs: list[JobRef[int]], accidents: Iterator[tuple[int, Callable[[], None]]], screen: Screen
) -> None:
    """Wait for all jobs; meanwhile let the accidents happen."""
    screen.begin(len(refs))
    due = next(accidents, None)
    for number, _ in enumerate(cloud.as_completed(refs, PATIENCE), 1):
        screen.advance()
        while due is not None and number >= due[0]:
            due[1]()
            due = next(accidents, None)


def _wait_nodes(cloud: Cloud, wanted: int) -> None:
    def look() -> bool | None:
        return sum(node.state == "up" for node in cloud.info().nodes) >= wanted or None

    need(look, "the nodes of the demo did not join")


def _count(cloud: Cloud, refs: Sequence[JobRef[int]], expected: float) -> Count:
    """Look at every job and at the store."""
    finished = sum(_has_result(cloud, ref) for ref in refs)
    counted = [cloud.fetch(ref, COUNTED, 0) for ref in refs]
    total, days = cloud.fetch(SPACE, SUMS, (0, 0))
    return Count(
        jobs=len(refs),
        lost=max(len(refs) - finished, counted.count(0)),
        twice=sum(times > 1 for times in counted),
        average=total / 10 / days if days else math.nan,
        expected=expected,
    )


def _has_result(cloud: Cloud, ref: JobRef[int]) -> bool:
    try:
        return cloud.result(ref, timeout=PATIENCE) > 0
    except ActorCloudError:
        return False
