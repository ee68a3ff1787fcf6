"""The leak check itself: what it finds, and that it waits for what is on its way out."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from tests.leaks import Footprint, wait_gone


def test_a_test_that_leaves_nothing_is_clean_at_once() -> None:
    # Given
    before = Footprint.take()
    # When / Then
    assert wait_gone(before) == []


def test_a_thread_left_running_is_found() -> None:
    # Given
    before = Footprint.take()
    end = threading.Event()
    thread = threading.Thread(target=end.wait, args=(10,), name="left-over")
    thread.start()
    # When
    left = wait_gone(before, grace=0)
    # Then
    end.set()
    thread.join(5)
    assert left == ["thread 'left-over'"]


def test_a_thread_that_is_ending_is_waited_for() -> None:
    # Given
    before = Footprint.take()
    thread = threading.Timer(0.05, lambda: None)
    # When
    thread.start()
    # Then
    assert wait_gone(before, grace=5) == []


def test_a_child_process_left_running_is_found_with_its_command() -> None:
    # Given
    before = Footprint.take()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    # When
    left = wait_gone(before, grace=0)
    # Then
    child.communicate(b"\n", timeout=60)
    assert f"process {child.pid}: " in left[0]
    assert "input()" in left[0]


def test_a_socket_left_open_is_found() -> None:
    # Given
    before = Footprint.take()
    ours, theirs = socket.socketpair()
    # When
    left = wait_gone(before, grace=0)
    # Then
    ours.close()
    theirs.close()
    assert len(left) == 2
    assert all("socket:" in line for line in left)


def test_a_directory_left_in_the_temporary_directory_is_found() -> None:
    # Given
    before = Footprint.take()
    path = Path(tempfile.mkdtemp(prefix="actorcloud-"))
    # When
    left = wait_gone(before, grace=0)
    # Then
    path.rmdir()
    assert left == [str(path)]
