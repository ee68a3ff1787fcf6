"""Whole programs, in the shapes of those that Pykka's guide shows: the same with Pykka and with us."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import threading
from typing import Any, cast

import pytest

from tests.actor.cast import PATIENCE, Boom


def test_a_plain_actor_is_talked_to_by_messages(lib: Any) -> None:
    class Greeter(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self, greeting: str = "Good day") -> None:
            super().__init__()
            self.greeting = greeting
            self.guests: list[str] = []

        def on_receive(self, message: Any) -> Any:
            match message:
                case {"guest": name}:
                    self.guests.append(name)
                    return f"{self.greeting}, {name}"
                case "guests":
                    return self.guests
            raise ValueError(message)

    greeter = Greeter.start(greeting="Moin")
    greeter.tell({"guest": "Ada"})
    assert greeter.ask({"guest": "Bob"}) == "Moin, Bob"
    assert greeter.ask("guests", block=False).get(timeout=PATIENCE) == ["Ada", "Bob"]
    with pytest.raises(ValueError, match="rubbish"):
        greeter.ask("rubbish")
    assert greeter.stop()


def test_two_counters_play_with_each_others_proxies(lib: Any) -> None:
    class Player(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self, over: Any) -> None:
            super().__init__()
            self.over = over
            self.hits = 0

        def hit(self, other: Any, left: int) -> None:
            self.hits += 1
            if left:
                other.hit(self.actor_ref.proxy(), left - 1)
            else:
                self.over.set("over")

    over = lib.ThreadingFuture()
    left, right = Player.start(over).proxy(), Player.start(over).proxy()
    left.hit(right, 9)
    assert over.get(timeout=PATIENCE) == "over"
    assert (left.hits.get() + right.hits.get()) == 10
    assert left.hits.get() == right.hits.get()


def test_attributes_of_attributes_are_reached(lib: Any) -> None:
    @lib.traversable
    class Volume:
        level = 5

        def louder(self) -> int:
            self.level += 1
            return self.level

    class Mixer:
        def __init__(self) -> None:
            self.volume = Volume()
            self.name = "main"

    class Old:
        pykka_traversable = True

        def say(self) -> str:
            return "old"

    class Radio(lib.ThreadingActor):  # type: ignore[misc]
        old = Old()

        def __init__(self) -> None:
            super().__init__()
            self.mixer = lib.traversable(Mixer())
            self.hidden = Mixer()
            self._private = 1

        @property
        def station(self) -> str:
            return "92.4"

    radio = Radio.start().proxy()
    assert radio.mixer.volume.louder().get() == 6
    radio.mixer.volume.level = 1
    assert lib.get_all([radio.mixer.volume.level, radio.mixer.name, radio.station]) == [1, "main", "92.4"]
    assert radio.old.say().get() == "old"
    assert isinstance(radio.hidden, lib.Future)
    for name in ("_private", "nothing", "__missing__"):
        with pytest.raises(AttributeError):
            getattr(radio, name)
    assert {"mixer", "station", "stop", "actor_ref"} <= set(dir(radio))
    assert radio == radio.actor_ref.proxy()
    assert {radio: 1}[radio.actor_ref.proxy()] == 1


def test_errors_of_methods_and_setters_come_back(lib: Any) -> None:
    class Picky(lib.ThreadingActor):  # type: ignore[misc]
        failed_by: Any = None

        @property
        def size(self) -> int:
            return 1

        @size.setter
        def size(self, value: int) -> None:
            raise Boom(value)

        def fail(self) -> None:
            raise Boom

    picky = Picky.start().proxy()
    with pytest.raises(Boom):
        picky.fail().get()
    with pytest.raises(Boom):
        picky.size = 2
    assert picky.size.get() == 1
    assert picky.fail.defer() is None
    assert picky.actor_ref.actor_stopped.wait(PATIENCE)


def test_work_is_done_in_parts_by_asking_oneself(lib: Any) -> None:
    class Digger(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._later = self.actor_ref.proxy()
            self.order: list[Any] = []

        def dig(self, parts: int) -> None:
            self.order.append(parts)
            if parts:
                self._later.dig(parts - 1)

        def interrupt(self) -> list[Any]:
            return list(self.order)

    digger = Digger.start().proxy()
    digger.dig(3).get()
    while 0 not in digger.interrupt().get():
        pass
    assert digger.order.get() == [3, 2, 1, 0]


def test_a_producer_feeds_consumers_and_ends_them(lib: Any) -> None:
    class Consumer(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self, results: Any) -> None:
            super().__init__()
            self.results = results

        def on_receive(self, message: int) -> None:
            self.results.tell(message * message)

    class Results(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self, expected: int, done: Any) -> None:
            super().__init__()
            self.left, self.done, self.total = expected, done, 0

        def on_receive(self, message: int) -> None:
            self.total += message
            self.left -= 1
            if not self.left:
                self.done.set(self.total)

    class Producer(lib.ThreadingActor):  # type: ignore[misc]
        def __init__(self, consumers: list[Any]) -> None:
            super().__init__()
            self.consumers = consumers

        def on_start(self) -> None:
            for number in range(20):
                self.consumers[number % len(self.consumers)].tell(number)
            self.stop()

    done = lib.ThreadingFuture()
    results = Results.start(20, done)
    producer = Producer.start([Consumer.start(results) for _ in range(3)])
    assert done.get(timeout=PATIENCE) == sum(number * number for number in range(20))
    assert producer.actor_stopped.wait(PATIENCE)
    assert all(lib.ActorRegistry.stop_all(timeout=PATIENCE))


def test_many_resolvers_share_the_work(lib: Any) -> None:
    class Resolver(lib.ThreadingActor):  # type: ignore[misc]
        def resolve(self, name: str) -> str:
            return name.upper()

    resolvers = [Resolver.start().proxy() for _ in range(4)]
    names = [f"host{number}" for number in range(10)]
    futures = [resolvers[number % 4].resolve(name) for number, name in enumerate(names)]
    assert list(lib.get_all(futures, timeout=PATIENCE)) == [name.upper() for name in names]


def test_messages_of_a_proxy_are_sent_without_one(lib: Any) -> None:
    messages = importlib.import_module(f"{lib.__name__}.messages")

    class Tank(lib.ThreadingActor):  # type: ignore[misc]
        litres = 1

        def fill(self, litres: int, *, times: int = 1) -> int:
            self.litres += litres * times
            return self.litres

    tank = Tank.start()
    tank.tell(messages.ProxyCall(attr_path=("fill",), args=(1,), kwargs={}))
    assert tank.ask(messages.ProxyCall(attr_path=("fill",), args=(1,), kwargs={"times": 2})) == 4
    tank.ask(messages.ProxySetAttr(attr_path=("litres",), value=0))
    assert tank.ask(messages.ProxyGetAttr(attr_path=("litres",))) == 0


def test_a_proxy_has_types(lib: Any) -> None:
    typing = importlib.import_module(f"{lib.__name__}.typing")

    class Circle(lib.ThreadingActor):  # type: ignore[misc]
        pi = 3

        def area(self, radius: int) -> int:
            return self.pi * radius * radius

    class CircleProxy(typing.ActorMemberMixin, lib.ActorProxy):  # type: ignore[misc,name-defined]
        pi = typing.proxy_field(Circle.pi)
        area = typing.proxy_method(Circle.area)

    circle = cast("CircleProxy", Circle.start().proxy())
    assert circle.area(2).get() == 12
    assert circle.pi.get() == 3
    circle.stop().get()


def test_the_stacks_of_all_threads_are_logged(threads: Any, caplog: pytest.LogCaptureFixture) -> None:
    debug = importlib.import_module(f"{threads.__name__}.debug")

    class Waiting(threads.ThreadingActor):  # type: ignore[misc]
        def wait(self, began: threading.Event, go_on: threading.Event) -> bool:
            began.set()
            return go_on.wait(PATIENCE)

    began, go_on = threading.Event(), threading.Event()
    waiting = Waiting.start().proxy().wait(began, go_on)
    assert began.wait(PATIENCE)
    with caplog.at_level(logging.CRITICAL):
        debug.log_thread_tracebacks("any", argument=1)
    go_on.set()
    assert waiting.get()
    assert any("Waiting" in record.getMessage() and "go_on.wait" in record.getMessage() for record in caplog.records)


PROGRAM = """
import threading
from {module} import ActorRegistry, ThreadingActor

class Worker(ThreadingActor):
    use_daemon_thread = {daemon}
    def on_receive(self, message):
        threading.main_thread().join({patience})  # what is printed comes after the main thread's end
        print("worked")
        self.stop()
    def on_stop(self):
        print("stopped")

worker = Worker.start()
if not Worker.use_daemon_thread:
    worker.tell("work")
print("main ends")
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["pykka", "actorcloud.integrations.pykka"])
@pytest.mark.parametrize("daemon", [False, True])
def test_the_interpreter_waits_for_actors_unless_they_are_daemons(module: str, *, daemon: bool) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module, daemon=daemon, patience=PATIENCE)],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == (["main ends"] if daemon else ["main ends", "worked", "stopped"])
