"""What a Pykka program sees of an actor's life, from start to stop: the same with Pykka and with us."""

from __future__ import annotations

import inspect
import logging
import threading
from typing import Any

import pytest

from tests.actor.cast import PATIENCE, Boom


def keeper(lib: Any, **hooks: Any) -> Any:
    """Return a class of actors that keep what happens in `log`, a list of the test's; `hooks` raise or act."""

    class Keeper(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self, log: list[Any], **known: Any) -> None:
            super().__init__()
            self.log = log
            self.known = known
            log.append("init")

        def on_start(self) -> None:
            self._note("start")

        def on_receive(self, message: Any) -> Any:
            if isinstance(message, Exception):
                raise message
            if callable(message):
                return message(self)
            self.log.append(message)
            return message

        def on_stop(self) -> None:
            self._note("stop")

        def on_failure(self, exception_type: Any, exception_value: Any, traceback: Any) -> None:
            self.log.append(exception_type)
            assert exception_value.__traceback__ is traceback
            self._note("failure")

        def _note(self, hook: str) -> None:
            self.log.append(hook)
            if hook in hooks:
                hooks[hook](self)

    return Keeper


def fail(_: Any) -> None:
    raise Boom


def ended(lib: Any, ref: Any) -> None:
    """Wait until the last hook has run; Pykka's event is set before it."""
    for thread in threading.enumerate():
        if ref.actor_class.__name__ in thread.name:
            thread.join(PATIENCE)


def test_a_life_in_order(lib: Any) -> None:
    # Given
    log: list[Any] = []
    ref = keeper(lib).start(log, colour="red")
    assert ref.is_alive()
    # When
    ref.tell("told")
    assert ref.ask("asked") == "asked"
    assert ref.stop() is True
    # Then
    assert log == ["init", "start", "told", "asked", "stop"]
    assert not ref.is_alive()
    assert ref.stop() is False


def test_arguments_reach_init_and_what_it_raises_the_starter(lib: Any) -> None:
    ref = keeper(lib).start([], colour="red")
    assert ref.proxy().known.get() == {"colour": "red"}
    with pytest.raises(TypeError):
        keeper(lib).start()
    assert lib.ActorRegistry.get_all() == [ref]


def test_init_runs_here_and_the_rest_on_one_thread_of_the_actor(threads: Any) -> None:
    # Given
    seen: dict[str, threading.Thread] = {}

    class Aware(threads.ThreadingActor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            seen["init"] = threading.current_thread()

        def on_start(self) -> None:
            seen["start"] = threading.current_thread()

        def on_receive(self, message: Any) -> Any:
            seen[message] = threading.current_thread()

        def on_stop(self) -> None:
            seen["stop"] = threading.current_thread()

    # When
    ref = Aware.start()
    ref.ask("one")
    ref.ask("two")
    ref.stop()
    # Then
    assert seen.pop("init") is threading.current_thread()
    (own,) = set(seen.values())
    assert own is not threading.current_thread()
    assert own.daemon is False
    assert "Aware" in own.name


def test_a_daemon_thread_is_what_the_class_says_when_it_starts(threads: Any) -> None:
    class Aware(threads.ThreadingActor):  # type: ignore[misc]
        def is_daemon(self) -> bool:
            return threading.current_thread().daemon

    Aware.use_daemon_thread = True
    assert Aware.start().proxy().is_daemon().get() is True


def test_an_error_in_an_ask_is_an_answer(lib: Any) -> None:
    log: list[Any] = []
    ref = keeper(lib).start(log)
    with pytest.raises(Boom):
        ref.ask(Boom())
    with pytest.raises(Boom):
        ref.ask(Boom(), block=False).get()
    assert ref.ask("still here") == "still here"
    assert log == ["init", "start", "still here"]


def test_an_error_in_a_tell_ends_the_actor(lib: Any) -> None:
    # Given
    log: list[Any] = []
    seen: list[Any] = []
    is_alive = lambda me: seen.extend([me.actor_ref.is_alive(), lib.ActorRegistry.get_all()])  # noqa: E731  one line
    ref = keeper(lib, failure=is_alive).start(log)
    # When
    ref.tell(Boom())
    # Then
    assert ref.actor_stopped.wait(PATIENCE)
    with pytest.raises(lib.ActorDeadError):
        ref.ask("anything")
    ended(lib, ref)
    assert log == ["init", "start", Boom, "failure"]
    assert seen == [False, []]


@pytest.mark.parametrize("hook", ["start", "stop", "failure"])
def test_a_hook_that_raises_ends_the_actor_and_calls_no_other(lib: Any, hook: str) -> None:
    # Given
    log: list[Any] = []
    ref = keeper(lib, **{hook: fail}).start(log)
    # When
    if hook == "stop":
        assert ref.stop() is True
    elif hook == "failure":
        ref.tell(Boom())
    # Then
    assert ref.actor_stopped.wait(PATIENCE)
    ended(lib, ref)
    assert not ref.is_alive()
    expected: dict[str, list[Any]] = {
        "start": ["start"],
        "stop": ["start", "stop"],
        "failure": ["start", Boom, "failure"],
    }
    assert log == ["init", *expected[hook]]


def test_stop_waits_its_turn(lib: Any) -> None:
    # Given an actor that stops itself, with mail behind
    log: list[Any] = []
    ref = keeper(lib).start(log)

    def stop_in_the_middle(me: Any) -> str:
        me.actor_ref.tell("before")
        me.stop()
        me.actor_ref.tell("after")
        log.append("answered")
        return "answer"

    # When
    answer = ref.ask(stop_in_the_middle, block=False)
    # Then
    assert answer.get() == "answer"
    ref.stop()
    ended(lib, ref)
    assert log == ["init", "start", "answered", "before", "stop"]


def test_who_is_stopped_is_dead_to_others_in_on_stop(lib: Any) -> None:
    seen: list[Any] = []

    def look(me: Any) -> None:
        seen.extend([me.actor_ref.is_alive(), me.actor_stopped.is_set(), lib.ActorRegistry.get_all()])
        with pytest.raises(lib.ActorDeadError):
            me.actor_ref.tell("x")
        with pytest.raises(lib.ActorDeadError):
            me.actor_ref.proxy()

    ref = keeper(lib, stop=look).start([])
    assert ref.stop() is True
    assert seen == [False, True, []]


def test_an_ask_that_comes_after_the_stop_gets_an_error(threads: Any) -> None:
    # Given
    go_on = threading.Event()
    ref = keeper(threads).start([])
    ref.tell(lambda _: go_on.wait(PATIENCE))
    stopped = ref.stop(block=False)
    late = ref.ask("late", block=False)
    again = ref.stop(block=False)
    # When
    go_on.set()
    # Then
    assert stopped.get(timeout=PATIENCE) is True
    with pytest.raises(threads.ActorDeadError):
        late.get(timeout=PATIENCE)
    assert again.get(timeout=PATIENCE) is True


def test_the_dead_cannot_be_told_and_cannot_answer(lib: Any) -> None:
    ref = keeper(lib).start([])
    proxy = ref.proxy()
    ref.stop()
    future = ref.ask("x", block=False)
    for attempt in (
        lambda: ref.tell("x"),
        lambda: ref.ask("x"),
        future.get,
        ref.proxy,
        proxy.stop.defer,
        lambda: proxy.stop().get(),
        lambda: proxy.log.get(),  # noqa: PLW0108  reading it is part of the attempt
    ):
        with pytest.raises(lib.ActorDeadError):
            attempt()


def test_an_ask_waits_as_long_as_it_is_told_and_by_default_for_ever(threads: Any) -> None:
    go_on = threading.Event()
    ref = keeper(threads).start([])
    answer = ref.ask(lambda _: go_on.wait(PATIENCE), block=False)
    with pytest.raises(threads.Timeout):
        ref.ask("x", timeout=0.01)
    with pytest.raises(threads.Timeout):
        answer.get(timeout=0)
    with pytest.raises(threads.Timeout):
        ref.stop(timeout=0.01)
    go_on.set()
    assert answer.get() is True
    for call in (ref.ask, ref.stop, answer.get, threads.ThreadingFuture().get):
        default = inspect.signature(call).parameters["timeout"].default
        assert default is None or repr(default) == "DEFAULT"
    assert getattr(answer, "timeout", None) is None


def test_an_actor_has_a_urn_an_inbox_and_an_end_to_look_at(lib: Any) -> None:
    first, second = (keeper(lib).start([]) for _ in range(2))
    assert first.actor_urn.startswith("urn:")
    assert first.actor_urn != second.actor_urn
    assert first.ask(lambda me: (me.actor_urn, me.actor_ref == first)) == (first.actor_urn, True)
    assert first.actor_class.__name__ == "Keeper"
    assert first.ask(lambda me: me.actor_inbox.empty()) is True
    assert first.actor_inbox.empty()
    assert first.ask(lambda me: (me.actor_ref.tell("x"), me.actor_inbox.qsize())) == (None, 1)
    assert not first.actor_stopped.is_set()
    second.stop()
    assert second.actor_stopped.is_set()
    assert second.actor_stopped.wait(0)


def test_an_unexpected_message_is_logged_and_answered_with_none(lib: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Silent(lib.ThreadingActor):  # type: ignore[misc]
        pass

    with caplog.at_level(logging.WARNING):
        assert Silent.start().ask("what?") is None
    assert len(caplog.records) == 1


def test_an_actor_may_end_itself_in_on_start(lib: Any) -> None:
    log: list[Any] = []
    ref = keeper(lib, start=lambda me: me.stop()).start(log)
    assert ref.actor_stopped.wait(PATIENCE)
    ended(lib, ref)
    assert log == ["init", "start", "stop"]


def test_the_registry_finds_and_stops(lib: Any) -> None:
    # Given
    order: list[str] = []
    first_class: Any = keeper(lib, stop=lambda _: order.append("first"))
    second_class: Any = type("Other", (keeper(lib),), {})
    first, second = first_class.start(order), second_class.start([])
    registry = lib.ActorRegistry
    # Then
    assert registry.get_all() == [first, second]
    assert registry.get_by_class(second_class) == [second]
    assert registry.get_by_class(lib.ThreadingActor) == [first, second]
    assert registry.get_by_class_name("Keeper") == [first]
    assert registry.get_by_urn(second.actor_urn) == second
    assert registry.get_by_urn("urn:nobody") is None
    # When
    registry.broadcast("to all")
    registry.broadcast("to one", target_class=first_class)
    registry.broadcast("to the other", target_class="Other")
    # Then
    assert first.proxy().log.get() == ["init", "start", "to all", "to one"]
    assert second.proxy().log.get() == ["init", "start", "to all", "to the other"]
    assert registry.stop_all() == [True, True]
    assert registry.get_all() == []
    assert registry.stop_all(block=False) == []


def test_the_thread_of_a_dead_actor_ends(threads: Any) -> None:
    refs = [keeper(threads).start([]) for _ in range(3)]
    with pytest.raises(TypeError):
        keeper(threads).start()
    own = [thread for thread in threading.enumerate() if "Keeper" in thread.name]
    assert len(own) >= len(refs)
    for ref in refs:
        ref.stop()
    for thread in own:
        thread.join(PATIENCE)
        assert not thread.is_alive()
