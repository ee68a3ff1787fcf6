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
        self._wakeup_fd = self.inbox.wakeup.fileno()
        self._poller.register(self._wakeup_fd, zmq.POLLIN)

    def watch(self, socket: zmq.Socket[bytes] | int, handler: Handler, *, is_writing: bool = False) -> None:
        """Call `handler` whenever this socket or descriptor is readable; with `is_writing`, or writable."""
        self._poller.register(socket, zmq.POLLIN | (zmq.POLLOUT if is_writing else 0))
        self._handlers[socket] = handler

    def unwatch(self, socket: zmq.Socket[bytes] | int) -> None:
        """Forget `socket`."""
        if self._handlers.pop(socket, None) is not None:
            self._poller.unregister(socket)

    def run_inbox(self) -> bool:
        """Do what other threads, or the guest, have asked for; returns whether there was anything."""
        return self.inbox.run(CALLS_PER_TURN)

    def turn(self, seconds: float) -> bool:
        """Wait until something happens, at most `seconds`; then call the handlers and run the inbox.

        Returns:
            Whether there was anything to do; a mere nudge is nothing.

        Blocks: up to `seconds`, at most `POLL_CEILING`.
        """
        wait_ms = 0
        if seconds > 0 and self.inbox.fall_asleep():
            # Rounded up: a deadline a fraction of a millisecond away is not worth spinning for.
            wait_ms = int(min(seconds, POLL_CEILING) * 1000) + 1
        ready = self._poller.poll(wait_ms)
        self.inbox.wake()
        has_worked = False
        for socket, _ in ready:
            if socket == self._wakeup_fd:
                self.inbox.wakeup.clear()
                continue
            handler = self._handlers.get(socket)
            # A handler before this one may have closed the socket.
            if handler is not None:
                handler()
                has_worked = True
        return self.run_inbox() or has_worked

    def close(self) -> None:
        """Free what the loop owns; sockets are their owners'."""
        self._handlers.clear()
        self.inbox.close()
