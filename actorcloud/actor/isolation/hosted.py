"""The cells of actors in processes of their own: as everywhere, but that they report to their host.

Thread: as `Cell` and `AsyncCell`.
"""

from __future__ import annotations

from typing import Any, Protocol

from actorcloud.actor.cell.async_cell import AsyncCell
from actorcloud.actor.cell.cell import Cell


class Reporting(Protocol):
    """What cells need of their host."""

    def rested(self) -> None:
        """Code of the actor has run and does not run now."""
        ...

    def crashing(self, error: BaseException, /) -> None:
        """The actor is about to end by an exception."""
        ...


class _HostedCell(Cell):
    """The cell of a pooled or pinned actor in its own process."""

    __slots__ = ("host",)

    host: Reporting

    def turn(self, limit: int, known: dict[str, Any] | None = None) -> int:
        try:
            return super().turn(limit, known)
        finally:
            self.host.rested()

    def crash(self, error: BaseException) -> None:
        self.host.crashing(error)
        super().crash(error)


class _HostedAsyncCell(AsyncCell):
    """The cell of an asyncio actor in its own process."""

    __slots__ = ("host",)

    host: Reporting

    def leave(self) -> None:
        super().leave()
        self.host.rested()

    def crash(self, error: BaseException) -> None:
        self.host.crashing(error)
        super().crash(error)


def hosted(kind: Any) -> Any:
    """Return the class with a cell that reports to its host; it calls itself what it is called."""
    cell_class = _HostedAsyncCell if issubclass(kind._cell_class, AsyncCell) else _HostedCell  # noqa: SLF001
    facts = {"_cell_class": cell_class, "__module__": kind.__module__, "__qualname__": kind.__qualname__}
    return type(kind.__name__, (kind,), facts)
