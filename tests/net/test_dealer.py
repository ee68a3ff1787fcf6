"""One attempt to connect, against a plain ROUTER."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from actorcloud.net.dealer import Dealer
from actorcloud.net.effect import Conn
from actorcloud.net.frames import FRAMES_PER_TURN
from actorcloud.net.loop import Loop
from actorcloud.net.options import Timing
from actorcloud.net.optionsheet import prepare, prepare_dealer
from tests.net.peers import PATIENCE


class Told:
    """A hub that remembers what it was told."""

    def __init__(self) -> None:
        self.is_open = False
        self.frames: list[bytes] = []
        self.is_lost = False

    def on_opened(self, conn: Conn) -> None:
        self.is_open = True

    def on_frame(self, conn: Conn, user: str, frame: bytes) -> None:
        assert not self.is_lost
        self.frames.append(frame)

    def on_lost(self, conn: Conn, code: str, text: str) -> None:
        self.is_lost = True

    def on_hint(self, conn: Conn) -> None:
        raise AssertionError(conn)

    def on_stranger(self, kind: str, text: str) -> None:
        raise AssertionError(text)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    made: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.mark.parametrize("count", [1, FRAMES_PER_TURN + 1])
def test_what_was_said_before_the_end_is_heard_however_late_one_reads(
    context: zmq.Context[zmq.Socket[bytes]], loop: Loop, tmp_path: Path, count: int
) -> None:
    # Given: a connection on which a frame has gone to the other end, which knows the way back by it.
    router = context.socket(zmq.ROUTER)
    router.bind(f"ipc://{tmp_path}/socket")
    socket = context.socket(zmq.DEALER)
    prepare(socket, Timing(PATIENCE), is_tcp=False)
    prepare_dealer(socket)
    told = Told()
    dealer = Dealer(told, loop, 1, socket)
    dealer.connect(f"ipc://{tmp_path}/socket")
    while not told.is_open:
        assert loop.turn(PATIENCE)
    dealer.send(b"hello")
    routing_id, _ = router.recv_multipart()
    # When: it says its last words and hangs up, and we do not look before both have come.
    words = [b"%d" % number for number in range(count)]
    for word in words:
        router.send_multipart([routing_id, word])
    router.close(linger=int(PATIENCE * 1000))
    assert dealer._monitor.socket.poll(int(PATIENCE * 1000))
    # The monitor is a queue of its own, and may be read first.
    dealer._notice()
    # Then
    assert told.is_lost
    assert told.frames == words
