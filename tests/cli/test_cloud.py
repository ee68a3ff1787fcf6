"""The commands about the cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from actorcloud.base.errors import HeadUnreachable, JoinRefused, UnknownHead
from actorcloud.base.version import VERSION
from actorcloud.cli import place
from actorcloud.cli.place import keeping, local_head
from actorcloud.client import Connection, runtime_directory
from tests.cli.runner import open_desk


def test_status_tells_jobs_and_nodes_for_people_and_for_programs() -> None:
    with open_desk() as desk:
        # Given
        desk.add("math:sqrt", "4")
        # When
        people, programs = desk.run("status"), desk.run("status", "--json")
    # Then
    assert "1 queued" in people.stdout
    told = json.loads(programs.stdout)
    assert told["version"] == VERSION
    assert told["jobs"] == {"queued": 1, "running": 0, "suspended": 0, "done": 0, "failed": 0}
    assert {"name", "state", "workers", "held", "facts"} == set(told["nodes"][0])


def test_version_prints_the_version() -> None:
    with open_desk() as desk:
        assert desk.run("version").stdout == f"{VERSION}\n"
        assert json.loads(desk.run("version", "--json").stdout)["actorcloud"] == VERSION


@pytest.mark.parametrize("command", [["status"], ["jobs"], ["job", "0" * 26], ["join-string"]])
def test_without_a_head_on_this_machine_a_command_says_so_and_ends_with_69(command: list[str]) -> None:
    with open_desk() as desk:
        result = desk.run(*command, env={"ACTORCLOUD_HEAD": None})
    assert result.exit_code == 69
    assert "actorcloud head" in result.stderr
    # What is advised can be done.
    assert ("--head" in result.stderr) == (command != ["join-string"])


def test_a_node_without_a_head_prints_the_two_ways_to_join_and_ends_with_69() -> None:
    with open_desk() as desk:
        result = desk.run("node")
    assert result.exit_code == 69
    assert "actorcloud node --join STRING" in result.stderr
    assert "cloud.add_node" in result.stderr


@pytest.mark.parametrize(("error", "code"), [(HeadUnreachable(), 69), (UnknownHead(), 77), (JoinRefused(), 77)])
def test_a_head_that_cannot_be_spoken_to_has_its_exit_code(error: Exception, code: int) -> None:
    with open_desk() as desk:

        def refuse(_: str) -> None:
            raise error

        desk._open = refuse  # type: ignore[method-assign,assignment]
        result = desk.run("status")
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr == f"actorcloud: {error}\n"


def test_a_node_must_know_the_head_that_it_lets_in() -> None:
    with open_desk() as desk:
        result = desk.run("node", "--listen", "127.0.0.1:7711")
    assert result.exit_code == 2
    assert "--join" in result.stderr


@pytest.mark.parametrize("command", ["head", "node"])
@pytest.mark.parametrize("address", ["127.0.0.1:99999", "127.0.0.1:0", "7710", ":abc"])
def test_what_is_no_address_to_listen_at_is_refused_by_the_name_of_the_option(command: str, address: str) -> None:
    with open_desk() as desk:
        result = desk.run(command, "--listen", address)
    assert result.exit_code == 2
    assert f"listen = {address!r} (--listen): HOST:PORT" in result.stderr


def test_a_join_string_that_is_none_is_wrong_usage() -> None:
    with open_desk() as desk:
        result = desk.run("node", "--join", "ac1.nonsense", "--workers", "1")
    assert result.exit_code == 2
    assert "join string" in result.stderr


def desk_asked(*arguments: str, **variables: str) -> list[str]:
    with open_desk() as desk:
        assert desk.run(*arguments, env={**variables}).exit_code == 0
        return list(desk.asked)


def test_the_head_is_named_by_option_before_environment() -> None:
    assert desk_asked("status", "--head", "db1:7710") == ["db1:7710"]
    assert desk_asked("status", ACTORCLOUD_HEAD="db2:7710") == ["db2:7710"]


@pytest.mark.parametrize("command", [["status"], ["store", "ls"], ["node"]])
def test_a_store_on_the_command_line_is_not_that_of_the_head_in_the_environment(
    command: list[str], tmp_path: Path
) -> None:
    # Given
    store = tmp_path / "store"
    store.mkdir()
    # When
    with open_desk() as desk:
        result = desk.run(*command, "--store", str(store), env={"ACTORCLOUD_JOIN": "ac1.nonsense"})
    # Then
    assert desk.asked == []
    assert result.exit_code in {69, 73}, result.stderr


def test_a_head_in_the_environment_is_not_that_of_the_store_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "actorcloud.toml").write_text('store = "elsewhere"\n')
    assert desk_asked("status", ACTORCLOUD_HEAD="db2:7710") == ["db2:7710"]
    assert desk_asked("status", ACTORCLOUD_HEAD="db2:7710", ACTORCLOUD_STORE="elsewhere") == ["db2:7710"]


@pytest.mark.parametrize("command", [["status", "--head", "db1:7710"], ["node", "--join", "ac1.nonsense"]])
def test_a_head_and_a_store_on_the_command_line_are_wrong_usage(command: list[str]) -> None:
    with open_desk() as desk:
        result = desk.run(*command, "--store", "here")
    assert result.exit_code == 2
    assert f"{command[1]} or --store, not both" in result.stderr
    assert desk.asked == []


def test_status_tells_how_the_store_is() -> None:
    with open_desk() as desk:
        # Given
        desk.cloud.mutate_store(lambda: desk.cloud.store("visits", "total", 1))
        # When
        told = json.loads(desk.run("status", "--json").stdout)
    # Then
    assert told["store"]["seq"] == told["commits"] == 1
    assert {"commits", "conflicts", "busy", "batch_p99", "commit_p50", "commit_p99", "used_bytes", "pending"} <= set(
        told["store"]
    )


def test_a_head_that_is_kept_may_take_long_to_be_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a head that was killed, and takes longer than one that nobody starts again may
    found = Connection(endpoint="ipc:///run/head.sock", incarnation=1, pid=7)
    looks = iter([None, None, found])
    monkeypatch.setattr(place, "_RETURN_TIMEOUT", 0.0)
    monkeypatch.setattr(place, "read_connection", lambda _: found)
    monkeypatch.setattr(place, "find_head", lambda _: next(looks))
    store = tmp_path / "store"
    # Then
    with pytest.raises(HeadUnreachable):
        local_head(str(store))
    with keeping(runtime_directory(store)):
        assert local_head(str(store)) == found


def test_a_head_that_is_kept_and_away_is_not_to_be_started(tmp_path: Path) -> None:
    # Given a head whose parent starts it again, when its database is back
    store = tmp_path / "store"
    with keeping(runtime_directory(store)), pytest.raises(HeadUnreachable, match="runs on this machine") as away:
        local_head(str(store))
    # Then
    assert "start one" not in str(away.value)
    with pytest.raises(HeadUnreachable, match="start one with"):
        local_head(str(store))
