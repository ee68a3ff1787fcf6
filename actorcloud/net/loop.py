"""The poll loop's bookkeeping: which socket calls which function when it is readable or writable.

A plain `zmq.Poller`, not `zmq.asyncio`: 424,000 messages a second against 78,000 (net-design 1.2).
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from actorcloud.net.wakeup import Inbox

#: Seconds: no poll is longer, whatever the deadlines say; a belt for a wake-up that was lost after all.
POLL_CEILING = 0.5

#: Calls of other threads in one turn.
CALLS_PER_TURN = 2000

Handler = Callable[[], None]


class Loop:
    """Watches sockets and the inbox. Thread: one; `inbox.put` any."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._poller = zmq.Poller()
        self._handlers: dict[object, Handler] = {}
        self._poller.register(self.inbox.wakeup.fileno(), zmq.POLLIN)
        self._handlers[self.inbox.wakeup.fileno()] = self.inbox.wakeup.clear

    def watch(self, socket: zmq.Socket[bytes], handler: Handler, *, is_writing: bool = False) -> None:
        """Call `handler` whenever `socket` is readable, with `is_writing` also when it is writable."""
        self._poller.register(socket, zmq.POLLIN | (zmq.POLLOUT if is_writing else 0))
        self._handlers[socket] = handler

    def unwatch(self, socket: zmq.Socket[bytes]) -> None:
        """Forget `socket`."""
        if self._handlers.pop(socket, None) is not None:
            self._poller.unregister(socket)

    def turn(self, seconds: float) -> None:
        """Wait until something happens, at most `seconds`; then call the handlers and run the inbox.

        Blocks: up to `seconds`, at most `POLL_CEILING`.
        """
        # Rounded up: a deadline a fraction of a millisecond away is not worth spinning for.
        wait_ms = int(max(0.0, min(seconds, POLL_CEILING)) * 1000) + 1
        if seconds <= 0 or not self.inbox.fall_asleep():
            wait_ms = 0
        ready = self._poller.poll(wait_ms)
        self.inbox.wake()
        for socket, _ in ready:
            handler = self._handlers.get(socket)
            # A handler before this one may have closed the socket.
            if handler is not None:
                handler()
        self.inbox.run(CALLS_PER_TURN)

    def close(self) -> None:
        """Free what the loop owns; sockets are their owners'."""
        self._handlers.clear()
        self.inbox.close()
