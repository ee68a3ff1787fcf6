"""Whether a lock is held is seen without taking it."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from actorcloud.base.rendezvous import is_held


@pytest.mark.parametrize("shared", [False, True])
def test_a_lock_is_held_as_long_as_its_holder_lives(tmp_path: Path, shared: bool) -> None:  # noqa: FBT001
    file = tmp_path / "a.lock"
    assert not is_held(file, shared=shared)
    with file.open("wb") as lock:
        assert not is_held(file, shared=shared)
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        assert is_held(file, shared=shared)
        # Looking has not let it go.
        assert is_held(file, shared=shared)
    assert not is_held(file, shared=shared)
    # One that is not there was not made.
    assert not is_held(tmp_path / "none.lock", shared=shared)
    assert [path.name for path in tmp_path.iterdir()] == ["a.lock"]
