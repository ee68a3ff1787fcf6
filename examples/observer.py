# /// script
# requires-python = ">=3.11"
# dependencies = ["actorcloud"]
# ///
"""What is going on in there? The tree of all actors, live: a child that crashes is back in the next frame.

In a terminal it is drawn anew every half second, until ctrl-c; elsewhere it prints two frames.

Prints:
    ...: 4 actors, 0 zombies, 0 dead letters
    └─ Supervisor<...>  waiting
       ├─ 'gauge'  Station<...>  waiting
       └─ 'region'  Supervisor<...>  waiting
          └─ 'wind'  Station<...>  waiting

    ...: 4 actors, 0 zombies, 0 dead letters
    └─ Supervisor<...>  waiting
       ├─ 'gauge'  Station<...>  waiting  restarted once
       └─ 'region'  Supervisor<...>  waiting
          └─ 'wind'  Station<...>  waiting
"""

from __future__ import annotations

import contextlib
import logging
import random
import time

from rich.console import Console
from rich.live import Live

from actorcloud import Actor, Supervisor
from actorcloud.actor import SupervisorRef, debug


class Station(Actor):
    """Takes readings; one that is no number is a bug somewhere."""

    def on_receive(self, message: str) -> float:
        """Return the reading."""
        return float(message)


def crash(family: SupervisorRef) -> None:
    """Send what is no number, and wait until the station runs again."""
    with contextlib.suppress(ValueError):
        family.child("gauge").ask("n/a")
    family.child("gauge")


logging.getLogger("actorcloud").setLevel(logging.CRITICAL)  # the crashes are the point here
region = Supervisor.child_spec([Station.child_spec(id="wind")], id="region")
family = Supervisor.start([Station.child_spec(id="gauge"), region], max_restarts=1_000)
console = Console()
if console.is_terminal:
    with contextlib.suppress(KeyboardInterrupt), Live(debug.tree().rich(), console=console, screen=True) as live:
        while True:
            time.sleep(0.5)
            if random.random() < 0.2:  # noqa: S311  no secret
                crash(family)
            live.update(debug.tree().rich())
else:
    print(f"{debug.tree()}\n")
    crash(family)
    print(debug.tree())
family.stop()
