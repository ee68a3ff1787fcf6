"""`actorcloud store`: the commands that look after the store itself (`head.administration`).

They work on the store itself, on its files on this machine or in its database: no head is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from actorcloud.base.exitcode import ExitCode
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.option import option
from actorcloud.cli.place import location_of


def _looks_after(command: Callable[..., None]) -> Callable[..., None]:
    for add in (option("quiet", "-q"), option("store")):
        command = add(command)
    return command


@click.command(short_help="Copy the store, while it is in use or not, and check the copy.")
@click.argument("destination", type=click.Path(path_type=Path))
@_looks_after
def backup(destination: Path, *, store: str | None, quiet: bool) -> None:
    """Copy the store into the directory DESTINATION, and check the copy.

    A head may go on using the store: the copy is what was durable at one moment.
    """
    from actorcloud.head import back_up_store  # noqa: PLC0415  loads the engine

    back_up_store(location_of(store), destination)
    report.talk(f"backed up and checked: {destination}", quiet=quiet)


@click.command(short_help="Look for damage in a store.")
@option("level")
@option("json")
@_looks_after
def check(*, store: str | None, level: Any, json: bool, quiet: bool) -> None:
    """Look for damage in a store.

    In files no head may have it; in a database a head may go on using it.

    Exit code 73: it is damaged; restore it from a backup.
    """
    from actorcloud.head import check_store  # noqa: PLC0415  loads the engine

    location = location_of(store)
    found = check_store(location, level)
    if json:
        fields = {"sound": not found.problems, "level": found.level, "checked_bytes": found.checked_bytes}
        report.write_json({**fields, "problems": found.problems})
    else:
        for problem in found.problems:
            click.echo(problem)
    if found.problems:
        raise Failure(f"the store {location} is damaged; restore it from a backup", ExitCode.CANNOT_CREATE)
    report.talk(f"the store {location} is sound ({found.checked_bytes:,} bytes)", quiet=quiet)


@click.command(short_help="Make a store from a backup.")
@click.argument("source", type=click.Path(path_type=Path))
@_looks_after
def restore(source: Path, *, store: str | None, quiet: bool) -> None:
    """Make a store from the backup SOURCE; a store that is there must be moved away first.

    It is a store of its own: what clients and nodes know of the original does not fit it.
    """
    from actorcloud.head import restore_store  # noqa: PLC0415  loads the engine

    location = location_of(store)
    restore_store(source, location)
    report.talk(f"restored: {location}", quiet=quiet)


@click.command(short_help="Rewrite a store that no head has, without what is free.")
@_looks_after
def compact(*, store: str | None, quiet: bool) -> None:
    """Rewrite a store that no head has, without what is free or was deleted.

    What deleted jobs have left is gone from its file then; not from its backups.
    """
    from actorcloud.head import compact_store  # noqa: PLC0415  loads the engine

    before, after = compact_store(location_of(store))
    report.talk(f"compacted from {before:,} to {after:,} bytes", quiet=quiet)


@click.command(short_help="Write the store as one file, for any engine.")
@click.argument("file", type=click.Path(path_type=Path))
@_looks_after
def export(file: Path, *, store: str | None, quiet: bool) -> None:
    """Write the store as the one file FILE, from which any engine can be filled.

    A head may go on using the store.
    """
    from actorcloud.head import export_store  # noqa: PLC0415  loads the engine

    count = export_store(location_of(store), file)
    report.talk(f"exported {count:,} items: {file}", quiet=quiet)


@click.command("import", short_help="Make a store from an export.")
@click.argument("file", type=click.Path(path_type=Path))
@_looks_after
def import_(file: Path, *, store: str | None, quiet: bool) -> None:
    """Make a store from the export FILE; a store that is there must be moved away first.

    The file is read to its end before anything is written.
    """
    from actorcloud.head import import_store  # noqa: PLC0415  loads the engine

    location = location_of(store)
    count = import_store(file, location)
    report.talk(f"imported {count:,} items: {location}", quiet=quiet)
