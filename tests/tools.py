"""Programs of the machine that some tests need: without them they are left out, but never in silence."""

from __future__ import annotations

import os
import shutil

import pytest

#: `.ci/run` sets it: there, a program that is missing is a failure.
_REQUIRED = "TESTS_REQUIRE_TOOLS"


def need(program: str, purpose: str) -> None:
    """Skip the test if `program` is missing; fail where nothing may be left out.

    Args:
        program: to be found on the PATH.
        purpose: what is not tried without it; a sentence's end.
    """
    if shutil.which(program) is None:
        text = f"{program} is missing (Debian has it): {purpose}"
        assert _REQUIRED not in os.environ, text
        pytest.skip(text)
