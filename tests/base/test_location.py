"""What names a store, and what of that is shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import ConfigError
from actorcloud.base.location import ADDRESS_LIMIT_CHARS, Location, default_location, hide_secrets, locate

DATA = Path("/data")


def of(text: str) -> Location:
    return locate(text, DATA)


def test_a_path_is_a_directory_which_is_its_own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path)
    # When
    found = locate("link")
    # Then
    real = tmp_path.resolve() / "real"
    assert found == Location(kind="directory", address=str(real), name=str(real), home=real)
    assert not found.has_secrets
    assert locate(tmp_path / "real") == found
    assert locate(found) is found


def test_a_tilde_is_the_users_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere/me")
    assert locate("~/cloud").home == Path("/nowhere/me/cloud")


def test_the_home_of_nobody_is_refused() -> None:
    with pytest.raises(ConfigError, match="no user"):
        locate("~no-such-user/cloud")


@pytest.mark.parametrize("text", ["sqlite:///srv/my%20cloud", "sqlite:////srv/my%20cloud", "SQLite:///srv/my cloud"])
def test_sqlite_takes_a_path_from_the_root_on(text: str) -> None:
    found = of(text)
    assert (found.kind, found.home, found.name) == ("sqlite", Path("/srv/my cloud"), "sqlite:///srv/my%20cloud")
    assert of(found.name) == found


@pytest.mark.parametrize("text", ["sqlite://cloud", "sqlite:cloud", "sqlite://host/cloud"])
def test_a_path_that_could_be_meant_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="sqlite:///srv/cloud"):
        of(text)


@pytest.mark.parametrize("text", ["mysql://me:hush@db/cloud", "redis://hush@db", "lmdb:///srv/cloud"])
def test_another_scheme_is_refused_without_what_follows_it(text: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://HOST/DATABASE is needed") as caught:
        of(text)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("postgresql://db/cloud", "postgresql://db/cloud"),
        ("postgres://me:hush@DB.example:5432/cloud", "postgresql://db.example/cloud"),
        ("postgresql://me:hush@db:5433/cloud?sslmode=require&password=hush", "postgresql://db:5433/cloud"),
        ("postgresql://[::1]:5433/cloud", "postgresql://[::1]:5433/cloud"),
        ("postgresql:///cloud", "postgresql:///cloud"),
        ("postgresql:///cloud?hostaddr=10.0.0.1", "postgresql://10.0.0.1/cloud"),
        ("postgresql:///cloud?host=/run/pg&user=me&port=5433", "postgresql:///cloud?host=/run/pg&port=5433"),
        ("postgresql://%2Frun%2Fpg/cloud", "postgresql:///cloud?host=/run/pg"),
        ("postgresql://one:1,two:2/cloud", "postgresql://one:1,two:2/cloud"),
        ("postgresql://one,two/cloud", "postgresql://one,two/cloud"),
        ("postgresql://db/?dbname=a%2Fb", "postgresql://db/a%2Fb"),
    ],
)
def test_a_database_is_named_without_secrets_and_its_name_leads_to_the_same_home(text: str, name: str) -> None:
    # When
    found = of(text)
    # Then
    assert (found.kind, found.name, found.address) == ("postgresql", name, text)
    assert found.home.parent == DATA
    assert "hush" not in f"{found!r} {found} {found.home}"
    again = of(name)
    assert (again.name, again.home, again.has_secrets) == (name, found.home, False)


def test_each_database_has_a_home_of_its_own() -> None:
    texts = ["postgresql://db/one", "postgresql://db/two", "postgresql://db:1/one", "postgresql://other/one"]
    assert len({of(text).home for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:hu/sh@db/cloud",
        "postgresql://me:1/hush@db",
        "postgresql://me:hu#sh@db/cloud",
        "postgresql://me:hu?sh@db/cloud",
        "postgresql://me:hush@[:x/y",
        "postgresql://db:port/hush",
        "postgresql:hush",
        "postgresql://me:hush@db/",
        "postgresql://me:hush@db",
        "postgresql://me:hush@db/cloud?oops",
        "postgresql://me:hush@db/" + "x" * ADDRESS_LIMIT_CHARS,
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://") as caught:
        of(text)
    assert "hu" not in str(caught.value).replace("USER@HOST", "")


@given(st.text(min_size=1), st.sampled_from(["db", "10.0.0.1", "[::1]"]))
def test_no_password_is_ever_in_a_name(password: str, host: str) -> None:
    # Given
    marked = f"<{password}>"
    # When
    found = of(f"postgresql://me:{quote(marked, safe='')}@{host}:7/cloud")
    # Then
    assert found.name == f"postgresql://{host}:7/cloud"
    assert marked not in f"{found!r}{found}{found.home}"
    assert marked not in hide_secrets(f"store = {found.address}")


def test_the_default_is_in_this_users_data() -> None:
    assert default_location().home == Path(os.environ["XDG_DATA_HOME"]).resolve() / "actorcloud" / "store"
