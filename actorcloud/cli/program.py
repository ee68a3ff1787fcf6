"""The program `actorcloud`: its commands, and what holds for all of them.

A command is loaded when it is used: the parent of a head lives as long as the head, and needs no
progress bars.
"""

from __future__ import annotations

import logging

import click

from actorcloud.base.errors import ActorCloudError
from actorcloud.base.exitcode import ExitCode, exit_code
from actorcloud.cli.exits import Failure
from actorcloud.cli.group import Group
from actorcloud.cli.option import file_settings

#: See `Group`.
COMMANDS = {
    "head": "head",
    "node": "node",
    "join-string": "cloud",
    "status": "cloud",
    "jobs": "job",
    "add-job": "job",
    "job": "job",
    "result": "job",
    "cancel": "job",
    "delete-job": "job",
    "store": "storegroup",
    "demo": "demo",
    "version": "version",
}


class Program(Group):
    """A group whose commands may raise actorcloud's errors."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; see `click.Group.invoke`."""
        try:
            return super().invoke(ctx)
        except ActorCloudError as error:
            raise Failure(str(error), exit_code(error)) from error
        except PermissionError as error:
            raise Failure(f"{error.filename}: {error.strerror}", ExitCode.NO_PERMISSION) from error
        except KeyboardInterrupt as interrupt:
            raise Failure(None, ExitCode.INTERRUPTED) from interrupt


@click.group(
    cls=Program,
    homes=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="An option of any command may also be set by its environment variable, in ./actorcloud.toml, in "
    "[tool.actorcloud] of ./pyproject.toml, or in config.toml in the user's configuration directory.",
)
@click.pass_context
def program(ctx: click.Context) -> None:
    """Supervised actors and durable jobs across machines.

    Begin with `actorcloud demo`; then `actorcloud head` on one machine and `actorcloud node` on each.
    """
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    values = {name: resolved.value for name, resolved in file_settings().items()}
    ctx.default_map = dict.fromkeys(COMMANDS, values)
