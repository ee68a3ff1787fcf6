"""Key and pin files: private, whole, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from actorcloud.base.errors import ConfigError, InsecureKey
from actorcloud.net import KeyPair, Pin, PinFile, load_key_pair, new_key_pair
from actorcloud.net.keys import fingerprint, read_private, write_private


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def test_a_key_is_made_once_and_is_private(home: Path) -> None:
    # When
    first = load_key_pair(home / "head.key")
    # Then
    assert load_key_pair(home / "head.key") == first
    assert (home / "head.key").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert [entry.name for entry in home.iterdir()] == ["head.key"]


@pytest.mark.parametrize(("what", "mode"), [("file", 0o640), ("directory", 0o750)])
def test_a_key_that_others_can_read_is_refused(home: Path, what: str, mode: int) -> None:
    # Given
    load_key_pair(home / "head.key")
    # When
    (home if what == "directory" else home / "head.key").chmod(mode)
    # Then
    with pytest.raises(InsecureKey, match=f"mode {mode:04o}"):
        load_key_pair(home / "head.key")


def test_a_file_that_holds_no_key_is_refused(home: Path) -> None:
    write_private(home / "head.key", b"hello\n")
    with pytest.raises(ConfigError, match="holds no key"):
        load_key_pair(home / "head.key")


def test_of_two_that_make_a_key_one_prevails(home: Path) -> None:
    write_private(home / "k", b"first", replace=False)
    write_private(home / "k", b"second", replace=False)
    assert read_private(home / "k") == b"first"


def test_a_link_is_not_followed(home: Path) -> None:
    load_key_pair(home / "real.key")
    (home / "link.key").symlink_to(home / "real.key")
    with pytest.raises(OSError, match="symbolic links"):
        read_private(home / "link.key")


def test_the_secret_is_not_shown() -> None:
    pair = new_key_pair()
    assert pair.secret.hex() not in repr(pair)
    assert fingerprint(pair.public) in repr(pair)
    with pytest.raises(ConfigError, match="3 bytes"):
        KeyPair(b"abc", bytes(32))


def test_pins_are_kept(home: Path) -> None:
    # Given
    pins = PinFile(home / "pins.json")
    assert list(pins.load()) == []
    # When
    pins.save(Pin("n1", "node", bytes(32)))
    pins.save(Pin("n2", "node", bytes(range(32))))
    # Then
    assert [pin.name for pin in PinFile(home / "pins.json").load()] == ["n1", "n2"]
    # When
    write_private(home / "pins.json", b"{")
    # Then
    with pytest.raises(ConfigError, match="damaged"):
        pins.load()
