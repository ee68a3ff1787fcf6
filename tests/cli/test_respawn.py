"""When a head is started again, and when it is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.exitcode import FINAL_CODES
from actorcloud.cli.respawn import PAUSE_LONGEST, Keeper, pause


@pytest.mark.parametrize("code", [0, *sorted(FINAL_CODES)])
def test_an_end_that_would_repeat_itself_or_was_wanted_is_final(code: int) -> None:
    assert pause(code, [0.0], 10.0, was_ready=True) is None


def test_a_first_start_that_fails_is_not_tried_again() -> None:
    assert pause(1, [0.0], 0.1, was_ready=False) is None


def test_a_head_that_was_killed_is_started_again_at_once() -> None:
    assert pause(-signal.SIGKILL, [0.0], 100.0, was_ready=True) == 0.0


@given(st.integers(1, 100))
def test_pauses_double_up_to_the_longest_while_it_keeps_dying(deaths: int) -> None:
    pauses = [pause(1, [0.0] * count, 1.0, was_ready=True) or 0.0 for count in range(1, deaths + 1)]
    assert pauses == sorted(pauses)
    assert pauses[-1] <= PAUSE_LONGEST


def test_old_deaths_are_forgiven() -> None:
    assert pause(1, [0.0, 1.0, 2.0, 1000.0], 1001.0, was_ready=True) == 0.0


class Kept:
    """A keeper of a small Python program, which is ready when it has written its pid.

    Args:
        directory: for the pids.
        program: what it does then.
        first: what it does before: whoever is ready can be told to end.
        on_ready: as for `Keeper`.
    """

    def __init__(
        self, directory: Path, program: str, first: str = "", on_ready: Callable[[], None] = lambda: None
    ) -> None:
        self.file = directory / "pids"
        self.said: list[str] = []
        ready = f"with open({str(self.file)!r}, 'a') as file: file.write(f'{{os.getpid()}}\\n')"
        source = f"import os, signal, sys\n{first}\n{ready}\n{program}"
        #: Of each start, whether one had been ready before.
        self.told: list[bool] = []

        def start(was_ready: bool) -> subprocess.Popen[bytes]:  # noqa: FBT001  the keeper's
            self.told.append(was_ready)
            return subprocess.Popen([sys.executable, "-S", "-c", source], start_new_session=True)

        self.keeper = Keeper(
            start,
            is_ready=lambda pid: pid in self.pids,
            tell=self.said.append,
            on_ready=on_ready,
        )

    @property
    def pids(self) -> list[int]:
        return [int(line) for line in self.file.read_text().split()] if self.file.exists() else []


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.slow
def test_what_was_killed_is_started_again_and_a_signal_ends_it(tmp_path: Path) -> None:
    # Given
    class Story(Kept):
        def is_ready(self, pid: int) -> bool:
            if pid not in self.pids:
                return False
            if len(self.pids) == 1:
                os.kill(pid, signal.SIGKILL)
            else:
                _interrupt()
            return True

    story = Story(tmp_path, "while True: signal.pause()", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))")
    story.keeper._is_ready = story.is_ready
    # When
    code = story.keeper.run()
    # Then
    assert code == 0
    assert len(set(story.pids)) == 2
    assert story.told == [False, True]
    assert story.said[0] == "the head was killed by signal 9; starting it again"
    assert story.said[-1] == "ending; once more ends at once"


@pytest.mark.slow
@pytest.mark.parametrize(("served_after", "pauses"), [(0.0, 0), (1000.0, 3)])
def test_only_what_dies_before_it_has_served_is_waited_for(tmp_path: Path, served_after: float, pauses: int) -> None:
    # Given
    kept = Kept(tmp_path, "while True: signal.pause()", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))")

    def is_ready(pid: int) -> bool:
        if pid not in kept.pids:
            return False
        if len(kept.pids) < 5:
            os.kill(pid, signal.SIGKILL)
        else:
            _interrupt()
        return True

    kept.keeper._is_ready = is_ready
    kept.keeper._served_after = served_after
    # When
    kept.keeper.run()
    # Then
    ends = [text for text in kept.said if text.startswith("the head was killed")]
    assert len(ends) == 4
    assert sum(text.endswith(" s") for text in ends) == pauses


@pytest.mark.slow
def test_a_second_signal_kills_what_does_not_end(tmp_path: Path) -> None:
    # Given
    kept = Kept(tmp_path, "while True: signal.pause()", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")

    def tell(text: str) -> None:
        kept.said.append(text)
        if len(kept.said) == 1:
            threading.Thread(target=_interrupt).start()

    kept.keeper._tell = tell
    kept.keeper._on_ready = _interrupt
    # When
    code = kept.keeper.run()
    # Then
    assert code == 130
    assert len(kept.pids) == 1
    assert kept.said == ["ending; once more ends at once", "ended at once; nothing that was acknowledged is lost"]


@pytest.mark.slow
def test_the_code_of_a_start_that_failed_is_passed_on(tmp_path: Path) -> None:
    kept = Kept(tmp_path, "sys.exit(75)")
    kept.keeper._is_ready = lambda _: False
    assert kept.keeper.run() == 75
    assert len(kept.pids) == 1


@pytest.mark.slow
def test_signal_handlers_are_as_before(tmp_path: Path) -> None:
    # Given
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)]
    # When
    Kept(tmp_path, "sys.exit(2)").keeper.run()
    # Then
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)] == before
