"""Who waits for which job."""

from __future__ import annotations

from actorcloud.jobs import waiters
from actorcloud.jobs.waiters import Waiters
from actorcloud.protocol.job import Outcomes
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Outcome

DONE = Outcome("done", b"x")


class Tape:
    """A stream that remembers."""

    def __init__(self) -> None:
        self.parts: list[Message] = []
        self.is_closed = False

    @property
    def to(self) -> object:
        return self

    def push(self, value: Message) -> None:
        assert not self.is_closed
        self.parts.append(value)

    def set(self, value: Message) -> None:
        self.push(value)
        self.is_closed = True


def test_a_waiter_gets_each_outcome_once_and_is_closed_by_the_last() -> None:
    # Given two that wait for overlapping jobs
    table, first, second = Waiters(), Tape(), Tape()
    table.add(first, [b"a", b"b"])
    table.add(second, [b"b"])
    # When one job ends
    table.settle(b"b", DONE)
    table.settle(b"b", DONE)
    table.flush()
    # Then both know, and only the second is done
    assert first.parts == [Outcomes(((b"b", DONE),))]
    assert (first.is_closed, second.is_closed) == (False, True)
    # When the other ends, then nothing is left
    table.settle(b"a", None)
    table.flush()
    assert first.parts[1:] == [Outcomes(((b"a", None),))]
    assert first.is_closed
    assert len(table) == 0


def test_a_dropped_stream_gets_nothing_more() -> None:
    table, tape = Waiters(), Tape()
    table.add(tape, [b"a", b"b"])
    table.settle(b"a", DONE)
    table.drop(tape)
    table.settle(b"b", DONE)
    table.flush()
    assert tape.parts == []
    assert len(table) == 0


def test_large_outcomes_travel_in_parts() -> None:
    table, tape = Waiters(), Tape()
    big = Outcome("done", bytes(waiters.ANSWER_LIMIT_BYTES))
    refs = [bytes([number]) for number in range(3)]
    table.add(tape, refs)
    for ref in refs:
        table.settle(ref, big)
    table.flush()
    assert [len(part.items) for part in tape.parts if isinstance(part, Outcomes)] == [1, 1, 1]
    assert tape.is_closed
