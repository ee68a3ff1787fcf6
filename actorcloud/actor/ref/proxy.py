"""Proxies: an actor's methods as asks, its attributes as futures. The verbs are Pykka's.

A proxy looks at the actor only to see what a name stands for - a method, an attribute, an object
whose own attributes may be reached - and never keeps it: a dead actor is freed although proxies
live on, and a proxy of a name follows the name. It never computes a property: the actor does.

The arguments of a call are bound at the caller. A wrong one is a `TypeError` where it was written,
instead of the crash of an actor that did nothing wrong.

Thread: any. What is looked at may change meanwhile; a look is one read of a dict.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pykka
from pykka import traversable
from pykka.messages import ProxyCall, ProxyGetAttr, ProxySetAttr

from actorcloud.actor.errors import ActorDeadError
from actorcloud.actor.future.future import Future

__all__ = ["ActorProxy", "CallableProxy", "ProxyCall", "ProxyGetAttr", "ProxySetAttr", "traversable"]

A_co = TypeVar("A_co", covariant=True)

#: From the actor to what is meant: names of attributes.
AttrPath = tuple[str, ...]

#: What a class holds in place of a method, and does not look callable before it is bound.
_BOUND_LATER = (classmethod, functools.partialmethod, functools.singledispatchmethod)

#: There is no such name; or there is nothing to look at.
_MISSING = object()


class ActorProxy(pykka.ActorProxy[Any], Generic[A_co]):
    """An actor's methods and attributes, for others.

    >>> from actorcloud.actor import Actor
    >>> class Tank(Actor):
    ...     litres = 0
    ...     def fill(self, litres):
    ...         self.litres += litres
    ...         return self.litres
    >>> tank = Tank.start().proxy()
    >>> tank.fill(5).get()
    5
    >>> tank.fill.defer(2)
    >>> tank.litres.get()
    7
    >>> tank.litres = 1
    >>> tank.stop().get()

    Args:
        actor_ref: whose.
        attr_path: to the traversable attribute this is a proxy of; the actor itself unless given.

    Raises:
        ActorDeadError: the actor is dead.
        TypeError: it lives at another peer, where it cannot be looked at.
    """

    actor_ref: Any
    _attr_path: AttrPath

    def __init__(self, *, actor_ref: Any, attr_path: AttrPath | None = None) -> None:
        if not actor_ref.is_alive() or actor_ref._actor_weakref() is None:  # noqa: SLF001  Pykka's way to look at it
            raise ActorDeadError(f"{actor_ref} is dead: there is nothing to be a proxy of")
        self._become(actor_ref, attr_path or ())

    def _become(self, actor_ref: Any, attr_path: AttrPath) -> ActorProxy[A_co]:
        self.actor_ref = actor_ref
        self._attr_path = attr_path
        self._known_kind: type | None = None
        self._kind()
        self._parts: dict[str, ActorProxy[Any] | CallableProxy[Any]] = {}
        return self

    def __getattr__(self, name: str) -> Any:
        """Return a method as a `CallableProxy`, a traversable attribute as a proxy, any other as a Future.

        Raises:
            AttributeError: there is no such name, or it is private: it begins with an underscore.
        """
        if name.startswith("_"):
            raise AttributeError(f"{name!r} is private to its actor: a name with an underscore has no proxy")
        owner = self._owner()
        held = self._look(owner, name)
        if held is _MISSING and owner is not None:
            raise AttributeError(f"{self.actor_ref} has no attribute {'.'.join((*self._attr_path, name))!r}")
        part = self._parts.get(name)
        if part is not None and (held is _MISSING or part._stands_for(held)):  # noqa: SLF001  parts of this
            return part
        path = (*self._attr_path, name)
        if _is_callable(held):
            is_own = name in getattr(owner, "__dict__", ())
            part = CallableProxy(actor_ref=self.actor_ref, attr_path=path, method=held, is_bound=is_own)
        elif _is_traversable(held):
            part = _unchecked(self.actor_ref, path)
        else:
            return self.actor_ref.ask(ProxyGetAttr(attr_path=path), block=False)
        self._parts[name] = part
        return part

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute of the actor, and wait until it is set.

        Raises:
            AskTimeout: the actor did not come to it in time.
            Exception: what setting it raised.
        """
        if name == "actor_ref" or name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self.actor_ref.ask(ProxySetAttr(attr_path=(*self._attr_path, name), value=value))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ActorProxy):
            return NotImplemented
        return bool(self.actor_ref == other.actor_ref) and self._attr_path == other._attr_path

    def __hash__(self) -> int:
        return hash((self.actor_ref, self._attr_path))

    def __repr__(self) -> str:
        path = "".join(f".{name}" for name in self._attr_path)
        return f"<ActorProxy of {self.actor_ref}{path}>"

    def __dir__(self) -> list[str]:
        owner = self._owner()
        names = dir(self._kind() if owner is None and not self._attr_path else owner)
        return sorted({"actor_ref", *(name for name in names if not name.startswith("_"))})

    def __reduce__(self) -> tuple[Any, ...]:
        return _unchecked, (self.actor_ref, self._attr_path)

    def _kind(self) -> type:
        """Return the actor's class: the last one known of a name whose holder is down."""
        with contextlib.suppress(ActorDeadError):
            self._known_kind = self.actor_ref.actor_class
        return self._known_kind or object

    def _owner(self) -> Any:
        """Return the object whose attributes these are; None if it cannot be seen: it is dead, or elsewhere."""
        try:
            owner = self.actor_ref._actor_weakref()  # noqa: SLF001  Pykka's way to look at it
            if not isinstance(owner, self._kind()):
                # What stands in for an actor that lives elsewhere.
                return None
            for name in self._attr_path:
                owner = getattr(owner, name)
        except (ActorDeadError, AttributeError):
            return None
        return owner

    def _look(self, owner: Any, name: str) -> Any:
        """Return what is held under `name`, unbound and not computed."""
        held = getattr(owner, "__dict__", {}).get(name, _MISSING)
        if held is not _MISSING:
            return held
        kind = self._kind() if owner is None and not self._attr_path else type(owner)
        return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), _MISSING)

    def _stands_for(self, held: object) -> bool:
        return _is_traversable(held) and not _is_callable(held)


class CallableProxy(pykka.CallableProxy[Any], Generic[A_co]):
    """A method of an actor elsewhere; made by `ActorProxy`.

    Args:
        actor_ref: whose.
        attr_path: from the actor to the method.
        method: what is called; its arguments are checked if a class holds it as a function.
        is_bound: not held by a class: it is called as it is.
    """

    actor_ref: Any
    _attr_path: AttrPath

    def __init__(self, *, actor_ref: Any, attr_path: AttrPath, method: Any = None, is_bound: bool = True) -> None:
        self.actor_ref = actor_ref
        self._attr_path = attr_path
        self._method = method
        self._signature = None if is_bound else _signature(method)

    def __call__(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Ask; returns a Future of what the method returns.

        Raises:
            TypeError: the method does not take these arguments.
        """
        if self._signature is not None:
            self._signature.bind(*args, **kwargs)
        future: Future[Any] = self.actor_ref.ask(ProxyCall(self._attr_path, args, kwargs), block=False)
        return future

    def defer(self, *args: Any, **kwargs: Any) -> None:
        """Tell.

        Raises:
            TypeError: the method does not take these arguments.
        """
        if self._signature is not None:
            self._signature.bind(*args, **kwargs)
        self.actor_ref.tell(ProxyCall(self._attr_path, args, kwargs))

    def __repr__(self) -> str:
        return f"<CallableProxy of {self.actor_ref}.{'.'.join(self._attr_path)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle_method, (self.actor_ref, self._attr_path)

    def _stands_for(self, held: object) -> bool:
        return held is self._method


def _is_callable(held: object) -> bool:
    return callable(held) or isinstance(held, _BOUND_LATER)


def _is_traversable(held: object) -> bool:
    if isinstance(held, pykka.ActorProxy):
        # To look at what an actor's own proxy holds would ask another actor for it.
        return False
    # The second is how a class says so without `traversable`.
    return getattr(held, "_pykka_traversable", False) is True or getattr(held, "pykka_traversable", False) is True


def _signature(method: object) -> inspect.Signature | None:
    """Return what a caller of the method may give; None if only the method itself knows."""
    function = method.__func__ if isinstance(method, (staticmethod, classmethod)) else method
    # Only functions: what else is called may be unfit for a cache.
    return _signature_of(function, not isinstance(method, staticmethod)) if inspect.isfunction(function) else None


@functools.lru_cache(maxsize=1_024)
def _signature_of(function: Callable[..., Any], has_self: bool) -> inspect.Signature:  # noqa: FBT001  a key of the cache
    # A decorator's own arguments are what counts, not those of what it wraps.
    signature = inspect.signature(function, follow_wrapped=False)
    parameters = list(signature.parameters.values())
    if has_self and parameters and parameters[0].kind is not inspect.Parameter.VAR_POSITIONAL:
        parameters = parameters[1:]
    return signature.replace(parameters=parameters)


def _unchecked(actor_ref: Any, attr_path: AttrPath) -> ActorProxy[Any]:
    # No look at the actor: it may be dead by now, which only who uses the proxy has to hear.
    return ActorProxy.__new__(ActorProxy)._become(actor_ref, attr_path)  # noqa: SLF001  this file's own


def _unpickle_method(actor_ref: Any, attr_path: AttrPath) -> CallableProxy[Any]:
    return CallableProxy(actor_ref=actor_ref, attr_path=attr_path)
