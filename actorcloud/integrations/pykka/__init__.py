"""Pykka's names over actorcloud's actors: a Pykka program changes its import line and nothing else.

::

    import pykka                        ->  from actorcloud.integrations import pykka
    from pykka import ThreadingActor    ->  from actorcloud.integrations.pykka import ThreadingActor
    import pykka.debug                  ->  import actorcloud.integrations.pykka.debug

`messages`, `typing` and `debug` are here too. A `ThreadingActor` has links, monitors, names and
supervisors like any other actor, and talks with those that are an `actorcloud.actor.Actor`.

`docs/differences-from-pykka.md` lists what is otherwise all the same.
"""

from __future__ import annotations

from actorcloud.actor import (
    Actor,
    ActorDeadError,
    ActorProxy,
    ActorRef,
    ActorRegistry,
    CallableProxy,
    Future,
    get_all,
    traversable,
)
from actorcloud.actor import AskTimeout as Timeout
from actorcloud.integrations.pykka import messages
from actorcloud.integrations.pykka.actor import ThreadingActor
from actorcloud.integrations.pykka.future import ThreadingFuture

__all__ = [
    "Actor",
    "ActorDeadError",
    "ActorProxy",
    "ActorRef",
    "ActorRegistry",
    "CallableProxy",
    "Future",
    "ThreadingActor",
    "ThreadingFuture",
    "Timeout",
    "get_all",
    "messages",
    "traversable",
]
