"""A head's own node: started again when it dies, left alone when it cannot live."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorcloud.base.rendezvous import NODE_LOCK
from actorcloud.head.nodeprocess import QUICK_DEATHS_LIMIT, NodeProcess


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeProcess:
    """Return a node whose interpreter ends at once."""
    monkeypatch.setattr("actorcloud.head.nodeprocess.sys.executable", "/bin/false")
    return NodeProcess(str(tmp_path), 1, 15.0)


def wait_dead(node: NodeProcess) -> None:
    child = node._child
    assert child is not None
    child.wait(10)


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


def test_a_head_without_workers_has_no_node(tmp_path: Path) -> None:
    node = NodeProcess(str(tmp_path), 0, 15.0)
    node.begin()
    node.keep()
    node.end()
    assert not node.is_wanted
