"""`Cloud()` and `Cloud(path=...)` with their real head, node and workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from actorcloud import Cloud, Done, NoSuchJob, current
from actorcloud.client.localhead import read_connection
from actorcloud.client.private import runtime_directory

pytestmark = pytest.mark.slow


def head_of(path: Path) -> int:
    connection = read_connection(runtime_directory(path.resolve()))
    assert connection is not None
    return connection.pid


def test_a_private_cloud_runs_jobs_and_leaves_nothing_behind() -> None:
    # When
    with Cloud(workers=2) as cloud:
        one = cloud.add_job(pow, 2, 10)
        values = list(cloud.map(lambda number: number * number, range(100)))
        inner = cloud.add_job(lambda: current().cloud.result(current().cloud.add_job(abs, -1)))
        future = cloud.submit(os.getpid)
        # Then
        assert cloud.result(one, timeout=120) == 1024
        assert values == [number * number for number in range(100)]
        assert future.result(timeout=120) != os.getpid()
        assert cloud.status(one) == Done()
        assert cloud.result(inner, timeout=120) == 1
    # The fixtures look for processes and files that are left.


def test_a_killed_head_is_started_again_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    # Given
    with tempfile.TemporaryDirectory(prefix="s-") as name, Cloud(path=name, workers=1) as cloud:
        before = cloud.add_job(pow, 2, 5)
        assert cloud.result(before, timeout=120) == 32
        first = head_of(Path(name))
        # When
        os.kill(first, signal.SIGKILL)
        # Then
        after = cloud.add_job(pow, 2, 6)
        assert cloud.results([before, after], timeout=120) == [32, 64]
        assert head_of(Path(name)) != first
        # The store was opened by a head, which is on its way out when the directory goes.
        cloud.close()
    assert "starting it again" in caplog.text


_SECOND = """
import sys
from actorcloud import Cloud
with Cloud(path=sys.argv[1]) as cloud:
    print(cloud.result(sys.argv[2]), cloud.fetch("notes", "from"))
    print(cloud.options(key="second").add_job(pow, 3, 3))
"""


def test_a_second_program_with_the_same_path_finds_the_same_head() -> None:
    # Given
    with tempfile.TemporaryDirectory(prefix="s-") as name, Cloud(path=name, workers=1) as cloud:
        ref = cloud.add_job(pow, 2, 5)
        cloud.mutate_store(lambda: cloud.store("notes", "from", "the first"))
        pid = head_of(Path(name))
        # When
        command = [sys.executable, "-c", _SECOND, name, str(ref)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.split("\n")
        # Then
        assert told[0] == "32 the first"
        assert head_of(Path(name)) == pid
        assert cloud.result(told[1], timeout=120) == 27
        assert cloud.options(key="second").add_job(pow, 3, 3) == cloud.jobs()[0]
        cloud.close()


def test_a_durable_store_is_what_it_was_when_it_is_opened_again() -> None:
    # Given
    with tempfile.TemporaryDirectory(prefix="s-") as name:
        with Cloud(path=name, workers=1) as cloud:
            kept, gone = cloud.add_jobs(abs, [-1, -2])
            assert cloud.results([kept, gone], timeout=120) == [1, 2]
            cloud.delete_job(gone)
        # When
        with Cloud(path=name, workers=1) as cloud:
            # Then
            assert cloud.jobs() == [kept]
            assert cloud.result(kept, timeout=120) == 1
            with pytest.raises(NoSuchJob):
                cloud.result(gone, timeout=120)
