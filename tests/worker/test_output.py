"""Output frames hold whole lines, and together everything that was printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actorcloud.protocol.worker import Output
from actorcloud.worker import output
from actorcloud.worker.output import Printed

RUN = (b"job", b"run")


def frames_of(writes: list[bytes], *, is_over: bool = True) -> list[bytes]:
    """Print this, and return the text of each frame."""
    sent: list[Output] = []
    printed = Printed(sent.append)
    printed.begin(RUN)
    for data in writes:
        printed.write(data)
    if is_over:
        printed.end()
    assert all(frame.run == RUN for frame in sent)
    return [frame.text for frame in sent]


@given(writes=st.lists(st.text(alphabet="aé\n\r€", max_size=30).map(str.encode)))
def test_everything_arrives_in_order(writes: list[bytes]) -> None:
    assert b"".join(frames_of(writes)) == b"".join(writes)


@given(writes=st.lists(st.text(alphabet="aé\n", max_size=30).map(str.encode)))
def test_while_a_job_runs_only_whole_lines_are_sent(writes: list[bytes]) -> None:
    # When
    frames = frames_of(writes, is_over=False)

    # Then
    assert all(frame.endswith(b"\n") for frame in frames)
    assert b"".join(frames).count(b"\n") == b"".join(writes).count(b"\n")


@given(text=st.text(alphabet="aé€😀", max_size=200))
def test_a_long_line_is_cut_between_characters(text: str) -> None:
    # Given
    limit, output.PIECE_LIMIT_BYTES = output.PIECE_LIMIT_BYTES, 16

    # When
    try:
        frames = frames_of([text.encode()])
    finally:
        output.PIECE_LIMIT_BYTES = limit

    # Then
    assert "".join(frame.decode() for frame in frames) == text
    assert all(len(frame) <= 16 for frame in frames)


def test_bytes_that_are_no_text_arrive_too() -> None:
    assert b"".join(frames_of([b"\x80" * 100_000])) == b"\x80" * 100_000


def test_each_run_prints_under_its_own_name() -> None:
    # Given
    sent: list[Output] = []
    printed = Printed(sent.append)

    # When
    for name in (b"one", b"two"):
        printed.begin((name, b"run"))
        printed.write(b"I am " + name)
        printed.end()

    # Then
    assert [(frame.run[0], frame.text) for frame in sent] == [(b"one", b"I am one"), (b"two", b"I am two")]
