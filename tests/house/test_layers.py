"""The house: who may import whom. `lint-imports` draws the floors; here is what it cannot say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import PACKAGE, ROOT, SHIPPED, holds_for, imported_modules, imports

#: The ground's modules are imported directly; every other package by its door.
GROUND = {"base", "protocol"}

#: Engine -> the only package that may name it.
GUARDS = {"lmdb": "store", "psycopg": "store", "pykka": "actor", "zmq": "net"}

#: May reach anything of ours, whatever room it is in.
FREE = {"testing"}

#: Offers the whole, and is imported by nobody inside.
FACADE = "actorcloud"

INSIDE = [path for path in SHIPPED if len(path.parts) > 2]


@holds_for(INSIDE)
def test_other_packages_are_entered_by_their_door(path: Path) -> None:
    room = path.parts[1]
    around = [
        f"{path}:{line} imports {module}"
        for line, module in imports(path)
        if _is_behind_a_door(module, room) and room not in FREE
    ]
    assert not around


def _is_behind_a_door(module: str, room: str) -> bool:
    parts = module.split(".")
    return parts[0] == "actorcloud" and len(parts) > 2 and parts[1] not in GROUND | {room}


@holds_for(INSIDE)
def test_nobody_imports_the_own_door_or_the_facade(path: Path) -> None:
    if path.name == "__init__.py" or path.parts[1] in FREE:
        return
    own = f"actorcloud.{path.parts[1]}"
    assert [f"{path}:{line}" for line, module in imported_modules(path) if module in {own, FACADE}] == []


@holds_for(SHIPPED)
def test_an_engine_is_named_only_by_the_package_that_guards_it(path: Path) -> None:
    room = path.parts[1]
    assert [
        f"{path}:{line} imports {module}"
        for line, module in imports(path)
        if GUARDS.get(module.split(".")[0], room) != room
    ] == []


@pytest.mark.parametrize("module", ["actorcloud", "actorcloud.worker", "actorcloud.client", "actorcloud.base.errors"])
def test_importing_it_loads_no_engine_of_the_network_or_the_store(module: str) -> None:
    # Given
    program = (
        f"import sys, json, {module}; "
        "print(json.dumps([m for m in ('zmq', 'lmdb', 'rich', 'click', 'http.server') if m in sys.modules]))"
    )
    # When
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # Then
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_top_level_holds_only_what_a_newcomer_needs() -> None:
    allowed = {"README.md", "actorcloud", "bench", "docs", "examples", "pyproject.toml", "tests"}
    shown = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and not _is_environment(path)}
    assert shown == allowed


def _is_environment(path: Path) -> bool:
    return (path / "pyvenv.cfg").exists()
