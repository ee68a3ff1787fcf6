"""PostgreSQL: what an address means to the driver, and what a server says that does not let us in."""

from __future__ import annotations

import itertools
import re

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actorcloud.base.errors import ConfigError, NotAStore, StoreForbidden, StoreUnreachable
from actorcloud.base.location import locate
from actorcloud.store import PostgresEngine
from actorcloud.store.engine.postgres_door import one_line, refusal
from actorcloud.store.engine.postgres_link import Link
from tests.store.postgres import PostgresServer

# -- addresses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "postgres://me:hush@DB:5433/cloud?sslmode=require",
        "postgresql:///cloud?host=/run/pg&user=me",
        "postgresql://one:1,two:2/cloud",
        "postgresql://[::1]/cloud",
        "postgresql:///cloud?hostaddr=10.0.0.1",
        "postgresql://db/?dbname=a%2Fb",
        "postgresql:///x+y?host=/tmp/a+b",
        "postgresql://me:h%2Bush@db:1/cloud?port=2&dbname=other&host=One",
        "postgresql://one,two:2/cloud?hostaddr=,10.0.0.2",
        "postgresql://[fe80::1%25eth0]/cloud",
    ],
)
def test_the_driver_understands_an_address_and_its_name_as_we_do(address: str) -> None:
    found = locate(address)
    assert Link(address).name == found.name
    assert places(address) == places(found.name)


def hosts_of(hosts: list[str]) -> str:
    return f"{'host' if len(hosts) % 2 else 'hostaddr'}={','.join(hosts)}"


def places(address: str) -> tuple[list[tuple[str, int]], str]:
    """Return what the driver makes of an address: hosts with ports, and a database."""
    said = {key: str(value) for key, value in psycopg.conninfo.conninfo_to_dict(address).items()}
    hosts = said.get("host", "").lower().split(",")
    numbers = said.get("hostaddr", "").lower().split(",")
    hosts = [number or host for number, host in itertools.zip_longest(numbers, hosts, fillvalue="")]
    ports = said.get("port", "").split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return list(zip(hosts, (int(port or 5432) for port in ports), strict=True)), said["dbname"]


HOSTS = ["", "db", "DB", "10.0.0.1", "[::1]", "%2Frun", "/run", "a+b", "c%2Bd", "%FF", "@abs"]
PORTS = ["", ":", ":5432", ":05433", ":1"]
PARAMETERS = ["dbname=a%2Fb", "dbname=", "port=1", "port=1,2", "user=me@x", "sslmode=require", "application_name=+%zz"]
SERVERS = st.lists(st.tuples(st.sampled_from(HOSTS), st.sampled_from(PORTS)), min_size=1, max_size=3)


@given(
    SERVERS,
    st.sampled_from(["", "me@", "me:hush@", "me:h%FFush@", "me:hu@sh@"]),
    st.sampled_from(["", "/", "/cloud", "/a+b", "/a%2Fb", "/a/b"]),
    st.lists(
        st.sampled_from(PARAMETERS) | st.lists(st.sampled_from(HOSTS), min_size=1, max_size=3).map(hosts_of), max_size=3
    ),
)
def test_an_address_means_the_same_to_the_driver_or_is_refused(
    servers: list[tuple[str, str]], user: str, path: str, parameters: list[str]
) -> None:
    netloc = ",".join(f"{host}{port}" for host, port in servers)
    address = f"postgresql://{user}{netloc}{path}{'?' if parameters else ''}{'&'.join(parameters)}"
    try:
        name = Link(address).name
    except ConfigError:
        return
    assert locate(name).name == name
    assert places(address) == places(name)


def test_a_session_that_may_not_write_is_not_asked_for() -> None:
    with pytest.raises(ConfigError, match="target_session_attrs=any"):
        Link("postgresql://db/cloud?target_session_attrs=any&load_balance_hosts=random")
    assert Link("postgresql://db/cloud?target_session_attrs=read-write").name == "postgresql://db/cloud"


def test_a_wrong_address_is_told_without_its_password() -> None:
    with pytest.raises(ConfigError, match="no address") as caught:
        PostgresEngine("postgresql://me:hush@[:x/y")
    assert "hush" not in str(caught.value)


# -- the door ---------------------------------------------------------------------------------------


def test_a_database_that_is_not_there_is_told_at_once(postgres: PostgresServer) -> None:
    engine = PostgresEngine(postgres.dsn.replace("/postgres?", "/nowhere?"))
    with pytest.raises(NotAStore, match=r"no database postgresql:///nowhere\?host=.* createdb"):
        engine.open("owner")


def test_a_user_that_is_not_let_in_is_told_at_once(postgres: PostgresServer) -> None:
    engine = PostgresEngine(postgres.dsn.replace("user=tester", "user=stranger&password=hush"))
    with pytest.raises(StoreForbidden, match=r'"stranger" does not exist.*pg_hba') as caught:
        engine.open("owner")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('FATAL:  password authentication failed for user "me"', StoreForbidden),
        ("fe_sendauth: no password supplied", StoreForbidden),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1"', StoreForbidden),
        ('FATAL:  permission denied for database "cloud"', StoreForbidden),
        ('FATAL:  database "cloud" does not exist', NotAStore),
        ('FATAL:  role "me" is not permitted to log in', StoreForbidden),
        ("FATAL:  the database system is starting up", StoreUnreachable),
        ("FATAL:  sorry, too many clients already", StoreUnreachable),
        ("session is read-only", StoreUnreachable),
        # It is not understood, but told.
        ("FATAL:  Passwort-Authentifizierung für Benutzer »me« fehlgeschlagen", StoreUnreachable),
    ],
)
def test_what_a_server_says_at_the_door_decides_whether_another_try_helps(
    monkeypatch: pytest.MonkeyPatch, words: str, expected: type[Exception]
) -> None:
    link = Link("postgresql://db/cloud", patience=0)

    def refuse(**_: object) -> None:
        raise psycopg.OperationalError(f"connection failed:\n{words}")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(expected, match=f"connection failed: .*{re.escape(one_line(words))}"):
        link.run("select 1")


NO_DATABASE = 'FATAL:  database "cloud" does not exist'
NO_ENTRY = "FATAL:  password authentication failed"
AWAY = "Connection refused"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([NO_DATABASE, AWAY], None),
        ([AWAY, NO_ENTRY], None),
        # The other host's name leads nowhere at the moment: psycopg does not speak of it.
        ([NO_DATABASE], None),
        ([NO_DATABASE, NO_DATABASE], NotAStore),
        ([NO_ENTRY, NO_DATABASE], StoreForbidden),
        # A name with two numbers.
        ([NO_ENTRY, NO_ENTRY, AWAY], None),
    ],
)
def test_one_of_several_hosts_does_not_decide_for_the_others(said: list[str], expected: type | None) -> None:
    lines = [f"- host: 'h', port: '5432', hostaddr: '10.0.0.1': {each}" for each in said]
    text = "\n".join([said[-1], *(["All failures were:", *lines] if len(said) > 1 else [])])
    found = refusal("postgresql://one,two/cloud", 2, text)
    assert found is None if expected is None else type(found) is expected


def test_each_of_several_hosts_is_asked(postgres: PostgresServer) -> None:
    there = postgres.dsn.partition("host=")[2].partition("&")[0]
    engine = PostgresEngine(f"postgresql:///nowhere?user=tester&host={there},/nowhere", patience=0)
    with pytest.raises(StoreUnreachable, match=r'"nowhere" does not exist.*/nowhere'):
        engine.open("owner")
    engine = PostgresEngine(f"postgresql:///nowhere?user=tester&host={there},{there}")
    with pytest.raises(NotAStore, match="createdb"):
        engine.open("owner")


@pytest.mark.parametrize(
    "parameter",
    [
        "sslmode=hush",
        "connect_timeout=hush",
        "channel_binding=hush",
        "hostaddr=hush",
        "ssl_min_protocol_version=hush",
        "options=-c%20hush.x%3D1%20-c%20work_mem%3Dhush",
        "options=-c%20hush%3D1",
    ],
)
def test_a_parameter_that_cannot_be_is_told_at_once(postgres: PostgresServer, parameter: str) -> None:
    engine = PostgresEngine(f"{postgres.dsn}&{parameter}")
    with pytest.raises(ConfigError, match="parameter that cannot be"):
        engine.open("owner")
