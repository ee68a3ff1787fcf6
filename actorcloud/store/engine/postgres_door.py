"""What PostgreSQL says at the door: whether another try may help, where libpq tells no code but only words.

Of several hosts one may be a standby that is being made, or another server under an old address. So
it counts only if each of them says that another try is of no use.

Words of a server that speaks another language are not known: that only costs patience. It cannot be told to speak
English at the door: `lc_messages` is taken from who has come in, and may be set by superusers only. Nor can
the code be had otherwise: psycopg does not reach libpq's verbosity, and libpq 18 traces no error before the door. Pure.

Reference: libpq's fe-connect.c; `Connection.connect` of psycopg, which begins a line for each host.
"""

from __future__ import annotations

import re

from actorcloud.base.errors import ActorCloudError, ConfigError, NotAStore, StoreForbidden

_NO_DATABASE = re.compile(r'database ".*" does not exist')
_NO_ENTRY = re.compile(
    r"password authentication failed|no password supplied|no pg_hba\.conf entry|pg_hba\.conf rejects|"
    r'role ".*" (does not exist|is not permitted to log in)|permission denied for database|'
    "authentication failed for user"
)
#: Said by libpq, psycopg or the server.
_NO_PARAMETER = re.compile(
    r'invalid integer value|invalid port number|invalid "?\w+"? value: |bad value for \w+|could not match \d+ |'
    "could not parse network address|unrecognized configuration parameter|invalid value for parameter"
)

#: How the line begins that is about one of several hosts, or one of the numbers of a host.
_EACH = re.compile(r"^- host: ", re.MULTILINE)


def refusal(name: str, hosts: int, said: str) -> ActorCloudError | None:
    """Return what the words of a connection that failed mean for good; None: another try may help.

    Args:
        name: of the database.
        hosts: how many its address names.
        said: all of the error's text.

    >>> refusal("postgresql://db/cloud", 1, "Connection refused")
    """
    answers = _EACH.split(said)[1:] or [said]
    text = one_line(said)
    if all(map(_NO_PARAMETER.search, answers)):
        return ConfigError(f"the address of {name} has a parameter that cannot be: {text}")
    if len(answers) < hosts:
        return None
    if all(map(_NO_DATABASE.search, answers)):
        return NotAStore(f"there is no database {name}: make it with createdb, or name another one ({text})")
    if all(_NO_ENTRY.search(each) or _NO_DATABASE.search(each) for each in answers):
        return StoreForbidden(
            f"{name} does not let us in: {text}; see to the user in the address, to ~/.pgpass and to the server's "
            "pg_hba.conf"
        )
    return None


def one_line(text: str) -> str:
    """Return the words of a text as one line."""
    return " ".join(text.split())
