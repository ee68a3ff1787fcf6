"""How a Pykka program with a changed import line is seen by mypy, which checks this and never runs it."""

from __future__ import annotations

from typing import Any, assert_type, cast

from actorcloud.actor import Future
from actorcloud.integrations import pykka
from actorcloud.integrations.pykka.typing import ActorMemberMixin, proxy_field, proxy_method


class Circle(pykka.ThreadingActor):
    pi = 3.14

    def __init__(self, unit: str = "cm") -> None:
        super().__init__()
        self.unit = unit

    def area(self, radius: float) -> float:
        return self.pi * radius**2

    def on_receive(self, message: dict[str, float]) -> Any:
        return self.area(message["radius"])


class CircleProxy(ActorMemberMixin, pykka.ActorProxy[Circle]):
    pi = proxy_field(Circle.pi)
    area = proxy_method(Circle.area)


def use() -> None:
    ref: pykka.ActorRef[Circle] = Circle.start(unit="mm")
    assert_type(ref.ask({"radius": 1.0}), Any)
    assert_type(ref.ask({"radius": 1.0}, block=False), Future[Any])
    assert_type(ref.stop(block=False), Future[bool])
    assert_type(ref.proxy(), pykka.ActorProxy[Circle])

    proxy = cast("CircleProxy", ref.proxy())
    assert_type(proxy.pi, Future[float])
    assert_type(proxy.area(2.0), Future[float])
    proxy.area.defer(2.0)
    proxy.stop()
    areas = [proxy.area(float(radius)) for radius in range(3)]
    assert_type(pykka.get_all(areas, timeout=1), list[float])
    assert_type(pykka.ActorRegistry.get_by_class(Circle), list[pykka.ActorRef[Circle]])
    assert_type(pykka.ActorRegistry.stop_all(), list[bool])
    assert_type(pykka.ActorRegistry.stop_all(block=False), list[Future[bool]])

    promise: pykka.ThreadingFuture[int] = pykka.ThreadingFuture()
    assert_type(promise.map(str).get(timeout=1), str)

    Circle.start(5)  # type: ignore[arg-type]
    ref.tell("radius")  # type: ignore[arg-type]
    proxy.area("2")  # type: ignore[arg-type]
    promise.set("two")  # type: ignore[arg-type]
