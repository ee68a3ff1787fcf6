"""The start option `debug`: debug functions that are there from an actor's first message on.

Reference: OTP's `{debug, [...]}`, `sys:debug_options/1`; otp-semantics 2.8: what is no such option is
logged and passed over, so that a mistake in it keeps no program from starting.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from actorcloud.actor.cell.instrument import STATISTICS, Instrument
from actorcloud.actor.debug.call import install, is_id
from actorcloud.actor.debug.watch import (
    LOG_DEFAULT,
    append_event,
    count_event,
    is_log_size,
    keep_event,
    no_statistics,
    print_event,
)
from actorcloud.actor.thread.context import GUARD
from actorcloud.base.errors import ActorCloudError

logger = logging.getLogger("actorcloud.actor")


def set_up(cell: Any, options: Iterable[Any]) -> None:
    """Install what `options` say at an actor whose `__init__` has not run.

    One that will run in a process of its own has none yet: there it is for `set_up_isolated`.
    """
    for id, function, state in _functions(cell, options):
        with GUARD:
            if cell.debug is None:
                cell.debug = Instrument()
        cell.debug.install(cell, id, function, state)


def set_up_isolated(cell: Any, options: Iterable[Any]) -> None:
    """Install them at an isolated actor that runs; what it has handled before is not seen.

    One that cannot be installed is logged: who starts an actor that runs must get its ref.
    """
    for id, function, state in _functions(cell, options):
        try:
            install(cell.ref, function, state, id=id)
        except ActorCloudError:
            logger.exception("%s runs without the debug function %r", cell.ref, id)


def _functions(cell: Any, options: Iterable[Any]) -> list[tuple[Any, Any, Any]]:
    found: list[tuple[Any, Any, Any]] = []
    for option in options:
        match option:
            case "trace":
                found.append(("trace", print_event, None))
            case "statistics":
                found.append((STATISTICS, count_event, no_statistics(cell.system.clock.time())))
            case "log":
                found.append(("log", keep_event, deque(maxlen=LOG_DEFAULT)))
            case ("log", keep) if is_log_size(keep) and keep:
                found.append(("log", keep_event, deque(maxlen=keep)))
            case ("log_to_file", str() | Path() as path):
                found.append(("log_to_file", append_event, Path(path)))
            case ("install", function, state) if callable(function) and is_id(function):
                found.append((function, function, state))
            case _:
                logger.error("%s starts without the debug option %r, which is none", cell.ref, option)
    return found
