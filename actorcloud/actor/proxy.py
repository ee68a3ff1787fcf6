"""Pykka's proxy, with the arguments of a call bound at the caller.

A wrong argument is a `TypeError` where it was written, instead of the crash of an actor that did
nothing wrong.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import pykka

A = TypeVar("A", bound=pykka.Actor)


class ActorProxy(pykka.ActorProxy[A]):
    """See `pykka.ActorProxy`: methods are asks, attributes are futures."""

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        if isinstance(found, pykka.CallableProxy) and not isinstance(found, CallableProxy):
            attr_path = (*self._attr_path, name)
            method = getattr(self.actor_ref.actor_class, name, None) if not self._attr_path else None
            found = CallableProxy(actor_ref=self.actor_ref, attr_path=attr_path, method=method)
            self._callable_proxies[attr_path] = found
        return found


class CallableProxy(pykka.CallableProxy[A]):
    """A method of an actor elsewhere."""

    def __init__(self, *, actor_ref: Any, attr_path: Any, method: Callable[..., Any] | None) -> None:
        super().__init__(actor_ref=actor_ref, attr_path=attr_path)
        self._signature = None if method is None else _signature(method)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Ask; returns a Future of what the method returns.

        Raises:
            TypeError: the method does not take these arguments.
        """
        self._bind(args, kwargs)
        return super().__call__(*args, **kwargs)

    def defer(self, *args: Any, **kwargs: Any) -> None:
        """Tell.

        Raises:
            TypeError: the method does not take these arguments.
        """
        self._bind(args, kwargs)
        super().defer(*args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._signature is not None:
            self._signature.bind(None, *args, **kwargs)


@functools.lru_cache(maxsize=1_024)
def _signature(method: Callable[..., Any]) -> inspect.Signature | None:
    # Only plain functions: whatever else is callable checks its arguments itself, in the actor.
    return inspect.signature(method) if inspect.isfunction(method) else None
