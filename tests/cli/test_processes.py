"""The commands as real processes: a head, nodes, jobs; and what people do wrong."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from actorcloud.base.poll import wait_readable
from actorcloud.cli.place import is_kept
from actorcloud.cli.program import program
from actorcloud.client import find_head, runtime_directory
from tests.cli.processes import PATIENCE, Commands, Started
from tests.house.tree import ROOT
from tests.port import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def _start_head(commands: Commands, *options: str) -> Started:
    head = commands.start("head", "--listen", "off", *options)
    head.wait_line("export ACTORCLOUD_HEAD=")
    return head


def test_a_head_a_node_and_a_job(commands: Commands) -> None:
    # Given
    (commands.directory / "weather.py").write_text("def warmest(*days):\n    print('looking')\n    return max(days)\n")
    _start_head(commands)
    commands.start("node", "--name", "sea", "--workers", "1")
    # When
    ref = commands.run("add-job", "weather:warmest", "12.8", "10.6").stdout.strip()
    result = commands.run("result", ref)
    # Then
    assert (result.returncode, result.stdout) == (0, "12.8\n"), result.stderr
    told = json.loads(commands.run("job", ref, "--json").stdout)
    assert (told["state"], told["node"], told["attempt"]) == ("done", "sea", 1)
    assert "looking" in commands.run("job", ref).stdout
    status = json.loads(commands.run("status", "--json").stdout)
    assert [(node["name"], node["state"], node["workers"]) for node in status["nodes"]] == [("sea", "up", 1)]


@pytest.mark.chaos
def test_a_killed_head_is_started_again_and_has_its_jobs(commands: Commands) -> None:
    # Given
    head = _start_head(commands)
    ref = commands.run("add-job", "math:sqrt", "16").stdout.strip()
    # When
    os.kill(_head_pid(commands), signal.SIGKILL)
    # Then who asks meanwhile waits for it
    assert commands.run("status").returncode == 0
    head.wait_line("the head was killed by signal 9; starting it again")
    head.wait_line("the head is back")
    assert json.loads(commands.run("job", ref, "--json").stdout)["state"] == "queued"


def test_a_head_whose_store_is_in_sqlite_is_found_by_each_name_of_it(commands: Commands) -> None:
    # Given the environment, which counts less than the command line
    path = commands.directory / "store"
    head = commands.start("head", "--listen", "off", "--store", f"sqlite://{path}")
    assert head.wait_line("Its store is ").endswith(f"Its store is sqlite://{path}.")
    head.wait_line("export ACTORCLOUD_HEAD=")
    # When
    commands.run("store", "put", "key", "1", "--space", "s")
    found = [_stored(str(path)), _stored(f"sqlite://{path}")]
    # Then
    assert found == ["1\n", "1\n"]
    assert (path / "data" / "data.sqlite").exists()
    assert head.end() == 0
    assert _stored(str(path)) == "1\n"


def _stored(store: str) -> str:
    """Return what is stored there under "key", by a command in this process."""
    return CliRunner().invoke(program, ["store", "get", "key", "--space", "s", "--store", store]).stdout


def test_a_head_whose_store_is_removed_ends_and_makes_no_empty_one(commands: Commands) -> None:
    # Given
    head = _start_head(commands)
    commands.run("add-job", "math:sqrt", "16")
    # When
    shutil.rmtree(commands.directory / "store")
    commands.run("status", ACTORCLOUD_CONNECT_TIMEOUT="1")
    # Then
    head.wait_line("this process ends: the store ")
    assert head.process.wait(PATIENCE) == 73
    assert not (commands.directory / "store" / "data").exists()


def _head_pid(commands: Commands) -> int:
    found = find_head(runtime_directory(commands.directory / "store"))
    assert found is not None
    return found.pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_head_and_node_in_order(commands: Commands, number: int) -> None:
    # Given
    head = _start_head(commands)
    node = commands.start("node", "--name", "sea", "--workers", "1")
    ref = commands.run("add-job", "math:sqrt", "16").stdout.strip()
    commands.run("result", ref)
    head.wait_line("node sea has joined: 1 worker")
    # Then
    assert node.end(number) == 0
    head.wait_line("INFO actorcloud.jobs: node sea is gone")
    runtime = runtime_directory(commands.directory / "store")
    assert runtime.exists()
    assert head.end(number) == 0
    assert not runtime.exists()


INTERRUPTED_AS_IT_EXITS = """
import atexit, os, signal
from actorcloud.cli import main

atexit.register(os.kill, os.getpid(), signal.SIGINT)
main()
"""


def test_a_second_ctrl_c_as_the_command_exits_leaves_its_code(commands: Commands) -> None:
    # Given
    (commands.directory / "interrupted.py").write_text(INTERRUPTED_AS_IT_EXITS)
    head = commands.start_program("interrupted.py", "head", "--listen", "off")
    head.wait_line("export ACTORCLOUD_HEAD=")
    # When
    code = head.end(signal.SIGINT)
    # Then
    assert code == 0
    assert "Interrupt" not in head.rest()


@pytest.mark.chaos
def test_a_second_ctrl_c_ends_the_heads_own_node_too(commands: Commands) -> None:
    # Given a head that does not end in order
    head = _start_head(commands, "--workers", "1")
    stuck = _head_pid(commands)
    lock = runtime_directory(commands.directory / "store") / "node.lock"
    node = os.pidfd_open(int(lock.read_text()))
    os.kill(stuck, signal.SIGSTOP)
    assert is_kept(lock.parent)
    # When
    head.process.send_signal(signal.SIGINT)
    head.wait_line("ending; once more ends at once")
    code = head.end(signal.SIGINT)
    # Then
    try:
        assert code == 130
        assert wait_readable(node, seconds=0)
        assert not lock.parent.exists()
    finally:
        os.close(node)


def test_a_node_joins_over_tcp_by_the_join_string_and_a_program_finds_the_head(commands: Commands) -> None:
    # Given
    address = f"127.0.0.1:{free_port()}"
    head = commands.start("head", "--listen", address)
    join = head.wait_line("actorcloud node --join ").split()[-1]
    # When
    commands.start("node", "--join", join, "--name", "sea", "--workers", "1")
    ref = commands.run("add-job", "math:sqrt", "16", ACTORCLOUD_HEAD=join).stdout.strip()
    # Then
    assert commands.run("join-string").stdout == f"{join}\n"
    assert commands.run("result", ref, ACTORCLOUD_HEAD=join).stdout == "4.0\n"
    # The key is pinned by now: the address is enough.
    assert commands.run("result", ref, "--head", address).stdout == "4.0\n"


def test_the_same_program_runs_in_a_cluster_that_the_environment_names(commands: Commands) -> None:
    # Given
    head = commands.start("head", "--listen", f"127.0.0.1:{free_port()}", "--workers", "2")
    where = head.wait_line("export ACTORCLOUD_HEAD=").partition("=")[2]
    # When
    runs = [commands.run_program(ROOT / "examples" / "average.py", ACTORCLOUD_HEAD=where) for _ in range(2)]
    # Then
    assert [run.stdout.count("16.44 degrees") for run in runs] == [4, 4], runs[0].stderr
    status = json.loads(commands.run("status", "--json").stdout)
    assert status["jobs"]["done"] == 2 * 2 * 49


def test_a_head_for_this_machine_alone_has_no_join_string(commands: Commands) -> None:
    # Given
    _start_head(commands)
    # When
    told = commands.run("join-string")
    # Then
    assert told.returncode == 1
    assert "actorcloud head --listen" in told.stderr


def test_a_job_that_raised_ends_result_with_1_and_the_remote_traceback(commands: Commands) -> None:
    # Given
    (commands.directory / "weather.py").write_text("def warmest():\n    return max([])\n")
    _start_head(commands, "--workers", "1")
    ref = commands.run("add-job", "weather:warmest").stdout.strip()
    # When
    result = commands.run("result", ref)
    # Then
    assert (result.returncode, result.stdout) == (1, "")
    assert "return max([])" in result.stderr


def test_results_that_do_not_come_end_with_124_and_after_ctrl_c_with_130(commands: Commands) -> None:
    # Given
    _start_head(commands)
    ref = commands.run("add-job", "math:sqrt", "16").stdout.strip()
    # When
    timed_out = commands.run("result", ref, "--timeout", "0.1")
    waiting = commands.start("result", ref, "--timeout", "60")
    waiting.wait_line("still waiting for")
    # Then
    assert timed_out.returncode == 124
    assert waiting.end(signal.SIGINT) == 130
    assert json.loads(commands.run("job", ref, "--json").stdout)["state"] == "queued"


def test_a_cancelled_job_ends_result_with_137(commands: Commands) -> None:
    # Given
    _start_head(commands)
    ref = commands.run("add-job", "time:sleep", "60").stdout.strip()
    # When
    commands.run("cancel", ref)
    # Then
    assert commands.run("result", ref).returncode == 137


def test_a_port_in_use_ends_the_head_with_69(commands: Commands) -> None:
    # Given
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        # When
        told = commands.run("head", "--listen", f"127.0.0.1:{port}")
    # Then
    assert told.returncode == 69
    assert str(port) in told.stderr


def test_a_store_that_another_head_has_ends_the_head_with_75(commands: Commands) -> None:
    # Given
    _start_head(commands)
    # When
    told = commands.run("head", "--listen", "off")
    # Then
    assert told.returncode == 75
    assert "another" in told.stderr.lower()


def test_a_directory_that_is_no_store_ends_the_head_with_73(commands: Commands) -> None:
    # Given
    other = commands.directory / "other"
    (other / "data").mkdir(parents=True)
    (other / "data" / "data.mdb").write_text("this is no store " * 1000)
    # When
    told = commands.run("head", "--listen", "off", "--store", str(other))
    # Then
    assert told.returncode == 73
    assert str(other) in told.stderr


def test_the_join_string_of_another_head_is_refused_with_77(commands: Commands) -> None:
    # Given
    address = f"127.0.0.1:{free_port()}"
    head = commands.start("head", "--listen", address)
    join = head.wait_line("actorcloud node --join ").split()[-1]
    head.end()
    # Another head at the same address.
    again = commands.start("head", "--listen", address, "--store", str(commands.directory / "another"))
    again.wait_line("export ACTORCLOUD_HEAD=")
    # When
    told = commands.run("node", "--join", join, "--name", "sea", "--workers", "1")
    # Then
    assert told.returncode == 77
    assert told.stderr
