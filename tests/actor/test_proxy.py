"""Proxies: what a name stands for, where a mistake shows, and what a proxy keeps alive."""

from __future__ import annotations

import functools
import gc
import pickle
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorProxy,
    CallableProxy,
    CallingSelf,
    Future,
    ProxyCall,
    ProxyGetAttr,
    ProxySetAttr,
    System,
    TypedProxy,
    named,
    proxy_field,
    proxy_method,
    traversable,
)
from tests.actor.cast import PATIENCE, Boom, Probe, run


class Tank:
    """Something an actor has, with names of its own."""

    def __init__(self) -> None:
        self.litres = 5
        self.lid = traversable(Lid())

    def fill(self, litres: int) -> int:
        self.litres += litres
        return self.litres


class Lid:
    is_open = False

    def turn(self) -> bool:
        self.is_open = not self.is_open
        return self.is_open


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add an argument of its own, as decorators do."""

    @functools.wraps(function)
    def wrapper(self: Any, *args: Any) -> Any:
        return function(self, "logged", *args)

    return wrapper


class Car(Actor):
    wheels = 4
    shared = traversable(Lid())

    def __init__(self) -> None:
        self.tank = traversable(Tank())
        self.closed_tank = Tank()
        self.horn: Callable[[int], str] = lambda times: "toot" * times
        self._secret = 1
        self.computed = 0

    @property
    def speed(self) -> int:
        self.computed += 1
        return 88

    @speed.setter
    def speed(self, value: int) -> None:
        if value < 0:
            raise Boom("backwards")

    def drive(self, distance: int, *, fast: bool = False) -> int:
        return distance * (2 if fast else 1)

    def crash(self) -> None:
        raise Boom

    @staticmethod
    def add(left: int, right: int) -> int:
        return left + right

    @classmethod
    def brand(cls, suffix: str) -> str:
        return cls.__name__ + suffix

    @logged
    def note(self, word: str, text: str) -> str:
        return f"{word} {text}"

    drive_fast = functools.partialmethod(drive, fast=True)


@pytest.fixture
def car(system: System) -> Iterator[Any]:
    ref = Car.start()
    yield ref.proxy()
    ref.stop()


def test_methods_are_asks_and_attributes_are_futures(car: Any) -> None:
    assert isinstance(car.drive(2), Future)
    assert car.drive(2, fast=True).get() == 4
    assert car.wheels.get() == 4
    assert car.speed.get() == 88
    assert car.horn(2).get() == "toottoot"
    assert car.drive.defer(1) is None


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda car: car.add(1, right=2), 3),
        (lambda car: car.brand("!"), "Car!"),
        (lambda car: car.note("hello"), "logged hello"),
        (lambda car: car.drive_fast(2), 4),
    ],
    ids=["static", "of the class", "decorated", "partial"],
)
def test_whatever_is_called_like_a_method_is_one(car: Any, call: Callable[[Any], Any], expected: Any) -> None:
    assert call(car).get() == expected


@pytest.mark.parametrize(
    "call",
    [
        lambda car: car.drive(),
        lambda car: car.drive.defer(1, slow=True),
        lambda car: car.add(1),
        lambda car: car.brand(),
        lambda car: car.tank.fill(),
        lambda car: car.tank.lid.turn(1),
    ],
    ids=["missing", "unknown", "static", "of the class", "deep", "deeper"],
)
def test_a_wrong_argument_is_the_callers_error(car: Any, call: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError):
        call(car)
    assert car.actor_ref.is_alive()


@pytest.mark.parametrize("name", ["colour", "_secret", "__len__"])
def test_a_name_that_is_not_there_or_private_is_the_callers_error(car: Any, name: str) -> None:
    with pytest.raises(AttributeError, match=name):
        getattr(car, name)
    assert not hasattr(car.tank, name)


def test_a_property_is_computed_by_the_actor_and_only_when_asked(car: Any) -> None:
    assert dir(car)
    assert car.computed.get() == 0
    assert car.speed.get() == 88
    assert car.computed.get() == 1


def test_attributes_are_set_and_the_setter_waits(car: Any) -> None:
    car.wheels = 3
    car.tank.litres = 9
    car.brand_new = "yes"
    assert (car.wheels.get(), car.tank.litres.get(), car.brand_new.get()) == (3, 9, "yes")
    with pytest.raises(Boom):
        car.speed = -1


def test_a_traversable_attribute_is_reached_in_any_depth(car: Any) -> None:
    assert isinstance(car.tank, ActorProxy)
    assert car.tank.fill(2).get() == 7
    assert car.tank.litres.get() == 7
    assert car.tank.lid.turn().get() is True
    assert car.tank.lid.is_open.get() is True
    assert car.shared.turn().get() in {True, False}  # of the class: whoever was first has turned it
    assert car.tank is car.tank
    assert isinstance(car.closed_tank, Future)


def test_a_class_can_say_that_its_objects_are_traversable(system: System) -> None:
    @traversable
    class Marked:
        value = 1

    class Old:
        pykka_traversable = True
        value = 2

    class Slotted:
        __slots__ = ("value",)

    class Keeper(Actor):
        def __init__(self) -> None:
            self.marked, self.old = Marked(), Old()

    proxy = Keeper.start().proxy()
    assert (proxy.marked.value.get(), proxy.old.value.get()) == (1, 2)
    with pytest.raises(ValueError, match="slots"):
        traversable(Slotted())


def test_what_a_name_stands_for_is_looked_up_anew(car: Any) -> None:
    assert isinstance(car.tank, ActorProxy)
    assert isinstance(car.horn, CallableProxy)
    car.tank = 5
    car.horn = "broken"
    assert (car.tank.get(), car.horn.get()) == (5, "broken")
    car.horn = lambda: "new"
    assert car.horn().get() == "new"


def test_an_error_in_a_method_ends_the_actor_and_reaches_the_caller(system: System) -> None:
    car = Car.start()
    with pytest.raises(Boom):
        car.proxy().crash().get()
    assert not car.is_alive()


def test_a_dead_actor_has_no_proxy_and_a_proxy_outlives_its_actor(system: System) -> None:
    # Given
    ref = Car.start()
    proxy = ref.proxy()
    assert proxy.tank.fill(1).get() == 6
    # When
    ref.stop()
    # Then
    with pytest.raises(ActorDeadError, match="is dead"):
        ref.proxy()
    with pytest.raises(ActorDeadError):
        proxy.drive(1).get()
    with pytest.raises(ActorDeadError):
        proxy.wheels.get()
    with pytest.raises(ActorDeadError):
        proxy.tank.fill(1).get()
    with pytest.raises(ActorDeadError):
        proxy.wheels = 3
    proxy.drive.defer(1)
    assert "drive" in dir(proxy)


def test_a_proxy_does_not_keep_a_dead_actor(pool: System) -> None:
    ref = Car.start()
    proxy = ref.proxy()
    gone = weakref.ref(run(Probe.start(), lambda _: ref._actor_weakref()))
    assert proxy.drive(1).get() == 1
    ref.stop()
    gc.collect()
    assert gone() is None


def test_a_proxy_of_a_name_follows_it(system: System) -> None:
    first = Car.options(name="car").start()
    proxy = named("car").proxy()
    proxy.wheels = 3
    first.stop()
    with pytest.raises(ActorDeadError):
        proxy.drive(1).get()
    Car.options(name="car").start()
    assert proxy.drive(1).get() == 1
    assert proxy.wheels.get() == 4


def test_a_proxy_that_an_actor_holds_is_not_looked_into(system: System) -> None:
    # Given an actor that holds proxies: of itself, and of one that answers nothing any more
    class Holder(Actor):
        def __init__(self, other: Any) -> None:
            self.itself = self.actor_ref.proxy()
            self.other = other

    other = Car.options(name="other").start()
    holder = Holder.start(named("other").proxy())
    other.stop()
    # When
    proxy = holder.proxy()
    # Then
    assert proxy.itself.get() == proxy
    assert isinstance(proxy.other.get(), ActorProxy)
    assert system.dead_letters == 0


def test_whatever_a_class_holds_that_can_be_called_is_called(system: System) -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, number: int) -> int:
            return number

    class Holder(Actor):
        twist = Unhashable()

    assert Holder.start().proxy().twist(3).get() == 3


@pytest.mark.shared_memory
def test_an_actor_has_a_proxy_of_itself_for_later(system: System) -> None:
    class Counter(Actor):
        def __init__(self) -> None:
            self.itself = self.actor_ref.proxy()
            self.left = 3
            self.done: Future[str] = self.system.future(timeout=PATIENCE)

        def count(self) -> None:
            self.left -= 1
            if self.left:
                self.itself.count.defer()
            else:
                self.done.set("done")

        def set_itself(self) -> None:
            self.itself.left = 5

    proxy = Counter.start().proxy()
    done = proxy.done.get()
    proxy.count()
    assert done.get() == "done"
    with pytest.raises(CallingSelf):
        proxy.set_itself().get()


def test_proxies_are_equal_and_hash_by_actor_and_path(car: Any) -> None:
    other = Car.start().proxy()
    again = car.actor_ref.proxy()
    assert car == again
    assert hash(car) == hash(again)
    assert car.tank == again.tank
    assert car != other
    assert car != car.tank
    assert car.tank != car.tank.lid
    assert car != 5
    assert {car: 1}[again] == 1


def test_a_proxy_says_whose_it_is(car: Any) -> None:
    ref = car.actor_ref
    assert repr(car.tank.lid) == f"<ActorProxy of {ref}.tank.lid>"
    assert repr(car.tank.fill) == f"<CallableProxy of {ref}.tank.fill>"
    assert {"wheels", "tank", "drive", "actor_ref"} <= set(dir(car))
    assert {"litres", "fill", "lid"} <= set(dir(car.tank))
    assert not [name for name in dir(car) if name.startswith("_")]
    assert isinstance(car, pykka.ActorProxy)
    assert isinstance(car.drive, pykka.CallableProxy)


def test_a_proxy_travels(car: Any) -> None:
    copy = pickle.loads(pickle.dumps(car))
    assert copy == car
    assert copy.tank.fill(1).get() == 6
    assert pickle.loads(pickle.dumps(car.tank)) == car.tank
    assert pickle.loads(pickle.dumps(car.drive))(2).get() == 2


def test_the_messages_of_a_proxy_can_be_sent_by_hand(car: Any) -> None:
    ref = car.actor_ref
    assert ref.ask(ProxyCall(("drive",), (3,), {"fast": True})) == 6
    assert ref.ask(ProxySetAttr(("tank", "litres"), 1)) is None
    assert ref.ask(ProxyGetAttr(("tank", "litres"))) == 1


class CarProxy(TypedProxy[Car]):
    wheels = proxy_field(Car.wheels)
    drive = proxy_method(Car.drive)


def test_a_typed_proxy_does_what_any_other_does(system: System) -> None:
    ref = Car.start()
    proxy = ref.proxy(CarProxy)
    assert proxy.drive(2).get() == 2
    proxy.drive.defer(1)
    proxy.wheels = 3
    assert proxy.wheels.get() == 3
    assert isinstance(CarProxy.wheels, object)
    assert proxy == ref.proxy()
    assert proxy.stop().get() is None
    with pytest.raises(ActorDeadError):
        ref.proxy(CarProxy)
