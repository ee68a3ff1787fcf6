"""What importing the package loads, and what it does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

import actorcloud.actor

#: Prints which of its arguments an import has loaded.
PROGRAM = """
import sys
import actorcloud.actor
print([name for name in sys.argv[1:] if name in sys.modules])
"""


@pytest.mark.slow
def test_heads_and_nodes_do_not_load_what_they_do_not_use() -> None:
    # Given
    ours = [*actorcloud.actor._LATE, *actorcloud.actor._LATE_MODULES.values()]
    late = ["asyncio", "hashlib", "pickle", "rich", "subprocess", *(f"actorcloud.actor.{name}" for name in ours)]
    # When
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *late], capture_output=True, text=True, timeout=120, check=True
    )
    # Then
    assert done.stdout.strip() == "[]"


def test_a_name_that_there_is_not_is_an_attribute_error_that_tells_it() -> None:
    with pytest.raises(AttributeError, match="Aktor"):
        _ = actorcloud.actor.Aktor
