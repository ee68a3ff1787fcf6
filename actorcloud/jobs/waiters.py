"""Who waits for which job.

A waiter is an open streaming ask: it gets `Outcomes` as its jobs end, the last one closes it. It is
level-triggered: what had ended before it asked is answered at once by the manager. A waiter whose
asker is gone is dropped when the cluster says so, or when its jobs end.

Owned by the manager; after its death clients ask again (design 6.1, rule 16).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from actorcloud.protocol.job import Outcomes
from actorcloud.protocol.message import Message
from actorcloud.protocol.record import Outcome

#: Bytes of outcomes in one answer; a larger one goes alone.
ANSWER_LIMIT_BYTES = 256 * 1024

#: An outcome, or None: there is no such job.
Item = tuple[bytes, Outcome | None]


class Stream(Protocol):
    """The open end of a streaming ask."""

    @property
    def to(self) -> object:
        """The asker's end, as the cluster names it when the asker is gone."""
        ...

    def push(self, value: Message) -> None:
        """Send a part of the answer."""
        ...

    def set(self, value: Message) -> None:
        """Send the last part."""
        ...


class Waiter:
    """One open ask."""

    __slots__ = ("ready", "stream", "waiting")

    def __init__(self, stream: Stream, refs: Iterable[bytes]) -> None:
        self.stream = stream
        self.waiting = set(refs)
        self.ready: list[Item] = []


class Waiters:
    """All open asks of this manager."""

    def __init__(self) -> None:
        self._by_ref: dict[bytes, list[Waiter]] = {}
        self._by_stream: dict[int, Waiter] = {}
        self._dirty: dict[int, Waiter] = {}

    def __len__(self) -> int:
        return len(self._by_ref)

    def __contains__(self, ref: bytes) -> bool:
        return ref in self._by_ref

    def refs(self) -> tuple[bytes, ...]:
        """Return the jobs that somebody waits for."""
        return tuple(self._by_ref)

    def add(self, stream: Stream, refs: Iterable[bytes]) -> Waiter:
        """Register an ask; its refs are answered by `settle`."""
        waiter = self._by_stream[id(stream.to)] = Waiter(stream, refs)
        for ref in waiter.waiting:
            self._by_ref.setdefault(ref, []).append(waiter)
        if not waiter.waiting:
            self._dirty[id(waiter)] = waiter
        return waiter

    def settle(self, ref: bytes, outcome: Outcome | None) -> None:
        """Note how a job ended; told at the next `flush`."""
        for waiter in self._by_ref.pop(ref, ()):
            waiter.waiting.discard(ref)
            waiter.ready.append((ref, outcome))
            self._dirty[id(waiter)] = waiter

    def drop(self, to: object) -> None:
        """Forget the ask of an asker that gave up or is gone."""
        waiter = self._by_stream.pop(id(to), None)
        if waiter is None:
            return
        self._dirty.pop(id(waiter), None)
        for ref in waiter.waiting:
            self._by_ref[ref].remove(waiter)
            if not self._by_ref[ref]:
                del self._by_ref[ref]

    def flush(self) -> None:
        """Tell every waiter what it waits for has ended."""
        if not self._dirty:
            return
        dirty, self._dirty = self._dirty, {}
        for waiter in dirty.values():
            _tell(waiter)
            if not waiter.waiting:
                del self._by_stream[id(waiter.stream.to)]


def _tell(waiter: Waiter) -> None:
    items, waiter.ready = waiter.ready, []
    *parts, last = _parts(items)
    for part in parts:
        waiter.stream.push(Outcomes(part))
    if waiter.waiting:
        waiter.stream.push(Outcomes(last))
    else:
        waiter.stream.set(Outcomes(last))


def _parts(items: list[Item]) -> list[tuple[Item, ...]]:
    parts: list[tuple[Item, ...]] = []
    part: list[Item] = []
    size = 0
    for item in items:
        weight = 64 + (len(item[1].value) + len(item[1].output) if item[1] else 0)
        if part and size + weight > ANSWER_LIMIT_BYTES:
            parts.append(tuple(part))
            part, size = [], 0
        part.append(item)
        size += weight
    return [*parts, tuple(part)]
