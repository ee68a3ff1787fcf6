"""Settings: what there is to set, what is allowed, and who said so. Pure: files are given as texts.

::

    ~/.config/actorcloud/config.toml  <  ./actorcloud.toml, [tool.actorcloud] in ./pyproject.toml
        <  ACTORCLOUD_<NAME> in the environment  <  --name on the command line

A file is a flat TOML table of setting names. Each value is checked where it is read, so that an
error names the setting, the value, what is allowed, and the file, variable or option it came from.

Reference: procrastinate's and oban's validated settings; click's parameter sources.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping

import msgspec

from actorcloud.base.errors import ConfigError
from actorcloud.base.location import hide_secrets

Value = str | int | float | bool

#: Before the name of a setting in the environment.
ENVIRONMENT_PREFIX = "ACTORCLOUD"

#: What turns listening on TCP off.
LISTEN_OFF = "off"

_PORT_LAST = 65_535

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be set.

    >>> Setting(name="workers", kind=int, at_least=1).read("4", "--workers")
    4
    """

    #: As in a file, with underscores.
    name: str
    #: str, int, float or bool.
    kind: type[str | int | float | bool] = str
    #: One sentence for people.
    help: str = ""
    #: None: unset.
    default: Value | None = None
    #: Limits of a number, both allowed.
    at_least: int | float | None = None
    at_most: int | float | None = None
    #: All that a text may be; empty: any but the empty text.
    choices: tuple[str, ...] = ()
    #: Whether a text must be an address to listen at, or `LISTEN_OFF`.
    is_address: bool = False
    #: How the value is shown in help, "HOST:PORT".
    metavar: str | None = None

    @property
    def option(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The variable in the environment."""
        return f"{ENVIRONMENT_PREFIX}_{self.name.upper()}"

    def read(self, value: object, origin: str) -> Value:
        """Return the value that was given, as its kind.

        Args:
            value: a text, or what a TOML file held.
            origin: where it was said; for the error.

        Raises:
            ConfigError: naming setting, value, origin and what is allowed.
        """
        found = _as_kind(value, self.kind)
        if found is None or not self._allows(found):
            raise ConfigError(f"{self.name} = {hide_secrets(repr(value))} ({origin}): {self.allowed} is needed")
        return found

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.kind is bool:
            return "true or false"
        if self.is_address:
            return f"HOST:PORT with a port from 1 to {_PORT_LAST}, or {LISTEN_OFF}"
        if self.kind is str:
            return "a text that is not empty"
        noun = "a whole number" if self.kind is int else "a number"
        if self.at_least is not None and self.at_most is not None:
            return f"{noun} from {self.at_least:,} to {self.at_most:,}"
        return noun if self.at_least is None else f"{noun} of at least {self.at_least:,}"

    def _allows(self, value: Value) -> bool:
        if isinstance(value, str) and self.is_address:
            return value == LISTEN_OFF or _is_address(value)
        if isinstance(value, str):
            return value in self.choices if self.choices else bool(value)
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class Resolved(msgspec.Struct, frozen=True):
    """The value of a setting and where it was said."""

    value: Value
    origin: str


#: Seconds; more is a mistake in the unit.
_LONGEST = 10 * 365 * 86_400

SETTINGS: Mapping[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting(
            name="head",
            help="The head to use: a join string, or HOST:PORT of one that this user knows. [default: this machine's]",
            metavar="WHERE",
        ),
        Setting(
            name="store",
            help="The head's store: a directory, sqlite:///PATH or postgresql://HOST/DATABASE. "
            "[default: in this user's data]",
            metavar="STORE",
        ),
        Setting(
            name="listen",
            is_address=True,
            help="Where to listen for others over TCP, always encrypted.",
            metavar="HOST:PORT",
        ),
        Setting(name="join", help="The join string that the head's machine prints.", metavar="STRING"),
        Setting(name="name", help="Name of this node, kept over restarts. [default: the host's]", metavar="NAME"),
        Setting(
            name="workers",
            kind=int,
            at_least=0,
            at_most=4096,
            help="Worker processes. [default: the usable CPUs]",
        ),
        Setting(
            name="node_timeout",
            kind=float,
            default=15.0,
            at_least=0.5,
            at_most=86_400,
            help="Seconds of silence after which a node counts as lost.",
            metavar="SECONDS",
        ),
        Setting(
            name="quota_keys",
            kind=int,
            default=10_000_000,
            at_least=1,
            help="Keys that one job or named space may have in the store.",
            metavar="N",
        ),
        Setting(
            name="quota_bytes",
            kind=int,
            default=16 * 1024**3,
            at_least=1,
            help="Bytes that one job or named space may have in the store.",
            metavar="N",
        ),
        Setting(
            name="orphan_time",
            kind=float,
            default=600.0,
            at_least=1,
            at_most=_LONGEST,
            help="Seconds that a node keeps its jobs while the head is away.",
            metavar="SECONDS",
        ),
        Setting(
            name="timeout",
            kind=float,
            at_least=0,
            at_most=_LONGEST,
            help="Seconds to wait. [default: as long as the head answers]",
            metavar="SECONDS",
        ),
        Setting(
            name="run_timeout",
            kind=float,
            at_least=0.001,
            at_most=_LONGEST,
            help="Seconds one run of the job may take.",
            metavar="SECONDS",
        ),
        Setting(name="retries", kind=int, default=0, at_least=0, help="Runs after an exception or a timeout."),
        Setting(name="key", help="The job's own name: adding it again gives the existing job.", metavar="TEXT"),
        Setting(
            name="state",
            choices=("queued", "running", "done", "failed", "suspended"),
            help="Only jobs in this state.",
        ),
        Setting(name="space", help="The space of that name.", metavar="NAME"),
        Setting(name="job", help="What this job keys.", metavar="REF"),
        Setting(name="prefix", help="Only keys that begin so: a tuple's front, or a text's.", metavar="KEY"),
        Setting(
            name="unpickle",
            kind=bool,
            default=False,
            help="Unpickle values here, which runs what they say: trust who wrote them.",
        ),
        Setting(
            name="level",
            default="full",
            choices=("quick", "full"),
            help="How closely to look: at what can be told without reading all, or at every page.",
        ),
        Setting(name="limit", kind=int, default=100, at_least=1, at_most=1_000_000, help="At most so many."),
        Setting(name="json", kind=bool, default=False, help="Print JSON, one object a line."),
        Setting(name="quiet", kind=bool, default=False, help="Print data and errors only."),
    )
}


def read_file(text: str, origin: str, table: tuple[str, ...] = ()) -> dict[str, Resolved]:
    """Return the settings that a TOML text makes.

    Args:
        text: of the file.
        origin: its path.
        table: where in the file the settings are, ("tool", "actorcloud") in a pyproject.

    Raises:
        ConfigError: it is no TOML, there is no such setting, or a value is not allowed.
    """
    try:
        found: object = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin} is not TOML: {error}") from error
    for name in table:
        found = found.get(name, {}) if isinstance(found, dict) else found
    if not isinstance(found, dict):
        raise ConfigError(f"{origin}: [{'.'.join(table)}] is {found!r}; a table of settings is needed")
    return {setting.name: _resolve(setting, value, origin) for setting, value in _known(found, origin)}


def merge(layers: Iterable[Mapping[str, Resolved]]) -> dict[str, Resolved]:
    """Return the settings of all layers; of two that set the same the later one counts."""
    return {name: resolved for layer in layers for name, resolved in layer.items()}


def _resolve(setting: Setting, value: object, origin: str) -> Resolved:
    return Resolved(setting.read(value, origin), origin)


def _known(table: Mapping[str, object], origin: str) -> Iterable[tuple[Setting, object]]:
    for name, value in table.items():
        setting = SETTINGS.get(name.replace("-", "_"))
        if setting is None:
            near = difflib.get_close_matches(name, SETTINGS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SETTINGS)}"
            raise ConfigError(f"{name} = {hide_secrets(repr(value))} ({origin}): there is no such setting; {hint}")
        yield setting, value


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    # No port 0 or `*`: others are told the address, and must find it after a restart.
    is_number = port.isascii() and port.isdigit() and len(port) <= len(str(_PORT_LAST))
    is_port = is_number and 1 <= int(port) <= _PORT_LAST
    return is_port and bool(host) and not any(letter == "/" or letter.isspace() for letter in host)


def _as_kind(value: object, kind: type) -> Value | None:
    """Return `value` as a `kind`, None if it is none."""
    if kind is bool:
        return value if isinstance(value, bool) else _as_bool(value)
    if isinstance(value, bool):
        return None
    if kind is str:
        return value if isinstance(value, str) else None
    if not isinstance(value, str | int | float) or (kind is int and isinstance(value, float)):
        return None
    try:
        number: int | float = int(value) if kind is int else float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _as_bool(value: object) -> bool | None:
    text = value.strip().lower() if isinstance(value, str) else ""
    return True if text in _TRUE else False if text in _FALSE else None
