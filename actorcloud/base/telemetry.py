"""Telemetry: what happens is an event, and whoever wants may listen.

An event has a dotted name, `actorcloud.<room>.<thing>.<start|stop|exception>` or a noun, numbers
(measurements) and facts (metadata). `docs/telemetry.md` lists them all; a test compares.

Handlers run where the event happens, on any thread: they must be quick and may not raise; one that
raises is removed and logged, so that a metrics bug never takes work down.

Reference: oban's telemetry; Erlang's telemetry library.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

#: name, measurements, metadata.
Handler = Callable[[str, Mapping[str, float], Mapping[str, object]], None]

logger = logging.getLogger("actorcloud.telemetry")


class Telemetry:
    """A list of handlers. Thread: any; the tuple is replaced, never changed."""

    def __init__(self) -> None:
        self._handlers: tuple[Handler, ...] = ()

    def attach(self, handler: Handler) -> None:
        """Call `handler` for every event from now on."""
        self._handlers = (*self._handlers, handler)

    def detach(self, handler: Handler) -> None:
        """Stop calling `handler`; unknown ones are ignored."""
        self._handlers = tuple(known for known in self._handlers if known is not handler)

    @property
    def is_heard(self) -> bool:
        """Whether there is a handler; for who has to work for what it would emit."""
        return bool(self._handlers)

    def emit(self, name: str, measurements: Mapping[str, float], metadata: Mapping[str, object]) -> None:
        """Tell every handler; costs one attribute test when there is none."""
        for handler in self._handlers:
            try:
                handler(name, measurements, metadata)
            except Exception:
                logger.exception("telemetry handler %r raised on %s and was removed", handler, name)
                self.detach(handler)


#: The process's own.
telemetry = Telemetry()
