"""Where a head's store is: the text that names it, and what of that others may see.

::

    /srv/cloud                    a directory: the engine that made the store there, LMDB for a new one
    sqlite:///srv/cloud           a directory, and SQLite
    postgresql://HOST/DATABASE    a database; with user, password and libpq's parameters, if need be

Whatever is shown, logged or written down is the `name`: it has no user, no password, no parameter, and
leads to the same home. The whole address is for the engine alone.

Pure, but for what a path means on this machine, and for the environment, which must not say where a
database is (`base.dsn`).

Reference: RFC 3986; libpq's connection URIs.
"""

from __future__ import annotations

import os
import re
from os import PathLike
from pathlib import Path
from typing import Literal

import msgspec

from actorcloud.base.errors import ConfigError

#: Bytes of the digest that names the home of a database's head.
_DIGEST_BYTES = 8

_SCHEME = re.compile(r"(sqlite|postgres|postgresql)(?=:)|[a-z][a-z0-9+.-]*(?=://)", re.IGNORECASE)
#: What no path has, but a text that was meant to be an address, and may have a password.
_NO_PATH = re.compile(r"://|postgres\w*:|password\s*=|^(?![/~.]).*\b(?:dbname|host)\s*=", re.IGNORECASE | re.DOTALL)
_SECRET = re.compile(r"(:/|password).*", re.IGNORECASE | re.DOTALL)

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

    @property
    def file_in_the_way(self) -> str:
        """What to say where a file is, and the home cannot be."""
        what = "the home of a database's head" if self.is_database else "a store"
        return f"{self.home} is a file; {what} is a directory, which is made if it is missing"


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


def hide_secrets(text: str) -> str:
    """Return a text without what could be the password of an address in it.

    Cut off at the first place where one may follow: where it ends, nobody can tell.

    >>> hide_secrets("store = postgresql://me:hush@db/cloud")
    'store = postgresql:/...'
    """
    return _SECRET.sub(r"\1...", text)


def _in_directory(text: str) -> Location:
    if _NO_PATH.search(text):
        raise ConfigError(
            f"store: this is neither a path nor an address; {_KINDS}, without quotes or blanks around it; it is not "
            "shown, as it may be secret"
        )
    path = _resolved(text)
    return Location(kind="directory", address=str(path), name=str(path), home=path)


def _in_sqlite(text: str) -> Location:
    from urllib.parse import quote, unquote_to_bytes  # noqa: PLC0415  a head on files never needs it

    rest = text.partition(":")[2]
    if not rest.startswith("///"):
        raise ConfigError(
            f"store = {text!r}: sqlite:///PATH is needed, where /PATH is a directory from the root on: sqlite:///srv/cloud"
        )
    if rest.startswith("///~"):
        meant = quote(os.fsencode(_resolved(os.fsdecode(unquote_to_bytes(rest[3:])))))
        raise ConfigError(
            f"store = {text!r}: /PATH is from the root on: sqlite://{meant}; a ~ of a path is written %7E"
        )
    if "?" in rest or "#" in rest:
        raise ConfigError(
            f"store = {text!r}: sqlite:///PATH has no parameters; a ? of a path is written %3F, a # is written %23"
        )
    path = _resolved(os.fsdecode(unquote_to_bytes(rest[2:])))
    # Anew, it must not be taken for somebody's home.
    name = "sqlite://" + re.sub("^/~", "/%7E", quote(os.fsencode(path)))
    return Location(kind="sqlite", address=str(path), name=name, home=path)


def _resolved(text: str) -> Path:
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError as error:
        raise ConfigError(f"store = {text!r}: there is no user of that name") from error
    except ValueError as error:
        raise ConfigError(f"store = {text!r}: no path has a NUL in it") from error


def _in_database(text: str, data: Path | None) -> Location:
    from hashlib import blake2b  # noqa: PLC0415  loads OpenSSL

    from actorcloud.base.dsn import read_name  # noqa: PLC0415  as above

    name = read_name(text, os.environ)
    home = (data or _user_data()) / f"postgresql-{blake2b(name.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"
    return Location(kind="postgresql", address=text, name=name, home=home)


def _user_data() -> Path:
    import platformdirs  # noqa: PLC0415  only where a path was not given

    return Path(platformdirs.user_data_dir("actorcloud"))
