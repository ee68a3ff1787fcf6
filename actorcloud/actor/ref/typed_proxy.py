"""Typed proxies: classes that list what a proxy offers, so that a type checker knows it.

Python's types cannot say "the methods of this class, each returning a future", so whoever wants
that writes it down once::

    class TankProxy(TypedProxy[Tank]):
        litres = proxy_field(Tank.litres)
        fill = proxy_method(Tank.fill)

    tank = Tank.start().proxy(TankProxy)

At run time it is an `ActorProxy` that does what any other does.

Reference: Pykka's `pykka.typing`, with which a misspelt name passes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from actorcloud.actor.future.future import Future
from actorcloud.actor.ref.proxy import ActorProxy

if TYPE_CHECKING:
    from actorcloud.actor.ref.ref import ActorRef

T = TypeVar("T")
A_co = TypeVar("A_co", covariant=True)
P = ParamSpec("P")


class MethodProxy(Protocol[P, T]):
    """What the type checker sees of a method: see `CallableProxy`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Ask."""
        ...

    def defer(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell."""
        ...


class FieldProxy(Generic[T]):
    """A name that a typed proxy lists; what stands for it is looked up when it is used."""

    _name = ""

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, proxy: Any, _: type | None = None) -> Future[T]:
        if proxy is None:
            # Of the class itself.
            return self  # type: ignore[return-value]  # nobody needs it
        return proxy.__getattr__(self._name)  # type: ignore[no-any-return]

    if TYPE_CHECKING:
        # The proxy's own `__setattr__` does it.
        def __set__(self, proxy: Any, value: T) -> None: ...


def proxy_field(field: T) -> FieldProxy[T]:  # noqa: ARG001  only its type counts
    """List an attribute of an actor.

    Args:
        field: the attribute of the class, or any value of its type.
    """
    return FieldProxy()


@overload
def proxy_method(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> MethodProxy[P, T]: ...


@overload
def proxy_method(method: Callable[Concatenate[Any, P], T]) -> MethodProxy[P, T]: ...


def proxy_method(method: Any) -> Any:  # noqa: ARG001  only its type counts
    """List a method of an actor.

    Args:
        method: the function of the class.
    """
    return FieldProxy()


if TYPE_CHECKING:

    class TypedProxy(Generic[A_co]):
        """The base of typed proxies; see the module's docstring."""

        actor_ref: ActorRef[A_co]

        def __init__(self, *, actor_ref: ActorRef[A_co]) -> None: ...

        @property
        def stop(self) -> MethodProxy[[], None]:
            """Stop the actor; see `Actor.stop`."""
            ...

else:

    class TypedProxy(ActorProxy[A_co]):
        """The base of typed proxies; see the module's docstring."""
