"""What every thread executes: told without a garbage collection meanwhile."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actorcloud.base.frames import current_frames


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    yield
    gc.enable()


def test_every_thread_has_its_frame() -> None:
    ours = current_frames()[threading.get_ident()]
    assert ours.f_code.co_name == "current_frames"
    assert ours.f_back is sys._getframe()


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_collected_meanwhile_and_the_users_setting_stays(
    enabled: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (gc.enable if enabled else gc.disable)()
    monkeypatch.setattr(sys, "_current_frames", lambda: {"meanwhile": gc.isenabled()})
    found: Any = current_frames()
    assert found == {"meanwhile": False}
    assert gc.isenabled() == enabled


def test_the_users_setting_stays_also_where_looking_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError

    monkeypatch.setattr(sys, "_current_frames", fail)
    with pytest.raises(MemoryError):
        current_frames()
    assert gc.isenabled()
