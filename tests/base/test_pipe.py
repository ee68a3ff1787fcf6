"""Framing over a socketpair."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import MessageTooLarge, WireError
from actorcloud.base.pipe import Pipe, PipeClosed, PipeDecoder, encode_frame


@pytest.fixture
def ends() -> Iterator[tuple[Pipe, Pipe]]:
    first, second = socket.socketpair()
    pipes = Pipe(first), Pipe(second)
    yield pipes
    for pipe in pipes:
        pipe.close()


@given(messages=st.lists(st.binary(max_size=300)), cuts=st.lists(st.integers(1, 50), min_size=1))
def test_however_the_bytes_are_cut_the_messages_come_out(messages: list[bytes], cuts: list[int]) -> None:
    # Given
    stream = b"".join(map(encode_frame, messages))
    decoder = PipeDecoder()
    # When
    got: list[bytes] = []
    turn = 0
    while stream:
        size = cuts[turn % len(cuts)]
        got += decoder.feed(stream[:size])
        stream = stream[size:]
        turn += 1
    # Then
    assert got == messages
    assert decoder.pending_bytes == 0


def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(WireError, match="the pipe's limit is 10"):
        PipeDecoder(limit_bytes=10).feed(encode_frame(b"x" * 11)[:4])


def test_a_message_that_is_too_long_is_the_senders_error() -> None:
    with pytest.raises(MessageTooLarge):
        encode_frame(bytes(18 * 1024 * 1024))


def test_messages_of_two_threads_do_not_mix(ends: tuple[Pipe, Pipe]) -> None:
    # Given
    ours, theirs = ends

    def write(mark: bytes) -> None:
        for _ in range(20):
            ours.send([mark * 100_000])

    threads = [threading.Thread(target=write, args=(mark,)) for mark in (b"a", b"b")]
    # When
    for thread in threads:
        thread.start()
    got: list[bytes] = []
    while len(got) < 40:
        got += theirs.receive()
    for thread in threads:
        thread.join(60)
    # Then
    assert {len(set(message)) for message in got} == {1}


def test_the_end_of_the_other_side_ends_the_stream_after_its_last_message(ends: tuple[Pipe, Pipe]) -> None:
    # Given
    ours, theirs = ends
    # When
    ours.send([b"last", b"words"])
    ours.close()
    # Then
    assert list(theirs) == [b"last", b"words"]
    with pytest.raises(PipeClosed):
        theirs.send([b"x"] * 10)


def test_close_wakes_a_reader_that_waits(ends: tuple[Pipe, Pipe]) -> None:
    # Given
    ours, _ = ends
    ended = threading.Event()

    def read() -> None:
        assert list(ours) == []
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    # When
    ours.close()
    # Then
    assert ended.wait(60)
    reader.join(60)
