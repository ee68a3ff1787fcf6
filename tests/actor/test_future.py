"""Futures: one outcome, waited for in any way, and futures computed from others."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pykka
import pytest

from actorcloud.actor import Actor, AskTimeout, Future, NoReply, ReplyTo, System, get_all
from tests.actor.cast import PATIENCE, Boom, Probe, Run, run


class Promiser(Actor):
    """Answers an ask when it is told the answer."""

    def __init__(self) -> None:
        self.owed: list[ReplyTo] = []

    def on_receive(self, message: Any) -> Any:
        match message:
            case "owe":
                assert self.sender is not None
                self.owed.append(self.sender)
                return NoReply
            case value:
                self.reply(self.owed.pop(0), value)
        return None


def test_the_first_outcome_counts() -> None:
    future: Future[int] = Future()
    assert future.set(1) is True
    assert future.set(2) is False
    assert future.set_exception(Boom()) is False
    assert future.get() == 1


@pytest.mark.shared_memory
def test_a_future_that_an_actor_makes_is_waited_for_as_the_system_waits(system: System) -> None:
    # Given more actors that wait than there are threads
    future: Future[int] = Future()
    waiting = [Probe.start().ask(Run(lambda _: future.get()), block=False) for _ in range(20)]
    # When
    run(Probe.start(), lambda _: future.set(1))
    # Then
    assert get_all(waiting, timeout=PATIENCE) == [1] * 20


def test_set_exception_takes_what_pykka_gives_it() -> None:
    being_handled: Future[int] = Future()
    as_triple: Future[int] = Future()
    try:
        raise Boom("now")
    except Boom as error:
        being_handled.set_exception()
        as_triple.set_exception((Boom, error, error.__traceback__))
    for future in (being_handled, as_triple):
        with pytest.raises(Boom, match="now"):
            future.get()


DERIVED: list[tuple[str, Callable[[Any], Any], Any, Any]] = [
    ("map", lambda future: future.map(sum), [1, 2, 3], 6),
    ("filter", lambda future: future.filter(lambda item: item > 1), (1, 2, 3), [2, 3]),
    ("reduce", lambda future: future.reduce(lambda a, b: a * b), [2, 3, 4], 24),
    ("reduce from", lambda future: future.reduce(lambda a, b: a - b, 10), [2, 3], 5),
    ("reduce nothing", lambda future: future.reduce(lambda a, b: a - b, 10), [], 10),
    ("chain", lambda future: future.filter(bool).map(len).map(str), [0, 1, 2], "2"),
    ("join", lambda future: future.join(future.map(len)), "ab", ["ab", 2]),
]


@pytest.mark.parametrize(("make", "value", "expected"), [row[1:] for row in DERIVED], ids=[row[0] for row in DERIVED])
def test_a_future_is_computed_from_another(
    system: System, make: Callable[[Any], Any], value: Any, expected: Any
) -> None:
    # Given
    promiser = Promiser.start()
    derived = make(promiser.ask("owe", block=False))
    assert not derived.is_done()
    # When
    promiser.tell(value)
    # Then
    assert derived.get(timeout=PATIENCE) == expected
    assert derived.is_done()


@pytest.mark.parametrize(("make", "error"), [("filter", TypeError), ("reduce", TypeError), ("map", Boom)])
def test_what_computing_raises_is_raised_by_get(make: str, error: type[Exception]) -> None:
    def fail(*_: object) -> Any:
        raise Boom

    future: Future[Any] = Future()
    derived = getattr(future, make)(fail)
    future.set(5)
    with pytest.raises(error):
        derived.get()


def test_what_the_source_raises_is_raised_by_what_is_made_from_it() -> None:
    future: Future[Any] = Future()
    derived = future.map(str)
    future.set_exception(Boom())
    with pytest.raises(Boom):
        derived.get(timeout=0)


def test_a_join_fails_with_the_first_in_order_without_the_rest() -> None:
    never: Future[Any] = Future()
    failed: Future[Any] = Future()
    answered: Future[Any] = Future()
    failed.set_exception(Boom())
    answered.set(1)
    with pytest.raises(Boom):
        answered.join(failed, never).get(timeout=0)
    with pytest.raises(AskTimeout):
        never.join(failed).get(timeout=0)


def test_a_value_is_computed_once_and_only_when_it_is_wanted() -> None:
    calls: list[int] = []
    future: Future[int] = Future()
    derived = future.map(lambda value: calls.append(value) or value + 1)  # type: ignore[func-returns-value]
    future.set(1)
    assert calls == []
    assert (derived.get(), derived.get()) == (2, 2)
    assert calls == [1]


@pytest.mark.shared_memory
def test_two_threads_compute_a_value_once(pool: System) -> None:
    # Given a hook in the middle of its work
    began, go_on = threading.Event(), threading.Event()
    calls: list[int] = []
    future = pool.future()

    def hook(_: object) -> int:
        calls.append(1)
        began.set()
        assert go_on.wait(PATIENCE)
        return len(calls)

    future.set_get_hook(hook)
    askers = [Probe.start().ask(Run(lambda _: future.get()), block=False) for _ in range(2)]
    assert began.wait(PATIENCE)
    # When
    go_on.set()
    # Then
    assert get_all(askers, timeout=PATIENCE) == [1, 1]


def test_the_second_getter_waits_no_longer_than_it_may_for_the_first(pool: System) -> None:
    began, go_on = threading.Event(), threading.Event()
    future: Future[int] = pool.future()

    def hook(_: object) -> int:
        began.set()
        assert go_on.wait(PATIENCE)
        return 5

    future.set_get_hook(hook)
    first = threading.Thread(target=future.get)
    first.start()
    assert began.wait(PATIENCE)
    with pytest.raises(AskTimeout):
        future.get(timeout=0)
    go_on.set()
    first.join(PATIENCE)
    assert future.get(timeout=0) == 5


def test_a_hook_gets_the_timeout_and_is_tried_again_after_it_failed() -> None:
    seen: list[float | None] = []

    def hook(timeout: float | None) -> int:
        seen.append(timeout)
        if len(seen) == 1:
            raise Boom
        return len(seen)

    future: Future[int] = Future()
    future.set_get_hook(hook)
    with pytest.raises(Boom):
        future.get(timeout=3)
    assert future.get() == 2
    assert future.get(timeout=4) == 2
    assert seen == [3, None]


def test_what_is_made_from_an_ask_waits_as_long_as_the_ask_would(system: System) -> None:
    promiser = Promiser.start()
    quick = promiser.ask("owe", block=False, timeout=0.001)
    slow = promiser.ask("owe", block=False, timeout=None)
    with pytest.raises(AskTimeout, match=r"0\.001 s from Promiser"):
        quick.map(str).get()
    with pytest.raises(AskTimeout, match=r"0\.001 s"):
        slow.join(quick).get(timeout=0.001)
    promiser.tell("late")
    promiser.tell("later")
    assert slow.join(quick).get() == ["later", "late"]


def test_a_future_of_pykka_can_be_joined() -> None:
    theirs: pykka.ThreadingFuture[int] = pykka.ThreadingFuture()
    ours: Future[int] = Future()
    joined = ours.join(theirs)
    ours.set(1)
    with pytest.raises(pykka.Timeout):
        joined.get(timeout=0.001)
    theirs.set(2)
    assert joined.get() == [1, 2]


def test_get_all_keeps_the_order_and_shares_the_time(system: System) -> None:
    promiser = Promiser.start()
    futures = [promiser.ask("owe", block=False) for _ in range(3)]
    for value in "abc":
        promiser.tell(value)
    assert get_all(reversed(futures)) == ["c", "b", "a"]
    assert get_all(futures, timeout=None) == ["a", "b", "c"]
    assert get_all([]) == []
    began = system.clock.monotonic()
    with pytest.raises(AskTimeout):
        get_all([*futures, *(promiser.ask("owe", block=False) for _ in range(9))], timeout=0.01)
    assert system.clock.monotonic() - began < 5


def test_a_callback_runs_at_the_outcome_or_at_once(system: System) -> None:
    # Given
    promiser = Promiser.start()
    future = promiser.ask("owe", block=False)
    seen: list[Any] = []
    future.add_done_callback(lambda done: seen.append(done.get()))
    future.map(str.upper).add_done_callback(lambda done: seen.append(done.get()))
    assert seen == []
    # When
    promiser.tell("yes")
    assert future.get() == "yes"
    promiser.stop()
    # Then
    assert sorted(seen) == ["YES", "yes"]
    future.add_done_callback(lambda done: seen.append(done.get()))
    assert seen[2:] == ["yes"]


def test_a_callback_that_raises_does_not_harm_who_answers(system: System, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise Boom

    probe = Probe.start()
    future = probe.ask("x", block=False)
    with caplog.at_level(logging.ERROR, "actorcloud.actor"):
        future.add_done_callback(fail)
        assert future.get() == "x"
        assert probe.ask("y") == "y"
    assert [record.getMessage() for record in caplog.records] == ["a done callback of <Future 'x'> raised"]


def test_waiting_for_a_derived_future_waits_for_what_it_is_made_from(system: System) -> None:
    promiser = Promiser.start()
    derived = promiser.ask("owe", block=False).map(str)
    assert system.wait(derived, 0.001) is False
    promiser.tell(1)
    assert system.wait(derived, PATIENCE) is True
    assert derived.get(timeout=0) == "1"


AWAITED: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "plain": (lambda future: future, 5),
    "mapped": (lambda future: future.map(str), "5"),
    "joined": (lambda future: future.join(future), [5, 5]),
}


@pytest.mark.parametrize(("make", "expected"), AWAITED.values(), ids=AWAITED)
def test_a_future_is_awaited(pool: System, make: Callable[[Any], Any], expected: Any) -> None:
    promiser = Promiser.start()

    async def main() -> Any:
        awaited = asyncio.ensure_future(_await(make(promiser.ask("owe", block=False))))
        await asyncio.sleep(0)
        promiser.tell(5)
        return await awaited

    assert asyncio.run(main()) == expected


async def _await(future: Any) -> Any:
    return await future


def test_awaiting_a_hook_does_not_stop_the_loop() -> None:
    async def main() -> list[Any]:
        hooked: Future[int] = Future()
        loop_ran = threading.Event()
        hooked.set_get_hook(lambda _: 1 if loop_ran.wait(PATIENCE) else 0)
        awaited = asyncio.ensure_future(_await(hooked.map(lambda value: value + 1)))
        await asyncio.sleep(0)
        loop_ran.set()
        return [await awaited, await hooked]

    assert asyncio.run(main()) == [2, 1]


def test_an_answer_to_a_loop_that_is_gone_does_not_harm_who_answers(pool: System) -> None:
    promiser = Promiser.start()

    async def give_up() -> None:
        awaited = asyncio.ensure_future(_await(promiser.ask("owe", block=False)))
        await asyncio.sleep(0)
        awaited.cancel()

    asyncio.run(give_up())
    promiser.tell("late")
    assert promiser.is_alive()
    assert run(Probe.start(), lambda _: promiser.ask("owe", block=False).is_done()) is False
