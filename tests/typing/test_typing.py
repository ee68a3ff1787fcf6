"""Mypy finds every mistake that the pages of this directory make on purpose, and nothing else in them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

#: What marks a mistake, and the code that mypy must give it.
MARK = re.compile(r"  # type: ignore\[([\w-]+)\].*$", flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", ["actor", "client", "pykka_program"])
def test_each_mistake_is_found_where_it_is(page: str, tmp_path: Path) -> None:
    # Given the page without what keeps mypy quiet
    pytest.importorskip("mypy", reason="mypy is among the tools of developers: pip install -e '.[dev]'")
    text = (HERE / f"{page}.py").read_text(encoding="utf-8")
    mistakes = {
        (number, found[1]) for number, line in enumerate(text.splitlines(), 1) for found in [MARK.search(line)] if found
    }
    bare = tmp_path / f"typed_{page}.py"
    bare.write_text(MARK.sub("", text), encoding="utf-8")
    # When
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--no-pretty", str(bare)],
        cwd=ROOT,
        env={**os.environ, "MYPY_CACHE_DIR": str(ROOT / ".mypy_cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    found = {
        (int(line), code) for line, code in re.findall(rf"typed_{page}\.py:(\d+): error: .*\[([\w-]+)\]", run.stdout)
    }
    assert found == mistakes, run.stdout + run.stderr
    assert mistakes
