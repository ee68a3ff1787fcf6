"""Directories that a head cannot use, disks that are full, and stores whose head was killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from io import FileIO
from pathlib import Path

import lmdb
import msgspec
import pytest

from actorcloud import Cloud, JobRef
from actorcloud.base.errors import ConfigError, NoSpace, NotAStore, StoreDamaged, StoreLocked, StoreTooNew
from actorcloud.store import keys
from tests.system.cluster import Site, wait_for

pytestmark = pytest.mark.slow

#: Seconds: the machine is shared.
LONG = 60


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def used(site: Site) -> None:
    """Make a store in which there is something."""
    with Cloud(path=site.store, workers=1) as cloud:
        cloud.mutate_store(lambda: cloud.store("space", "key", "value"))


def refusal(site: Site) -> tuple[int, str]:
    """Return how a head ends that is to use this site's store, and what it says."""
    head = site.head()
    return head.wait(), head.everything


def test_a_store_that_another_head_has_is_refused(site: Site) -> None:
    # Given
    first = site.head()
    site.wait_head(first)
    # When
    second = site.start(
        sys.executable, "-P", "-m", "actorcloud.head", "--store", str(site.store), "--runtime", f"{site.directory}/r2"
    )
    # Then
    assert second.wait() == 75
    second.wait_said(f"process {first.pid} ")
    with pytest.raises(StoreLocked, match=f"process {first.pid} "):
        Cloud(path=site.store, workers=1)
    with Cloud(site.endpoint) as cloud:
        assert cloud.fetch("space", "key") is None


def test_a_store_of_a_newer_format_is_refused_and_left_alone(site: Site) -> None:
    # Given
    used(site)
    key = keys.meta("fmt")
    with lmdb.open(str(site.store / "data")) as environment, environment.begin(write=True) as transaction:
        record = msgspec.msgpack.decode(transaction.get(key) or b"")
        transaction.put(key, msgspec.msgpack.encode({**record, "major": 99, "min_reader": 99}))
    before = (site.store / "data" / "data.mdb").read_bytes()
    # When
    code, said = refusal(site)
    # Then
    assert (code, "format 99" in said) == (73, True)
    with pytest.raises(StoreTooNew, match="upgrade"):
        Cloud(path=site.store, workers=1)
    assert (site.store / "data" / "data.mdb").read_bytes() == before


def test_a_directory_of_other_things_is_refused_and_left_alone(site: Site) -> None:
    # Given
    site.store.mkdir()
    (site.store / "thesis.tex").write_text("precious")
    # When
    code, said = refusal(site)
    # Then
    assert (code, "thesis.tex" in said) == (73, True)
    with pytest.raises(NotAStore, match=r"thesis\.tex"):
        Cloud(path=site.store, workers=1)
    assert [path.name for path in site.store.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(site: Site) -> None:
    site.store.write_text("precious")
    assert refusal(site)[0] == 73
    with pytest.raises(ConfigError, match="is a file"):
        Cloud(path=site.store)
    assert site.store.read_text() == "precious"


def test_a_place_where_nothing_can_be_made_is_refused(site: Site) -> None:
    (site.directory / "file").touch()
    with pytest.raises(NotAStore, match="file/store"):
        Cloud(path=site.directory / "file" / "store", workers=1)


def test_a_damaged_store_is_refused(site: Site) -> None:
    # Given
    used(site)
    with (site.store / "data" / "data.mdb").open("r+b") as file:
        file.truncate(4096)
    # Then
    assert refusal(site)[0] == 73
    with pytest.raises(StoreDamaged, match="backup"):
        Cloud(path=site.store, workers=1)


def test_what_was_acknowledged_is_there_after_a_kill(site: Site) -> None:
    for number in range(3):
        head = site.head()
        with Cloud(site.endpoint) as cloud:
            # Then
            assert cloud.fetch("space", "number", 0) == number
            # When
            cloud.mutate_store(lambda: cloud.store("space", "number", number + 1))  # noqa: B023  called at once
            head.kill()


# -- a full disk ------------------------------------------------------------------------------------


@pytest.fixture
def disk(site: Site) -> Iterator[Path]:
    """A disk of 8 MiB, at the place of the site's store."""
    site.store.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(site.store)]
    if sys.platform != "linux" or os.geteuid() != 0 or not mounts(mount):
        pytest.skip("only root mounts disks")
    yield site.store
    site.end()
    subprocess.run(["umount", str(site.store)], check=True)


def mounts(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def fill(path: Path) -> None:
    """Leave nothing free on the disk of `path`."""
    descriptor = os.open(path / "clients.lock", os.O_WRONLY | os.O_CREAT)
    with os.fdopen(descriptor, "wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        write_for_ever(file)


def write_for_ever(file: FileIO) -> None:
    while True:
        file.write(bytes(4096))


def test_a_full_disk_refuses_what_is_new_and_loses_nothing(site: Site, disk: Path) -> None:
    # Given
    site.wait_head(site.head(workers=1))
    with Cloud(site.endpoint) as cloud:
        refs = cloud.add_jobs(abs, range(-20, 0))
        assert cloud.results(refs, LONG) == list(range(20, 0, -1))
        # When
        fill(disk)
        added: list[JobRef[int]] = []

        def add_for_ever() -> None:
            while True:
                added.append(cloud.add_job(len, os.urandom(64 * 1024)))

        with pytest.raises(NoSpace, match="full"):
            add_for_ever()
        # Then
        assert cloud.results(refs, LONG) == list(range(20, 0, -1))
        # When
        (disk / "clients.lock").unlink()
        # Then: what was acknowledged is done, and there is room for more
        assert cloud.results(added, LONG) == [64 * 1024] * len(added)
        assert cloud.result(cloud.add_job(pow, 2, 3), LONG) == 8


def test_a_disk_that_is_full_at_the_start_is_told(site: Site, disk: Path) -> None:
    fill(disk)
    code, said = refusal(site)
    assert (code, "full" in said or "space" in said) == (75, True)
    with pytest.raises(NoSpace):
        Cloud(path=disk, workers=1)


def test_the_files_of_a_store_can_be_copied_when_its_head_has_ended(site: Site) -> None:
    # Given
    used(site)
    # When
    copy = site.directory / "copy"
    shutil.copytree(site.store, copy)
    # Then
    with Cloud(path=copy, workers=1) as cloud:
        assert cloud.fetch("space", "key") == "value"
    assert wait_for(lambda: not site.processes(), "the end")
