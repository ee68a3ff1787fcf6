"""Functions as bytes, and the cache that makes the same function cheap to send again.

A function travels as it is at the call: with the globals that it uses, its defaults, its closure.
A small function is therefore pickled anew only if one of these can have changed:

* no closure, no defaults, no attributes of its own: nothing there can change;
* every global that it names is a module, function or class of a library, a plain immutable value,
  or a function of the user's for which the same holds; each is compared by identity at each call.

Everything else is pickled at each call, 40 us or more.

Thread: any; a lost race costs one more pickling.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import msgspec

from actorcloud.base.blame import global_names
from actorcloud.base.codec import dump, limited, load
from actorcloud.base.coroutine import is_coroutine
from actorcloud.base.origin import is_library, travels_by_name

#: Bytes of the digest that names a function.
DIGEST_BYTES = 16

#: Functions remembered; the cache starts anew when it is full.
CACHE_LIMIT = 1024

#: Functions of the user's that one function may lead to and still be remembered.
_REACH = 16

_IMMUTABLE = (int, float, complex, bool, str, bytes, type(None))

_ABSENT = object()


def dump_function(fun: Callable[..., object]) -> tuple[bytes, bytes]:
    """Return (digest, pickle) of a function as it is now.

    Args:
        fun: any callable: a function, lambda, bound method, class, `functools.partial`.

    Raises:
        TypeError: it cannot be called, or is an `async def`.
        Unpicklable: naming the function and the global, variable or default that cannot travel.
        PayloadTooLarge: with the size and the limit.
    """
    if type(fun) is not FunctionType:
        if not callable(fun):
            raise TypeError(f"a job is a function and its arguments: {fun!r} cannot be called")
        return _pickled(fun)
    if is_coroutine(fun):
        raise TypeError(f"{fun.__qualname__} is async: a job runs a plain function; give one that calls asyncio.run")
    known = _cache.get(fun.__code__)
    if known is not None and known.state.holds_for(fun):
        return known.pickled
    # Before the pickling: what changes meanwhile makes the entry stale, never wrong.
    state = _state_of(fun, set())
    pickled = _pickled(fun)
    if state is not None:
        if len(_cache) >= CACHE_LIMIT:
            _cache.clear()
        _cache[fun.__code__] = _Known(state, pickled)
    return pickled


def load_function(data: bytes) -> Callable[..., Any]:
    """Return the function in `data`; raises whatever its unpickling raises (a library is missing)."""
    function: Callable[..., Any] = load(data)
    return function


def name_of(fun: object) -> str:
    """Return how messages name a callable."""
    name = getattr(fun, "__qualname__", None) or getattr(getattr(fun, "func", None), "__qualname__", None)
    return str(name or type(fun).__qualname__)


class _State(msgspec.Struct, frozen=True, gc=False):
    """What decides a function's pickle, to be compared by identity."""

    #: Of the function itself.
    traits: tuple[object, ...]
    #: Names that it may look up.
    names: tuple[str, ...]
    #: What the names stood for; `_ABSENT` for what was no global.
    values: tuple[object, ...]
    #: The functions of the user's among the values, with their code.
    inner: tuple[tuple[FunctionType, CodeType, _State], ...]
    #: Number of modules loaded, where that decides which submodules travel along; else -1.
    modules: int

    def holds_for(self, fun: FunctionType) -> bool:
        """Tell whether `fun` would be pickled to the same bytes."""
        if _has_changing_parts(fun) or self.traits != _traits(fun):
            return False
        if self.modules not in {-1, len(sys.modules)}:
            return False
        namespace = fun.__globals__
        for name, value in zip(self.names, self.values, strict=True):
            if namespace.get(name, _ABSENT) is not value:
                return False
        return all(inner.__code__ is code and state.holds_for(inner) for inner, code, state in self.inner)


class _Known(msgspec.Struct, frozen=True, gc=False):
    state: _State
    pickled: tuple[bytes, bytes]


# By code object, not by function: a lambda written in a loop is a new function each time round.
_cache: weakref.WeakKeyDictionary[CodeType, _Known] = weakref.WeakKeyDictionary()


def _pickled(fun: Callable[..., object]) -> tuple[bytes, bytes]:
    what = f"the function {name_of(fun)!r}"
    data = limited(dump(fun, what), what)
    return digest_of(data), data


def digest_of(code: bytes) -> bytes:
    """Return the name under which a pickled function is known everywhere."""
    # Here and not above: hashlib loads OpenSSL (10 ms), and a worker never sends a function.
    from hashlib import blake2b  # noqa: PLC0415

    return blake2b(code, digest_size=DIGEST_BYTES).digest()


def _has_changing_parts(fun: FunctionType) -> bool:
    return bool(fun.__closure__ or fun.__defaults__ or fun.__kwdefaults__ or fun.__dict__)


def _traits(fun: FunctionType) -> tuple[object, ...]:
    names = (fun.__name__, fun.__qualname__, fun.__module__, fun.__doc__, fun.__globals__.get("__name__"))
    # Not the code itself: an entry must not keep its own key alive.
    return fun.__code__.co_filename, names, *fun.__annotations__.items()


def _state_of(fun: FunctionType, seen: set[FunctionType]) -> _State | None:
    """Return the state to compare, or None if something can change that identities do not show."""
    seen.add(fun)
    if _has_changing_parts(fun) or not all(_is_constant(hint) for hint in fun.__annotations__.values()):
        return None
    names = global_names(fun.__code__)
    values = tuple(fun.__globals__.get(name, _ABSENT) for name in names)
    inner: list[tuple[FunctionType, CodeType, _State]] = []
    for value in values:
        if _is_constant(value):
            continue
        if type(value) is not FunctionType:
            return None
        if value not in seen:
            state = _state_of(value, seen) if len(seen) < _REACH else None
            if state is None:
                return None
            inner.append((value, value.__code__, state))
    has_package = any(isinstance(value, ModuleType) and hasattr(value, "__path__") for value in values)
    return _State(_traits(fun), names, values, tuple(inner), len(sys.modules) if has_package else -1)


def _is_constant(value: object) -> bool:
    """Tell whether the same object always travels as the same bytes."""
    if value is _ABSENT or type(value) in _IMMUTABLE:
        return True
    if isinstance(value, ModuleType):
        return is_library(value.__name__)
    if isinstance(value, BuiltinFunctionType):
        return isinstance(value.__self__, ModuleType)
    return isinstance(value, (FunctionType, type)) and travels_by_name(value)
