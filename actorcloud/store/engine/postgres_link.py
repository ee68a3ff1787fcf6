"""One connection to PostgreSQL that is made again when it is lost, and what its errors mean.

::

    sent -> answered                                      the rows
         -> 40001, 40P01, 55P03, 57014                    nothing was done: the same again
         -> the connection is lost, 57P01, 08xxx, 40003   it may have been done: connect, the same again
         -> done, but the wait for a standby was ended    the same
         -> a server does not let us in                   see `postgres_door`
         -> 28xxx, 42501                                  StoreForbidden
         -> 53100                                         NoSpace
         -> anything else                                 EngineFailed

Again and again until `patience` is over; then `Unresolved` if it may have been done, else
`StoreUnreachable`. Statements are written so that a second time does no harm. No text tells the password.

Owns: the connection. Thread: one at a time.

Reference: store-design 3.2; PostgreSQL's appendix A, libpq's connection parameters.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from actorcloud.base.dsn import read_name
from actorcloud.base.errors import ConfigError, NoSpace, StoreForbidden, StoreUnreachable
from actorcloud.store.engine.port import EngineFailed, Unresolved
from actorcloud.store.engine.postgres_door import one_line, refusal

if TYPE_CHECKING:
    import psycopg

#: Seconds that an outage may last before the process gives up, to be started again.
PATIENCE_DEFAULT = 20.0

#: Seconds of the first pause between two tries; it doubles up to the longest.
_PAUSE, _PAUSE_LONGEST = 0.02, 1.0

#: A standby may show commits in another order, or of another time.
_WRITABLE = "read-write"

#: What the network is told, unless the DSN says otherwise: a dead server is noticed in seconds, not in hours.
_NETWORK = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": _WRITABLE,
    "application_name": "actorcloud",
    # A server in SQL_ASCII would give bytes for texts.
    "client_encoding": "utf8",
}

#: What each session is told: nothing may hold the head's row for long, and a commit is on disk when it is answered.
_SESSION = {
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "synchronous_commit": "on",
}

#: Nothing was done, and a second try may do it.
_AGAIN = frozenset({"40001", "40P01", "55P03", "57014"})

#: It may have been done, or the server is not ours any more.
_LOST = frozenset({"40003", "57P01", "57P02", "57P03", "25006", "25P03"})
_LOST_CLASS = "08"

_DISK_FULL = "53100"

#: Where in the server the warning comes from that a commit did not wait for its standby; the words are translated.
_STANDBY_WAIT = "SyncRepWaitForLSN"

#: Whether a statement was completed is not known.
_UNKNOWN = "40003"

#: No right to do that; and a class of codes: not let in.
_NO_RIGHT, _NOT_LET_IN = "42501", "28"

logger = logging.getLogger("actorcloud.store")


class Answer(NamedTuple):
    """What a statement gave."""

    rows: list[tuple[Any, ...]]
    #: An earlier try may have been done, too.
    doubted: bool


class Link:
    """See the module.

    Args:
        dsn: `postgresql://...`, as libpq takes it.
        patience: seconds; see `PATIENCE_DEFAULT`.
        monotonic: a clock.
        sleep: waits that many seconds.

    Raises:
        ConfigError: psycopg is missing, or the DSN is wrong.
    """

    def __init__(
        self,
        dsn: str,
        *,
        patience: float = PATIENCE_DEFAULT,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        #: For people: without user and password.
        self.name = read_name(dsn, os.environ)
        self._psycopg = load_psycopg()
        self._parameters = _parameters(self._psycopg, dsn)
        self._hosts = 1 + str(self._parameters.get("host") or self._parameters.get("hostaddr") or "").count(",")
        self._patience = patience
        self._monotonic = monotonic
        self._sleep = sleep
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        # Somebody has cancelled the wait for a standby: what was answered may be lost with this server.
        self._is_unconfirmed = False

    def __repr__(self) -> str:
        return f"<Link {self.name} {'open' if self._connection else 'closed'}>"

    def run(self, statement: str, values: Sequence[object] = (), *, patience: float | None = None) -> Answer:
        """Send one statement until it is answered.

        Raises:
            NoSpace: the server's disk is full; nothing was done.
            Unresolved: it may have been done.
            ConfigError, StoreUnreachable, StoreForbidden, NotAStore, EngineFailed: it was not done, and will not be.

        Blocks: until then, `patience` seconds at most, and the statement's own.
        """
        most = self._patience if patience is None else patience
        deadline = self._monotonic() + most
        doubted, pause = False, _PAUSE
        while True:
            is_sent = False
            try:
                connection = self._connected()
                is_sent = True
                # Without values several statements may come as one message, and one transaction.
                cursor = connection.execute(statement, values or None, binary=bool(values))
                self._check_confirmed()
                return Answer(_rows(cursor), doubted)
            except self._psycopg.Error as error:
                is_lost = self._judge(error)
                doubted |= is_lost and is_sent
                if self._monotonic() >= deadline:
                    text = f"{self.name} {_what_failed(most, is_lost=is_lost)}: {_said(error)}"
                    raise Unresolved(text) if doubted else StoreUnreachable(text) from error
                if is_lost and pause == _PAUSE:
                    logger.warning("%s is away, trying again for %g s: %s", self.name, most, _said(error))
            self._sleep(pause)
            pause = min(pause * 2, _PAUSE_LONGEST)

    def _check_confirmed(self) -> None:
        if self._is_unconfirmed:
            self._is_unconfirmed = False
            raise self._psycopg.errors.lookup(_UNKNOWN)("the wait for its standby was cancelled")

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        self._is_unconfirmed |= notice.source_function == _STANDBY_WAIT

    def _judge(self, error: psycopg.Error) -> bool:
        """Tell whether the connection is lost; raise what another try would not mend."""
        code, lost = error.sqlstate, self._connection is None or self._connection.closed
        if self._connection is None and code is None:
            refused = refusal(self.name, self._hosts, str(error))
            if refused is not None:
                raise refused from error
        if code in _AGAIN and not lost:
            return False
        if lost or code in _LOST or (code or "").startswith(_LOST_CLASS):
            self.close()
            return True
        if code == _DISK_FULL:
            raise NoSpace(f"the disk of {self.name} is full: {_said(error)}; make room, or delete jobs") from error
        if code == _NO_RIGHT or (code or "").startswith(_NOT_LET_IN):
            raise StoreForbidden(
                f"{self.name} does not let us: {_said(error)}; the user needs the right to make a schema there, or to "
                "use the one that is there"
            ) from error
        raise EngineFailed(f"{self.name} refuses a statement: {_said(error)}") from error

    def again(self) -> Link:
        """Return another link to the same place, for what takes long."""
        link = copy.copy(self)
        link._connection = None  # noqa: SLF001  of this class
        return link

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Give the connection itself, within one snapshot, however long it takes to read that.

        Raises:
            StoreUnreachable: the server cannot be reached, or was lost meanwhile.
            EngineFailed: it refuses what it is asked.
        """
        self.run("select 1")
        connection = self._connection
        assert connection is not None
        try:
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read read only")
                # Writing the copy may take a while, but for ever nobody may hold up the vacuum.
                connection.execute("set local statement_timeout = 0")
                connection.execute("set local idle_in_transaction_session_timeout = '5min'")
                yield connection
        except self._psycopg.Error as error:
            if connection.closed:
                raise StoreUnreachable(f"{self.name} was lost: {_said(error)}") from error
            raise EngineFailed(f"{self.name} cannot be read: {_said(error)}") from error

    def close(self) -> None:
        """Let go of the connection; the next statement makes another. Safe to call twice."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(self._psycopg.Error):
                connection.close()

    def _connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        if self._connection is None:
            connection = self._psycopg.connect(**self._parameters, autocommit=True)
            connection.add_notice_handler(self._hear)
            try:
                for name, value in _SESSION.items():
                    connection.execute("select set_config(%s, %s, false)", (name, value))
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection


def load_psycopg() -> ModuleType:
    """Return psycopg.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import psycopg  # noqa: PLC0415  only whoever has a store there needs it
    except ImportError as error:
        raise ConfigError(
            f"a store in PostgreSQL needs psycopg ({error}): pip install 'actorcloud[postgres]'"
        ) from None
    return psycopg


def _parameters(psycopg: ModuleType, dsn: str) -> dict[str, Any]:
    try:
        given = psycopg.conninfo.conninfo_to_dict(dsn)
    except (psycopg.Error, UnicodeDecodeError):
        # libpq's text may quote the password.
        raise ConfigError("this is no address of a PostgreSQL database; postgresql://HOST/DATABASE is one") from None
    wanted = given.get("target_session_attrs", _WRITABLE)
    if wanted != _WRITABLE:
        raise ConfigError(
            f"store: target_session_attrs={wanted} would let us in where nothing can be written; leave it away: a "
            f"store needs {_WRITABLE}, which is what we ask for"
        )
    return {**_NETWORK, **given}


def _what_failed(most: float, *, is_lost: bool) -> str:
    # A lock, a limit of time, a conflict: whoever looks for a dead server would look in vain.
    return "does not answer" if is_lost else f"answers, but has not done it within {most:g} s, as others hold it up"


def _said(error: Exception) -> str:
    return one_line(str(error))


def _rows(cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return cursor.fetchall() if cursor.description else []
