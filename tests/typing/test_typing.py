"""Mypy finds every mistake that the pages of this directory make on purpose, and nothing else in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from actorcloud.actor import System
from tests.house.tree import ROOT, fenced

HERE = Path(__file__).parent

#: What marks a mistake, and the code that mypy must give it.
MARK = re.compile(r"  # type: ignore\[([\w-]+)\].*$", flags=re.MULTILINE)


#: As above, in a page that is read.
WRONG = re.compile(r"  # wrong: ")


@pytest.mark.slow
@pytest.mark.parametrize("page", ["actor", "client", "pykka_program"])
def test_each_mistake_is_found_where_it_is(page: str, tmp_path: Path) -> None:
    # Given the page without what keeps mypy quiet
    text = (HERE / f"{page}.py").read_text(encoding="utf-8")
    mistakes = {(number, mark[1]) for number, line in _lines(text) if (mark := MARK.search(line))}
    # When
    found = _errors(MARK.sub("", text), tmp_path / f"typed_{page}.py")
    # Then
    assert found == mistakes
    assert mistakes


@pytest.mark.slow
def test_the_guide_tells_what_is_found(tmp_path: Path) -> None:
    (text,) = fenced((ROOT / "docs" / "types.md").read_text(encoding="utf-8"), "python")
    mistakes = {number for number, line in _lines(text) if WRONG.search(line)}
    assert {number for number, _ in _errors(text, tmp_path / "guide.py")} == mistakes
    assert mistakes


def test_the_program_of_the_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (text,) = fenced((ROOT / "docs" / "types.md").read_text(encoding="utf-8"), "python")
    with System(name="guide") as system, system.activate():
        exec(compile(text, "types.md", "exec", dont_inherit=True), {"__name__": "guide"})
    assert capsys.readouterr().out == "42\nFalse EUR\n"


def _lines(text: str) -> enumerate[str]:
    return enumerate(text.splitlines(), 1)


def _errors(text: str, path: Path) -> set[tuple[int, str]]:
    """Return the lines of a program in which mypy finds mistakes, and their codes."""
    pytest.importorskip("mypy", reason="mypy is among the tools of developers: pip install -e '.[dev]'")
    path.write_text(text, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-pretty", str(path)],
        cwd=ROOT,
        env={**os.environ, "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(rf"{path.name}:(\d+): error: .*\[([\w-]+)\]", run.stdout)
    print(run.stdout, run.stderr)  # for who reads why the test failed
    return {(int(line), code) for line, code in found}
