"""Which database an address means: read as libpq reads it, and refused where that could surprise.

An address says all by itself which server it means. What libpq would take from the environment or from
a file of services is refused, not followed: two programs with the same address would reach two servers,
and one would write into the other's store.

Pure.

Reference: libpq's connection URIs and environment variables; RFC 3986.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address
from typing import NoReturn
from urllib.parse import SplitResult, quote, unquote, urlsplit

from actorcloud.base.errors import ConfigError

#: Bytes of an address in UTF-8; what is longer is none. It fits a pipe.
ADDRESS_LIMIT_BYTES = 4000

_PORT_DEFAULT = 5432
_PORT_LAST = 65535

_HOST_AND_PORT = re.compile(r"(?P<host>\[[\w:.%-]+\]|[\w.%-]*)(?::(?P<port>\d*))?", re.IGNORECASE)
#: A name, a number, or the directory of a socket; psycopg knows no sockets without a file ("@...").
_NUMBER = re.compile(r"[0-9a-f:.]+(%[0-9a-z_.-]+)?")
_PLACE = re.compile(r"/[^,]*|[\w.%-]*")
_PORT = re.compile(r"[0-9]{0,5}")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")


def read_name(address: str, environment: Mapping[str, str]) -> str:
    """Return the name of the database that an address means: what may be shown of it.

    Args:
        address: `postgresql://...`, or `postgres://...`.
        environment: variables; those by which libpq would go elsewhere are refused.

    Raises:
        ConfigError: it is no address, or does not say which server; the error does not show it.

    >>> read_name("postgresql://me:hush@DB:5433/cloud?sslmode=require", {})
    'postgresql://db:5433/cloud'
    """
    parts = _split(address)
    given = _parameters(parts.query)
    hosts, ports = _netloc(parts.netloc)
    host, port, number = given.get("host", hosts), given.get("port", ports), given.get("hostaddr", "")
    _refuse_elsewhere({**given, "host": host or number, "port": port}, environment)
    database = given.get("dbname", _unquote(parts.path[1:]))
    if not database:
        raise ConfigError("store: the address names no database; postgresql://HOST/DATABASE does")
    places = _places(host.split(","), number)
    return _database_name(places, _ports(port.split(","), len(places)), database)


def _database_name(hosts: list[str], ports: list[str], database: str) -> str:
    """Return what may be shown of a database's address.

    Args:
        hosts: names, numbers, or the directories of sockets; "" is the default.
        ports: of each; "" is the default.
        database: its name.

    >>> _database_name(["db"], ["5433"], "cloud"), _database_name(["/tmp"], [""], "cloud")
    ('postgresql://db:5433/cloud', 'postgresql:///cloud?host=/tmp')
    """
    name = quote(database, safe="")
    if not any(host.startswith("/") for host in hosts):
        return f"postgresql://{','.join(map(_host_and_port, hosts, ports))}/{name}"
    end = f"&port={','.join(ports)}" if any(ports) else ""
    return f"postgresql:///{name}?host={','.join(map(quote, hosts))}{end}"


def _split(address: str) -> SplitResult:
    try:
        is_long = len(address.encode()) > ADDRESS_LIMIT_BYTES
        parts = urlsplit(address)
    except ValueError:
        _refuse_address()
    # libpq takes an @ for the end of the password, the first one; and of a password with a /, ? or # in it
    # the rest would look like a host, a path or parameters. urlsplit leaves out what is blank, libpq does not.
    looks_wrong = (
        is_long
        or _BLANK.search(address)
        or not address.partition(":")[2].startswith("//")
        or "#" in address
        or parts.netloc.count("@") > 1
        or "@" in parts.path
        or ("@" in parts.query and "@" not in parts.netloc)
        or "/" in parts.path[1:]
    )
    if looks_wrong:
        _refuse_address()
    return parts


def _parameters(query: str) -> dict[str, str]:
    """Return the parameters of an address; a plus is a plus in there."""
    pairs = [each.partition("=") for each in query.split("&")] if query else []
    if any(not key or not equals or "=" in value for key, equals, value in pairs):
        _refuse_address()
    return {_unquote(key): _unquote(value) for key, _, value in pairs}


def _netloc(netloc: str) -> tuple[str, str]:
    found = [_HOST_AND_PORT.fullmatch(each) for each in netloc.rpartition("@")[2].split(",")]
    pairs = [(_unquote(each["host"]).strip("[]"), each["port"] or "") for each in found if each is not None]
    if len(pairs) < len(found):
        _refuse_address()
    return ",".join(host for host, _ in pairs), ",".join(port for _, port in pairs)


def _unquote(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        _refuse_address()


def _refuse_elsewhere(given: Mapping[str, str], environment: Mapping[str, str]) -> None:
    if "service" in given:
        raise ConfigError(
            "store: the address has service=..., which may mean another server tomorrow; write its host, port and "
            "database into the address: postgresql://HOST:PORT/DATABASE"
        )
    is_open = {
        "PGSERVICE": True,
        "PGHOSTADDR": not given.get("hostaddr"),
        "PGHOST": not given["host"],
        "PGPORT": not given["port"] and environment.get("PGPORT") != str(_PORT_DEFAULT),
    }
    for variable, matters in is_open.items():
        if matters and environment.get(variable):
            raise ConfigError(
                f"store: {variable} is set, and the address leaves open what it says; where a store is, only its "
                f"address may say: unset {variable}, and write postgresql://HOST:PORT/DATABASE"
            )


def _places(hosts: list[str], number: str) -> list[str]:
    """Return whom the driver connects to: the numbers, where they are given beside names."""
    numbers = number.split(",") if number else [""] * len(hosts)
    if hosts == [""]:
        hosts *= len(numbers)
    if len(numbers) != len(hosts):
        _refuse_address()
    places = [number or host for number, host in zip(numbers, hosts, strict=True)]
    places = [place if place.startswith("/") else place.lower() for place in places]
    if not all(map(_is_place, places)):
        _refuse_address()
    return places


def _ports(ports: list[str], count: int) -> list[str]:
    if len(ports) == 1:
        ports = ports * count
    if len(ports) != count or not all(map(_is_port, ports)):
        _refuse_address()
    return ["" if not port or int(port) == _PORT_DEFAULT else str(int(port)) for port in ports]


def _is_place(place: str) -> bool:
    return _PLACE.fullmatch(place) is not None or _is_number(place)


def _is_number(place: str) -> bool:
    try:
        return _NUMBER.fullmatch(place) is not None and bool(IPv6Address(place))
    except ValueError:
        return False


def _is_port(port: str) -> bool:
    return not port or (_PORT.fullmatch(port) is not None and 0 < int(port) <= _PORT_LAST)


def _host_and_port(host: str, port: str) -> str:
    quoted = quote(host, safe=":")
    bracketed = f"[{quoted}]" if ":" in host else quoted
    return f"{bracketed}:{port}" if port else bracketed


def _refuse_address() -> NoReturn:
    raise ConfigError(
        "store: this is no address of a PostgreSQL database; postgresql://USER@HOST:PORT/DATABASE is one, in which "
        "/ ? # @ : % and blanks of a password are written %2F %3F %23 %40 %3A %25 and %20; it is not shown, as it may "
        "be secret"
    )
