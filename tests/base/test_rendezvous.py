"""Whether a lock is held is seen without taking it; directories are there as long as somebody holds them."""

from __future__ import annotations

import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from actorcloud.base.rendezvous import holding, is_held, remove_unheld


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


def test_a_directory_is_private_and_goes_with_the_last_that_holds_it(tmp_path: Path) -> None:
    place = tmp_path / "base" / "one"
    with holding(str(place)):
        with holding(str(place)):
            (place / "head.sock").touch()
        assert (place / "head.sock").exists()
        assert [path.stat().st_mode & 0o777 for path in (place, place.parent)] == [0o700] * 2
        remove_unheld(str(place))
        assert place.exists()
    assert not place.exists()


def test_what_was_left_behind_is_removed_unless_a_lock_in_it_is_held(tmp_path: Path) -> None:
    # Given a head that was killed, whose node lives on
    place = tmp_path / "one"
    place.mkdir()
    (place / "head.json").touch()
    with (place / "node.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # When
        remove_unheld(str(place))
        # Then
        assert (place / "head.json").exists()
    # When
    remove_unheld(str(place))
    # Then
    assert not place.exists()
    remove_unheld(str(place))


def test_a_directory_that_is_held_is_never_one_that_another_removes(tmp_path: Path) -> None:
    place = tmp_path / "one"

    def come_and_go(number: int) -> None:
        for _ in range(100):
            with holding(str(place)):
                mine = place / f"{number}"
                mine.touch()
                remove_unheld(str(place))
                mine.unlink()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(come_and_go, range(4)))
    assert not place.exists()
