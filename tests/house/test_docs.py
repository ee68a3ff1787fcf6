"""What is written for people is true: links, lists and the README's own commands."""

from __future__ import annotations

import ast
import csv
import hashlib
import re
from pathlib import Path

import pytest

from actorcloud.base.version import VERSION
from tests.house.tree import ROOT, SHIPPED, fenced, parse

PAGES = sorted(
    path.relative_to(ROOT)
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
)

#: What the README promises, and `.ci/run` does, word by word.
COMMANDS = ["pip install -e . && actorcloud demo", "pip install -e '.[test]' && pytest"]

NEEDED_PAGES = {"changelog", "contributing", "glossary", "index", "limits", "telemetry", "why"}


def _read(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", _read(page), flags=re.MULTILINE | re.DOTALL)
    broken = []
    for target in re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        if not path.exists() or (anchor and anchor not in _anchors(path)):
            broken.append(target)
    assert not broken


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_the_pages_of_the_first_release_are_there_and_the_index_leads_to_each() -> None:
    index = _read("docs/index.md")
    for name in NEEDED_PAGES - {"index"}:
        assert (ROOT / "docs" / f"{name}.md").exists()
        assert f"({name}.md)" in index


def test_the_changelog_has_the_version_that_is_built() -> None:
    assert f"## [{VERSION}]" in _read("docs/changelog.md")


def test_the_readme_has_the_two_commands_that_ci_runs() -> None:
    assert fenced(_read("README.md"), "sh")[0].splitlines() == COMMANDS


def test_every_event_that_is_emitted_is_in_the_table_and_no_other() -> None:
    listed = re.findall(r"^\| `(actorcloud\.[a-z_.]+)` \|", _read("docs/telemetry.md"), flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {name for path in SHIPPED for name in _emitted(path)}


def _emitted(path: Path) -> list[str]:
    """Return the event names of a file: the first argument of each `....emit(name, ...)` of three."""
    calls = [node for node in ast.walk(parse(path)) if isinstance(node, ast.Call) and _is_emit(node)]
    names = [call.args[0] for call in calls]
    literal = [name.value for name in names if isinstance(name, ast.Constant) and isinstance(name.value, str)]
    assert len(literal) == len(names), f"{path}: write the name of an event as a plain string, so that it can be found"
    return literal


def _is_emit(call: ast.Call) -> bool:
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "emit"
        and "telemetry" in ast.unparse(call.func.value)
    )


def test_the_examples_data_is_what_its_page_says() -> None:
    page = _read("examples/data/README.md")
    data = ROOT / "examples/data/seattle-weather.csv"
    assert hashlib.sha256(data.read_bytes()).hexdigest() in page
    with data.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1461
    assert {row["date"][:4] for row in rows} == {"2012", "2013", "2014", "2015"}


def test_each_design_note_has_a_number_of_its_own() -> None:
    notes = sorted((ROOT / "docs" / "design").glob("*.md"))
    numbers = [note.name.partition("-")[0] for note in notes]
    assert len(set(numbers)) == len(numbers), numbers
    wrong = [
        note.name for note, number in zip(notes, numbers, strict=True) if f"# {number}" not in note.read_text("utf-8")
    ]
    assert not wrong, f"another number in the title of {wrong}"
