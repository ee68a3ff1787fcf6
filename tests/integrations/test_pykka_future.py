"""Pykka's futures: set once, computed from others, awaited; the same with Pykka and with us."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from typing import Any

import pytest

from tests.actor.cast import Boom


def test_a_future_is_set_once(lib: Any) -> None:
    future = lib.ThreadingFuture()
    future.set(1)
    for again in (
        future.set,
        lambda: future.set_exception((Boom, Boom(), None)),
        lambda: future.set_get_hook(lambda _: 2),
    ):
        with pytest.raises(queue.Full):
            again()
    assert (future.get(), future.get()) == (1, 1)


def test_a_future_with_a_hook_cannot_be_set(lib: Any) -> None:
    seen: list[float | None] = []
    future = lib.ThreadingFuture()
    future.set_get_hook(lambda timeout: seen.append(timeout) or len(seen))  # type: ignore[func-returns-value]
    for again in (future.set, lambda: future.set_exception((Boom, Boom(), None))):
        with pytest.raises(queue.Full):
            again()
    assert (future.get(timeout=3), future.get()) == (1, 1)
    assert seen == [3]


def test_a_hook_may_be_replaced_until_it_was_used(lib: Any) -> None:
    future = lib.ThreadingFuture()
    future.set_get_hook(lambda _: 1)
    future.set_get_hook(lambda _: 2)
    assert future.get() == 2


def test_an_error_is_raised_at_every_get(lib: Any) -> None:
    given, handled = lib.ThreadingFuture(), lib.ThreadingFuture()
    given.set_exception((Boom, Boom("given"), None))
    try:
        raise Boom("handled")
    except Boom:
        handled.set_exception()
    for future, text in ((given, "given"), (handled, "handled")):
        for _ in range(2):
            with pytest.raises(Boom, match=text):
                future.get()


COMPUTED: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "map": (lambda future: future.map(len), {"a": 1}, 1),
    "filter": (lambda future: future.filter(lambda item: item % 2), range(5), [1, 3]),
    "join": (lambda future: future.join(future, future.map(str)), 1, [1, 1, "1"]),
    "reduce": (lambda future: future.reduce(lambda a, b: a + b), ["a", "b", "c"], "abc"),
    "reduce from": (lambda future: future.reduce(lambda a, b: a + b, "z"), [], "z"),
    "chain": (lambda future: future.filter(bool).map(sum), [0, 2, 3], 5),
}


@pytest.mark.parametrize(("make", "value", "expected"), COMPUTED.values(), ids=COMPUTED)
def test_a_future_is_made_from_others(lib: Any, make: Callable[[Any], Any], value: Any, expected: Any) -> None:
    source = lib.ThreadingFuture()
    made = make(source)
    assert type(made) is lib.ThreadingFuture
    with pytest.raises(lib.Timeout):
        made.get(timeout=0)
    source.set(value)
    assert made.get() == expected


@pytest.mark.parametrize("make", ["filter", "reduce"])
def test_what_is_no_iterable_cannot_be_taken_apart(lib: Any, make: str) -> None:
    source = lib.ThreadingFuture()
    made = getattr(source, make)(lambda *_: True)
    source.set(1)
    with pytest.raises(TypeError):
        made.get()


def test_get_all_gets_all_in_order(lib: Any) -> None:
    futures = [lib.ThreadingFuture() for _ in range(3)]
    with pytest.raises(lib.Timeout):
        lib.get_all(futures, timeout=0.001)
    for number, future in enumerate(futures):
        future.set(number)
    assert list(lib.get_all(futures)) == [0, 1, 2]
    assert list(lib.get_all(reversed(futures), timeout=1)) == [2, 1, 0]


def test_an_answer_is_a_future_of_the_same_kind(lib: Any) -> None:
    class Echo(lib.ThreadingActor):  # type: ignore[misc]
        def on_receive(self, message: Any) -> Any:
            return message

    future = Echo.start().ask([1, 2], block=False)
    assert isinstance(future, lib.ThreadingFuture)
    assert isinstance(future, lib.Future)
    assert future.map(len).get() == 2
    with pytest.raises(queue.Full):
        lib.ThreadingFuture.set(future, 3)


def test_a_future_is_awaited(threads: Any) -> None:
    class Adder(threads.ThreadingActor):  # type: ignore[misc]
        base = 1

        def add(self, number: int) -> int:
            return self.base + number

        def fail(self) -> None:
            raise Boom

    async def main() -> list[Any]:
        adder = Adder.start().proxy()
        with pytest.raises(Boom):
            await adder.fail()
        return [await adder.add(1), await adder.base, await adder.add(2).map(str)]

    assert asyncio.run(main()) == [2, 1, "3"]
