"""What a job raised reaches whoever asks: as text always, as the exception itself where that is possible."""

from __future__ import annotations

import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import actorcloud.base
from actorcloud.base.errors import JobCancelled, NoSuchJob, RemoteError, Unpicklable
from actorcloud.base.failure import MESSAGE_LIMIT_CHARS, OBJECT_LIMIT_BYTES, code_of, dump_error, load_error
from actorcloud.base.states import JobError

ROOT = Path(actorcloud.base.__file__).parents[2]


class OutOfCoffee(Exception):
    """A user's error whose constructor wants two arguments."""

    def __init__(self, room: str, cups: int) -> None:
        super().__init__(f"{cups} cups missing in {room}")
        self.room = room


class Blackout(BaseException):
    """Not an Exception."""


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:  # noqa: BLE001  that is the point
        return caught


def crossed(error: BaseException) -> Exception:
    """Return what the client gets for what the worker caught."""
    text, value = dump_error(error)
    return load_error(value, text)


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), KeyError("x"), OSError(2, "gone"), NoSuchJob("none"), ExceptionGroup("two", [ValueError(1)])],
)
def test_an_error_arrives_as_itself(error: Exception) -> None:
    # When
    arrived = crossed(raised(error))

    # Then
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert repr(arrived.args) == repr(error.args)


def test_the_remote_traceback_is_the_cause() -> None:
    # When
    arrived = crossed(raised(ValueError("no")))

    # Then
    assert isinstance(arrived.__cause__, RemoteError)
    printed = "".join(traceback.format_exception(arrived))
    assert "raise error" in printed
    assert "direct cause" in printed


def test_the_traceback_begins_with_the_users_frames_and_ends_in_the_users_line() -> None:
    # Given
    space: dict[str, Any] = {"__name__": "__main__"}
    runner: dict[str, Any] = {"__name__": "actorcloud.worker.runner"}
    exec(compile("def work():\n    1 / 0", "users_script.py", "exec"), space)
    exec(compile("def run(work):\n    work()", "our_runner.py", "exec"), runner)

    # When
    with pytest.raises(ZeroDivisionError) as caught:
        runner["run"](space["work"])
    caught.value.__traceback__ = caught.value.__traceback__ and caught.value.__traceback__.tb_next
    text, _ = dump_error(caught.value)

    # Then
    assert "our_runner.py" not in text.traceback
    assert text.traceback.splitlines()[-2:] == [
        '  File "users_script.py", line 2, in work',
        "ZeroDivisionError: division by zero",
    ]


def test_an_exception_whose_constructor_does_not_take_its_args_is_rebuilt_from_its_class() -> None:
    # When
    arrived = crossed(raised(OutOfCoffee("the kitchen", 3)))

    # Then
    assert type(arrived) is OutOfCoffee
    assert str(arrived) == "3 cups missing in the kitchen"


def test_a_class_that_is_not_loaded_here_is_never_imported() -> None:
    # Given
    assert "this" not in sys.modules

    # When
    arrived = load_error(b"", JobError("this.Zen", "no", "Traceback ...\nthis.Zen: no\n"))

    # Then
    assert type(arrived) is RemoteError
    assert str(arrived) == "this.Zen: no"
    assert str(arrived.__cause__).strip().endswith("this.Zen: no")
    assert "this" not in sys.modules


@pytest.mark.parametrize(
    "name", ["KeyboardInterrupt", "SystemExit", "int", "print", "os.path", "sys", "", ".", "builtins.ValueError.args"]
)
def test_only_a_loaded_subclass_of_exception_is_ever_raised(name: str) -> None:
    assert type(load_error(b"", JobError(name, "m", ""))) is RemoteError


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), Blackout("dark"), GeneratorExit()])
def test_what_is_no_exception_arrives_as_a_remote_error(error: BaseException) -> None:
    # When
    text, value = dump_error(raised(error))
    arrived = load_error(value, text)

    # Then
    assert value == b""
    assert type(arrived) is RemoteError
    assert type(error).__name__ in str(arrived)


def test_pickled_bytes_of_something_else_are_not_raised() -> None:
    # Given
    import pickle

    # When
    arrived = load_error(pickle.dumps(SystemExit(1)), JobError("SystemExit", "1", ""))

    # Then
    assert type(arrived) is RemoteError


def test_a_failure_of_our_own_comes_back_by_its_code() -> None:
    # Given
    error = Unpicklable("the result: a lock")
    text, _ = dump_error(error)

    # When
    arrived = load_error(b"", text, code_of(error))

    # Then
    assert type(arrived) is Unpicklable
    assert str(arrived) == "the result: a lock"
    assert type(load_error(b"", JobError("JobCancelled", "it was cancelled", ""), "job-cancelled")) is JobCancelled


def test_notes_travel() -> None:
    # Given
    error = ValueError("no")
    error.add_note("while counting")

    # When
    arrived = crossed(raised(error))

    # Then
    assert arrived.__notes__ == ["while counting"]
    assert "while counting" in str(arrived.__cause__)


def test_an_exception_that_cannot_be_shown_or_pickled_still_tells_its_text() -> None:
    # Given
    class Nasty(Exception):
        def __str__(self) -> str:
            raise RuntimeError("never")

        def __reduce__(self) -> Any:
            raise RuntimeError("never")

    # When
    text, value = dump_error(raised(Nasty()))
    arrived = load_error(value, text)

    # Then
    assert value == b""
    assert type(arrived) is RemoteError
    assert "Nasty" in str(arrived)


def test_a_huge_exception_is_cut() -> None:
    # When
    text, value = dump_error(raised(ValueError("x" * (OBJECT_LIMIT_BYTES + 1))))

    # Then
    assert value == b""
    assert len(text.message) < MESSAGE_LIMIT_CHARS + 100
    assert type(load_error(value, text)) is ValueError


@given(value=st.binary(max_size=40), name=st.text(max_size=30), message=st.text(max_size=20), code=st.text(max_size=8))
def test_whatever_the_bytes_and_texts_hold_loading_an_error_raises_nothing(
    value: bytes, name: str, message: str, code: str
) -> None:
    # When
    arrived = load_error(value, JobError(name, message, "tb"), code)

    # Then
    assert isinstance(arrived, Exception)
    assert arrived.__cause__ is not None


def test_a_second_run_of_a_script_catches_its_own_class(tmp_path: Path) -> None:
    # Given a script that stores its error once, and reads it in another process
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from actorcloud.base.failure import dump_error, load_error\n"
        "from actorcloud.base.states import JobError\n"
        "class MyError(Exception): pass\n"
        "if sys.argv[1] == 'write':\n"
        "    sys.stdout.buffer.write(dump_error(MyError('mine'))[1])\n"
        "else:\n"
        "    error = load_error(sys.stdin.buffer.read(), JobError('__main__.MyError', 'mine', ''))\n"
        "    print(type(error) is MyError, error)\n"
    )

    def run(mode: str, data: bytes = b"") -> bytes:
        command = [sys.executable, str(script), mode]
        environment = {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, input=data, stdout=subprocess.PIPE, env=environment, timeout=120, check=True)
        return done.stdout

    # When
    out = run("read", run("write"))

    # Then
    assert out == b"True mine\n"
