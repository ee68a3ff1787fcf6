"""Jobs that end their process, leave something behind, or do not end: the node lives on."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import actorcloud
from actorcloud import (
    Cloud,
    Failed,
    JobCancelled,
    JobRef,
    JobSuspended,
    JobTimeout,
    NoSuchJob,
    Queued,
    Running,
    Suspended,
)
from actorcloud.base.states import Crashed
from actorcloud.protocol.job import GetJob, JobDetail
from tests.system.cluster import Site, wait_for

pytestmark = pytest.mark.slow

#: Seconds: the machine is shared.
LONG = 60

#: Seconds in which a job that runs comes to its first lines, on a busy machine too.
ENOUGH = 5


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """A cloud for each test: its workers are replaced."""
    with Cloud(workers=2) as cloud:
        # The node has joined.
        cloud.result(cloud.add_job(pow, 2, 3), timeout=LONG)
        yield cloud


def mark(path: str) -> None:
    """Note that an attempt has begun, by whom."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")


def marks(path: Path) -> list[int]:
    """Return the processes of the attempts that have begun."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def is_running(pid: int) -> bool:
    """Tell whether there is such a process, other than a dead one that nobody has buried."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def sleep(path: str) -> None:
    """Note who runs this, and stay."""
    mark(path)
    time.sleep(1000)


# -- a process that ends --------------------------------------------------------------------------


def leave() -> None:
    os._exit(3)


def crash() -> None:
    ctypes.string_at(0)


def be_killed() -> None:
    """As the kernel does with whom it chooses when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("die", [leave, crash, be_killed])
def test_a_job_whose_process_dies_is_tried_three_times_and_the_node_lives_on(
    cloud: Cloud, tmp_path: Path, die: Callable[[], None]
) -> None:
    # Given
    attempts = tmp_path / "attempts"

    def job(path: str) -> None:
        mark(path)
        die()

    node = cloud.info().nodes
    # When
    ref = cloud.add_job(job, str(attempts))
    with pytest.raises(JobSuspended, match="3 times") as caught:
        cloud.result(ref, LONG)
    # Then
    assert caught.value.why == Crashed(3)
    assert cloud.status(ref) == Suspended(Crashed(3))
    assert len(set(marks(attempts))) == 3
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8
    assert [(line.ref, line.facts) for line in cloud.info().nodes] == [(line.ref, line.facts) for line in node]


def test_a_job_whose_process_died_twice_is_done_in_the_end(cloud: Cloud) -> None:
    def die_twice() -> int:
        if actorcloud.current().attempt < 3:
            os._exit(1)
        return actorcloud.current().attempt

    assert cloud.result(cloud.add_job(die_twice), LONG) == 3


def test_the_jobs_behind_a_deadly_one_are_done(cloud: Cloud) -> None:
    # Given short jobs, which go to the workers in batches
    cloud.results(cloud.add_jobs(abs, range(200)), LONG)

    def job(number: int) -> int:
        if number % 50 == 25:
            os._exit(1)
        return number

    # When
    refs = cloud.add_jobs(job, range(200))
    # Then
    for number, ref in enumerate(refs):
        if number % 50 == 25:
            with pytest.raises(JobSuspended):
                cloud.result(ref, LONG)
        else:
            assert cloud.result(ref, LONG) == number


def test_out_of_memory_by_a_limit_is_the_jobs_own_failure(cloud: Cloud) -> None:
    def fill() -> int:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (512 * 1024 * 1024, resource.RLIM_INFINITY))
        return len(bytearray(1024 * 1024 * 1024))

    with pytest.raises(MemoryError):
        cloud.result(cloud.add_job(fill), LONG)
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8


# -- what a job leaves behind -----------------------------------------------------------------------


def test_children_that_a_job_leaves_are_killed_with_its_group(cloud: Cloud) -> None:
    def leave_child() -> int:
        return subprocess.Popen(["sleep", "1000"]).pid

    # When
    pid = cloud.result(cloud.add_job(leave_child), LONG)
    # Then
    wait_for(lambda: not is_running(pid), "the end of the child")
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8


def test_a_thread_that_a_job_leaves_does_not_reach_the_next_job(cloud: Cloud) -> None:
    def leave_thread() -> int:
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        return os.getpid()

    pid = cloud.result(cloud.add_job(leave_thread), LONG)
    assert pid not in cloud.results(cloud.add_jobs(lambda _: os.getpid(), range(50)), LONG)


# -- a job that does not end ------------------------------------------------------------------------


def test_a_timeout_kills_the_whole_group(cloud: Cloud, tmp_path: Path) -> None:
    # Given
    pids = tmp_path / "pids"

    def stay(path: str) -> None:
        child = subprocess.Popen(["sleep", "1000"])
        mark(path)
        with Path(path).open("a") as file:
            file.write(f"{child.pid}\n")
        time.sleep(1000)

    # When
    ref = cloud.options(timeout=ENOUGH).add_job(stay, str(pids))
    # Then
    with pytest.raises(JobTimeout, match=f"{ENOUGH} s"):
        cloud.result(ref, LONG)
    assert isinstance(cloud.status(ref), Failed)
    assert len(marks(pids)) == 2
    wait_for(lambda: not any(is_running(pid) for pid in marks(pids)), "the end of the group")
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8


def test_a_timeout_counts_against_retries(cloud: Cloud, tmp_path: Path) -> None:
    attempts = tmp_path / "attempts"
    ref = cloud.options(timeout=ENOUGH, retries=1).add_job(sleep, str(attempts))
    with pytest.raises(JobTimeout):
        cloud.result(ref, LONG)
    assert len(marks(attempts)) == 2


def test_a_running_job_can_be_cancelled(cloud: Cloud, tmp_path: Path) -> None:
    # Given
    pids = tmp_path / "pids"
    ref = cloud.add_job(sleep, str(pids))
    wait_for(lambda: marks(pids), "the job")
    assert isinstance(cloud.status(ref), Running)
    # When
    assert cloud.cancel(ref) is True
    # Then
    assert not is_running(marks(pids)[0])
    with pytest.raises(JobCancelled):
        cloud.result(ref, LONG)
    assert cloud.cancel(ref) is False
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8


def test_a_running_job_can_be_deleted(cloud: Cloud, tmp_path: Path) -> None:
    # Given
    pids = tmp_path / "pids"
    ref = cloud.add_job(sleep, str(pids))
    wait_for(lambda: marks(pids), "the job")
    # When
    assert cloud.delete_job(ref) is True
    # Then
    assert not is_running(marks(pids)[0])
    with pytest.raises(NoSuchJob):
        cloud.result(ref, LONG)


@pytest.mark.parametrize("given_back", [False, True])
def test_jobs_that_wait_can_be_cancelled_and_deleted_and_never_run(
    cloud: Cloud,
    tmp_path: Path,
    given_back: bool,  # noqa: FBT001  both ways
) -> None:
    # Given all workers busy, and more
    busy = [cloud.add_job(sleep, str(tmp_path / f"busy{number}")) for number in range(20)]
    wait_for(lambda: sum(bool(marks(tmp_path / f"busy{n}")) for n in range(20)) == 2, "two jobs that run")
    path = tmp_path / "never"
    cancelled, deleted = cloud.add_job(mark, str(path)), cloud.add_job(mark, str(path))
    if given_back:
        # The node took them in, for it knows only short jobs, and gives them back when these turn out long.
        wait_for(lambda: cloud.status(cancelled) == cloud.status(deleted) == Queued(), "the two in the queue")
    # When
    assert cloud.cancel(cancelled) is True
    assert cloud.delete_job(deleted) is True
    for ref in busy:
        cloud.cancel(ref)
    # Then
    with pytest.raises(JobCancelled):
        cloud.result(cancelled, LONG)
    with pytest.raises(NoSuchJob):
        cloud.result(deleted, LONG)
    assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8
    assert marks(path) == []


def test_a_future_that_is_cancelled_cancels_the_job(cloud: Cloud, tmp_path: Path) -> None:
    # Given
    pids = tmp_path / "pids"
    future = cloud.submit(sleep, str(pids))
    wait_for(lambda: marks(pids), "the job")
    # When
    assert future.cancel()
    # Then
    wait_for(lambda: not is_running(marks(pids)[0]), "the end of the job")
    wait_for(lambda: isinstance(cloud.status(future.ref), Failed), "the cancelled record")


# -- what a job prints, and Ctrl-C ------------------------------------------------------------------

PRINTING = """
import sys
from actorcloud import Cloud

def speak():
    print("one line")
    print("and another", file=sys.stderr)

with Cloud(workers=1) as cloud:
    ref = cloud.add_job(speak)
    cloud.result(ref)
    print("ref", ref)
"""


def test_what_a_job_prints_appears_with_its_name_at_the_clients_stderr() -> None:
    with Site() as site:
        script = site.python(PRINTING)
        assert script.wait() == 0
        ref = script.wait_said(r"^ref (\w+)$")[1]
        script.wait_said(rf"^\[job {ref[-6:]} n1\] one line$")
        script.wait_said(rf"^\[job {ref[-6:]} n1\] and another$")


def printed(cloud: Cloud, ref: JobRef[None]) -> bytes:
    detail = cloud.room.session.call(GetJob(ref.raw), JobDetail)
    assert detail.outcome is not None
    return detail.outcome.output


def test_what_a_cancelled_job_printed_is_kept_with_it(cloud: Cloud, tmp_path: Path) -> None:
    # Given
    def speak_and_hang(path: Path) -> None:
        print("so far")
        path.touch()
        time.sleep(1000)

    ref = cloud.add_job(speak_and_hang, tmp_path / "spoken")
    wait_for((tmp_path / "spoken").exists, "the job")
    # When
    cloud.cancel(ref)
    # Then
    assert printed(cloud, ref) == b"so far\n"
    assert isinstance(cloud.status(ref), Failed)


def test_the_tail_of_what_a_job_printed_is_kept_with_it(cloud: Cloud) -> None:
    def speak(lines: int) -> None:
        for line in range(lines):
            print(f"line {line}")

    short, long = cloud.add_job(speak, 3), cloud.add_job(speak, 20_000)
    cloud.results([short, long], LONG)
    assert printed(cloud, short) == b"line 0\nline 1\nline 2\n"
    assert printed(cloud, long).endswith(b"line 19998\nline 19999\n")
    assert 60_000 < len(printed(cloud, long)) <= 65_536


INTERRUPTED = """
import sys, time
from pathlib import Path
from actorcloud import Cloud

def work(path):
    while not Path(path).exists():
        time.sleep(0.01)
    return "worked"

with Cloud(workers=1) as cloud:
    ref = cloud.add_job(work, sys.argv[1])
    try:
        print("waiting", flush=True)
        cloud.result(ref)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    Path(sys.argv[1]).touch()
    print(cloud.result(ref))
"""


def test_ctrl_c_interrupts_the_wait_and_not_the_job(tmp_path: Path) -> None:
    with Site() as site:
        # Given
        script = site.python(INTERRUPTED, str(tmp_path / "go"))
        script.wait_said("waiting")
        # When: as a terminal does, to the whole group
        os.killpg(script.pid, signal.SIGINT)
        # Then
        script.wait_said("interrupted")
        script.wait_said("worked")
        assert script.wait() == 0
        assert "Traceback" not in script.everything
