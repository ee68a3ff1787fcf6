"""The one lock, and the turns that end without it."""

from __future__ import annotations

import contextlib
import threading
from types import BuiltinMethodType
from typing import Any

import pytest

from actorcloud.actor import Actor, AlreadyStarted, System
from actorcloud.actor.mailbox.mailbox import _resting
from actorcloud.actor.thread.context import Guard, fenced
from actorcloud.base.errors import Unpicklable
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
    _back(pool)
    assert not pool.zombies()
    assert not fenced


def test_a_ctrl_c_finds_no_step_at_which_the_guard_is_held_and_nobody_knows() -> None:
    # The release is the lock's own, in C; the tries come from an iterator, between which and its note nothing runs.
    assert isinstance(Guard.__exit__, BuiltinMethodType)
    assert isinstance(Guard._tries, map)


class Note(Actor):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[Any] = []

    def on_receive(self, message: Any) -> Any:
        if message == "notes":
            return self.notes
        self.notes.append(message)
        return None


def _back(pool: System) -> None:
    """Wait until the handlers of all that was killed have come back."""
    rest, looks = threading.Event(), 0
    while (pool.zombies() or fenced) and looks < 1_000:
        rest.wait(0.01)
        looks += 1


def test_a_killed_parent_whose_child_does_not_start_stays_fenced(pool: System) -> None:
    # Given an actor in whose handler another one starts, slowly, and fails
    begun, killed, note = threading.Event(), threading.Event(), Note.start()

    class Failing(Actor):
        def __init__(self) -> None:
            begun.set()
            killed.wait(PATIENCE)
            raise ZeroDivisionError

    class Parent(Actor):
        def on_receive(self, message: object) -> None:
            with contextlib.suppress(ZeroDivisionError):
                Failing.start()
            note.tell("from the dead")

    parent = Parent.start()
    parent.tell("go")
    assert begun.wait(PATIENCE)
    # When
    parent.kill()
    killed.set()
    _back(pool)
    # Then
    assert note.ask("notes") == []
    assert not pool.zombies()


def test_each_of_two_actors_on_one_stack_has_a_fence_of_its_own(pool: System) -> None:
    # Given an inline actor that runs on the stack of another one
    begun, killed, note = threading.Event(), threading.Event(), Note.start()

    class Inner(Actor):
        inline = True

        def on_receive(self, message: object) -> None:
            begun.set()
            killed.wait(PATIENCE)
            note.tell("from the dead")

    class Outer(Actor):
        def on_receive(self, message: Any) -> None:
            message.ask("go")

    inner, outer = Inner.start(), Outer.start()
    outer.tell(inner)
    assert begun.wait(PATIENCE)
    # When both are killed
    inner.kill()
    outer.kill()
    killed.set()
    _back(pool)
    # Then neither says anything more
    assert note.ask("notes") == []
    assert not pool.zombies()


def test_the_dead_stop_nobody(pool: System) -> None:
    begun, killed, victim = threading.Event(), threading.Event(), Note.start()

    class Stopping(Actor):
        def on_receive(self, message: object) -> None:
            begun.set()
            killed.wait(PATIENCE)
            victim.stop(block=False)

    zombie = Stopping.start()
    zombie.tell("go")
    assert begun.wait(PATIENCE)
    zombie.kill()
    killed.set()
    _back(pool)
    assert victim.ask("notes") == []


def test_a_message_that_cannot_be_copied_leaves_an_inline_actor_as_it_was() -> None:
    class Inline(Actor):
        inline = True

        def on_receive(self, message: object) -> object:
            return message

    class Asking(Actor):
        def on_receive(self, message: Any) -> str:
            try:
                message.ask(threading.Lock())
            except Unpicklable:
                return "refused"
            return "taken"

    with System(copy_messages=True) as system, system.activate():
        inline = Inline.start()
        assert Asking.start().ask(inline) == "refused"
        assert inline.ask("still there", timeout=PATIENCE) == "still there"


def test_a_start_that_is_refused_leaves_no_thread(pool: System) -> None:
    class Pinned(Actor):
        dispatcher = "thread"

    Pinned.options(name="taken").start()
    before = threading.active_count()
    for _ in range(5):
        with pytest.raises(AlreadyStarted):
            Pinned.options(name="taken").start()
    assert threading.active_count() == before


def test_a_wait_that_is_given_up_leaves_nothing_at_the_future(pool: System) -> None:
    future = pool.future()
    for _ in range(100):
        assert not pool.wait(future, 0)
    assert len(future._waiters) == 0


@pytest.mark.slow
def test_a_handler_that_waits_and_then_blocks_holds_nobody_up(pool: System) -> None:
    # Given: a wait of ours that outlasts the watchdog's attention, then one that is not ours
    begun, event = threading.Event(), threading.Event()

    class Waiting(Actor):
        def on_receive(self, message: object) -> None:
            self.sleep(0.7)
            begun.set()
            event.wait(2 * PATIENCE)

    other = Note.start()
    other.ask("notes")
    Waiting.start().tell("go")
    assert begun.wait(PATIENCE)
    # When, Then
    assert other.ask("notes", timeout=PATIENCE) == []
    event.set()
