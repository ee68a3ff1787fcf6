"""Names: what an actor can be found under, whoever bears it now.

A `Name` is the place in a directory, not the actor: a `NamedRef` looks there at every send. A plain
name is a place in its system's own directory; registries have others.

Thread: any. `claim` and `release` of a directory run under `GUARD`, so that a name is free before
anybody hears of its bearer's death; they do nothing there but look into dicts.

Reference: OTP's `register/2` and `{via, Module, Name}`; otp-semantics 1.9.
"""

from __future__ import annotations

from typing import Any, Protocol

from actorcloud.actor.thread.context import current_system
from actorcloud.base.errors import ConfigError


class Name(Protocol):
    """A place where an actor can be found; hashable, and its text is what people read."""

    @property
    def system(self) -> Any:
        """The `System` in which it is looked up."""
        ...

    @property
    def address(self) -> Any:
        """What `Down.target` is for a monitor by this name."""
        ...

    def whereis(self) -> Any | None:
        """Return the ref of the live actor that is found there, or None."""
        ...

    def claim(self, cell: Any, /) -> Any | None:
        """Give a new actor the name; or return the cell of who has it. Under GUARD.

        Raises:
            ActorError: there is no such place for a single actor.
        """
        ...

    def announce(self, cell: Any, /) -> None:
        """Do what must follow a claim, without GUARD."""
        ...


class Directory(Protocol):
    """Where actors are found until they die."""

    def release(self, serial: int, /) -> None:
        """Forget a dying actor. Under GUARD."""
        ...


class Listing(Protocol):
    """Who keeps in which directories an actor is, until it dies."""

    def list_in(self, directory: Directory, cell: Any, /) -> None:
        """Have `directory.release` called when an actor dies. Under GUARD."""
        ...

    def unlist(self, directory: Directory, cell: Any, /) -> None:
        """Take `list_in` back. Under GUARD."""
        ...


class PlainName:
    """A name of a system's own, as given to `register` or to `options`."""

    __slots__ = ("_text", "system")

    def __init__(self, text: str, system: Any) -> None:
        self._text = text
        self.system = system

    def __str__(self) -> str:
        return repr(self._text)

    def __repr__(self) -> str:
        return f"named({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlainName) and (self._text, self.system) == (other._text, other.system)

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> tuple[Any, ...]:
        return _plain, (self._text,)

    @property
    def address(self) -> tuple[str, str]:
        """See `Name.address`: the name and the peer's."""
        return self._text, self.system.peer.name

    def whereis(self) -> Any | None:
        """See `Name.whereis`."""
        return self.system.whereis(self._text)

    def claim(self, cell: Any, /) -> Any | None:
        """See `Name.claim`."""
        return self.system.names.claim(self._text, cell)

    def announce(self, cell: Any, /) -> None:
        """See `Name.announce`: nothing follows."""


def _plain(text: str) -> PlainName:
    """Return the name in the system that is current where it is unpickled."""
    return PlainName(text, current_system())


def check_name(name: object) -> None:
    """Refuse what cannot be a plain name.

    Raises:
        ConfigError: it is no text, or empty.
    """
    if not isinstance(name, str) or not name:
        raise ConfigError(f"{name!r} cannot be the name of an actor; it must be a text that is not empty")
