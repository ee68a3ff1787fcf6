"""What to run, as written on a command line: `module:function`, and arguments in JSON or plain text."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from actorcloud.base.coroutine import is_coroutine
from actorcloud.base.errors import ConfigError


def find_function(name: str) -> Callable[..., Any]:
    """Return what `module:function` names; the working directory is searched first.

    Raises:
        ConfigError: there is no such module or function, or it is none that a job can run.
    """
    module, _, path = name.partition(":")
    if not module or not path:
        raise ConfigError(f"{name!r} is not module:function, such as math:sqrt")
    see_working_directory()
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{name!r}: {error}; modules are searched in {Path.cwd()} and in what is installed"
        ) from error
    for part in path.split("."):
        if not hasattr(found, part):
            raise ConfigError(f"{name!r}: {module} has no {path}")
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"{name!r} is {type(found).__name__}, which cannot be called")
    if is_coroutine(found):
        raise ConfigError(f"{name!r} is async, and a job runs a plain function: name one that calls asyncio.run")
    function: Callable[..., Any] = found
    return function


def read_argument(text: str) -> object:
    """Return an argument: what it is in JSON, else the text.

    >>> [read_argument(text) for text in ("3", "[1, 2]", '"3"', "Seattle")]
    [3, [1, 2], '3', 'Seattle']
    """
    try:
        value: object = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value


def see_working_directory() -> None:
    """Let the user's modules be imported: a console script does not look where it is run."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
