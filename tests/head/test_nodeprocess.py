"""A head's own node: started again when it dies, left alone when it cannot live."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actorcloud.base.headnode import end_node
from actorcloud.base.rendezvous import NODE_LOCK
from actorcloud.head.nodeprocess import QUICK_DEATHS_LIMIT, NodeProcess


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    """Return a node whose interpreter ends at once."""
    monkeypatch.setattr("actorcloud.head.nodeprocess.sys.executable", "/bin/false")
    # However long a busy machine takes for that.
    monkeypatch.setattr("actorcloud.head.nodeprocess.QUICK_DEATH_SECONDS", math.inf)
    return NodeProcess(str(tmp_path), 1, 15.0)


def wait_dead(node: NodeProcess) -> None:
    child = node._child
    assert child is not None
    child.wait(60)


def test_a_node_that_ends_at_once_is_left_alone_after_some_tries(broken: NodeProcess) -> None:
    # Given a node that cannot live
    broken.begin()
    # When its head keeps it
    for _ in range(QUICK_DEATHS_LIMIT):
        assert broken.is_wanted
        wait_dead(broken)
        broken.keep()
    # Then it is not tried for ever
    assert not broken.is_wanted
    assert broken._child is None
    broken.keep()
    assert broken._child is None


def test_a_node_of_an_earlier_head_is_not_started_twice(tmp_path: Path) -> None:
    import fcntl

    node = NodeProcess(str(tmp_path), 1, 15.0)
    with (tmp_path / NODE_LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        node.begin()
        assert node._child is None


SLEEPER = """#!/bin/sh
exec sleep 60
"""


def test_a_node_has_its_lock_and_number_from_its_first_moment_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a node that has not come to do anything yet
    interpreter = tmp_path / "python"
    interpreter.write_text(SLEEPER)
    interpreter.chmod(0o700)
    monkeypatch.setattr("actorcloud.head.nodeprocess.sys.executable", str(interpreter))
    first, second = (NodeProcess(str(tmp_path), 1, 15.0) for _ in range(2))
    first.begin()
    # When another head starts
    second.begin()
    # Then it starts no other, and who comes second does not end what is not his
    assert second._child is None
    second.leave_to_another()
    second.end()
    child = first._child
    assert child is not None
    assert child.poll() is None
    # And whoever is to end it finds it
    end_node(str(tmp_path), at_once=True)
    assert child.wait(60) == -signal.SIGKILL


HOLDER = """
import fcntl, os, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print(os.getpid(), file=file, flush=True)
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_node_of_an_earlier_head_ends_with_this_one(tmp_path: Path) -> None:
    # Given a node that has not found its new head yet
    lock = tmp_path / NODE_LOCK
    command = [sys.executable, "-c", HOLDER, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as earlier:
        assert earlier.stdout is not None
        earlier.stdout.readline()
        node = NodeProcess(str(tmp_path), 1, 15.0)
        node.begin()
        assert node._child is None
        # When that head ends
        node.end()
        # Then so has the node
        assert earlier.poll() == -signal.SIGTERM


def test_the_number_in_a_lock_that_nobody_holds_is_nobodys(tmp_path: Path) -> None:
    # Given a node that has left its number, which is now another process's
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        (tmp_path / NODE_LOCK).write_text(str(innocent.pid))
        # When
        NodeProcess(str(tmp_path), 1, 15.0).end()
        # Then
        assert innocent.poll() is None


def test_a_head_without_workers_has_no_node(tmp_path: Path) -> None:
    node = NodeProcess(str(tmp_path), 0, 15.0)
    node.begin()
    node.keep()
    node.end()
    assert not node.is_wanted
