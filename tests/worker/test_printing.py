"""What jobs print, as the agent of a real worker process hears it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actorcloud.protocol.worker import Finished, Output, Work
from tests.worker.agent import FakeAgent


@pytest.fixture
def agent() -> Iterator[FakeAgent]:
    with FakeAgent() as agent:
        yield agent


def test_what_a_job_prints_comes_in_order_and_under_its_name(agent: FakeAgent) -> None:
    # Given
    def talk(name: str) -> None:
        print(name, "says one")
        print(name, "says two", file=sys.stderr)
        sys.stdout.write("and no end")

    items = [agent.item(talk, name) for name in ("ann", "bob")]

    # When
    agent.send(Work(tuple(items)))
    agent.wait_for(Finished)
    agent.wait_for(Finished)

    # Then
    assert agent.printed(items) == {
        item: f"{name} says one\n{name} says two\nand no end".encode()
        for item, name in zip(items, ("ann", "bob"), strict=True)
    }


def test_a_line_arrives_while_the_job_still_runs(agent: FakeAgent, tmp_path: Path) -> None:
    # Given
    gate = tmp_path / "gate"
    os.mkfifo(gate)

    def work(path: Path) -> None:
        print("begun")
        print("still here")
        path.read_text()

    item = agent.give(work, gate)

    # When
    while agent.printed([item])[item] != b"begun\nstill here\n":
        agent.wait_for(Output)
    gate.write_text("")

    # Then
    assert agent.wait_for(Finished).item.kind == "done"


def test_a_long_line_is_cut_between_characters(agent: FakeAgent) -> None:
    # When
    agent.run(lambda: print("é" * 50_000))

    # Then
    pieces = [message.text for message in agent.seen if isinstance(message, Output)]
    assert "".join(piece.decode() for piece in pieces) == "é" * 50_000 + "\n"
    assert len(pieces) > 1


def test_bytes_and_closed_streams_do_no_harm(agent: FakeAgent) -> None:
    # Given
    def rude() -> None:
        sys.stdout.buffer.write(b"\xff raw\n")
        sys.stdout.close()
        sys.stderr = None

    first = agent.give(rude)
    agent.wait_for(Finished)

    # When
    second = agent.give(lambda: print("hello", file=sys.stderr))
    agent.wait_for(Finished)

    # Then
    assert agent.printed([first, second]) == {first: b"\xff raw\n", second: b"hello\n"}
