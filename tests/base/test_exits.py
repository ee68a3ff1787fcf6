"""Exit reasons: which are no failure, and how a crash is told."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actorcloud.base.exits import (
    TRACEBACK_LIMIT_CHARS,
    Crash,
    ExitReason,
    Shutdown,
    format_traceback,
    is_normal,
    safe_str,
    type_name,
)


class Rude(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def _raised(error: Exception) -> Exception:
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.mark.parametrize("reason", [ExitReason.NORMAL, ExitReason.SHUTDOWN, Shutdown("moving house")], ids=str)
def test_an_orderly_end_is_normal(reason: object) -> None:
    assert is_normal(reason)


@pytest.mark.parametrize(
    "reason",
    [ExitReason.KILL, ExitReason.KILLED, ExitReason.NOPROC, ExitReason.NOCONNECTION, Crash.of(ValueError("x"))],
    ids=str,
)
def test_every_other_reason_is_abnormal(reason: object) -> None:
    assert not is_normal(reason)


@given(st.one_of(st.none(), st.text(), st.integers(), st.tuples(st.text(), st.integers())))
def test_a_value_of_the_users_own_is_abnormal(reason: object) -> None:
    assert not is_normal(reason)


def test_reasons_read_as_in_erlang() -> None:
    assert [str(reason) for reason in ExitReason] == ["normal", "shutdown", "kill", "killed", "noproc", "noconnection"]


def test_a_crash_tells_type_message_and_the_line() -> None:
    crash = Crash.of(_raised(ValueError("the sea is dry")))
    assert crash.type == "ValueError"
    assert str(crash) == "ValueError: the sea is dry"
    assert crash.traceback.startswith("Traceback (most recent call last):")
    assert "raise error" in crash.traceback
    assert isinstance(crash.exception, ValueError)


def test_a_crash_tells_causes_and_notes() -> None:
    # Given
    error = KeyError("station")
    error.add_note("while reading seattle-weather.csv")
    error.__cause__ = OSError("disk")
    # When
    crash = Crash.of(_raised(error))
    # Then
    assert "OSError: disk" in crash.traceback
    assert "while reading seattle-weather.csv" in crash.traceback


def test_an_error_that_cannot_say_what_it_is_still_makes_a_crash() -> None:
    crash = Crash.of(_raised(Rude()))
    assert crash.message == "<Rude whose str() raised RuntimeError>"
    assert crash.type.endswith(".Rude")


def test_two_crashes_are_never_the_same() -> None:
    error = _raised(ValueError("x"))
    assert Crash.of(error) != Crash.of(error)


@given(st.integers(0, 3 * TRACEBACK_LIMIT_CHARS))
def test_a_traceback_is_bounded_and_keeps_both_ends(length: int) -> None:
    text = format_traceback(_raised(ValueError("<" + "x" * length + ">")))
    assert len(text) <= TRACEBACK_LIMIT_CHARS + 100
    assert text.startswith("Traceback")
    assert text.endswith(">\n")


def test_names_of_classes_are_those_that_people_know() -> None:
    assert type_name(ValueError()) == "ValueError"
    assert type_name(Rude()) == f"{__name__}.Rude"


@given(st.text())
def test_safe_str_is_str_where_that_works(text: str) -> None:
    assert safe_str(text) == text
