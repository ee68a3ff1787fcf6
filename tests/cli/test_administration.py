"""Looking after a store by commands, as real processes, beside a head and without one."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
from click.testing import CliRunner, Result

from actorcloud.base.location import locate
from actorcloud.cli.program import program
from actorcloud.client import Cloud, find_head, runtime_directory
from actorcloud.store import LmdbEngine
from tests.cli.processes import Commands
from tests.store.postgres import PostgresServer

ACCOUNTS, TOTAL = 8, 800


@pytest.fixture
def commands(tmp_path: Path) -> Iterator[Commands]:
    made = Commands(tmp_path)
    try:
        yield made
    finally:
        made.close()


def open_accounts(cloud: Cloud) -> None:
    def put() -> None:
        for number in range(ACCOUNTS):
            cloud.store("bank", number, TOTAL // ACCOUNTS)

    cloud.mutate_store(put)


class Bank:
    """Transfers without pause, by a thread; entered when there were twenty."""

    def __init__(self, endpoint: str) -> None:
        self.acknowledged = 0
        self._endpoint = endpoint
        self._enough, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._enough.wait(45)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(45)

    def _work(self) -> None:
        with Cloud(self._endpoint) as cloud:
            open_accounts(cloud)
            while not self._stop.is_set():
                cloud.mutate_store(transfer(cloud, self.acknowledged + 1))
                self.acknowledged += 1
                if self.acknowledged == 20:
                    self._enough.set()


def transfer(cloud: Cloud, number: int) -> Callable[[], None]:
    source, target = number % ACCOUNTS, (number * 3 + 1) % ACCOUNTS

    def move() -> None:
        if source != target:
            cloud.store("bank", source, cloud.fetch("bank", source) - 1)
            cloud.store("bank", target, cloud.fetch("bank", target) + 1)
        cloud.store("bank", "transfers", number)

    return move


def balances(store: Path) -> dict[int | str, int]:
    told = run(store, "ls", "--space", "bank", "--json")
    assert told.exit_code == 0, told.stderr
    return {line["key"]: line["value"] for line in map(json.loads, told.stdout.splitlines())}


def run(store: Path, *arguments: str) -> Result:
    """Run a command in this process, which is not the head's."""
    return CliRunner().invoke(program, ["store", *arguments, "--store", str(store)], env={"ACTORCLOUD_HEAD": None})


@pytest.mark.slow
def test_a_store_in_a_database_is_looked_after_beside_its_head_and_without(
    commands: Commands, postgres: PostgresServer
) -> None:
    # Given
    address, said = postgres.database(), []
    assert "hush" in address

    # The head's home is where it sees this user's data.
    environment = {"ACTORCLOUD_STORE": address, "XDG_DATA_HOME": str(commands.directory)}

    def tell(*arguments: str) -> str:
        told = CliRunner().invoke(program, ["store", *arguments], env=environment)
        said.append(told.stdout + told.stderr)
        return f"{told.exit_code} {told.stdout}".strip()

    head = commands.start("head", "--listen", "off", "--store", address)
    head.wait_line(f"Its store is {locate(address)}.")
    head.wait_line("export ACTORCLOUD_HEAD=")
    # When, then: by the head
    assert tell("put", "key", "1", "--space", "s") == "0"
    assert tell("ls", "--space", "s") == "0 key\t1"
    # Then beside it
    assert tell("check") == "0"
    assert tell("backup", str(commands.directory / "backup")) == "0"
    assert tell("export", str(commands.directory / "file")) == "0"
    assert tell("import", str(commands.directory / "file")).startswith("75")
    assert tell("compact").startswith("75")
    # When
    assert head.end() == 0
    # Then without one
    assert tell("get", "key", "--space", "s") == "0 1"
    assert tell("import", str(commands.directory / "file")).startswith("73")
    assert tell("delete", "key", "--space", "s") == "0"
    assert tell("stats", "--json").startswith('0 {"seq":2,')
    assert "hush" not in "".join(said)


@pytest.mark.slow
def test_a_backup_made_while_commits_go_on_is_a_consistent_store(commands: Commands) -> None:
    # Given: a head, and transfers without pause.
    place = commands.directory
    head = commands.start("head", "--listen", "off")
    head.wait_line("export ACTORCLOUD_HEAD=")
    found = find_head(runtime_directory(place / "store"))
    assert found is not None
    with Bank(found.endpoint) as bank:
        before = bank.acknowledged
        # When
        backup = commands.run("store", "backup", "backup")
        export = run(place / "store", "export", f"{place}/file")
        refused = [
            run(place / "store", *command) for command in (["check"], ["compact"], ["restore", f"{place}/backup"])
        ]
        after = bank.acknowledged
    # Then
    assert (backup.returncode, export.exit_code) == (0, 0), backup.stderr + export.stderr
    assert [told.exit_code for told in refused] == [75, 75, 75]
    assert all("process" in told.stderr for told in refused)
    assert after > before
    assert run(place / "again", "restore", f"{place}/backup").exit_code == 0
    assert run(place / "moved", "import", f"{place}/file").exit_code == 0
    for store in ("again", "moved"):
        told = balances(place / store)
        assert before <= told.pop("transfers") <= after + 1
        assert sum(told.values()) == TOTAL
    # Then the head is as it was.
    assert json.loads(run(place / "store", "stats", "--json").stdout)["commits"] > after
    assert balances(place / "store")["transfers"] == bank.acknowledged


def test_what_is_wrong_with_a_store_has_its_exit_code(tmp_path: Path) -> None:
    # Given
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("dear reader")
    # Then
    for arguments, code in (
        (["check"], 73),
        (["compact"], 73),
        (["backup", f"{tmp_path}/copy"], 73),
        (["export", f"{tmp_path}/file"], 73),
        (["restore", f"{tmp_path}/nowhere"], 73),
        (["restore", f"{tmp_path}/empty"], 73),
        (["import", f"{tmp_path}/notes.txt"], 73),
        (["import", f"{tmp_path}/nowhere"], 73),
        (["check", "--level", "deep"], 2),
        (["backup"], 2),
    ):
        told = run(tmp_path / "store", *arguments)
        assert (told.exit_code, told.stdout) == (code, ""), arguments
        assert told.stderr
    assert {entry.name for entry in tmp_path.iterdir()} == {"empty", "notes.txt"}


def test_a_store_is_checked_and_compacted(tmp_path: Path) -> None:
    # Given
    store = tmp_path / "store"
    engine = LmdbEngine(store, map_bytes=16 << 20)
    engine.open("test")
    engine.close()
    # When
    compacted, checked = run(store, "compact"), run(store, "check", "--json")
    # Then
    assert compacted.exit_code == 0, compacted.stderr
    assert json.loads(checked.stdout)["sound"] is True
    # When
    file = store / "data" / "data.mdb"
    file.write_bytes(file.read_bytes()[:5000])
    damaged = run(store, "check", "--json")
    # Then
    assert damaged.exit_code == 73
    assert json.loads(damaged.stdout)["sound"] is False
    assert "backup" in damaged.stderr
