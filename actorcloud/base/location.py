"""Where a head's store is: the text that names it, and what of that others may see.

::

    /srv/cloud                    a directory: the engine that made the store there, LMDB for a new one
    sqlite:///srv/cloud           a directory, and SQLite
    postgresql://HOST/DATABASE    a database; with user, password and libpq's parameters, if need be

Whatever is shown, logged or written down is the `name`: it has no user, no password, no parameter, and
leads to the same home. The whole address is for the engine alone.

Pure, but for what a path means on this machine.

Reference: RFC 3986; libpq's connection URIs.
"""

from __future__ import annotations

import os
import re
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn

import msgspec

from actorcloud.base.errors import ConfigError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

#: Characters of an address; what is longer is none.
ADDRESS_LIMIT_CHARS = 4000

#: Bytes of the digest that names the home of a database's head.
_DIGEST_BYTES = 8

_PORT_DEFAULT = "5432"

_SCHEME = re.compile(r"(sqlite|postgres|postgresql)(?=:)|[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)
_HOST = re.compile(r"(?P<host>\[[0-9a-f:.%]+\]|[\w.%-]*)(?::(?P<port>\d*))?", re.IGNORECASE)
_SECRET = re.compile(r"://\S*@|password=[^&\s]*", re.IGNORECASE)

_KINDS = "a directory, sqlite:///PATH or postgresql://HOST/DATABASE is needed"


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """See the module; made by `locate`."""

    #: Which engine: in a directory it is found out.
    kind: Literal["directory", "sqlite", "postgresql"]
    #: A path, or all of a database's address: a secret.
    address: str
    #: For people and files.
    name: str
    #: The directory where a head keeps what is its own; for files it is the store's.
    home: Path

    def __repr__(self) -> str:
        return f"<Location {self.name}>"

    def __str__(self) -> str:
        return self.name

    @property
    def is_database(self) -> bool:
        """Whether the store is on a server, and its home not the store."""
        return self.kind == "postgresql"

    @property
    def has_secrets(self) -> bool:
        """Whether the name is not all that an engine needs."""
        return self.is_database and self.address != self.name


#: What can be taken for a location.
Where = Location | str | PathLike[str]


def locate(store: Where, data: Path | None = None) -> Location:
    """Return the location that a text or a path means.

    Args:
        store: see the module; "~" is this user's home. A location is returned as it is.
        data: where heads of databases have their homes; None: this user's data directory.

    Raises:
        ConfigError: it means none; the error does not show what could be a password.

    >>> locate("postgresql://me:hush@DB.example/cloud?sslmode=require", Path("/data")).name
    'postgresql://db.example/cloud'
    """
    if isinstance(store, Location):
        return store
    text = os.fspath(store)
    scheme = _SCHEME.match(text)
    match scheme and scheme[0].lower():
        case None:
            return _in_directory(text)
        case "sqlite":
            return _in_sqlite(text)
        case "postgresql" | "postgres":
            return _in_database(text, data)
        case other:
            raise ConfigError(f"store = '{other}:...': {_KINDS}")


def default_location() -> Location:
    """Return where a head of this user's has its store unless it is told."""
    return locate(_user_data() / "store")


def database_name(host: str, port: str, database: str) -> str:
    """Return what may be shown of a database's address.

    Args:
        host: names with commas between them, or the directory of a socket.
        port: numbers with commas between them, as many; empty: the default.
        database: its name.

    >>> database_name("db", "5433", "cloud"), database_name("/tmp", "", "cloud")
    ('postgresql://db:5433/cloud', 'postgresql:///cloud?host=/tmp')
    """
    from urllib.parse import quote  # noqa: PLC0415  a head on files never needs it

    name = quote(database, safe="")
    if host.startswith("/"):
        end = f"&port={port}" if port not in {"", _PORT_DEFAULT} else ""
        return f"postgresql:///{name}?host={quote(host)}{end}"
    hosts = host.lower().split(",")
    ports = port.split(",") if "," in port else [port] * len(hosts)
    return f"postgresql://{','.join(map(_host_and_port, hosts, ports))}/{name}"


def hide_secrets(text: str) -> str:
    """Return a text without what could be the password of an address in it.

    >>> hide_secrets("postgresql://me:hush@db/cloud")
    'postgresql://...@db/cloud'
    """
    return _SECRET.sub(lambda found: "://...@" if found[0].endswith("@") else "password=...", text)


def _host_and_port(host: str, port: str) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    return bracketed if port in {"", _PORT_DEFAULT} else f"{bracketed}:{port}"


def _in_directory(text: str) -> Location:
    try:
        path = Path(text).expanduser().resolve()
    except RuntimeError as error:
        raise ConfigError(f"store = {text!r}: there is no user of that name") from error
    return Location(kind="directory", address=str(path), name=str(path), home=path)


def _in_sqlite(text: str) -> Location:
    from urllib.parse import quote, unquote_to_bytes  # noqa: PLC0415  as above

    rest = text.partition(":")[2]
    if not rest.startswith("///"):
        raise ConfigError(
            f"store = {text!r}: sqlite:///PATH is needed, where /PATH is a directory from the root on: sqlite:///srv/cloud"
        )
    path = Path(os.fsdecode(unquote_to_bytes(rest[2:]))).resolve()
    return Location(kind="sqlite", address=str(path), name=f"sqlite://{quote(os.fsencode(path))}", home=path)


def _in_database(text: str, data: Path | None) -> Location:
    from hashlib import blake2b  # noqa: PLC0415  loads OpenSSL
    from urllib.parse import parse_qsl, unquote, urlsplit  # noqa: PLC0415  as above

    if len(text) > ADDRESS_LIMIT_CHARS:
        _refuse_address()
    try:
        parts = urlsplit(text)
        given = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        _refuse_address()
    # What is left of a password with a /, ? or # in it would look like a part of the rest.
    if parts.fragment or not text.partition(":")[2].startswith("//") or "@" in parts.path or "/" in parts.path[1:]:
        _refuse_address()
    host, port = _hosts(parts)
    database = given.get("dbname") or unquote(parts.path[1:])
    if not database:
        raise ConfigError("store: the address names no database; postgresql://HOST/DATABASE does")
    name = database_name(given.get("host") or host or given.get("hostaddr", ""), given.get("port") or port, database)
    home = (data or _user_data()) / f"postgresql-{blake2b(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"
    return Location(kind="postgresql", address=text, name=name, home=home)


def _hosts(parts: SplitResult) -> tuple[str, str]:
    from urllib.parse import unquote  # noqa: PLC0415  as above

    found = [_HOST.fullmatch(each) for each in parts.netloc.rpartition("@")[2].split(",")]
    pairs = [(unquote(each["host"]).strip("[]"), each["port"] or "") for each in found if each is not None]
    if len(pairs) < len(found):
        _refuse_address()
    ports = [port for _, port in pairs]
    return ",".join(host for host, _ in pairs), ports[0] if len(set(ports)) == 1 else ",".join(ports)


def _refuse_address() -> NoReturn:
    raise ConfigError(
        "store: this is no address of a PostgreSQL database; postgresql://USER@HOST:PORT/DATABASE is one, in which "
        "/ ? # @ : and % of a password are written %2F %3F %23 %40 %3A and %25; it is not shown, as it may be secret"
    )


def _user_data() -> Path:
    import platformdirs  # noqa: PLC0415  only where a path was not given

    return Path(platformdirs.user_data_dir("actorcloud"))
