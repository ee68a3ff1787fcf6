"""How a command ends that fails: a line on stderr and an exit code (`base.exitcode`)."""

from __future__ import annotations

from typing import IO, Any

import click

from actorcloud.base.exitcode import ExitCode


class Failure(click.ClickException):
    """A command that ends with an exit code of its own.

    Args:
        message: for stderr; None: all has been said.
        code: see `ExitCode`.
    """

    def __init__(self, message: str | None, code: ExitCode) -> None:
        super().__init__(message or "")
        self.exit_code = int(code)  # type: ignore[misc]  # click says class variable, and reads the instance's

    def show(self, file: IO[Any] | None = None) -> None:
        """Say it on stderr; click calls this."""
        if self.message:
            click.echo(f"actorcloud: {self.message}", err=True, file=file)
