"""`actorcloud store`: the commands that read and change what users have stored, and tell how it is.

They go through the head that has the store; where none has the one that `--store` names, they open it
themselves (`head.offline`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from actorcloud.base.errors import ConfigError
from actorcloud.base.exitcode import ExitCode
from actorcloud.base.ids import JobRef
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.function import read_argument
from actorcloud.cli.option import option
from actorcloud.cli.place import Place, speaks_to_head
from actorcloud.cli.stored import (
    key_fields,
    key_text,
    read_key,
    space_text,
    usage_fields,
    value_fields,
    value_text,
)
from actorcloud.client import Cloud
from actorcloud.protocol.usage import SpaceUsage

#: Keys of one question, of which each sees one moment.
_PAGE = 1000

Space = JobRef[Any] | str


@click.command(short_help="Print the value under a key.")
@click.argument("key")
@option("space")
@option("job")
@option("unpickle")
@option("json")
@speaks_to_head
def get(key: str, *, space: str | None, job: str | None, unpickle: bool, json: bool, place: Place) -> None:
    """Print the value that is stored under KEY.

    KEY is JSON, else text; a tuple is a list, bytes are {"hex": "00ff"}; before one that begins with - write --.

    Exit code 1: there is none.
    """
    where, wanted = _space(space, job), read_key(key)
    with place.open_store() as cloud:
        found = cloud.room.inspected.fetch(where, wanted)
    if found is None:
        raise Failure(f"nothing is stored under {key_text(wanted)}", ExitCode.FAILED)
    fields = value_fields(found, unpickle=unpickle)
    if json:
        report.write_json({"key": key_fields(wanted), **fields})
    else:
        click.echo(value_text(fields, unpickle=unpickle))
        if fields["value"] is None and fields["codec"] == "pickle" and not unpickle:
            place.talk("--unpickle shows it; that runs what the value says, so trust who wrote it")


@click.command(short_help="List keys and their values, or spaces.")
@option("space")
@option("job")
@option("prefix")
@option("limit")
@option("unpickle")
@option("json")
@speaks_to_head
def ls(
    *,
    space: str | None,
    job: str | None,
    prefix: str | None,
    limit: int,
    unpickle: bool,
    json: bool,
    place: Place,
) -> None:
    """List the keys of a space or a job in their order, and their values.

    Without --space and --job: the spaces, and then the jobs, that have keys, how many, and their bytes.

    Long listings come in parts, each of which is true at one moment.
    """
    if space is None and job is None:
        if prefix is not None:
            raise ConfigError("--prefix is about the keys of --space NAME or --job REF: name one of them")
        _list_spaces(place, limit, json=json)
        return
    where = _space(space, job)
    with place.open_store() as cloud:
        count = 0
        for key, found in _listed(cloud, where, None if prefix is None else read_key(prefix), limit):
            count += 1
            fields = value_fields(found, unpickle=unpickle)
            if json:
                report.write_json({"key": key_fields(key), **fields})
            else:
                click.echo(f"{key_text(key)}\t{value_text(fields, unpickle=unpickle)}")
    _talk_of_end(place, count, limit, "no keys")


def _list_spaces(place: Place, limit: int, *, json: bool) -> None:
    with place.open_store() as cloud:
        count = 0
        for usage in _spaces(cloud, limit):
            count += 1
            fields = usage_fields(usage)
            if json:
                report.write_json(fields)
            else:
                click.echo(f"{space_text(usage.space)}\t{usage.keys:,} keys\t{usage.size_bytes:,} bytes")
    _talk_of_end(place, count, limit, "no spaces")


def _talk_of_end(place: Place, count: int, limit: int, nothing: str) -> None:
    if count == limit:
        place.talk(f"the first {limit}; --limit shows more")
    elif count == 0:
        place.talk(nothing)


@click.command(short_help="Store a value under a key.")
@click.argument("key")
@click.argument("value")
@option("space")
@option("job")
@speaks_to_head
def put(key: str, value: str, *, space: str | None, job: str | None, place: Place) -> None:
    """Store VALUE under KEY; both are JSON, else text. It is on disk when this returns."""
    where, wanted, new = _space(space, job), read_key(key), read_argument(value)
    with place.open_store() as cloud:
        # What JSON can say msgpack can: nobody has to unpickle it.
        codec = None if type(new) is int else "msgpack"
        cloud.mutate_store(lambda: cloud.store(where, wanted, new, codec))
    place.talk(f"stored {key_text(wanted)}")


@click.command(short_help="Delete a key.")
@click.argument("key")
@option("space")
@option("job")
@speaks_to_head
def delete(key: str, *, space: str | None, job: str | None, place: Place) -> None:
    """Delete KEY and its value.

    Exit code 1: there was none.
    """
    where, wanted = _space(space, job), read_key(key)
    with place.open_store() as cloud:
        transactions = cloud.room.inspected

        def remove() -> bool:
            transaction = transactions.current()
            assert transaction is not None
            is_there = transaction.fetch(where, wanted) is not None
            transaction.delete(where, wanted)
            return is_there

        was_there = transactions.mutate(remove).value
    if not was_there:
        raise Failure(f"nothing was stored under {key_text(wanted)}", ExitCode.FAILED)
    place.talk(f"deleted {key_text(wanted)}")


@click.command(short_help="Show how full the store is, or one space.")
@option("space")
@option("job")
@option("json")
@speaks_to_head
def stats(*, space: str | None, job: str | None, json: bool, place: Place) -> None:
    """Show how full the store is, and how its commits go.

    With --space or --job: how many keys and bytes that has, and may have.
    """
    if space is not None or job is not None:
        where = _space(space, job)
        with place.open_store() as cloud:
            usage = cloud.usage(where)
        if json:
            report.write_json(usage_fields(usage))
        else:
            click.echo(f"keys   {usage.keys:,} of {usage.quota_keys:,}")
            click.echo(f"bytes  {usage.size_bytes:,} of {usage.quota_bytes:,}")
        return
    with place.open_store() as cloud:
        figures = cloud.room.store_figures()
    if json:
        report.write_json(report.store_fields(figures))
    else:
        click.echo(report.store_page(figures))


def _space(space: str | None, job: str | None) -> Space:
    if (space is None) == (job is None):
        raise ConfigError("name one of them: --space NAME, or --job REF")
    return space if space is not None else JobRef[Any].parse(job or "")


def _spaces(cloud: Cloud, limit: int) -> Iterator[SpaceUsage]:
    """Yield what spaces with names have, then what jobs have, a page at a time."""
    left = limit
    for of_jobs in (False, True):
        after = None
        while left > 0:
            found = cloud.room.inspected.spaces(after, min(left, _PAGE), of_jobs=of_jobs)
            yield from found
            left -= len(found)
            if len(found) < _PAGE:
                break
            after = found[-1].space


def _listed(cloud: Cloud, where: Space, prefix: Any, limit: int) -> Iterator[tuple[Any, Any]]:
    start, left = None, limit
    while left > 0:
        # The last one of the page before comes again, in front.
        again = 0 if start is None else 1
        wanted = min(left, _PAGE) + again
        items = cloud.room.inspected.scan(where, prefix, start=start, limit=wanted)
        fresh = items[1:] if again and items and items[0][0] == start else items
        yield from fresh
        if len(items) < wanted or not fresh:
            return
        start, left = fresh[-1][0], left - len(fresh)
