"""When the watchdog adds threads: a pool that is played by the test, and real ticks."""

from __future__ import annotations

import threading

import pytest

from actorcloud.actor.dispatch.watchdog import Turn, Watchdog
from tests.actor.cast import PATIENCE


class Cell:
    """A cell that is in a turn for ever."""

    def __init__(self, thread: int) -> None:
        self.thread: int | None = thread
        self.preempted = False

    def turn(self, limit: int, here: dict[str, object] | None = None) -> int:
        raise NotImplementedError

    def preempt(self) -> None:
        self.preempted = True

    def is_dead(self) -> bool:
        return False


class StuckPool:
    """A pool whose threads all block, with more work than it will ever have threads."""

    def __init__(self, enough: int) -> None:
        self.turns: dict[int, Turn] = {}
        self.hosts: set[int] = set()
        self.queued = 1_000
        self.added: list[int] = []
        self.is_enough = threading.Event()
        self._enough = enough
        self.add_runner()

    @property
    def running(self) -> int:
        return sum(not turn.is_aside for turn in self.turns.values())

    def set_aside(self, thread: int, number: int) -> None:
        self.turns[thread].is_aside = True

    @property
    def threads(self) -> int:
        return len(self.turns)

    def is_idle(self) -> bool:
        return self.is_enough.is_set()

    def starting(self) -> set[threading.Thread]:
        return set()

    def give_up(self, threads: set[threading.Thread]) -> None:
        raise AssertionError("none was starting")

    def add_runner(self, count: int = 1, *, beyond_target: bool = False) -> int:
        for _ in range(count):
            thread = len(self.turns)
            turn = self.turns[thread] = Turn()
            turn.cell, turn.number = Cell(thread), 1
        self.added.append(count)
        if len(self.turns) >= self._enough:
            self.is_enough.set()
        return count


def test_threads_double_with_each_tick_in_which_all_of_them_block() -> None:
    # Given
    pool = StuckPool(enough=64)
    watchdog = Watchdog(pool)
    # When
    watchdog.wake()
    # Then
    assert pool.is_enough.wait(PATIENCE)
    watchdog.close()
    assert pool.added[:7] == [1, 1, 2, 4, 8, 16, 32]


def test_where_no_thread_can_be_had_that_is_said_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    pool = StuckPool(enough=2)
    watchdog = Watchdog(pool)

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        # When
        watchdog.wake()
        watchdog.wake()
    # Then
    (record,) = caplog.records
    assert "no thread can be started" in record.getMessage()
    # When there are some again
    watchdog.wake()
    # Then
    assert pool.is_enough.wait(PATIENCE)
    watchdog.close()
