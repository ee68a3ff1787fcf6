"""What an actor's class says of itself, checked when the class is made: a wrong word is no crash later.

Reference: Python's `__init_subclass__`.
"""

from __future__ import annotations

import math
from typing import Any

from actorcloud.actor.mailbox.mail import MailboxLimit
from actorcloud.base.coroutine import is_coroutine
from actorcloud.base.errors import ConfigError

#: Hooks that may be coroutines in an `AsyncActor`.
_HOOKS = ("on_start", "on_continue", "on_receive", "on_exit", "on_down", "on_idle", "on_batch_end", "on_stop")

#: Methods that are plain everywhere.
_PLAIN = ("__init__", "on_failure")


def check_kind(cls: Any) -> None:
    """Refuse a class of actors that could not run as it says.

    Raises:
        TypeError: its handlers could not run where it says that they do.
        ConfigError: an attribute has a value that means nothing.
    """
    _check_home(cls)
    _check_attributes(cls)


def _check_home(cls: Any) -> None:
    for method in _PLAIN:
        if is_coroutine(getattr(cls, method)):
            raise TypeError(f"{cls.__qualname__}.{method} is a coroutine: it must be plain; await in on_start instead")
    if cls._may_await:
        if cls.dispatcher != "loop" or cls.inline:
            raise TypeError(f"{cls.__qualname__} is an AsyncActor: its dispatcher is the loop, and it is never inline")
        return
    if cls.dispatcher not in {"pool", "thread"}:
        raise TypeError(f'{cls.__qualname__}.dispatcher is {cls.dispatcher!r}; it must be "pool" or "thread"')
    if cls.inline and (cls.dispatcher == "thread" or cls.isolation == "process"):
        home = 'dispatcher = "thread"' if cls.dispatcher == "thread" else 'isolation = "process"'
        text = "its turns would run on the stack of who asks it, and not where it lives; choose one of them"
        raise TypeError(f"{cls.__qualname__} says inline = True and {home}: {text}")
    for hook in _HOOKS:
        if is_coroutine(getattr(cls, hook)):
            raise TypeError(f"{cls.__qualname__}.{hook} is a coroutine: make the class an AsyncActor")


def _check_attributes(cls: Any) -> None:
    if cls.isolation not in (None, "process"):
        raise _wrong(cls, "isolation", 'None or "process"')
    if cls.ask_errors not in ("crash", "reply"):
        raise _wrong(cls, "ask_errors", '"crash" or "reply"')
    idle = cls.idle_timeout
    # A property is what its instances make of it.
    if not (idle is None or isinstance(idle, property) or (_is_number(idle) and 0 <= idle < math.inf)):
        raise _wrong(cls, "idle_timeout", "finite seconds >= 0, or None for never")
    limit = cls.max_mailbox
    is_count = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1
    if not (limit is None or is_count or isinstance(limit, MailboxLimit)):
        raise _wrong(cls, "max_mailbox", "an integer >= 1, a MailboxLimit, or None for no limit")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(cls: Any, attribute: str, allowed: str) -> ConfigError:
    return ConfigError(f"{cls.__qualname__}.{attribute} is {getattr(cls, attribute)!r}; it must be {allowed}")
