"""`actorcloud store`: the commands about the store."""

from __future__ import annotations

import click

from actorcloud.cli.group import Group

#: See `Group`.
COMMANDS = {
    "get": "store",
    "ls": "store",
    "put": "store",
    "delete": "store",
    "stats": "store",
    "check": "administration",
    "backup": "administration",
    "restore": "administration",
    "compact": "administration",
    "export": "administration",
    "import": "administration",
}


@click.group(cls=Group, homes=COMMANDS, short_help="What is stored, and the store itself: back it up, check it.")
@click.pass_context
def store(ctx: click.Context) -> None:
    """Read and change what is stored; look after the store itself.

    Backup and export work while a head has the store; check, restore, compact and import do not.

    Values: get, ls, put and delete go through the head that has the store; with --store STORE and no
    head there, they open it themselves.
    """
    ctx.default_map = dict.fromkeys(COMMANDS, ctx.default_map)
