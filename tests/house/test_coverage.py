"""What decides whether a commit counts, and what keeps it: each branch is taken by some test.

pytest -n 0 -m soak tests/house/test_coverage.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT

#: Validator, codecs, engines, and what of a transaction they share with its caller.
MEASURED = (
    "atomic",
    "caller/attempt",
    "caller/codec",
    "caller/transaction",
    "engine/*",
    "extension",
    "key_codec",
    "quota",
    "range",
    "sequencer",
    "stored",
    "validation/*",
    "value",
    "view",
)

#: Seconds; three minutes where nothing else runs. Who ends the inner run early leaves its PostgreSQL behind.
_LIMIT = 3600


@pytest.mark.soak
@pytest.mark.timeout(_LIMIT + 60)
def test_each_branch_of_validator_codecs_and_engines_is_taken(tmp_path: Path) -> None:
    # Given
    environment = {**os.environ, "COVERAGE_FILE": str(tmp_path / "coverage")}
    files = ",".join(f"actorcloud/store/{name}.py" for name in MEASURED)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT
        )

    # When
    tests = run("pytest", "-q", "-m", "not chaos and not soak", "--cov", "--cov-report=", "tests/store")
    # Then
    assert tests.returncode == 0, tests.stdout + tests.stderr
    report = run("coverage", "report", f"--include={files}", "--skip-covered", "--fail-under=100")
    assert report.returncode == 0, report.stdout + report.stderr
