"""How the interpreter is set in a process that serves: a head's, a node's. Not in a user's own."""

from __future__ import annotations

import gc
import sys

#: Seconds: threads that wait for the GIL ask for it after this time; the default of 5 ms makes each
#: wake-up of the reactor wait that long behind a busy actor.
SWITCH_INTERVAL = 0.0005

#: Objects that are made, beyond those that end, before the youngest are looked through for cycles. What is under
#: way in one turn of the store is thousands of them; the default of 700 looks at each several times in vain.
COLLECT_AFTER = 10_000


def settle() -> None:
    """Set this process up to serve; once all it needs is loaded.

    What there is by then stays, so no collection looks at it again: that, and `COLLECT_AFTER`, is a sixth of the
    time of the store's transactions.
    """
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
