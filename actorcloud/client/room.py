"""What one opened cloud consists of: the session, its submitter, its end of the store, its end.

`Cloud`, `cloud.options(...)` and the futures are thin handles over one of these.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from actorcloud.base.code import dump_function
from actorcloud.base.codec import dump_value, load_here
from actorcloud.base.errors import ActorCloudError
from actorcloud.client.adding import FunctionRequest
from actorcloud.client.info import logger
from actorcloud.client.session import Session
from actorcloud.client.submitting import Submitter
from actorcloud.protocol.job import STORE
from actorcloud.protocol.message import Message
from actorcloud.protocol.storestats import GetStoreStats, StoreFigures, StoreStats
from actorcloud.protocol.transaction import Refused

if TYPE_CHECKING:
    from actorcloud.store import Codec, Transactions

#: Seconds that closing waits for submitted jobs to be durable: two slow commits and a restart of the head.
CLOSE_TIMEOUT_DEFAULT = 10.0


class Room:
    """One opened cloud.

    Args:
        session: to its head.
        kind: what `repr` calls it, "private, temporary store".
        fate: what becomes of unfinished jobs after `close`, "kept in /path"; None says nothing.
        release: called at the end of `close`, once.
    """

    def __init__(
        self,
        session: Session,
        *,
        kind: str = "cluster",
        fate: str | None = None,
        release: Callable[[], None] = lambda: None,
    ) -> None:
        self.session = session
        self.submitter = Submitter(session)
        self.kind = kind
        self._fate = fate
        self._release = release
        self._stored: set[bytes] = set()
        session.on_new_head.append(self._stored.clear)

    @functools.cached_property
    def transactions(self) -> Transactions:
        """This client's end of the store."""
        from actorcloud.store import Codec  # noqa: PLC0415  most programs never need it

        return self._make_transactions(Codec(lambda value: dump_value(value, "the value"), load_here))

    @functools.cached_property
    def inspected(self) -> Transactions:
        """The same, with values as `Inspected`: for who shows them and may not unpickle."""
        from actorcloud.store import Inspector  # noqa: PLC0415  most programs never need it

        return self._make_transactions(Inspector())

    def store_figures(self) -> StoreFigures:
        """Return how the store is doing."""
        return self.session.call(GetStoreStats(), StoreStats, to=STORE).figures

    def _make_transactions(self, codec: Codec) -> Transactions:
        from actorcloud.store import Means, Transactions  # noqa: PLC0415  most programs never need it

        session = self.session
        clock, random = session.head.clock, session.random

        def sleep(seconds: float) -> None:
            session.head.wait(lambda: session.closed, seconds)

        means = Means(clock.monotonic, sleep, random.random, random.randbytes, clock.time)
        return Transactions(self._ask_store, codec, means, session.fence)

    def function(self, fun: Callable[..., object]) -> tuple[bytes, bytes]:
        """Return (digest, code) of a function; refuses handles that may no longer be used."""
        self.session.check()
        return dump_function(fun)

    def store_function(self, function: tuple[bytes, bytes]) -> None:
        """See to it that the head has this function.

        Blocks: for one durable commit, the first time.
        """
        if function[0] not in self._stored:
            request = FunctionRequest(self.session, function)
            self.session.open(request)
            self.session.wait_finished(request)
            self._stored.add(function[0])

    def flush(self) -> None:
        """Wait until what was submitted is durable; says so where it is not."""
        try:
            self.submitter.wait_durable(CLOSE_TIMEOUT_DEFAULT)
        except ActorCloudError as error:
            logger.warning("closing although not all submitted jobs are durable: %s", error)

    def close(self) -> None:
        """Leave; tell in one line what becomes of unfinished jobs. Idempotent."""
        session = self.session
        if session.closed:
            return
        if not session.is_forked:
            self.flush()
            self._tell_fate()
            self.submitter.close()
        session.close()
        if not session.is_forked:
            self._release()

    def _tell_fate(self) -> None:
        if self._fate is None or self.session.head.away_since is not None:
            return
        info = self.session.info()
        if info is not None and info.unfinished:
            jobs = "1 unfinished job" if info.unfinished == 1 else f"{info.unfinished} unfinished jobs"
            logger.warning("closing with %s: %s", jobs, self._fate)

    def _ask_store(self, message: Message) -> Message:
        answer = self.session.call(message, Message, to=STORE)
        if isinstance(answer, Refused) and answer.code == "need-function":
            self._stored.discard(bytes.fromhex(answer.text))
        return answer
