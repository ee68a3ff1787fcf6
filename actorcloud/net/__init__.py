"""Peers and their links: ordered, reliable streams of bytes between processes, over ZeroMQ.

The only package that imports zmq, and lazily: what needs no socket (options, join
strings) is imported without it. `Reactor` is the transport; everything it decides is decided by the
pure `Exchange`, which the simulated network drives too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actorcloud.net.effect import Close, Conn, Desk, Effect, Open, Transmit
    from actorcloud.net.enrolment import Gate, NoPins, Pin, Pins
    from actorcloud.net.exchange import Exchange
    from actorcloud.net.joinstring import JoinString
    from actorcloud.net.keys import KeyPair, load_key_pair, new_key_pair, private_directory, read_private, write_private
    from actorcloud.net.link import LinkLimits
    from actorcloud.net.options import ReactorOptions, Timing
    from actorcloud.net.pinfile import PinFile
    from actorcloud.net.reactor import Reactor

__all__ = [
    "Close",
    "Conn",
    "Desk",
    "Effect",
    "Exchange",
    "Gate",
    "JoinString",
    "KeyPair",
    "LinkLimits",
    "NoPins",
    "Open",
    "Pin",
    "PinFile",
    "Pins",
    "Reactor",
    "ReactorOptions",
    "Timing",
    "Transmit",
    "load_key_pair",
    "new_key_pair",
    "private_directory",
    "read_private",
    "write_private",
]

_HOMES = {
    "effect": ("Close", "Conn", "Desk", "Effect", "Open", "Transmit"),
    "enrolment": ("Gate", "NoPins", "Pin", "Pins"),
    "exchange": ("Exchange",),
    "joinstring": ("JoinString",),
    "keys": ("KeyPair", "load_key_pair", "new_key_pair", "private_directory", "read_private", "write_private"),
    "link": ("LinkLimits",),
    "options": ("ReactorOptions", "Timing"),
    "pinfile": ("PinFile",),
    "reactor": ("Reactor",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
