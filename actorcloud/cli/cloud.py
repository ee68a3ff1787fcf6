"""The commands about the cloud: its state, and how to join it."""

from __future__ import annotations

import click

from actorcloud.base.exitcode import ExitCode
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.option import option
from actorcloud.cli.place import Place, local_command, local_head, location_of, speaks_to_head


@click.command()
@option("json")
@speaks_to_head
def status(*, json: bool, place: Place) -> None:
    """Show the state of the cloud: jobs, nodes and the head."""
    with place.open() as cloud:
        info = cloud.info()
    if json:
        report.write_json(report.cloud_fields(info))
        return
    click.echo(str(info))
    if not info.nodes:
        node = "`actorcloud node`" if place.head else f"`{local_command('node', location_of(place.store))}`"
        place.talk(f"nothing runs until a node joins: {node}")


@click.command()
@option("store")
def join_string(*, store: str | None) -> None:
    """Print the join string of this machine's head.

    It lets machines and programs in: treat it as a password.
    """
    found = local_head(store)
    if not found.join:
        raise Failure(
            "this head listens for this machine alone; start it with `actorcloud head --listen HOST:PORT`",
            ExitCode.FAILED,
        )
    click.echo(found.join)
