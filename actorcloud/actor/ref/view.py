"""What Pykka's programs look at of an actor: its inbox, and whether it has stopped.

Made when they are looked at, so that an actor that nobody looks at pays nothing.

Thread: any.
"""

from __future__ import annotations

from typing import Any

from actorcloud.actor.ref.watcher import Watcher
from actorcloud.actor.signals import Demonitor, Monitor, new_monitor


class _View:
    """Something of one actor.

    Args:
        ref: whose.
    """

    __slots__ = ("_ref",)

    def __init__(self, ref: Any) -> None:
        self._ref = ref


class Inbox(_View):
    """An actor's mail, as far as others may handle it: they put, the actor takes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Inbox of {self._ref} with {self.qsize()} messages>"

    def put(self, message: Any) -> None:
        """Send a message; see `ActorRef.tell`."""
        self._ref.tell(message)

    def qsize(self) -> int:
        """Return how many messages wait; the one that is being handled does not."""
        count: int = self._ref._cell.queued()  # noqa: SLF001  one package
        return count

    def empty(self) -> bool:
        """Whether none waits."""
        return not self.qsize()


class Stopped(_View):
    """Looks like the `threading.Event` that is set when an actor has stopped."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Stopped of {self._ref}: {'set' if self.is_set() else 'unset'}>"

    def is_set(self) -> bool:
        """Whether the actor has stopped, or is about to."""
        return not self._ref.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the actor is dead.

        Args:
            timeout: seconds; None waits for ever.

        Returns:
            False if `timeout` seconds passed first.

        Blocks:
            as said.
        """
        ended = self._ref._cell.system.future()  # noqa: SLF001  one package
        name = new_monitor()
        self._ref.signal(Monitor(name, Watcher(ended.set), self._ref))
        try:
            return bool(ended.wait(timeout))
        finally:
            # Who waits in small steps must not leave a monitor behind at each.
            self._ref.signal(Demonitor(name))
