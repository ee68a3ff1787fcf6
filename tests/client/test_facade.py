"""What importing the names at the top costs; tests/house compares the names themselves."""

from __future__ import annotations

import subprocess
import sys


def test_importing_it_loads_no_engine() -> None:
    # Given
    code = """
import sys, actorcloud
before = set(sys.modules)
actorcloud.Cloud, actorcloud.JobRef, actorcloud.Queued, actorcloud.current
heavy = {"zmq", "lmdb", "pykka", "cloudpickle", "asyncio", "click", "rich", "psutil", "platformdirs"}
print(sorted(heavy & set(sys.modules)), any(name.startswith("actorcloud.") for name in before))
"""
    # When
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    # Then
    assert told.strip() == "[] False"
