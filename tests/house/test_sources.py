"""How the sources are written: short files, short functions, and words for every public name."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

from tests.house.tree import PACKAGE, SHIPPED, SOURCES, Function, dotted, functions, holds_for, parse

LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60

#: Names that say nothing about what is inside.
EMPTY_WORDS = {"common", "core", "helpers", "manager2", "misc", "util", "utils"}

PACKAGES = sorted(path for path in SHIPPED if path.name == "__init__.py")


@holds_for(SOURCES)
def test_a_file_is_short_and_has_a_telling_name(path: Path) -> None:
    text = (PACKAGE.parent / path).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_OF_A_FILE, f"{path} is too long: split it by owner or by format"
    assert path.stem not in EMPTY_WORDS, f"{path}: name the one noun that it holds"


@holds_for(SOURCES)
def test_a_function_is_short(path: Path) -> None:
    long = [
        f"{path}:{node.lineno} {node.name}" for node in functions(parse(path)) if _lines(node) > LINES_OF_A_FUNCTION
    ]
    assert not long


def _lines(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@holds_for(SOURCES)
def test_a_file_says_what_it_is_for(path: Path) -> None:
    module = parse(path)
    assert not module.body or ast.get_docstring(module), f"{path} has no module docstring"


@holds_for(PACKAGES)
def test_every_public_name_has_a_docstring(path: Path) -> None:
    door = importlib.import_module(dotted(path))
    for name in getattr(door, "__all__", ()):
        value = getattr(door, name)
        # An alias of somebody else's class is explained where it is defined.
        if (inspect.isclass(value) or inspect.isroutine(value)) and value.__module__.startswith("actorcloud."):
            assert value.__doc__, f"{dotted(path)}.{name} has no docstring"
            # A Struct's or dataclass's made-up signature is no docstring.
            assert not value.__doc__.startswith(f"{name}("), f"{dotted(path)}.{name} has no docstring of its own"


@holds_for(PACKAGES)
def test_a_door_offers_only_what_it_has(path: Path) -> None:
    door = importlib.import_module(dotted(path))
    names = list(getattr(door, "__all__", ()))
    assert [name for name in names if not hasattr(door, name)] == []
    assert len(names) == len(set(names))


def test_no_work_is_put_off_in_a_comment() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    found = [
        f"{path}:{number}"
        for path in SOURCES
        for number, line in enumerate((PACKAGE.parent / path).read_text(encoding="utf-8").splitlines(), 1)
        if any(mark in line for mark in marks)
    ]
    assert not found
