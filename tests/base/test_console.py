"""What jobs print is shown, and a terminal that stands still holds nobody up."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

import pytest

from actorcloud.base import console as module
from actorcloud.base.console import Console, ConsoleHandler


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def read_until(descriptor: int, end: bytes) -> bytes:
    got = b""
    while not got.endswith(end):
        got += os.read(descriptor, 1 << 16)
    return got


def fill(descriptor: int) -> None:
    """Write to a pipe until nothing more fits."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(descriptor, b"-" * 4096)
    os.set_blocking(descriptor, True)


def test_lines_are_shown_in_order(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    console = Console(writing)
    console.write("one\ntwo\n")
    console.write("three\n")
    assert read_until(reading, b"three\n") == b"one\ntwo\nthree\n"
    console.close()


def test_a_terminal_that_stands_still_holds_nobody_up_and_what_was_left_out_is_said(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a pipe that is full, and nobody reads
    monkeypatch.setattr(module, "WAITING_LIMIT_BYTES", 200_000)
    reading, writing = pipe
    fill(writing)
    console = Console(writing)
    # When more is printed than may wait
    for _ in range(100):
        console.write("x" * 9_999 + "\n")
    # Then who prints has come this far; and when somebody reads, all that was taken is shown
    shown = b""
    while shown.count(b"\n") < 20:
        shown += read_until(reading, b"\n")
    with console._changed:
        assert console._changed.wait_for(lambda: not console._waiting_bytes, 60)
    console.write("last\n")
    assert read_until(reading, b"last\n") == b"[80 lines were not shown here]\nlast\n"
    console.close()
    assert not console._thread.is_alive()


def test_log_records_are_shown_as_lines(pipe: tuple[int, int]) -> None:
    # Given
    reading, writing = pipe
    console = Console(writing)
    logger = logging.getLogger("test.console")
    handler = ConsoleHandler(console)
    logger.addHandler(handler)
    # When
    logger.error("it is %s", "late")
    # Then
    assert read_until(reading, b"\n") == b"it is late\n"
    logger.removeHandler(handler)
    console.close()
