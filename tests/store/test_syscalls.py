"""System calls of the store that fail, or are its last: injected by strace; see `faulty`.

Whatever call fails, and how: what was acknowledged is there, what was refused is not, and either the
store goes on, or it ends and is whole when it is opened again.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from actorcloud.store import LmdbEngine
from tests.store.faulty import COMMITS, DIED, DONE, MAP_BYTES, UNSTARTED, Outcome, burst_with, left, run_with
from tests.tools import need

pytestmark = pytest.mark.slow

ALL = list(range(1, COMMITS + 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The directory of a store that exists."""
    need("strace", "failing system calls are not tried")
    engine = LmdbEngine(tmp_path / "store", map_bytes=MAP_BYTES)
    engine.open("maker")
    engine.close()
    return tmp_path / "store"


def check(path: Path, outcome: Outcome) -> list[int]:
    """Return what is there, which is all that was acknowledged, and at most one that was not answered."""
    there = left(path)
    unanswered = set(ALL) - set(outcome.acked) - set(outcome.refused)
    assert set(outcome.acked) <= set(there) <= set(outcome.acked) | {min(unanswered, default=0)}
    assert set(outcome.refused.values()) <= {"no-space"}
    if outcome.code == DONE:
        assert not unanswered
    return there


# The writer is a thread of its own, and strace counts each thread's calls; the first few are those of whoever opens.


def test_a_sync_that_fails_ends_the_store_and_its_commit_is_not_there(path: Path) -> None:
    outcome = run_with(path, "fdatasync:error=EIO:when=4")
    assert (outcome.acked, outcome.code) == ([1, 2, 3], DIED)
    assert check(path, outcome) == [1, 2, 3]


def test_a_sync_that_finds_no_space_refuses_its_commit_and_the_next_ones_count(path: Path) -> None:
    outcome = run_with(path, "fdatasync:error=ENOSPC:when=4..5")
    assert outcome == Outcome([1, 2, 3, 6, 7, 8], {4: "no-space", 5: "no-space"}, None, DONE)
    assert check(path, outcome) == [1, 2, 3, 6, 7, 8]


def test_a_kill_in_the_middle_of_a_sync_leaves_what_was_acknowledged(path: Path) -> None:
    outcome = run_with(path, "fdatasync:signal=KILL:when=4")
    assert (outcome.acked, outcome.code) == ([1, 2, 3], -signal.SIGKILL)
    check(path, outcome)


@pytest.mark.parametrize("number", [6, 7])
def test_a_write_that_fails_of_a_page_or_of_the_meta_page_ends_the_store(path: Path, number: int) -> None:
    outcome = run_with(path, f"pwrite64:error=EIO:when={number}")
    assert outcome.code == DIED
    assert 0 < len(outcome.acked) < COMMITS
    check(path, outcome)


def test_a_disk_that_fails_at_the_start_is_told(path: Path) -> None:
    outcome = run_with(path, "fdatasync:error=EIO:when=1+")
    assert (outcome.unstarted, outcome.code) == ("engine-failed", UNSTARTED)
    outcome = run_with(path, "fdatasync:error=ENOSPC:when=1+")
    assert (outcome.unstarted, outcome.code) == ("no-space", UNSTARTED)
    assert check(path, outcome) == []


def test_a_lock_that_cannot_be_written_is_told(path: Path) -> None:
    assert run_with(path, "pwrite64:error=EIO:when=1").unstarted == "not-a-store"
    assert run_with(path, "pwrite64:error=ENOSPC:when=1").unstarted == "no-space"


def test_a_directory_that_can_only_be_read_is_refused_whoever_asks(path: Path, tmp_path: Path) -> None:
    """As on a file system that is mounted read-only, where root may not write either."""
    told = run_with(path, "openat:error=EROFS", only=path / "head.lock")
    assert (told.unstarted, told.code) == ("not-a-store", UNSTARTED)
    assert left(path) == []
    told = run_with(tmp_path / "new", "mkdir:error=EROFS", only=tmp_path / "new")
    assert (told.unstarted, told.code) == ("not-a-store", UNSTARTED)
    assert not (tmp_path / "new").exists()


def test_on_a_slow_disk_batches_grow(path: Path) -> None:
    """500 commits, each by itself, would take 50 seconds on a disk that needs 100 ms for a sync."""
    batches, commits = burst_with(path, "fdatasync:delay_enter=100000", 500)
    assert commits == 500
    assert batches < 100


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64", "writev"])
@pytest.mark.parametrize("fault", ["error=EIO", "error=ENOSPC", "signal=KILL"])
def test_any_call_may_fail_in_any_way(path: Path, call: str, fault: str, tmp_path: Path) -> None:
    for number in range(1, 25):
        for place in (path, tmp_path / f"new-{number}"):
            outcome = run_with(place, f"{call}:{fault}:when={number}")
            check(place, outcome)
            assert outcome.code in {DONE, DIED, UNSTARTED, -signal.SIGKILL}
        path = tmp_path / f"new-{number}"
