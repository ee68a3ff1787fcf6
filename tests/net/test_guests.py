"""Guests on the thread of the network: they run, wait, end it, and have descriptors watched."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from actorcloud.base.ports import HostThread, PeerUp
from actorcloud.net import Reactor, ReactorOptions
from tests.net.peers import HEAD, PATIENCE, Cluster, Log, cluster


@pytest.fixture
def ring() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture
def ipc(tmp_path: Path) -> str:
    return f"ipc://{tmp_path}/run/head.sock"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, the one to read from first."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def new_head(listen: str) -> Reactor:
    return Reactor(ReactorOptions(name="head", role="head", incarnation=1, listen=(listen,), node_timeout=3.0))


class Lodger:
    """A guest that does what it is told on the I/O thread."""

    def __init__(self) -> None:
        self.host: HostThread | None = None
        self.arrived, self.left = threading.Event(), threading.Event()
        self.todo: deque[Callable[[HostThread], None]] = deque()

    def arrive(self, host: HostThread) -> None:
        self.host = host
        self.arrived.set()

    def run(self) -> bool:
        assert self.host is not None
        while self.todo:
            self.todo.popleft()(self.host)
        return False

    def away(self) -> AbstractContextManager[object]:
        return nullcontext()

    def leave(self) -> None:
        self.left.set()

    def do(self, function: Callable[[HostThread], None]) -> None:
        assert self.host is not None
        self.todo.append(function)
        self.host.wake()

    def wait_done(self) -> None:
        """Wait until all that it was told is done."""
        done = threading.Event()
        self.do(lambda _: done.set())
        assert done.wait(PATIENCE)


@pytest.fixture
def lodger(ipc: str) -> Iterator[tuple[Reactor, Lodger, Log]]:
    reactor, lodger, log = new_head(ipc), Lodger(), Log()
    reactor.start(log, (lodger,))
    assert lodger.arrived.wait(PATIENCE)
    yield reactor, lodger, log
    reactor.close()
    assert lodger.left.is_set()


def test_a_guest_runs_on_the_thread_of_the_network(lodger: tuple[Reactor, Lodger, Log]) -> None:
    # Given
    reactor, guest, _ = lodger
    found: list[threading.Thread] = []
    done = threading.Event()
    # When
    guest.do(lambda _: found.append(threading.current_thread()))
    guest.do(lambda _: done.set())
    # Then
    assert done.wait(PATIENCE)
    assert found == [reactor._thread]


def test_messages_go_on_while_a_guest_waits(ring: Cluster, lodger: tuple[Reactor, Lodger, Log]) -> None:
    # Given a guest that calls back for turns until a message has come
    reactor, guest, log = lodger
    done = threading.Event()

    def wait(host: HostThread) -> None:
        while not log.messages and host.turn(PATIENCE):
            pass
        done.set()

    node, node_log = ring.peer()
    node.dial(reactor.endpoints[0])
    node_log.wait_for(PeerUp)
    guest.do(wait)
    # When
    node.send(HEAD, [b"hello"])
    # Then
    assert done.wait(PATIENCE)
    assert log.messages == [b"hello"]


def test_a_guest_may_close_its_transport(ipc: str, lodger: tuple[Reactor, Lodger, Log]) -> None:
    # Given
    reactor, guest, _ = lodger
    closed = threading.Event()

    def close(_: HostThread) -> None:
        reactor.close()
        closed.set()

    # When
    guest.do(close)
    # Then the address is free as soon as that has returned
    assert closed.wait(PATIENCE)
    assert guest.left.is_set()
    successor = new_head(ipc)
    successor.start(Log())
    successor.close()


def test_a_guest_may_have_a_descriptor_watched(lodger: tuple[Reactor, Lodger, Log], pipe: tuple[int, int]) -> None:
    # Given
    _, guest, _ = lodger
    reading, writing = pipe
    heard = threading.Event()

    def hear() -> None:
        os.read(reading, 1)
        heard.set()

    guest.do(lambda host: host.watch(reading, hear))
    guest.wait_done()
    # When
    os.write(writing, b"x")
    # Then
    assert heard.wait(PATIENCE)
    guest.do(lambda host: host.unwatch(reading))
    guest.wait_done()


class Clumsy(Lodger):
    """Fails wherever it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def arrive(self, host: HostThread) -> None:
        super().arrive(host)
        if self.where == "arrive":
            raise ZeroDivisionError

    def leave(self) -> None:
        super().leave()
        if self.where == "leave":
            raise ZeroDivisionError


@pytest.mark.parametrize("where", ["arrive", "run", "leave"])
def test_a_guest_that_fails_holds_up_no_close(ipc: str, where: str, caplog: pytest.LogCaptureFixture) -> None:
    # Given
    reactor, clumsy, other = new_head(ipc), Clumsy(where), Lodger()
    reactor.start(Log(), (other, clumsy))
    assert clumsy.arrived.wait(PATIENCE)
    if where == "run":
        clumsy.do(lambda _: 1 // 0)  # type: ignore[arg-type]
        assert clumsy.left.wait(PATIENCE)
    # When
    reactor.close()
    # Then
    assert clumsy.left.is_set()
    assert other.left.is_set()
    assert "ZeroDivisionError" in caplog.text


def test_a_descriptor_whose_handler_fails_ends_nothing(
    lodger: tuple[Reactor, Lodger, Log], pipe: tuple[int, int]
) -> None:
    # Given
    _, guest, _ = lodger
    reading, writing = pipe
    failed = threading.Event()

    def fail() -> None:
        os.read(reading, 1)
        failed.set()
        raise ZeroDivisionError

    guest.do(lambda host: host.watch(reading, fail))
    # When
    os.write(writing, b"x")
    assert failed.wait(PATIENCE)
    # Then
    guest.do(lambda host: host.unwatch(reading))
    guest.wait_done()
