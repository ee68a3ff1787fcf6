"""The page about kinds of actor can be pasted, piece by piece."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, fenced

#: Seconds until the pieces must have ended by themselves.
PATIENCE = 120


@pytest.mark.slow
def test_the_page_about_kinds_does_what_it_says(tmp_path: Path) -> None:
    # Given all that is to be pasted
    page = (ROOT / "docs" / "kinds.md").read_text(encoding="utf-8")
    program = tmp_path / "pasted.py"
    program.write_text("\n\n".join(fenced(page, "py")), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # When
    run = subprocess.run(
        [sys.executable, str(program)], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    # Then
    assert run.returncode == 0, run.stderr
