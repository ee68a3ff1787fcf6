"""What `Cloud(...)` opens, and what it refuses to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from actorcloud.base.errors import ConfigError, InsecureKey, UnknownHead
from actorcloud.base.rendezvous import holding
from actorcloud.client import Cloud
from actorcloud.client.opening import HEAD_VARIABLE
from actorcloud.client.private import runtime_directory, sweep_runtime_directories, usable_cpus


@pytest.mark.parametrize("workers", [-1, 1.0, True, "2"])
def test_a_wrong_number_of_workers_is_named(workers: object) -> None:
    with pytest.raises(ConfigError, match="workers="):
        Cloud(workers=workers)  # type: ignore[arg-type]  # the point


def test_what_is_no_text_names_no_head_and_no_store() -> None:
    with pytest.raises(ConfigError, match="where=5: a join string is needed"):
        Cloud(5)  # type: ignore[arg-type]  # the point
    with pytest.raises(ConfigError, match="path is bytes: a text or a Path is needed"):
        Cloud(path=b"postgresql://me:hush@db/cloud")  # type: ignore[arg-type]  # the point
    with pytest.raises(ConfigError, match="path is int"):
        Cloud(path=5)  # type: ignore[arg-type]  # the point


def test_a_joined_head_has_its_own_store_and_workers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave path away"):
        Cloud("db1:7710", path=tmp_path)
    with pytest.raises(ConfigError, match="leave workers away"):
        Cloud("db1:7710", workers=2)


def test_a_file_is_no_store(tmp_path: Path) -> None:
    # Given
    (tmp_path / "file").touch()
    # Then
    with pytest.raises(ConfigError, match="is a file"):
        Cloud(path=tmp_path / "file")


def test_a_password_in_an_address_is_in_no_error() -> None:
    with pytest.raises(ConfigError, match="'postgresql://db/cloud' with workers=0") as caught:
        Cloud(path="postgresql://me:hush@db/cloud", workers=0)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["postgresql://me:hush@db/cloud", "'postgresql://me:hush@db/cloud'", "host=db password=hush"]
)
def test_the_address_of_a_database_is_no_head_and_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Cloud\(path=\.\.\.\), or --store, takes it") as caught:
        Cloud(text)
    assert "hush" not in str(caught.value)


def test_the_address_of_a_store_is_no_head(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="where a store is"):
        Cloud(f"sqlite://{tmp_path}")


def test_the_environment_names_the_head_of_programs_that_name_none(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    monkeypatch.setenv(HEAD_VARIABLE, "db9:7710")
    # Then
    with pytest.raises(UnknownHead, match="db9:7710"):
        Cloud()
    with pytest.raises(UnknownHead, match="db9:7710"):
        Cloud(workers=3)
    with Cloud(workers=0) as cloud:
        assert repr(cloud).startswith("<Cloud (workers=0")


def test_each_store_has_a_runtime_directory_in_a_private_one(tmp_path: Path) -> None:
    # When
    one, two = runtime_directory(tmp_path / "one"), runtime_directory(tmp_path / "two")
    # Then
    assert one != two
    assert one == runtime_directory(tmp_path / "one")
    assert one.parent.stat().st_mode & 0o777 == 0o700
    assert not one.exists()
    assert str(one).startswith(os.environ["XDG_RUNTIME_DIR"])


def test_a_place_for_runtime_directories_that_others_may_enter_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    # Short: a unix socket's path has its limit.
    with tempfile.TemporaryDirectory(prefix="r-") as short:
        monkeypatch.setenv("XDG_RUNTIME_DIR", short)
        base = Path(short) / "actorcloud"
        base.mkdir(mode=0o755)
        # Then
        with pytest.raises(InsecureKey):
            runtime_directory(tmp_path / "one")


def test_what_killed_heads_left_behind_is_swept_and_nothing_else(tmp_path: Path) -> None:
    # Given
    left, held, other = tmp_path / ("0" * 16), tmp_path / ("1" * 16), tmp_path / "store-1"
    left.mkdir()
    other.mkdir()
    (left / "head.json").touch()
    with holding(str(held)):
        # When
        sweep_runtime_directories(tmp_path)
        # Then
        assert sorted(path.name for path in tmp_path.iterdir()) == [held.name, other.name]


def test_a_path_too_long_for_a_socket_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    # When
    found = runtime_directory(tmp_path / "one")
    # Then
    assert len(str(found / "head.sock")) < 100


def test_there_is_at_least_one_cpu() -> None:
    assert usable_cpus() >= 1
