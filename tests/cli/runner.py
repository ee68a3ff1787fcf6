"""Runs the command line in this process, over a cloud in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from click.testing import CliRunner, Result

from actorcloud.cli.program import program
from actorcloud.client import Cloud


class Desk:
    """A command line that always meets the same cloud, one that runs jobs in this process."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        #: Where its commands wanted to go.
        self.asked: list[str] = []

    def run(self, *arguments: str, env: dict[str, str | None] | None = None) -> Result:
        """Run a command; unless `env` says otherwise the environment names the head."""
        environment = {"ACTORCLOUD_HEAD": "here:1", **(env or {})}
        return CliRunner().invoke(program, list(arguments), env=environment, obj=self._open)

    def add(self, *arguments: str) -> str:
        """Run `add-job` and return the reference that it prints."""
        result = self.run("add-job", *arguments)
        assert result.exit_code == 0, result.stderr
        return result.stdout.strip()

    def _open(self, where: str) -> AbstractContextManager[Cloud]:
        self.asked.append(where)
        return nullcontext(self.cloud)


@contextmanager
def open_desk() -> Iterator[Desk]:
    """Open a desk, and close its cloud at the end."""
    with Cloud(workers=0) as cloud:
        yield Desk(cloud)
