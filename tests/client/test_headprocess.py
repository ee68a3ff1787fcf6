"""A private head's process, with a stand-in that keeps the contract."""

from __future__ import annotations

import logging
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from actorcloud.base.errors import HeadUnreachable
from actorcloud.base.location import locate
from actorcloud.base.poll import wait_readable
from actorcloud.base.rendezvous import NODE_LOCK, remove_unheld
from actorcloud.client import connect, private
from actorcloud.client.headprocess import KILLS_LIMIT, HeadProcess
from actorcloud.client.localhead import LOCK_FILE, Connection, owner_of
from tests.system.cluster import wait_for

COMMAND = (sys.executable, str(Path(__file__).with_name("stand_in.py")))


@pytest.fixture
def place() -> Iterator[Path]:
    # Short: a unix socket's path has its limit.
    with tempfile.TemporaryDirectory(prefix="h-") as name:
        yield Path(name)


def head_in(place: Path, **options: object) -> HeadProcess:
    return HeadProcess(locate(place / "store"), place, 2, command=COMMAND, **options)  # type: ignore[arg-type]


def end(connection: Connection, code: int = 0) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(connection.endpoint.removeprefix("ipc://"))
        client.sendall(b"end %d" % code)


def listening(place: Path, died: list[int]) -> Connection:
    """Return the head that listens in `place` and is none of the dead ones."""
    finder = head_in(place)
    deadline = time.monotonic() + 20
    while (found := finder._connection()) is None or found.pid in died:
        # A foreign process is on its way up; the place where it says so is what is looked at.
        assert time.monotonic() < deadline
        select.select([], [], [], 0.01)
    finder.leave()
    return found


def starts(place: Path, kind: str = "started") -> list[int]:
    return [int(line) for line in (place / "store" / kind).read_text().split()]


@pytest.mark.parametrize(
    ("text", "owner"),
    [("process 7 (head in /run/7)\n", "process 7 (head in /run/7)"), ("data.lmdb 4096 17\n", ""), ("", "")],
)
def test_what_an_orderly_end_leaves_in_the_lock_is_no_owner(tmp_path: Path, text: str, owner: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    assert owner_of(tmp_path) == owner


def test_a_head_is_started_and_outlives_nothing(place: Path) -> None:
    # Given
    head = head_in(place)
    # When
    head.begin()
    connection = head.wait_ready()
    # Then
    assert connection.endpoint == head.endpoint
    assert os.getsid(connection.pid) == connection.pid != os.getsid(0)
    # When
    end(connection)
    head.leave()
    head.leave()
    # Then
    assert starts(place) == [connection.pid]


def test_a_second_client_finds_the_first_ones_head(place: Path) -> None:
    # Given
    first, second = head_in(place), head_in(place)
    first.begin()
    connection = first.wait_ready()
    # When
    second.begin()
    # Then
    assert second.wait_ready() == connection
    assert len(starts(place)) == 1
    end(connection)
    second.leave()
    first.leave()


def test_of_clients_that_start_at_once_all_find_the_same_head(place: Path) -> None:
    # Given
    heads = [head_in(place) for _ in range(3)]
    found: list[Connection] = []

    def open_one(head: HeadProcess) -> None:
        head.begin()
        found.append(head.wait_ready())

    threads = [threading.Thread(target=open_one, args=(head,)) for head in heads]
    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(25)
    # Then
    assert len(found) == 3
    assert len(set(found)) == 1
    end(found[0])
    for head in heads:
        head.leave()


def test_what_a_dead_head_left_behind_is_no_head(place: Path) -> None:
    # Given
    head = head_in(place)
    head.begin()
    connection = head.wait_ready()
    os.kill(connection.pid, signal.SIGKILL)
    head.leave()
    assert (place / "head.json").exists()
    # When
    again = head_in(place)
    again.begin()
    fresh = again.wait_ready()
    # Then
    assert fresh.pid != connection.pid
    end(fresh)
    again.leave()


def test_a_head_that_dies_as_soon_as_it_is_ready_is_waited_for_and_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    head = head_in(place)
    head.begin()
    first = head._child
    assert first is not None
    look = head._connection

    def killed_first() -> Connection | None:
        if first.returncode is None:
            first.kill()
            first.wait()
        return look()

    monkeypatch.setattr(head, "_connection", killed_first)
    # When it has said that it is ready, and nobody has looked
    fresh = head.wait_ready()
    # Then
    assert fresh.pid != first.pid
    assert f"(pid {first.pid}) ended with exit code -9; starting it again" in caplog.text
    end(fresh)
    head.leave()


def test_a_head_that_cannot_start_says_its_exit_code(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setenv("STAND_IN_FAILS", "1")
    head = head_in(place)
    head.begin()
    # Then
    with pytest.raises(HeadUnreachable, match="exit code 9"):
        head.wait_ready()
    head.leave()


def test_a_head_that_is_killed_before_it_is_ready_is_started_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    monkeypatch.setenv("STAND_IN_KILLED", str(KILLS_LIMIT - 1))
    head = head_in(place)
    # When
    head.begin()
    connection = head.wait_ready()
    # Then
    assert len(starts(place)) == KILLS_LIMIT
    assert connection.pid == starts(place)[-1]
    assert (
        caplog.text.count("was killed by signal 9 (Killed) before it was ready; starting it again") == KILLS_LIMIT - 1
    )
    end(connection)
    head.leave()


def test_a_head_that_is_killed_again_and_again_before_it_is_ready_is_an_error(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setenv("STAND_IN_KILLED", "1000")
    head = head_in(place)
    head.begin()
    # Then
    with pytest.raises(HeadUnreachable, match=f"signal 9 .* before it was ready, {KILLS_LIMIT} times in a row"):
        head.wait_ready()
    assert len(starts(place)) == KILLS_LIMIT
    head.leave()


def test_a_head_that_is_never_ready_is_killed(place: Path) -> None:
    # Given
    sleeper = (sys.executable, "-c", "import time; time.sleep(60)")
    head = HeadProcess(locate(place / "store"), place, 2, command=sleeper, start_timeout=0.2)
    head.begin()
    # Then
    with pytest.raises(HeadUnreachable, match=r"not ready after 0\.2 s"):
        head.wait_ready()
    head.leave()


def test_a_watched_head_that_dies_is_started_again(place: Path, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    warned = threading.Semaphore(0)
    head = head_in(place, served_after=1000.0)

    def emit(record: logging.LogRecord) -> None:
        warned.release()
        if record.levelno == logging.ERROR:
            # In the thread that would start it again: only once it is told to leave.
            wait_readable(head._stop_reader, seconds=20)

    handler = logging.Handler()
    handler.emit = emit  # type: ignore[method-assign]
    logging.getLogger("actorcloud.client").addHandler(handler)
    head.begin()
    connection = head.wait_ready()
    head.watch(connection)
    # When: once more than is forgiven
    died: list[int] = []
    for _ in range(4):
        current = listening(place, died)
        died.append(current.pid)
        os.kill(current.pid, signal.SIGKILL)
        assert warned.acquire(timeout=120)
    # Then
    assert warned.acquire(timeout=120)
    head.leave()
    logging.getLogger("actorcloud.client").removeHandler(handler)
    assert starts(place) == died
    # Then each but the first was told that there is a store.
    assert starts(place, "existing") == died[1:]
    assert f"(pid {died[0]}) ended with exit code -9; starting it again" in caplog.text
    assert "ended 4 times within 60 s, soon after its start; it is started again in 1 s" in caplog.text


def test_a_head_that_has_served_is_started_again_at_once_however_often_it_dies(
    place: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    head = head_in(place, served_after=0.0)
    watched: queue.Queue[int] = queue.Queue()
    wait_death = head._wait_death

    def watch(pid: int) -> bool:
        watched.put(pid)
        return wait_death(pid)

    monkeypatch.setattr(head, "_wait_death", watch)
    head.begin()
    head.watch(head.wait_ready())
    # When
    for _ in range(6):
        os.kill(watched.get(timeout=120), signal.SIGKILL)
    assert watched.get(timeout=120)
    last = listening(place, [])
    head.leave()
    end(last)
    # Then
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 6


def test_a_head_that_dies_before_its_client_is_in_is_started_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    head = head_in(place)
    found: list[Connection] = []

    def kill_and_look(_endpoint: str) -> None:
        first = listening(place, [])
        os.kill(first.pid, signal.SIGKILL)
        found.append(listening(place, [first.pid]))
        raise HeadUnreachable("the end of this test")

    monkeypatch.setattr(connect, "connect", kill_and_look)
    # When
    with pytest.raises(HeadUnreachable, match="the end of this test"):
        private._session(head, head.leave)
    # Then
    assert found
    end(found[0])


def test_leaving_ends_the_watch_before_the_head_ends(place: Path) -> None:
    # Given
    head = head_in(place)
    head.begin()
    connection = head.wait_ready()
    head.watch(connection)
    left = threading.Thread(target=head.leave)
    # When
    left.start()
    assert head._watcher is not None
    head._watcher.join(60)
    end(connection)
    left.join(60)
    # Then
    assert starts(place) == [connection.pid]


def test_a_head_that_outlives_its_client_is_buried(place: Path) -> None:
    # Given a head that has other clients
    head = head_in(place)
    head.begin()
    connection = head.wait_ready()
    head.leave()
    assert psutil.Process(connection.pid).status() != psutil.STATUS_ZOMBIE
    # When it ends after all
    end(connection)
    # Then
    wait_for(lambda: not psutil.pid_exists(connection.pid), "somebody to bury the head")


def test_a_program_that_can_start_no_thread_any_more_leaves_its_head_all_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a head that has other clients
    head = head_in(place)
    head.begin()
    connection = head.wait_ready()

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", start)
    # When
    head.leave()
    # Then
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(head._stop_reader)
    end(connection)
    assert head._child is not None
    head._child.wait()


def test_nobody_sweeps_the_directory_of_a_node_that_is_being_ended(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    runtime = place / "runtime"
    runtime.mkdir(0o700)
    swept: list[bool] = []

    def end_node(directory: str, *, at_once: bool) -> None:
        assert at_once
        remove_unheld(directory)
        swept.append(not runtime.exists())

    monkeypatch.setattr("actorcloud.client.headprocess.end_node", end_node)
    # When
    head = HeadProcess(locate(place / "store"), runtime, 2, command=COMMAND)
    head.end()
    head.leave()
    # Then
    assert swept == [False]
    assert not runtime.exists()


NODE = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(os.getpid(), file=file, flush=True)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_head_that_is_ended_by_force_leaves_no_node(place: Path) -> None:
    # Given a head too slow to end by itself, with a node
    head = head_in(place)
    head.begin()
    connection = head.wait_ready()
    command = [sys.executable, "-c", NODE, str(place / NODE_LOCK)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        node.stdout.readline()
        head.leave()
        # When
        head.end()
        # Then
        assert not psutil.pid_exists(connection.pid)
        assert node.poll() == -signal.SIGKILL
