"""Settings (`base.config`) as options of commands, and the files that set them.

Each option has its `ACTORCLOUD_<NAME>` variable, and a place in `./actorcloud.toml`, in
`[tool.actorcloud]` of `./pyproject.toml` and in the user's `config.toml`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import platformdirs
from click.core import ParameterSource

from actorcloud.base.config import SETTINGS, Resolved, Setting, merge, read_file
from actorcloud.base.errors import ConfigError


class _Kind(click.ParamType[Any]):
    """The type of an option: what the setting allows."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self.name = setting.kind.__name__

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType.convert`."""
        del param  # the setting knows it
        try:
            return self._setting.read(value, self._origin(ctx))
        except ConfigError as error:
            raise click.UsageError(str(error), ctx) from error

    def _origin(self, ctx: click.Context | None) -> str:
        source = ctx.get_parameter_source(self._setting.name) if ctx is not None else None
        return self._setting.variable if source is ParameterSource.ENVIRONMENT else self._setting.option


def option(name: str, *aliases: str, default: Any = None, text: str | None = None) -> Callable[[Any], Any]:
    """Return the decorator that gives a command the option of a setting.

    Args:
        name: of the setting.
        *aliases: further names, "-q".
        default: this command's own, where it differs.
        text: this command's own help.
    """
    setting = SETTINGS[name]
    is_flag = setting.kind is bool
    chosen = setting.default if default is None else default
    return click.option(
        setting.option,
        *aliases,
        setting.name,
        type=bool if is_flag else _Kind(setting),
        is_flag=is_flag,
        default=chosen,
        envvar=setting.variable,
        show_envvar=True,
        show_default=not is_flag and chosen is not None,
        metavar=setting.metavar,
        help=text or setting.help,
    )


#: Where an option may be said, the strongest first.
_PLACES = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)


def stronger(name: str, other: str) -> str | None:
    """Return which of two options that contradict each other counts: the one that was said in the stronger place.

    Args:
        name: of the option that counts where both were said outside the command line, in the same place.
        other: of the other.

    Returns:
        Its name, None if neither was said.

    Raises:
        UsageError: both are on the command line.
    """
    context = click.get_current_context()
    for place in _PLACES:
        said = [option for option in (name, other) if context.get_parameter_source(option) is place]
        if place is ParameterSource.COMMANDLINE and len(said) > 1:
            raise click.UsageError(
                f"{SETTINGS[name].option} or {SETTINGS[other].option}, not both: each says which head"
            )
        if said:
            return said[0]
    return None


def file_settings(working: Path | None = None, user: Path | None = None) -> dict[str, Resolved]:
    """Return the settings of the configuration files.

    Args:
        working: directory whose files count most; None: the working directory.
        user: the user's own directory; None: where the platform has it.

    Raises:
        ConfigError: a file is wrong.
    """
    here = working or Path.cwd()
    home = user or Path(platformdirs.user_config_dir("actorcloud"))
    return merge(
        (
            _read(home / "config.toml", str(home / "config.toml")),
            _read(here / "pyproject.toml", "pyproject.toml", ("tool", "actorcloud")),
            _read(here / "actorcloud.toml", "actorcloud.toml"),
        )
    )


def _read(path: Path, origin: str, table: tuple[str, ...] = ()) -> dict[str, Resolved]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{origin} cannot be read: {error}") from error
    return read_file(text, origin, table)
