"""Real reactors for tests: made, listened to, and closed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from actorcloud.base.ids import Peer
from actorcloud.base.ports import Received, TransportEvent
from actorcloud.net import Pins, Reactor, ReactorOptions, new_key_pair

#: Seconds; a test that waits longer has failed.
PATIENCE = 30.0

HEAD = Peer("head", 1)
NODE = Peer("n1", 2)


class Log:
    """A sink that remembers, and on which a test can wait."""

    def __init__(self) -> None:
        self.events: list[TransportEvent] = []
        self._changed = threading.Condition()

    def __call__(self, event: TransportEvent) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    @property
    def messages(self) -> list[bytes]:
        return [message for event in self.events if isinstance(event, Received) for message in event.messages]

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), f"it did not come to that; so far: {self.events}"

    def wait_for(self, kind: type[TransportEvent], **fields: object) -> Any:
        def find() -> TransportEvent | None:
            for event in self.events:
                if isinstance(event, kind) and all(getattr(event, name) == value for name, value in fields.items()):
                    return event
            return None

        self.wait(lambda: find() is not None)
        return find()

    def forget(self) -> None:
        with self._changed:
            self.events.clear()


class Cluster:
    """A head and its peers on one key ring."""

    def __init__(self) -> None:
        self.head_keys = new_key_pair()
        self.secret = os.urandom(16)
        self.reactors: list[Reactor] = []

    def head(
        self, listen: str, *, pins: Pins | None = None, incarnation: int = 1, timeout: float = 30.0
    ) -> tuple[Reactor, Log]:
        options = ReactorOptions(
            name="head",
            role="head",
            incarnation=incarnation,
            listen=(listen,) if listen else (),
            node_timeout=timeout,
            key_pair=self.head_keys,
            secret=self.secret,
        )
        return self._start(Reactor(options, pins=pins))

    def peer(self, name: str = "n1", incarnation: int = 2, **changes: Any) -> tuple[Reactor, Log]:
        fields: dict[str, Any] = {
            "name": name,
            "role": "node",
            "incarnation": incarnation,
            "key_pair": new_key_pair(),
            "head_key": self.head_keys.public,
            "secret": self.secret,
            "attempt_timeout": 2.0,
        }
        return self._start(Reactor(ReactorOptions(**fields | changes)))

    def _start(self, reactor: Reactor) -> tuple[Reactor, Log]:
        log = Log()
        self.reactors.append(reactor)
        reactor.start(log)
        return reactor, log

    def close(self) -> None:
        for reactor in reversed(self.reactors):
            reactor.close()


@contextmanager
def cluster() -> Iterator[Cluster]:
    made = Cluster()
    try:
        yield made
    finally:
        made.close()
