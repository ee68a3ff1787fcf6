"""Files before the environment before the command line; and each says who it was."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from actorcloud.base.config import SETTINGS
from actorcloud.cli.option import file_settings
from actorcloud.cli.program import program
from tests.cli.runner import open_desk


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _asked(*arguments: str, head: str | None = None) -> str:
    with open_desk() as desk:
        result = desk.run("status", *arguments, env={"ACTORCLOUD_HEAD": head})
        assert result.exit_code == 0, result.stderr
        return desk.asked[0]


def test_argument_beats_environment_beats_file(project: Path) -> None:
    # Given
    (project / "actorcloud.toml").write_text('head = "file:1"\n')
    # Then
    assert _asked() == "file:1"
    assert _asked(head="environment:1") == "environment:1"
    assert _asked("--head", "argument:1", head="environment:1") == "argument:1"


def test_actorcloud_toml_beats_pyproject_beats_the_users_own_file(project: Path) -> None:
    # Given
    user = project / "user"
    user.mkdir()
    (user / "config.toml").write_text('head = "user:1"\nworkers = 7\nname = "sea"\n')
    (project / "pyproject.toml").write_text('[tool.actorcloud]\nhead = "pyproject:1"\nworkers = 8\n')
    (project / "actorcloud.toml").write_text('head = "actorcloud:1"\n')
    # When
    found = file_settings(project, user)
    # Then
    assert {name: resolved.value for name, resolved in found.items()} == {
        "head": "actorcloud:1",
        "workers": 8,
        "name": "sea",
    }
    assert found["workers"].origin == "pyproject.toml"


def test_a_wrong_file_ends_every_command_with_2_and_names_it(project: Path) -> None:
    # Given
    (project / "actorcloud.toml").write_text("workers = -1\n")
    # When
    with open_desk() as desk:
        result = desk.run("status")
    # Then
    assert result.exit_code == 2
    assert "workers = -1 (actorcloud.toml): a whole number from 0 to 4,096 is needed" in result.stderr


def test_a_file_that_is_no_text_is_refused(project: Path) -> None:
    (project / "actorcloud.toml").write_bytes(b"\xff\xfe")
    with open_desk() as desk:
        result = desk.run("status")
    assert result.exit_code == 2
    assert "actorcloud.toml cannot be read" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "env", "origin"),
    [(["--limit", "0"], {}, "--limit"), ([], {"ACTORCLOUD_LIMIT": "0"}, "ACTORCLOUD_LIMIT")],
)
def test_a_wrong_value_says_who_said_it(arguments: list[str], env: dict[str, str | None], origin: str) -> None:
    with open_desk() as desk:
        result = desk.run("jobs", *arguments, env=env)
    assert result.exit_code == 2
    assert f"limit = '0' ({origin}): a whole number from 1 to 1,000,000 is needed" in result.stderr


def _commands(group: click.Command = program) -> list[click.Command]:
    if not isinstance(group, click.Group):
        return [group]
    context = click.Context(group)
    found = [group.get_command(context, name) for name in group.list_commands(context)]
    return [command for inner in found if inner is not None for command in _commands(inner)]


def test_every_option_of_every_command_has_its_variable() -> None:
    options = [option for command in _commands() for option in command.params if option.param_type_name == "option"]
    assert options
    assert {option.envvar for option in options} <= {setting.variable for setting in SETTINGS.values()}


def test_every_setting_is_an_option_of_some_command() -> None:
    used = {option.name for command in _commands() for option in command.params}
    assert set(SETTINGS) <= used
