"""The commands about jobs: what they print where, and how they end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from actorcloud.base.ids import JobRef
from actorcloud.cli.program import program
from actorcloud.client import Cloud, listed
from tests.cli.runner import Desk, open_desk

UNKNOWN = "0" * 26


@pytest.fixture
def desk() -> Iterator[Desk]:
    with open_desk() as desk:
        yield desk


def test_add_job_prints_the_reference_alone(desk: Desk) -> None:
    # When
    result = desk.run("add-job", "math:sqrt", "16")
    # Then
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == f"{JobRef.parse(result.stdout.strip())}\n"


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (("math:sqrt", "16"), "4.0"),
        (("math:fabs", "-3"), "3.0"),
        (("math:fabs", "--", "-3"), "3.0"),
        (("builtins:str.upper", "--", "--x"), "--X"),
        (("builtins:str.upper", "--", "--"), "--"),
        (("builtins:sum", "[1, 2, 3]"), "6"),
        (("builtins:str.upper", "Seattle"), "SEATTLE"),
        (("builtins:str.upper", '"3"'), "3"),
        (("builtins:complex", "1", "2"), "(1+2j)"),
        (("builtins:bool", "0"), "false"),
        (("builtins:float", "nan"), "nan"),
        (("builtins:float", "-inf"), "-inf"),
    ],
)
def test_arguments_are_json_else_text_and_result_prints_the_value(
    desk: Desk, arguments: tuple[str, ...], printed: str
) -> None:
    result = desk.run("result", desk.add(*arguments))
    assert (result.exit_code, result.stdout) == (0, f"{printed}\n")


def test_the_options_of_a_job_are_kept_with_it(desk: Desk) -> None:
    # Given
    ref = desk.add("--retries", "2", "--run-timeout", "60", "--key", "root", "math:sqrt", "4")
    # When
    told = json.loads(desk.run("job", ref, "--json").stdout)
    # Then
    assert (told["retries"], told["timeout"], told["key"]) == (2, 60.0, "root")
    assert desk.add("--key", "root", "math:sqrt", "4") == ref


def test_a_list_has_a_json_object_a_line_with_promised_fields(desk: Desk) -> None:
    # Given
    refs = [desk.add("math:sqrt", str(number)) for number in range(3)]
    # When
    lines = desk.run("jobs", "--json").stdout.splitlines()
    # Then
    assert [json.loads(line)["ref"] for line in lines] == refs[::-1]
    assert {"ref", "state", "node", "attempt", "added_at", "changed_at", "key", "error"} <= set(json.loads(lines[0]))


def test_a_limited_list_has_the_newest_and_says_on_stderr_where_there_are_more(desk: Desk) -> None:
    # Given
    refs = [desk.add("math:sqrt", str(number)) for number in range(3)]
    # When
    two, three = desk.run("jobs", "--limit", "2"), desk.run("jobs", "--limit", "3")
    # Then
    assert [line.split()[0] for line in two.stdout.splitlines()] == [refs[2], refs[1]]
    assert "--limit" in two.stderr
    assert len(three.stdout.splitlines()) == 3
    assert three.stderr == ""


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_jobs_that_a_program_left_behind_are_looked_at_without_a_head(tmp_path: Path) -> None:
    # Given
    store = str(tmp_path / "store")
    with Cloud(path=store, workers=1) as cloud:
        done, failed = cloud.add_job(pow, 2, 10), cloud.add_job(divmod, 1, 0)
        assert len(list(cloud.as_completed([done, failed], 60))) == 2

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(program, [*arguments, "--store", store], env={"ACTORCLOUD_HEAD": None})

    # When
    listed, shown, cancelled = run("jobs"), run("job", str(failed)), run("cancel", str(done))
    # Then
    assert [line.split()[:2] for line in listed.stdout.splitlines()] == [[str(failed), "failed"], [str(done), "done"]]
    assert "no head has the store" in listed.stderr
    assert "ZeroDivisionError" in shown.stdout
    assert cancelled.exit_code == 69


def test_quiet_leaves_the_talk_away(desk: Desk) -> None:
    assert desk.run("jobs").stderr == "no jobs\n"
    assert desk.run("jobs", "-q").stderr == ""


def test_jobs_are_found_by_state(desk: Desk) -> None:
    # Given
    done, queued = desk.add("math:sqrt", "4"), desk.add("math:sqrt", "5")
    desk.run("result", done)
    # Then
    assert desk.run("jobs", "--state", "done").stdout.split()[0] == done
    assert desk.run("jobs", "--state", "queued").stdout.split()[0] == queued
    assert desk.run("jobs", "--state", "lost").exit_code == 2


def test_a_job_that_raised_ends_result_with_1_and_its_traceback_on_stderr(desk: Desk) -> None:
    # Given
    ref = desk.add("builtins:int", "Seattle")
    # When
    result = desk.run("result", ref)
    # Then
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Traceback (most recent call last)" in result.stderr
    assert "ValueError: invalid literal for int() with base 10: 'Seattle'" in result.stderr


def test_the_failure_of_a_job_is_told_as_json(desk: Desk) -> None:
    # Given
    ref = desk.add("builtins:int", "Seattle")
    # When
    result = desk.run("result", ref, "--json")
    # Then
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["ref"], told["state"], told["value"]) == (ref, "failed", None)
    assert told["error"]["type"] == "ValueError"


def test_a_list_tells_why_jobs_failed(desk: Desk) -> None:
    ref = desk.add("builtins:int", "Seattle")
    desk.run("result", ref)
    (line,) = desk.run("jobs", "--state", "failed", "--json").stdout.splitlines()
    assert json.loads(line)["error"]["type"] == "ValueError"


def test_what_a_job_printed_is_told_as_json(desk: Desk) -> None:
    ref = desk.add("builtins:print", "hello")
    desk.run("result", ref)
    assert "output" in json.loads(desk.run("job", ref, "--json").stdout)


def test_a_value_is_told_as_json(desk: Desk) -> None:
    ref = desk.add("builtins:sum", "[1, 2]")
    told = json.loads(desk.run("result", ref, "--json").stdout)
    assert told == {"ref": ref, "state": "done", "value": 3, "error": None}


def test_the_result_of_a_cancelled_job_ends_with_137(desk: Desk) -> None:
    # Given
    ref = desk.add("math:sqrt", "4")
    # When
    cancelled, result = desk.run("cancel", ref), desk.run("result", ref)
    # Then
    assert cancelled.exit_code == 0
    assert result.exit_code == 137
    assert "cancelled" in result.stderr


def test_a_job_that_has_ended_cannot_be_cancelled(desk: Desk) -> None:
    # Given
    ref = desk.add("math:sqrt", "4")
    desk.run("result", ref)
    # When
    result = desk.run("cancel", ref)
    # Then
    assert result.exit_code == 1
    assert "had ended by itself" in result.stderr


def test_a_deleted_job_is_unknown(desk: Desk) -> None:
    # Given
    ref = desk.add("math:sqrt", "4")
    # When
    deleted = desk.run("delete-job", ref)
    # Then
    assert deleted.exit_code == 0
    assert desk.run("job", ref).exit_code == 1
    assert desk.run("jobs").stdout == ""


@pytest.mark.parametrize(("command", "state"), [("cancel", "failed"), ("delete-job", None)])
def test_several_jobs_are_killed_and_one_that_is_not_there_keeps_no_other_alive(
    desk: Desk, command: str, state: str | None
) -> None:
    # Given
    refs = [desk.add("math:sqrt", str(number)) for number in range(3)]
    # When
    result = desk.run(command, refs[0], UNKNOWN, *refs[1:])
    # Then
    assert result.exit_code == 1
    assert UNKNOWN in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.split()[-1] in refs]) == 3
    states = [json.loads(line)["state"] for line in desk.run("jobs", "--json").stdout.splitlines()]
    assert states == ([] if state is None else [state] * 3)


@pytest.mark.parametrize("command", ["cancel", "delete-job"])
def test_the_end_of_no_reference_keeps_no_other_job_alive_and_jobs_are_listed_once(
    desk: Desk, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    refs = [desk.add("math:sqrt", str(number)) for number in range(3)]
    lists: list[object] = []

    def counted(*args: Any) -> Iterator[tuple[bytes, object]]:
        lists.append(args)
        return listed(*args)

    monkeypatch.setattr("actorcloud.cli.reference.listed", counted)
    # When
    result = desk.run(command, "ZZZZZZ", *(ref[-6:] for ref in refs))
    # Then
    assert result.exit_code == 1
    assert "ends in ZZZZZZ" in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.split()[-1] in refs]) == 3
    assert len(lists) == 1


def test_ctrl_c_leaves_alone_the_jobs_that_wait_to_be_deleted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: two are deleted at a time, of which the first is done and the next ones take long.
    refs = [desk.add("math:sqrt", str(number)) for number in range(5)]
    begun: list[str] = []
    may_end = threading.Event()

    def delete(ref: JobRef[object]) -> None:
        begun.append(str(ref))
        if str(ref) != refs[0]:
            may_end.wait(10)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("actorcloud.cli.job._AT_A_TIME", 2)
    monkeypatch.setattr(desk.cloud, "delete_job", delete)
    monkeypatch.setattr("actorcloud.cli.place.report.talk", interrupt)
    # When
    result = desk.run("delete-job", *refs)
    # Then
    may_end.set()
    assert result.exit_code == 130
    assert set(begun) <= set(refs[:3])


@pytest.mark.parametrize("command", ["job", "result", "cancel", "delete-job"])
def test_a_job_is_found_by_the_letters_that_stand_before_what_it_prints(desk: Desk, command: str) -> None:
    ref = desk.add("math:sqrt", "4")
    assert desk.run(command, ref[-6:].lower()).exit_code == 0
    unknown = desk.run(command, "ZZZZZZ")
    assert unknown.exit_code == 1
    assert "ends in ZZZZZZ" in unknown.stderr


def test_letters_at_the_end_of_several_references_name_none(desk: Desk) -> None:
    # Given
    twins = [JobRef[object](bytes([number]) + b"r" * 15) for number in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("actorcloud.cli.reference.listed", lambda *_: [(ref.raw, None) for ref in twins])
        # When
        result = desk.run("cancel", str(twins[0])[-6:])
    # Then
    assert result.exit_code == 2
    assert all(str(ref) in result.stderr for ref in twins)


@pytest.mark.parametrize("late", [["--retries", "2"], ["--retries=2"], ["4", "--store", "here"], ["-q"], ["--help"]])
def test_an_option_behind_the_function_is_wrong_usage(desk: Desk, late: list[str]) -> None:
    result = desk.run("add-job", "math:sqrt", *late)
    assert result.exit_code == 2
    assert "stands before MODULE:FUNCTION" in result.stderr


@pytest.mark.parametrize("command", ["job", "result", "cancel", "delete-job"])
def test_an_unknown_reference_is_a_failure_and_a_malformed_one_wrong_usage(desk: Desk, command: str) -> None:
    unknown, malformed = desk.run(command, UNKNOWN), desk.run(command, "seattle")
    assert (unknown.exit_code, malformed.exit_code) == (1, 2)
    assert UNKNOWN in unknown.stderr
    assert "'seattle' is not a job reference" in malformed.stderr


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("math", "is not module:function"),
        ("nosuchmodule:f", "No module named 'nosuchmodule'"),
        ("math:nosuch", "math has no nosuch"),
        ("math:pi", "is float, which cannot be called"),
        ("tests.cli.test_job:rain", "is async, and a job runs a plain function"),
    ],
)
def test_a_function_that_is_none_is_wrong_usage(desk: Desk, function: str, words: str) -> None:
    result = desk.run("add-job", function)
    assert result.exit_code == 2
    assert words in result.stderr


async def rain() -> float:
    return 0.0


def test_ctrl_c_ends_with_130_and_the_job_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    ref = desk.add("math:sqrt", "4")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # When
    with monkeypatch.context() as patched:
        patched.setattr(desk.cloud, "as_completed", interrupt)
        result = desk.run("result", ref)
    # Then
    assert result.exit_code == 130
    assert "goes on" in result.stderr
    assert json.loads(desk.run("job", ref, "--json").stdout)["state"] == "queued"
