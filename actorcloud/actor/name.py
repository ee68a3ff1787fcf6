"""The names of actors: which there may be. Pure."""

from __future__ import annotations

from actorcloud.base.errors import ConfigError


def check_name(name: object) -> None:
    """Refuse what cannot be the name of an actor.

    Raises:
        ConfigError: it is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{name!r} cannot be the name of an actor; it must be a text that is not empty")
