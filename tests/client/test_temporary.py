"""Temporary stores go with their last client, however it ended."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from actorcloud.base.errors import InsecureKey
from actorcloud.client.temporary import LOCK_NAME, TemporaryStore, sweep


def test_a_temporary_store_goes_with_its_client() -> None:
    # Given
    store = TemporaryStore()
    place = store.path.parent
    store.path.mkdir()
    assert place.stat().st_mode & 0o777 == 0o700
    # When
    store.release()
    store.release()
    # Then
    assert not place.exists()
    assert not place.parent.exists()


def test_a_store_that_another_client_holds_stays() -> None:
    # Given
    store = TemporaryStore()
    place = store.path.parent
    other = os.open(place / LOCK_NAME, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_SH)
    # When
    store.release()
    # Then
    assert place.exists()
    # When the last one lets go, however it ended
    os.close(other)
    sweep(place.parent)
    # Then
    assert not place.exists()
    place.parent.rmdir()


def test_what_a_killed_client_left_behind_is_swept_by_the_next() -> None:
    # Given
    code = "from actorcloud.client.temporary import *; import os; print(TemporaryStore().path, flush=True); os._exit(1)"
    left = Path(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout.strip()
    )
    assert left.parent.is_dir()
    # When
    store = TemporaryStore()
    # Then
    assert not left.parent.exists()
    assert store.path.parent.exists()
    store.release()


def test_a_directory_that_others_may_enter_is_refused() -> None:
    # Given
    parent = Path(tempfile.gettempdir()) / f"actorcloud-{os.geteuid()}"
    parent.mkdir()
    parent.chmod(0o755)
    # Then
    try:
        with pytest.raises(InsecureKey):
            TemporaryStore()
    finally:
        parent.rmdir()
