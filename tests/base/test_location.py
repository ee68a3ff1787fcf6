"""What names a store, and what of that is shown."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.dsn import ADDRESS_LIMIT_BYTES
from actorcloud.base.errors import ConfigError
from actorcloud.base.location import Location, default_location, hide_secrets, locate

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


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("sqlite:///~/my cloud", "sqlite:///nowhere/me/my%20cloud"),
        ("sqlite:///srv/cloud?mode=ro", "%3F"),
        ("sqlite:///srv/cloud#2", "%23"),
    ],
)
def test_what_would_be_no_part_of_a_path_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str, instead: str
) -> None:
    monkeypatch.setenv("HOME", "/nowhere/me")
    with pytest.raises(ConfigError, match=instead):
        of(text)


def test_any_directory_can_be_written_as_an_address_of_sqlite() -> None:
    found = of("sqlite:///%7E/a%3Fb%23c")
    assert (found.home, of(found.name)) == (Path("/~/a?b#c"), found)


@pytest.mark.parametrize("text", ["a\0b", "sqlite:///a%00b"])
def test_a_path_with_a_nul_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NUL"):
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
        ("postgresql://db/cloud?hostaddr=10.0.0.1", "postgresql://10.0.0.1/cloud"),
        ("postgresql://one,two/cloud?hostaddr=,::1&port=5433", "postgresql://one:5433,[::1]:5433/cloud"),
        ("postgresql:///cloud?hostaddr=10.0.0.1,10.0.0.2", "postgresql://10.0.0.1,10.0.0.2/cloud"),
        ("postgresql://[fe80::1%25eth0]/cloud", "postgresql://[fe80::1%25eth0]/cloud"),
        ("postgresql:///x+y?host=/tmp/a+b", "postgresql:///x%2By?host=/tmp/a%2Bb"),
        ("postgresql:///cloud?host=/a,db&port=1,2", "postgresql:///cloud?host=/a,db&port=1,2"),
        ("postgresql://db:05433/cloud", "postgresql://db:5433/cloud"),
        ("postgresql://db:1/cloud?port=5432", "postgresql://db/cloud"),
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


def test_a_file_in_the_way_is_called_what_it_keeps_away() -> None:
    assert "a store is a directory" in of("/srv/cloud").file_in_the_way
    assert "the home of a database's head is a directory" in of("postgresql://db/cloud").file_in_the_way


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
        "postgresql://me:hu@sh@db/cloud",
        "postgresql://me:1/hush?a=b@db",
        "postgresql://me:hu sh@db/cloud",
        "postgresql://me:hush@db/cl\noud",
        "postgresql://me:hush@db/cloud#it",
        "postgresql://me:hush@db/cloud?port=hush",
        "postgresql://me:hush@db/cloud?port=65536",
        "postgresql://me:hush@db/cloud?port=1,2",
        "postgresql://me:hush@db/cloud?hostaddr=10.0.0.1,10.0.0.2",
        "postgresql://me:hush@db/cloud?host=@abs",
        "postgresql://me:hush@db/cloud?sslmode=a=b",
        "postgresql://me:hush@db/cloud?dbname=",
        "postgresql://me:h\udcff@db/cloud",
        "postgresql://me:hush@db/%FF",
        "postgresql://me:hush@a,b/cloud?host=c",
        "postgresql://me:hush@db/cloud?host=:hush",
        "postgresql://me:hush@db/cloud?application_name=" + "é" * (ADDRESS_LIMIT_BYTES // 2),
        "postgresql://me:hush@db/" + "x" * ADDRESS_LIMIT_BYTES,
    ],
)
def test_what_is_no_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError, match="postgresql://") as caught:
        of(text)
    assert "hu" not in str(caught.value).replace("USER@HOST", "")


@pytest.mark.parametrize(
    "text",
    [
        '"postgresql://me:hush@db/cloud"',
        " postgresql://me:hush@db/cloud",
        "'sqlite:///srv/cloud'",
        Path(" postgresql://me:hush@db/cloud"),
        "host=db dbname=cloud password=hush",
        "user=me PASSWORD = hush",
    ],
)
def test_what_was_meant_to_be_an_address_is_no_directory_and_is_not_shown(text: str | Path) -> None:
    with pytest.raises(ConfigError, match="without quotes or blanks") as caught:
        locate(text, DATA)
    assert "hush" not in str(caught.value)


def test_a_directory_may_be_called_as_a_parameter_is() -> None:
    assert locate("/srv/host=db/dbname=x").home == Path("/srv/host=db/dbname=x")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password = 'hush'", "hush"),
        ("store = 'host=db Password=hu sh'", "sh"),
        ("postgresql://me:hu sh@db/cloud", "sh"),
        ("postgresql:/me:hush@db", "hush"),
    ],
)
def test_a_password_is_hidden_wherever_it_ends(text: str, secret: str) -> None:
    assert secret not in hide_secrets(text)


def test_a_text_without_secrets_is_shown_as_it_is() -> None:
    assert hide_secrets("workers = 'many'") == "workers = 'many'"


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("PGHOST", "other", "postgresql:///cloud"),
        ("PGHOST", "/run/other", "postgresql://me@/cloud"),
        ("PGHOSTADDR", "10.0.0.2", "postgresql:///cloud"),
        ("PGHOSTADDR", "10.0.0.2", "postgresql://db/cloud"),
        ("PGPORT", "5433", "postgresql://db/cloud"),
        ("PGSERVICE", "prod", "postgresql://10.0.0.1:5432/cloud"),
    ],
)
def test_an_address_that_the_environment_would_lead_elsewhere_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, text: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"unset {variable}"):
        of(text)


@pytest.mark.parametrize(
    ("variable", "value"), [("PGHOST", "other"), ("PGHOSTADDR", "10.0.0.2"), ("PGPORT", "5433"), ("PGPORT", "")]
)
def test_an_address_that_leaves_nothing_open_is_taken_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert of("postgresql://db:5432/cloud?hostaddr=10.0.0.1").name == "postgresql://10.0.0.1/cloud"


def test_the_default_port_is_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "5432")
    assert of("postgresql://db/cloud").name == "postgresql://db/cloud"


def test_a_service_which_may_mean_another_server_is_refused() -> None:
    with pytest.raises(ConfigError, match="service="):
        of("postgresql:///cloud?service=prod")


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
