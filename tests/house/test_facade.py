"""The names at the top: few, lazy, and the same for readers, type checkers and the interpreter."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import actorcloud
from tests.house.tree import parse


def _promised_to_type_checkers() -> dict[str, str]:
    """Return name -> module of the imports under TYPE_CHECKING."""
    module = parse(Path("actorcloud/__init__.py"))
    block = next(node for node in module.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: node.module or "" for node in imports for alias in node.names}


def test_there_are_at_most_thirty_names() -> None:
    assert 1 <= len(actorcloud.__all__) <= 30


def test_type_checkers_are_told_the_names_that_there_are() -> None:
    assert set(_promised_to_type_checkers()) == set(actorcloud.__all__)


@pytest.mark.parametrize(("name", "home"), _promised_to_type_checkers().items())
def test_a_name_is_the_one_of_its_home(name: str, home: str) -> None:
    original = "VERSION" if name == "__version__" else name
    assert getattr(actorcloud, name) is getattr(importlib.import_module(home), original)


def test_dir_shows_every_name_before_it_is_loaded() -> None:
    assert set(actorcloud.__all__) <= set(dir(actorcloud))


def test_a_name_that_there_is_not_is_an_attribute_error_that_tells_it() -> None:
    with pytest.raises(AttributeError, match="clowd"):
        _ = actorcloud.clowd
