"""The repository, as the house tests read it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "actorcloud"

#: Whose sources must be readable.
SOURCE_DIRECTORIES = ("actorcloud", "bench", "examples", "tests")

#: Every source file, relative to the root.
SOURCES = sorted(path.relative_to(ROOT) for name in SOURCE_DIRECTORIES for path in (ROOT / name).rglob("*.py"))

#: Those that are shipped.
SHIPPED = [path for path in SOURCES if path.parts[0] == "actorcloud"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def holds_for(paths: Iterable[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Make one test of a rule about a file: it looks at all of these, and tells each that breaks the rule.

    A test for each file and rule would be a quarter of all tests, and most of their time pytest's own.
    """

    def of(rule: Callable[[Path], None]) -> Callable[[], None]:
        def test() -> None:
            broken = []
            for path in paths:
                try:
                    rule(path)
                except AssertionError as error:
                    broken.append(str(error))
            assert not broken, "\n".join(broken)

        test.__name__ = test.__qualname__ = rule.__name__
        return test

    return of


def parse(path: Path) -> ast.Module:
    """Return the syntax tree of a file given relative to the root."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=str(path))


def functions(module: ast.Module) -> Iterator[Function]:
    """Yield every function of a file, methods and nested ones too."""
    return (node for node in ast.walk(module) if isinstance(node, Function))


def dotted(path: Path) -> str:
    """Return the import name of a file given relative to the root."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> list[tuple[int, str]]:
    """Return (line, module) of every import in a file, as it is written."""
    return [(line, module) for line, module, _ in _imports(path)]


def imported_modules(path: Path) -> list[tuple[int, str]]:
    """Return (line, module) of every import in a file; `from a import b` gives `a.b` where b is a file of ours."""
    return [(line, _submodule(module, name) if name else module) for line, module, name in _imports(path)]


def _imports(path: Path) -> list[tuple[int, str, str]]:
    found = []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(node.lineno, node.module, alias.name) for alias in node.names]
    return found


def _submodule(module: str, name: str) -> str:
    path = ROOT / Path(*module.split(".")) / name
    return f"{module}.{name}" if path.is_dir() or path.with_suffix(".py").exists() else module


def fenced(text: str, language: str) -> list[str]:
    """Return the bodies of the fenced code blocks of `language` in a Markdown text."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def matches(expected: str, printed: str) -> bool:
    """Tell whether `printed` has the lines of `expected`, in which `...` stands for any text of a line."""
    wanted, got = expected.strip().splitlines(), printed.strip().splitlines()
    if len(wanted) != len(got):
        return False
    return all(
        re.fullmatch(".*".join(re.escape(part) for part in want.strip().split("...")), line.strip())
        for want, line in zip(wanted, got, strict=True)
    )
