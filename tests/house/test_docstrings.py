"""The examples in docstrings are run: what a docstring shows is what happens.

A module's examples see its own names and those of the package's doors, as whoever reads them would import them.
"""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

import actorcloud
from actorcloud import actor, testing
from actorcloud.actor import System

ROOT = Path(actorcloud.__file__).parent


def modules_with_examples() -> list[str]:
    paths = [path for path in sorted(ROOT.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
    parts = [path.relative_to(ROOT.parent).with_suffix("").parts for path in paths]
    return [".".join(names[:-1] if names[-1] == "__init__" else names) for names in parts]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_show_what_happens(name: str) -> None:
    # Given
    module = importlib.import_module(name)
    doors: dict[str, Any] = {
        public: getattr(door, public) for door in (actorcloud, testing, actor) for public in door.__all__
    }
    examples = [test for test in doctest.DocTestFinder().find(module, globs=doors | vars(module)) if test.examples]
    assert examples, f"{name} has examples outside of docstrings"
    # When
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with System(name="local") as system, system.activate():
        for example in examples:
            runner.run(example, out=report.append)
    # Then
    assert not runner.failures, "".join(report)
