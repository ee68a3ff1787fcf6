"""What few actors have, kept in one place so that the others do not pay for it.

Thread: any, under `GUARD`.
"""

from __future__ import annotations

from typing import NamedTuple

from actorcloud.actor.signals import MonitorRef


class Tie(NamedTuple):
    """When an alias ends by itself."""

    #: After one message.
    is_reply: bool
    #: Together with this monitor.
    monitor: MonitorRef | None


class Extra:
    """The label and the aliases of one actor."""

    __slots__ = ("aliases", "label")

    def __init__(self) -> None:
        #: What reports call the actor, besides its class and id.
        self.label: object = None
        #: Those that are active.
        self.aliases: dict[int, Tie] = {}

    def drop_tied(self, monitor: MonitorRef) -> None:
        """Deactivate the aliases that end with this monitor."""
        for serial in [serial for serial, tie in self.aliases.items() if tie.monitor == monitor]:
            del self.aliases[serial]
