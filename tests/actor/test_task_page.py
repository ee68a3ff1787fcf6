"""The page about tasks: its pieces, pasted one after the other, do what they say."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from actorcloud.actor import System
from tests.house.tree import ROOT, fenced


@pytest.mark.slow
def test_the_pieces_of_the_page_hold(pool: System, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "actorcloud.actor")
    pieces = fenced((ROOT / "docs" / "tasks.md").read_text(encoding="utf-8"), "py")
    assert len(pieces) > 5
    names: dict[str, Any] = {"__name__": "page"}
    for piece in pieces:
        exec(compile(piece, "docs/tasks.md", "exec"), names)
