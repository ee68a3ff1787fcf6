"""Progress on the terminal: a bar, and lines above it. All of it is talk: it goes to stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Screen:
    """A progress bar with room for remarks; says nothing when `quiet`.

    rich honours NO_COLOR, and draws no bar where stderr is no terminal.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress = Progress(
            TextColumn("jobs done"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, total: int) -> None:
        """Show the bar, for so many jobs."""
        self._progress.update(self._task, total=total, visible=True)

    def advance(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)

    def say(self, text: str) -> None:
        """Say what happens."""
        self._console.print(text, markup=False)

    def warn(self, text: str) -> None:
        """Say what goes wrong."""
        self._console.print(text, style="bold red", markup=False)
