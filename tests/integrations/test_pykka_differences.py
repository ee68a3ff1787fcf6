"""`docs/differences-from-pykka.md` is complete and true: each row that has a number has a test, called by it."""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import inspect
import logging
import re
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pykka
import pytest

from actorcloud.actor import Actor, ActorDeadError, AskTimeout, CallingSelf, Supervisor, System
from actorcloud.base.errors import ActorError
from actorcloud.integrations import pykka as ours
from actorcloud.integrations.pykka import ActorRegistry, ThreadingActor, ThreadingFuture, get_all
from tests.actor.cast import PATIENCE, Boom

PAGE = (Path(__file__).parent.parent.parent / "docs" / "differences-from-pykka.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def system() -> Iterator[System]:
    with System(name="test") as system, system.activate():
        yield system


class Echo(ThreadingActor):
    """Answers what it gets; calls functions."""

    attribute = 1

    def on_receive(self, message: Any) -> Any:
        return message(self) if callable(message) else message

    def shout(self, text: str) -> str:
        return text.upper()


# -- names ----------------------------------------------------------------------------------------


def test_every_public_name_of_pykka_is_here_or_on_the_page() -> None:
    listed = re.findall(
        r"^\| `([\w.]+)` \|", PAGE.split("## Names that are not here")[1].split("\n## ")[0], re.MULTILINE
    )
    assert sorted(listed) == sorted(_missing())


def _missing() -> list[str]:
    missing = []
    for part in ("", ".messages", ".typing", ".debug"):
        theirs = importlib.import_module(f"pykka{part}")
        mine = importlib.import_module(f"actorcloud.integrations.pykka{part}")
        for name in getattr(theirs, "__all__", [*_own_classes(theirs)]):
            if not hasattr(mine, name):
                missing.append(f"{part}{name}")
            elif inspect.isclass(getattr(theirs, name)):
                members = [member for member in dir(getattr(theirs, name)) if not member.startswith("_")]
                missing += [f"{name}.{member}" for member in members if not hasattr(getattr(mine, name), member)]
    return missing


def _own_classes(module: Any) -> Iterator[str]:
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            yield name


def test_each_numbered_row_has_its_test_and_each_test_its_row() -> None:
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    tests = [
        int(number)
        for number in re.findall(r"^def test_(\d+)_", Path(__file__).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert rows == list(range(1, len(rows) + 1))
    assert rows == tests


def test_the_program_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "differences-from-pykka.md", "exec"), {"__name__": "page"})
    assert capsys.readouterr().out == "68.0\n"


# -- the numbered rows ----------------------------------------------------------------------------


def test_1_a_wrong_argument_is_the_callers_error() -> None:
    ref = Echo.start()
    with pytest.raises(TypeError):
        ref.proxy().shout()
    with pytest.raises(TypeError):
        ref.proxy().shout.defer("a", "b")
    assert ref.ask("alive") == "alive"


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_2_a_base_exception_ends_one_actor(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    failed: list[Any] = []

    class Failing(Echo):
        def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
            failed.append(exception_type)

    def fail(_: Any) -> None:
        raise error

    failing, other = Failing.start(), Echo.start()
    # Not the error itself: that would end the asker too
    with pytest.raises(ActorDeadError, match=error.__name__):
        failing.ask(fail)
    assert failed == [error]
    assert not failing.is_alive()
    assert other.ask("alive") == "alive"


def test_3_who_waits_for_itself_is_told() -> None:
    ref = Echo.start()
    for wait in (
        lambda me: me.actor_ref.ask("x"),
        lambda me: me.actor_ref.stop(),
        lambda me: setattr(me.actor_ref.proxy(), "attribute", 2),
    ):
        with pytest.raises(CallingSelf):
            ref.ask(wait)


def test_4_whatever_the_class_offers_is_a_method() -> None:
    def twice(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(self: Any) -> Any:
            return function(self, 2)

        return wrapper

    class Offering(ThreadingActor):
        @staticmethod
        def static(number: int) -> int:
            return number

        @classmethod
        def name(cls) -> str:
            return cls.__name__

        @twice
        def decorated(self, times: int) -> int:
            return times

    proxy = Offering.start().proxy()
    assert [proxy.static(1).get(), proxy.name().get(), proxy.decorated().get()] == [1, "Offering", 2]


def test_5_a_proxy_looks_anew_and_keeps_nothing() -> None:
    ref = Echo.start()
    proxy = ref.proxy()
    proxy.changing = 1
    assert proxy.changing.get() == 1
    proxy.changing = ours.traversable(Boom())
    assert isinstance(proxy.changing, ours.ActorProxy)
    proxy.itself = proxy
    assert proxy.itself.get() == proxy
    del proxy.actor_ref._actor_weakref().itself
    actor = weakref.ref(ref._actor_weakref())
    ref.stop()
    gc.collect()
    assert actor() is None


def test_6_records_go_to_our_logger(caplog: pytest.LogCaptureFixture) -> None:
    class Silent(ThreadingActor):
        pass

    with caplog.at_level(logging.DEBUG):
        ref = Silent.start()
        ref.ask("one")
        ref.ask("two")
        ref.stop()
    assert [(record.name, record.levelname) for record in caplog.records] == [("actorcloud.actor", "WARNING")]


def test_7_the_texts_are_ours() -> None:
    ref = Echo.start()
    assert re.fullmatch(r"urn:actorcloud:test:[0-9a-f]+:1", ref.actor_urn)
    assert repr(ref) == "<ActorRef Echo<test.1>>"
    assert ref.ask(lambda _: threading.current_thread().name) == "actorcloud-Echo"


def test_8_the_registry_shows_the_system() -> None:
    seen: list[Any] = []

    class Looking(ThreadingActor):
        def __init__(self) -> None:
            seen.extend(ActorRegistry.get_all())

    class Other(Actor):
        pass

    ref, other = Looking.start(), Other.start()
    family = Supervisor.start([Echo.child_spec()])
    assert seen == [ref]
    assert ActorRegistry.get_all()[:2] == [ref, other]
    assert ActorRegistry.stop_all() == [True, True, True]
    assert not family.is_alive()


def test_9_the_inbox_is_not_taken_from_and_the_end_not_set() -> None:
    stopping, go_on = threading.Event(), threading.Event()

    class Slow(Echo):
        def on_stop(self) -> None:
            stopping.set()
            assert go_on.wait(PATIENCE)

    ref = Slow.start()
    assert not hasattr(ref.actor_inbox, "get")
    assert not hasattr(ref.actor_stopped, "set")
    ref.stop(block=False)
    assert stopping.wait(PATIENCE)
    assert ref.actor_stopped.is_set()
    assert ref.actor_stopped.wait(0) is False
    go_on.set()
    assert ref.actor_stopped.wait(PATIENCE)


def test_10_a_timeout_is_for_all_together(system: System) -> None:
    futures: list[ThreadingFuture[Any]] = [ThreadingFuture() for _ in range(1_000)]
    waits: list[Callable[[], Any]] = [
        lambda: get_all(futures, timeout=0.05),
        lambda: futures[0].join(*futures[1:]).get(timeout=0.05),
    ]
    for wait in waits:
        began = system.clock.monotonic()
        with pytest.raises(AskTimeout):
            wait()
        assert system.clock.monotonic() - began < 2 * PATIENCE  # and not fifty


def test_11_stop_waits_for_the_end() -> None:
    stopping, go_on = threading.Event(), threading.Event()

    class Slow(Echo):
        def on_stop(self) -> None:
            stopping.set()
            assert go_on.wait(PATIENCE)

    ref = Slow.start()
    first = ref.stop(block=False)
    assert stopping.wait(PATIENCE)
    second = ref.stop(block=False)
    assert not second.is_done()
    go_on.set()
    assert get_all([first, second], timeout=PATIENCE) == [True, True]


def test_12_set_says_that_it_counted() -> None:
    future: ThreadingFuture[int] = ThreadingFuture()
    assert future.set(1) is True


def test_13_the_loop_goes_on_while_a_future_is_awaited() -> None:
    go_on = threading.Event()
    answer = Echo.start().ask(lambda _: go_on.wait(PATIENCE), block=False)

    async def wait() -> Any:
        return await answer

    async def main() -> list[Any]:
        return [*await asyncio.gather(wait(), asyncio.to_thread(go_on.set))]

    assert asyncio.run(main()) == [True, None]


def test_14_the_close_of_a_system_waits_for_a_daemon_in_a_handler() -> None:
    began = threading.Event()
    done: list[str] = []

    class Daemon(Echo):
        use_daemon_thread = True

        def on_receive(self, message: Any) -> Any:
            began.set()
            threading.Event().wait(0.05)
            done.append("done")

    with System(name="short") as short, short.activate():
        Daemon.start().tell("work")
        assert began.wait(PATIENCE)
    assert done == ["done"]


def test_15_init_of_the_base_may_be_left_out() -> None:
    class Careless(ThreadingActor):
        def __init__(self, number: int) -> None:
            self.number = number

    assert Careless.start(5).proxy().number.get() == 5


def test_16_actor_and_future_are_complete() -> None:
    assert inspect.isabstract(pykka.Actor)
    assert not inspect.isabstract(ours.Actor)
    assert ours.Actor.start().stop() is True
    future: ours.Future[int] = ours.Future()
    assert future.set(1) is True


def test_17_what_is_not_started_has_no_ref() -> None:
    echo = Echo()
    assert echo.shout("a") == "A"
    assert str(echo) == "Echo (not started)"
    for look in (
        lambda: echo.actor_ref,
        lambda: echo.actor_urn,
        lambda: echo.actor_inbox,
        lambda: echo.link(Echo.start()),
    ):
        with pytest.raises(ActorError, match=r"only Echo\.start\(\)"):
            look()
