"""Pinned heads, and addresses as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import BadJoinString, ConfigError, InsecureKey, UnknownHead
from actorcloud.client import Cloud
from actorcloud.client.connect import address_of
from actorcloud.client.knownhead import KnownHeads


@pytest.fixture
def known(tmp_path: Path) -> KnownHeads:
    return KnownHeads(tmp_path / "config")


def test_a_pinned_head_is_known_by_its_addresses(known: KnownHeads) -> None:
    # When
    known.pin(["db1:7710", "10.0.0.1:7710"], bytes(range(32)))
    known.pin(["db2:7710"], bytes(32))
    # Then
    assert known.find("10.0.0.1:7710") == bytes(range(32))
    assert known.find("db2:7710") == bytes(32)


def test_an_unknown_head_is_met_with_the_command_to_run(known: KnownHeads) -> None:
    with pytest.raises(UnknownHead, match="actorcloud join-string"):
        known.find("db1:7710")


def test_a_user_keeps_their_key(known: KnownHeads) -> None:
    assert known.key_pair() == known.key_pair()


def test_files_that_others_can_read_are_refused(known: KnownHeads, tmp_path: Path) -> None:
    # Given
    known.pin(["db1:7710"], bytes(32))
    (tmp_path / "config" / "known_heads.json").chmod(0o644)
    # Then
    with pytest.raises(InsecureKey):
        known.find("db1:7710")


def test_a_damaged_file_is_named(known: KnownHeads, tmp_path: Path) -> None:
    # Given
    known.pin(["db1:7710"], bytes(32))
    (tmp_path / "config" / "known_heads.json").write_text('{"db1:7710": "zz"}')
    # Then
    with pytest.raises(ConfigError, match=r"known_heads\.json is damaged"):
        known.find("db1:7710")


@pytest.mark.parametrize(
    ("where", "address"),
    [
        ("db1", "db1:7710"),
        ("db1:80", "db1:80"),
        (" tcp://10.0.0.1:7710\n", "10.0.0.1:7710"),
        ("[::1]:7710", "[::1]:7710"),
        ("[::1]", "[::1]:7710"),
    ],
)
def test_addresses_are_taken_as_people_write_them(where: str, address: str) -> None:
    assert address_of(where) == address


@pytest.mark.parametrize("where", ["", "db1:0", "db1:65536", "db1:x", "a b", "http://db1", "::1"])
def test_what_is_no_address_is_named(where: str) -> None:
    with pytest.raises(BadJoinString):
        address_of(where)


@given(st.text(max_size=30))
def test_no_text_raises_anything_else(where: str) -> None:
    try:
        host, port = address_of(where).rsplit(":", 1)
    except BadJoinString:
        return
    assert host
    assert 0 < int(port) < 65536


def test_a_cloud_of_an_unknown_head_is_not_opened() -> None:
    with pytest.raises(UnknownHead, match="db1:7710"):
        Cloud("db1")
    with pytest.raises(BadJoinString):
        Cloud("ac1.nonsense")
