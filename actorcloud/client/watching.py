"""`cloud.watch`: an iterator over what a key is, from now on.

Level-triggered: it knows the number of the commit whose value it gave last, and asks the head to tell
when the key is not so any more. The session asks again of each new head, with the same number; so
nothing is missed, whatever breaks. Between two steps nothing is open at the head.

::

    next: nothing given yet? --------------> Read -> (seen, value)
          else WatchKey(seen) -> KeyChanged, Read -> (seen, value)

Thread: one at a time iterates; `close` from any.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from actorcloud.base.errors import NestedTransaction, WireError, from_code
from actorcloud.client.session import Question, Session
from actorcloud.protocol.job import STORE
from actorcloud.protocol.transaction import KeyChanged, Refused, WatchKey

if TYPE_CHECKING:
    from actorcloud.store import Key, Space, Transactions


class Watch(Iterator[Any]):
    """The values of one key, as they come; made by `Cloud.watch`.

    >>> with cloud.watch("prices", "tea") as prices: # doctest: +SKIP
    ...     for price in prices:
    ...         print(price)

    Args:
        session: to the head.
        transactions: of the same client.
        of: the space, and the key in it.
        where: the engine key.
        default: given for an absent key.
    """

    def __init__(
        self, session: Session, transactions: Transactions, of: tuple[Space, Key], where: bytes, default: object
    ) -> None:
        self._session = session
        self._transactions = transactions
        self._of = of
        self._key = where
        self._shown = f"the key {of[1]!r} of {of[0]!r}"
        self._default = default
        #: Number of the commit that wrote what was given last; None: nothing was.
        self._seen: int | None = None
        self._is_closed = False

    def __next__(self) -> Any:
        """Wait for a change and return the present value; the first one at once.

        Raises:
            StopIteration: after `close`.
            NoSuchJob: the job whose key this is was deleted.
            TooManyWatches: the client, or the node, watches 10,000 keys already.
            HeadUnreachable: no head answers; calling again goes on from here.
            NestedTransaction: inside a transaction.

        Blocks: until the key changes.
        """
        return self._step(None)

    def wait(self, timeout: float | None = None) -> Any:
        """Do as `next` does, but not for longer than `timeout`.

        Args:
            timeout: seconds.

        Raises:
            ResultTimeout: nothing changed; calling again goes on from here.
            Exception: as for `next`.
        """
        return self._step(timeout)

    def close(self) -> None:
        """End the iteration, also of a thread that waits in it; idempotent."""
        self._is_closed = True
        self._session.head.wake()

    def _step(self, timeout: float | None) -> Any:
        if self._transactions.current() is not None:
            raise NestedTransaction("a watch was waited for inside a transaction; wait outside of it")
        if self._seen is not None and not self._is_closed:
            self._wait_changed(self._seen, timeout)
        if self._is_closed:
            raise StopIteration
        found = self._transactions.find(*self._of)
        # First: a value that cannot be read here is an error once, and not for ever.
        self._seen = 0 if found is None else found[0]
        return self._transactions.value_of(found, *self._of, self._default)

    def _wait_changed(self, seen: int, timeout: float | None) -> None:
        session = self._session
        session.check()
        question = Question(WatchKey(self._key, seen), STORE)
        session.open(question)
        try:
            session.wait(
                lambda: question.finished or self._is_closed,
                timeout,
                about=lambda: f"a change of {self._shown}",
                warns=False,
            )
        finally:
            session.forget(question)
        if question.error is not None:
            raise question.error
        match question.reply:
            case KeyChanged() | None:
                return
            case Refused(code, text):
                raise from_code(code, text)
        raise WireError(f"the store answered a WatchKey with {question.reply!r}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "nothing seen" if self._seen is None else f"seen {self._seen}"
        return f"<Watch of {self._shown}, {state}>"
