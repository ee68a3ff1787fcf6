"""Settings are read from texts, checked, and say where they come from."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.config import SETTINGS, Resolved, Setting, merge, read_file
from actorcloud.base.errors import ConfigError

WORKERS = SETTINGS["workers"]


def test_a_file_gives_values_of_the_right_kind_and_their_origin() -> None:
    # When
    found = read_file('workers = 4\nnode-timeout = 2\nhead = "db1:7710"\njson = true\n', "actorcloud.toml")
    # Then
    assert found["workers"] == Resolved(4, "actorcloud.toml")
    assert found["node_timeout"] == Resolved(2.0, "actorcloud.toml")
    assert found["head"].value == "db1:7710"
    assert found["json"].value is True


def test_a_pyproject_without_our_table_sets_nothing() -> None:
    assert read_file('[project]\nname = "weather"\n', "pyproject.toml", ("tool", "actorcloud")) == {}


def test_a_pyproject_with_our_table_is_read() -> None:
    text = "[tool.actorcloud]\nretries = 3\n"
    assert read_file(text, "pyproject.toml", ("tool", "actorcloud"))["retries"].value == 3


def test_a_password_beside_a_misspelt_name_is_not_shown() -> None:
    with pytest.raises(ConfigError, match="did you mean store") as caught:
        read_file('stor = "postgresql://me:hush@db/cloud"', "actorcloud.toml")
    assert "hush" not in str(caught.value)


def test_the_later_layer_counts() -> None:
    user, project = {"workers": Resolved(1, "user")}, {"workers": Resolved(2, "project")}
    assert merge([user, project])["workers"].origin == "project"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("workers = -1", ["workers = -1", "actorcloud.toml", "a whole number from 0 to 4,096"]),
        ("workers = 1.5", ["workers = 1.5", "a whole number"]),
        ("workers = true", ["workers = True", "a whole number"]),
        ("node_timeout = nan", ["node_timeout = nan", "a number from 0.5 to 86,400"]),
        ('state = "lost"', ["state = 'lost'", "one of queued, running"]),
        ('head = ""', ["head = ''", "a text that is not empty"]),
        ('json = "perhaps"', ["json = 'perhaps'", "true or false"]),
        ('listen = "127.0.0.1:99999"', ["listen = '127.0.0.1:99999'", "HOST:PORT with a port from 1 to 65535, or off"]),
        ('listen = "127.0.0.1:0"', ["a port from 1"]),
        ('listen = "127.0.0.1:099999"', ["a port from 1"]),
        ('listen = "127.0.0.1:*"', ["a port from 1"]),
        ('listen = "7710"', ["listen = '7710'"]),
        ('listen = "localhost"', ["listen = 'localhost'"]),
        ('listen = ":7710"', ["listen = ':7710'"]),
        ('listen = "tcp://localhost:7710"', ["HOST:PORT with"]),
        ("worker = 3", ["worker = 3", "did you mean workers?"]),
        ("zzz = 3", ["there is no such setting", "there are head, store"]),
        ("workers = ", ["actorcloud.toml is not TOML"]),
    ],
)
def test_a_wrong_file_is_refused_with_field_value_limit_and_origin(text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        read_file(text, "actorcloud.toml")
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("address", ["off", "0.0.0.0:1", "localhost:65535", "[::1]:7710", "*:7710"])
def test_where_to_listen_is_an_address_with_a_port_or_off(address: str) -> None:
    assert SETTINGS["listen"].read(address, "--listen") == address


def test_a_table_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[tool.actorcloud\] is 3"):
        read_file("[tool]\nactorcloud = 3", "pyproject.toml", ("tool", "actorcloud"))


@given(st.integers())
def test_a_number_is_read_from_its_text_exactly_where_it_is_allowed(number: int) -> None:
    if 0 <= number <= 4096:
        assert WORKERS.read(str(number), "--workers") == number
    else:
        with pytest.raises(ConfigError, match="workers"):
            WORKERS.read(str(number), "--workers")


@given(st.text())
def test_any_text_is_read_or_refused_with_our_error(text: str) -> None:
    for setting in SETTINGS.values():
        value: object = None
        with contextlib.suppress(ConfigError):
            value = setting.read(text, "test")
        assert value is None or isinstance(value, setting.kind)


@pytest.mark.parametrize(("text", "value"), [("1", True), ("Yes", True), ("off", False), ("0", False)])
def test_a_switch_is_read_from_words(text: str, *, value: bool) -> None:
    assert Setting(name="json", kind=bool).read(text, "ACTORCLOUD_JSON") is value


def test_names_of_option_and_variable_follow_from_the_setting() -> None:
    assert SETTINGS["node_timeout"].option == "--node-timeout"
    assert SETTINGS["node_timeout"].variable == "ACTORCLOUD_NODE_TIMEOUT"


def test_every_default_is_allowed_by_its_own_setting() -> None:
    for setting in SETTINGS.values():
        if setting.default is not None:
            assert setting.read(setting.default, "default") == setting.default
