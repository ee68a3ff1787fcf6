"""Every example runs, and prints what its docstring says; so does the README's first one."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, fenced, matches

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))

LINES_OF_AN_EXAMPLE = 80

#: Pages whose pieces of code are one program, and whose pieces of text are what it prints.
PROGRAMS = ["actors.md", "names.md", "statemachines.md", "supervision.md"]

#: Seconds until an example must have ended by itself.
PATIENCE = 120


def _run(path: Path, directory: Path | None = None) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, str(path)],
        cwd=directory or path.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def _promised(docstring: str) -> str:
    """Return the indented lines after `Prints:`."""
    section = re.search(r"^Prints:\n((?:(?: {4}.*)?\n?)+)", docstring, flags=re.MULTILINE)
    assert section is not None, "say under Prints: what it prints"
    return section[1]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_prints_what_its_docstring_says(path: Path) -> None:
    # Given
    source = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source))
    assert docstring is not None
    assert len(source.splitlines()) <= LINES_OF_AN_EXAMPLE
    expected = _promised(docstring + "\n")
    # When
    printed = _run(path)
    # Then
    assert matches(expected, printed), printed


@pytest.mark.slow
def test_the_first_program_of_the_readme_prints_what_the_readme_shows(tmp_path: Path) -> None:
    # Given
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    program = tmp_path / "hello.py"
    program.write_text(fenced(readme, "python")[0], encoding="utf-8")
    # When
    printed = _run(program)
    # Then
    assert matches(fenced(readme, "text")[0], printed), printed


@pytest.mark.slow
def test_the_tutorial_can_be_pasted_piece_by_piece(tmp_path: Path) -> None:
    # Given all that is to be pasted
    tutorial = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    program = tmp_path / "pasted.py"
    program.write_text("\n\n".join(fenced(tutorial, "py")), encoding="utf-8")
    # When
    printed = _run(program, ROOT / "examples")
    # Then each of the three ways has the average
    assert [round(float(line), 2) for line in printed.splitlines()] == [16.44] * 3


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS)
def test_the_code_of_a_page_prints_what_the_page_shows(page: str, tmp_path: Path) -> None:
    # Given
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    program = tmp_path / "page.py"
    program.write_text("\n\n".join(fenced(text, "py")), encoding="utf-8")
    # When
    printed = _run(program)
    # Then
    assert matches("".join(fenced(text, "text")), printed), printed


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\nb", "a\nb\n", True),
        ("pid ...", "pid 123\n", True),
        ("pid ... on ...", "pid 123 on n1", True),
        ("a", "a\nb", False),
        ("a.c", "abc", False),
    ],
)
def test_three_dots_stand_for_any_text_of_a_line(expected: str, printed: str, *, same: bool) -> None:
    assert matches(expected, printed) is same
