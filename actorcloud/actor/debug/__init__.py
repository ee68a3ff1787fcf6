"""Looking at actors, and changing how they run, while they run.

==================  ============================================================================
call                the state and the status of an actor; suspend, resume, terminate; debug functions
watch               the debug functions that come with the package: trace, log, statistics
==================  ============================================================================

    from actorcloud.actor import debug

    debug.get_state(ref)
"""

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
from actorcloud.actor.event import Event
from actorcloud.actor.instrument import DONE, ActorStatus, DebugFunction

__all__ = [
    "DONE",
    "LOG_DEFAULT",
    "LOG_LIMIT",
    "ActorStatus",
    "DebugFunction",
    "Event",
    "Statistics",
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
    "statistics",
    "suspend",
    "terminate",
    "trace",
]
