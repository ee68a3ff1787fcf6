"""The tree of errors is the one that its file draws."""

from __future__ import annotations

import importlib
import pkgutil
import re

import actorcloud.base.errors as errors_module
from actorcloud.base.errors import ActorCloudError
from tests.house.tree import SHIPPED, dotted


def _load_everything() -> None:
    for path in SHIPPED:
        if path.name != "__main__.py":
            importlib.import_module(dotted(path))


def _classes() -> list[type[ActorCloudError]]:
    found: list[type[ActorCloudError]] = []
    waiting: list[type[ActorCloudError]] = [ActorCloudError]
    while waiting:
        cls = waiting.pop()
        found.append(cls)
        waiting.extend(cls.__subclasses__())
    return [cls for cls in found if cls.__module__.startswith("actorcloud.")]


def _drawn() -> dict[str, str]:
    """Return name -> parent, read off the drawing: four columns a level."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors_module.__doc__ or "").splitlines():
        node = re.match(r"^    ((?:[| ]   )*)\|-- ([\w, ]+?)(?:  .*)?$", line) or re.match(
            r"^    ()(ActorCloudError)$", line
        )
        if node is None:
            continue
        names = node[2].split(", ")
        depth = 0 if names == ["ActorCloudError"] else len(node[1]) // 4 + 1
        path[depth:] = [names[-1]]
        parents.update(dict.fromkeys(names, path[depth - 1] if depth else ""))
    return parents


def test_the_drawing_shows_every_class_of_the_file_under_its_parent() -> None:
    here = [cls for cls in _classes() if cls.__module__ == errors_module.__name__]
    real = {cls.__name__: cls.__bases__[0].__name__ if cls is not ActorCloudError else "" for cls in here}
    assert _drawn() == real


def test_no_code_is_given_twice() -> None:
    _load_everything()
    by_code: dict[str, list[str]] = {}
    for cls in set(_classes()):
        by_code.setdefault(cls.code, []).append(cls.__qualname__)
    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}


def test_every_class_has_a_code_of_its_own_and_a_docstring_that_is_its_message() -> None:
    _load_everything()
    for cls in _classes():
        assert "code" in vars(cls), f"{cls.__name__} has no code"
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", cls.code)
        assert cls.__doc__


def test_every_module_of_the_ground_is_found() -> None:
    import actorcloud.base

    names = {module.name for module in pkgutil.iter_modules(actorcloud.base.__path__)}
    assert {"clock", "errors", "exits", "ids", "states", "telemetry"} <= names
