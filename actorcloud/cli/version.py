"""`actorcloud version`; loads nothing else, so that scripts may ask often."""

from __future__ import annotations

import platform
import sys

import click
import msgspec

from actorcloud.base.version import VERSION
from actorcloud.cli.option import option


@click.command()
@option("json")
def version(*, json: bool) -> None:
    """Print the version."""
    if json:
        told = {"actorcloud": VERSION, "python": platform.python_version(), "platform": sys.platform}
        click.echo(msgspec.json.encode(told).decode())
    else:
        click.echo(VERSION)
