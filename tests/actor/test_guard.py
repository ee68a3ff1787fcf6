"""The one lock, and the turns that end without it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from actorcloud.actor import Actor, System
from actorcloud.actor.context import Guard, fenced
from actorcloud.actor.mailbox import _resting
from tests.actor.cast import PATIENCE


def test_one_at_a_time_holds_the_guard_whoever_else_wants_it() -> None:
    # Given
    guard, inside, seen = Guard(), [0], []

    def enter() -> None:
        for _ in range(200):
            with guard:
                inside[0] += 1
                seen.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    # When
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    # Then
    assert seen == [1] * 800


def test_who_finds_the_guard_held_for_long_gets_it_in_the_end() -> None:
    # Given
    guard, entered = Guard(), threading.Event()

    def enter() -> None:
        with guard:
            entered.set()

    thread = threading.Thread(target=enter)
    with guard:
        thread.start()
        # When it has looked often
        assert not entered.wait(0.05)
    # Then
    assert entered.wait(PATIENCE)
    thread.join(PATIENCE)


@pytest.mark.parametrize("how", ["kill", "exit"])
def test_an_end_that_meets_the_end_of_a_turn_leaves_no_fence_and_no_zombie(pool: System, how: str) -> None:
    class Short(Actor):
        def on_receive(self, message: Any) -> None:
            message.set()

    for _ in range(300):
        # Given a turn that is about to end
        ref, begun = Short.start(), threading.Event()
        end = ref.monitor()
        ref.tell(begun)
        assert begun.wait(PATIENCE)
        # When
        ref.kill() if how == "kill" else ref.exit("now")
        # Then it is dead once and for all, whichever came first
        end.get(timeout=PATIENCE)
        assert ref._cell not in _resting
    # A handler that was killed comes back and takes its fence along
    rest, looks = threading.Event(), 0
    while (pool.zombies() or fenced) and looks < 1_000:
        rest.wait(0.01)
        looks += 1
    assert not pool.zombies()
    assert not fenced
