"""What the process of a head is told of its store, and what of that others see."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from actorcloud.base.config import SETTINGS
from actorcloud.base.dsn import ADDRESS_LIMIT_BYTES
from actorcloud.base.location import locate
from actorcloud.client.headcommand import STORE_VARIABLE, child_environment, hide_store, start_head

DATABASE = "postgresql://me:hush@db/cloud?sslmode=require"

#: Tells what it was told, by arguments, environment and pipe.
PROGRAM = """
import json, os, sys
told = sys.argv[sys.argv.index("--store-fd") + 1] if "--store-fd" in sys.argv else None
piped = open(int(told)).read() if told else ""
print(json.dumps({"argv": sys.argv[1:], "store": os.environ.get("ACTORCLOUD_STORE"), "piped": piped}))
"""


def told_to_a_head(store: str, *arguments: str, existing: bool = False) -> dict[str, Any]:
    command = (sys.executable, "-c", PROGRAM)
    child = start_head(locate(store), arguments, existing=existing, command=command, stdout=subprocess.PIPE)
    said, _ = child.communicate(timeout=120)
    told: dict[str, Any] = json.loads(said)
    return told


def test_a_secret_address_goes_through_a_pipe_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setenv(STORE_VARIABLE, DATABASE)
    # When
    told = told_to_a_head(DATABASE, "--workers", "2", existing=True)
    # Then
    name = "postgresql://db/cloud"
    assert told["argv"][:3] == ["--store", name, "--store-fd"]
    assert told["argv"][4:] == ["--workers", "2", "--existing"]
    assert (told["store"], told["piped"]) == (name, DATABASE)


def test_the_longest_address_fits_the_pipe() -> None:
    start = f"{DATABASE}&application_name="
    longest = start + "x" * (len(start) % 2) + "é" * ((ADDRESS_LIMIT_BYTES - len(start)) // 2)
    assert told_to_a_head(longest)["piped"] == longest


def test_an_address_without_secrets_is_an_argument(tmp_path: Path) -> None:
    told = told_to_a_head(str(tmp_path))
    assert (told["argv"], told["piped"]) == (["--store", str(tmp_path.resolve())], "")


@pytest.mark.parametrize(
    ("given", "left"),
    [
        (DATABASE, "postgresql://db/cloud"),
        ("postgresql://db/cloud", "postgresql://db/cloud"),
        ("relative/path", "relative/path"),
        ("sqlite:///srv/cloud", "sqlite:///srv/cloud"),
        ("postgresql://me:hu/sh@db/cloud", None),
    ],
)
def test_of_an_address_in_the_environment_the_name_is_left(given: str, left: str | None) -> None:
    environment = {STORE_VARIABLE: given, "OTHER": "1"}
    hide_store(environment)
    assert environment.pop(STORE_VARIABLE, None) == left
    assert environment == {"OTHER": "1"}


def test_an_environment_that_names_no_store_is_left_alone() -> None:
    assert STORE_VARIABLE not in child_environment()
    assert SETTINGS["store"].variable == STORE_VARIABLE
