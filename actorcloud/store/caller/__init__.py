"""The callers' half of the store: a function, run as a transaction where it is called.

`Transactions` repeats it until it commits; `Transaction` is what it sees; an `Attempt` is one run's state.
Loaded by clients and workers: knows no engine and no actor.
"""

from __future__ import annotations

from actorcloud.store.caller.codec import Codec, Inspected, Inspector
from actorcloud.store.caller.mutation import TRANSACTION_TIMEOUT_DEFAULT, Staged, Transactions, run_callbacks
from actorcloud.store.caller.outcome import Abort, Commit, Fail, FencedRun
from actorcloud.store.caller.pacer import Means
from actorcloud.store.caller.rehearsal import rehearsed
from actorcloud.store.caller.repetition import called
from actorcloud.store.caller.space import Space, user_key
from actorcloud.store.caller.transaction import Ask, Transaction

__all__ = [
    "TRANSACTION_TIMEOUT_DEFAULT",
    "Abort",
    "Ask",
    "Codec",
    "Commit",
    "Fail",
    "FencedRun",
    "Inspected",
    "Inspector",
    "Means",
    "Space",
    "Staged",
    "Transaction",
    "Transactions",
    "called",
    "rehearsed",
    "run_callbacks",
    "user_key",
]
