"""Looking at actors, and changing how they run, while they run.

==================  ============================================================================
call                the state and the status of an actor; suspend, resume, terminate; debug functions
follow              what actors send, receive, start and link with, told as it happens
watch               the debug functions that come with the package: trace, log, statistics
option              the same from an actor's start on
tree, table         the actors of a system, for people; its dead letters
==================  ============================================================================

    from actorcloud.actor import debug

    debug.get_state(ref)
"""

from actorcloud.actor.cell.event import Event
from actorcloud.actor.cell.instrument import DONE, ActorStatus, DebugFunction
from actorcloud.actor.debug.call import (
    get_state,
    get_status,
    install,
    no_debug,
    remove,
    replace_state,
    resume,
    suspend,
    terminate,
)
from actorcloud.actor.debug.follow import EVENTS_DEFAULT, EVENTS_LIMIT, Subscription, TraceEvent, follow
from actorcloud.actor.debug.table import Row, Table, table
from actorcloud.actor.debug.tree import Node, Tree, dead_letters, show, tree
from actorcloud.actor.debug.watch import (
    LOG_DEFAULT,
    LOG_LIMIT,
    Statistics,
    get_log,
    get_statistics,
    log,
    log_to_file,
    statistics,
    trace,
)
from actorcloud.actor.system.dead_letter import DeadLetters

__all__ = [
    "DONE",
    "EVENTS_DEFAULT",
    "EVENTS_LIMIT",
    "LOG_DEFAULT",
    "LOG_LIMIT",
    "ActorStatus",
    "DeadLetters",
    "DebugFunction",
    "Event",
    "Node",
    "Row",
    "Statistics",
    "Subscription",
    "Table",
    "TraceEvent",
    "Tree",
    "dead_letters",
    "follow",
    "get_log",
    "get_state",
    "get_statistics",
    "get_status",
    "install",
    "log",
    "log_to_file",
    "no_debug",
    "remove",
    "replace_state",
    "resume",
    "show",
    "statistics",
    "suspend",
    "table",
    "terminate",
    "trace",
    "tree",
]
