"""Which part of a value cannot be pickled? Asked only to word an error.

The parts of the value are pickled one by one, and the first that fails is taken apart again, until
a part has no parts that fail. Bounded in depth and in attempts; never raises.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, MethodType

from actorcloud.base.exits import safe_str

#: A part and how a message names it.
Part = tuple[str, object]

#: Levels to go down: deeper paths help nobody.
_DEPTH = 8

#: Parts to try in all, so that a list of a million good values ends.
_TRIALS = 500

_ADVICE = "Make it where it is used instead, or send what is needed to make it (a path, an address, a key)."


def describe(value: object, what: str, error: Exception, dump: Callable[[object], bytes]) -> str:
    """Return the message for a value that could not be pickled.

    Args:
        value: the whole, whose pickling raised.
        what: how the message names it, "the result".
        error: what it raised.
        dump: pickles a part, or raises.
    """
    path, part, reason = _search(value, error, dump)
    where = " -> ".join([what, *path])
    text = " ".join(safe_str(reason).split())
    return f"{where}: {_article(part)} cannot be pickled ({type(reason).__name__}: {text}). {_ADVICE}"


def _search(whole: object, error: Exception, dump: Callable[[object], bytes]) -> tuple[list[str], object, Exception]:
    path: list[str] = []
    trials = _TRIALS
    while len(path) < _DEPTH:
        for label, part in _parts(whole):
            trials -= 1
            failure = _failure_of(part, dump)
            if failure is not None:
                path.append(label)
                whole, error = part, failure
                break
            if trials <= 0:
                return path, whole, error
        else:
            break
    return path, whole, error


def _failure_of(part: object, dump: Callable[[object], bytes]) -> Exception | None:
    try:
        dump(part)
    except Exception as error:  # noqa: BLE001  any failure to pickle is what we look for
        return error
    return None


def _parts(value: object) -> Iterator[Part]:
    if isinstance(value, Call):
        return value.parts()
    if isinstance(value, FunctionType):
        return _parts_of_function(value)
    if isinstance(value, functools.partial):
        return iter((("its function", value.func), ("its arguments", value.args), ("its arguments", value.keywords)))
    if isinstance(value, MethodType):
        return iter((("its object", value.__self__), ("its function", value.__func__)))
    return _items(value)


def _items(value: object) -> Iterator[Part]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"the key {key!r:.40}", key
            yield f"the item {key!r:.40}", item
    elif isinstance(value, (list, tuple, set, frozenset)):
        for place, item in enumerate(value):
            yield f"the item {place}", item
    elif hasattr(value, "__dict__"):
        for name, item in tuple(vars(value).items()):
            if not (name.startswith("__") and name.endswith("__")):
                yield f"its attribute {name!r}", item


def _parts_of_function(function: FunctionType) -> Iterator[Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"its variable {name!r}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield "its defaults", function.__defaults__
    yield "its defaults", function.__kwdefaults__
    for name in global_names(function.__code__):
        if name in function.__globals__:
            yield f"its global {name!r}", function.__globals__[name]


def global_names(code: CodeType) -> tuple[str, ...]:
    """Return every name that `code` may look up in its globals, and some that it does not.

    The compiler keeps the names of globals and of attributes in one tuple.
    """
    found = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found.update(dict.fromkeys(global_names(constant)))
    return tuple(found)


class Call:
    """The arguments of a job, named as the caller wrote them; pickles as (args, kwargs)."""

    def __init__(self, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self.args = args
        self.kwargs = kwargs

    def parts(self) -> Iterator[Part]:
        """Return every argument with its position or name."""
        for place, value in enumerate(self.args, 1):
            yield f"number {place}", value
        for name, value in self.kwargs.items():
            yield f"{name!r}", value


def _article(value: object) -> str:
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
