"""`actorcloud head`: a head that stays until it is told to end; and what it prints for people to paste."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import click

from actorcloud.base.config import LISTEN_OFF
from actorcloud.base.exitcode import ExitCode
from actorcloud.base.headnode import end_node
from actorcloud.base.location import Location
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.option import option
from actorcloud.cli.place import keeping, local_command, location_of
from actorcloud.cli.respawn import PASSED_ON, Keeper
from actorcloud.client import find_head, runtime_directory, start_head, sweep_runtime_directories

#: Where a head listens unless told otherwise: outside the range of ephemeral ports.
LISTEN_DEFAULT = "0.0.0.0:7710"


@click.command(short_help="Run a head: it keeps jobs and store.")
@option("store")
@option(
    "listen",
    default=LISTEN_DEFAULT,
    text=f"Where to listen for other machines over TCP, always encrypted; '{LISTEN_OFF}': this machine alone.",
)
@option("workers", default=0, text="Worker processes of the head's own node.")
@option("node_timeout")
@option("quota_keys")
@option("quota_bytes")
@option("quiet", "-q")
def head(
    *,
    store: str | None,
    listen: str,
    workers: int,
    node_timeout: float,
    quota_keys: int,
    quota_bytes: int,
    quiet: bool,
) -> None:
    """Run a head: it keeps jobs and store, and hands the jobs to nodes.

    It is started again when it dies. The first Ctrl-C ends it in order, the second at once; either way its
    store has all that was acknowledged, and nodes keep what they run for when it is back.
    """
    location = location_of(store)
    place = runtime_directory(location.home)
    arguments = ["--runtime", str(place), "--workers", str(workers)]
    arguments += ["--node-timeout", f"{node_timeout:g}"]
    arguments += ["--quota-keys", str(quota_keys), "--quota-bytes", str(quota_bytes)]
    if listen != LISTEN_OFF:
        arguments += ["--listen", listen]
    if not quiet:
        arguments += ["--tell-nodes"]
    keeper = Keeper(
        lambda was_ready: start_head(location, arguments, existing=was_ready),
        is_ready=lambda pid: _is_ready(place, pid),
        tell=lambda text: report.talk(text, quiet=quiet),
        on_ready=lambda: _welcome(place, location, quiet=quiet),
        on_killed=lambda: _end_node(place),
    )
    sweep_runtime_directories(place.parent)
    with keeping(place):
        for number in PASSED_ON:
            # After the keeper's time there is nothing left to end, and the exit code is to be ours.
            signal.signal(number, signal.SIG_IGN)
        code = keeper.run()
    if code != ExitCode.OK:
        raise Failure(None, ExitCode(code) if code in set(ExitCode) else ExitCode.FAILED)


def _is_ready(runtime: Path, pid: int) -> bool:
    found = find_head(runtime)
    return found is not None and found.pid == pid


def _end_node(runtime: Path) -> None:
    """End the node of a head that was killed; it would wait two minutes for a head that does not come."""
    # Another head may have the store by now, or have had it all the time: then it has the node, too.
    if find_head(runtime) is None:
        end_node(str(runtime), at_once=True)


def _welcome(runtime: Path, store: Location, *, quiet: bool) -> None:
    found = find_head(runtime)
    if found is None or quiet:
        return
    where = found.join or found.endpoint
    local = local_command("node", store)
    node = f"actorcloud node --join {found.join}" if found.join else local
    click.echo(f"The head is ready. Its store is {store}.\n", err=True)
    click.echo("A machine joins it by", err=True)
    click.echo(f"    {node}")
    click.echo("and a program by", err=True)
    click.echo(f"    export ACTORCLOUD_HEAD={where}")
    click.echo(f"On this machine `{local}` is enough. Ctrl-C ends the head.", err=True)
    sys.stdout.flush()
