"""The workers' sockets: read by a thread of their own, or by the network's; a dead worker is buried in order."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator

import pytest

from actorcloud.base.pipes import PipeProcess, Pipes
from actorcloud.base.ports import Exited, Said
from actorcloud.base.starting import WORKER, start_process
from actorcloud.protocol.message import decode, encode
from actorcloud.protocol.worker import WorkerReady

PATIENCE = 30.0


class Ears:
    """A sink on which a test can wait."""

    def __init__(self) -> None:
        self.heard: list[Said | Exited] = []
        self.threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    def __call__(self, message: Said | Exited) -> None:
        with self._changed:
            self.heard.append(message)
            self.threads.append(threading.current_thread())
            self._changed.notify_all()

    def wait_for(self, kind: type[object]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: any(isinstance(m, kind) for m in self.heard), PATIENCE), self.heard


class Host:
    """A thread that watches descriptors, driven by the test."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[], None]] = {}

    def wake(self) -> None:
        raise NotImplementedError

    def turn(self, seconds: float) -> bool:
        raise NotImplementedError

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        self.watched[descriptor] = handler

    def unwatch(self, descriptor: int) -> None:
        del self.watched[descriptor]

    def serve(self, until: Callable[[], bool]) -> None:
        while not until():
            readable, _, _ = select.select(list(self.watched), [], [], PATIENCE)
            assert readable, "nothing came"
            for descriptor in readable:
                self.watched[descriptor]()


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes(encode, decode)
    yield made
    made.close(PATIENCE)


def begin(pipes: Pipes, ears: Ears) -> PipeProcess:
    worker = PipeProcess(1, ears, pipes)
    worker.began(*start_process(WORKER))
    return worker


def test_a_worker_is_heard_and_its_end_comes_last(pipes: Pipes) -> None:
    # Given
    ears = Ears()
    worker = begin(pipes, ears)
    ears.wait_for(Said)
    # When
    worker.kill()
    # Then
    ears.wait_for(Exited)
    said, exited = ears.heard[0], ears.heard[-1]
    assert isinstance(said, Said)
    assert isinstance(said.messages[0], WorkerReady)
    assert exited == Exited("signal 9 (SIGKILL)", -9)
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid or 0, 0)


def test_a_host_reads_in_place_of_the_thread_and_gives_it_back(pipes: Pipes) -> None:
    # Given pipes that have moved to a host
    host, ears = Host(), Ears()
    pipes.arrive(host)
    # When a worker speaks
    worker = begin(pipes, ears)
    host.serve(lambda: bool(ears.heard))
    # Then the host's thread has read it
    assert ears.threads[0] is threading.current_thread()
    # And when the host is gone, a thread reads on
    pipes.leave()
    worker.kill()
    ears.wait_for(Exited)


def test_pipes_that_are_closed_while_a_host_reads_kill_their_workers() -> None:
    # Given
    pipes, host, ears = Pipes(encode, decode), Host(), Ears()
    pipes.arrive(host)
    begin(pipes, ears)
    host.serve(lambda: bool(ears.heard))
    # When
    closing = threading.Thread(target=lambda: pipes.close(PATIENCE))
    closing.start()
    host.serve(lambda: not host.watched)
    closing.join(PATIENCE)
    # Then
    assert not closing.is_alive()
    assert isinstance(ears.heard[-1], Exited)
    pipes.leave()


def test_a_dead_worker_is_buried_where_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a machine that gives no thread more
    pipes, host, ears = Pipes(encode, decode), Host(), Ears()
    pipes.arrive(host)
    worker = begin(pipes, ears)
    host.serve(lambda: bool(ears.heard))

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        # When
        worker.kill()
        host.serve(lambda: isinstance(ears.heard[-1], Exited))
    # Then
    assert ears.heard[-1] == Exited("signal 9 (SIGKILL)", -9)
    pipes.leave()
    pipes.close(PATIENCE)
