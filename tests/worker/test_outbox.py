"""Frames leave whole, in order, and at once."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from actorcloud.base.pipe import PipeDecoder
from actorcloud.protocol.message import Message, decode
from actorcloud.protocol.worker import Output
from actorcloud.worker.outbox import Outbox


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    with ours, theirs:
        yield ours, theirs


def text(data: bytes) -> Output:
    return Output((b"job", b"run"), data)


def test_what_was_sent_is_in_the_kernels_hands(ends: tuple[socket.socket, socket.socket]) -> None:
    # Given
    ours, theirs = ends
    outbox = Outbox(ours.fileno())

    # When the process dies right after it
    outbox.send(text(b"last words"))
    ours.close()

    # Then
    assert [decode(frame) for frame in PipeDecoder().feed(theirs.recv(1 << 16))] == [text(b"last words")]
    assert theirs.recv(1) == b""


def test_frames_of_several_threads_stay_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    # Given frames larger than the kernel's buffer
    ours, theirs = ends
    outbox = Outbox(ours.fileno())
    sent = [text(letter * 500_000) for letter in (b"a", b"b", b"c")]
    senders = [threading.Thread(target=outbox.send, args=(message,)) for message in sent]

    # When
    for sender in senders:
        sender.start()
    decoder = PipeDecoder()
    received: list[Message] = []
    while len(received) < len(sent):
        received += map(decode, decoder.feed(theirs.recv(1 << 20)))
    for sender in senders:
        sender.join()

    # Then
    assert sorted(received, key=str) == sorted(sent, key=str)


def test_a_muted_outbox_writes_nothing(ends: tuple[socket.socket, socket.socket]) -> None:
    # Given
    ours, theirs = ends
    outbox = Outbox(os.dup(ours.fileno()))

    # When
    outbox.mute()
    outbox.send(text(b"from a forked child"))
    os.close(outbox._descriptor)
    ours.close()

    # Then
    assert theirs.recv(1) == b""
