"""The guide's blocks are one test file, and all its tests pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, fenced


@pytest.mark.slow
def test_the_blocks_of_the_guide_are_tests_that_pass(tmp_path: Path) -> None:
    # Given what is to be pasted
    blocks = fenced((ROOT / "docs" / "testing.md").read_text(encoding="utf-8"), "py")
    (tmp_path / "test_pasted.py").write_text("\n\n".join(blocks), encoding="utf-8")
    # When it runs, without any settings of ours
    command = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", "-W", "error", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    # Then
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(" passed") == 1
