"""The conformance list, and what shows or excuses each of its cases."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT

LIST = ROOT / "tests" / "actor" / "conformance.md"
DIFFERENCES = ROOT / "docs" / "differences-from-otp.md"


def cases() -> dict[int, str]:
    """Return number -> text of the cases that are asked for."""
    lines = LIST.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"(\d+)\. \[core\] (.+)", line) for line in lines)
    return {int(match[1]): match[2] for match in found if match}


def others() -> set[int]:
    """Return the numbers of those that are Erlang's alone."""
    found = re.findall(r"^(\d+)\. \[erlang-only\]", LIST.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {int(number) for number in found}


def excused() -> set[int]:
    """Return the numbers in the first column of the tables of the differences."""
    lines = DIFFERENCES.read_text(encoding="utf-8").splitlines()
    cells = [line.split("|")[1] for line in lines if re.match(r"\| *\d", line)]
    return {int(number) for cell in cells for number in re.findall(r"\d+", cell)}


def shown() -> dict[int, list[str]]:
    """Return number -> the tests that name it."""
    found: dict[int, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name, number in _marked(path):
            found.setdefault(number, []).append(f"{path.relative_to(ROOT)}::{name}")
    return found


def _marked(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in filter(_is_case, node.decorator_list):
                assert isinstance(mark, ast.Call)
                yield from ((node.name, ast.literal_eval(argument)) for argument in mark.args)


def _is_case(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case"


if __name__ == "__main__":
    done = set(shown()) | excused()
    for number, text in cases().items():
        if number not in done:
            print(f"{number}. {text}")
