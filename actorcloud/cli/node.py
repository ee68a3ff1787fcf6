"""`actorcloud node`: this machine runs jobs."""

from __future__ import annotations

import logging
import os
import re
import socket
from pathlib import Path
from typing import Any

import click
import platformdirs

from actorcloud.base.brief import counted
from actorcloud.base.config import LISTEN_OFF
from actorcloud.base.errors import ConfigError, HeadUnreachable
from actorcloud.base.exitcode import ExitCode
from actorcloud.cli import report
from actorcloud.cli.exits import Failure
from actorcloud.cli.option import option, stronger
from actorcloud.cli.place import local_head
from actorcloud.client import hide_store, usable_cpus

_HOW_TO_JOIN = """\
no head runs on this machine, and none was named. There are two ways to join one:
  actorcloud node --join STRING         this machine dials the head;
                                        `actorcloud join-string` on the head's machine prints STRING
  actorcloud node --join STRING --listen HOST:PORT
                                        the head dials this machine; then, in a program,
                                        cloud.add_node("HOST", PORT)
Or start a head here: actorcloud head"""


@click.command()
@option("join")
@option("listen", text="Wait here for the head to dial, by cloud.add_node(host, port).")
@option("name")
@option("workers")
@option("store", text="The store of this machine's head, where it is not the default.")
@option("node_timeout")
@option("orphan_time")
@option("quiet", "-q")
def node(
    *, join: str | None, name: str | None, workers: int | None, store: str | None, quiet: bool, **settings: Any
) -> None:
    """Run a node: this machine takes jobs.

    Alone it joins the head of this machine. The first Ctrl-C ends it in order, the second at once; its jobs
    go on elsewhere.
    """
    # The parts of a node are loaded only where one runs.
    from actorcloud.node import NodeOptions, serve_node  # noqa: PLC0415

    if stronger("join", "store") == "store":
        join = None
    if settings["listen"] == LISTEN_OFF:
        settings["listen"] = None
    options = NodeOptions(
        name=name or host_name(socket.gethostname()),
        runtime=str(Path(platformdirs.user_data_dir("actorcloud")) / "nodes"),
        workers=usable_cpus() if workers is None else workers,
        join=join,
        head=None if join else _local_endpoint(store, settings["listen"]),
        **settings,
    )
    if not quiet:
        logging.getLogger("actorcloud.node").setLevel(logging.INFO)  # that it has joined
        count = counted(options.workers, "worker")
        report.talk(f"node {options.name}, {count}; Ctrl-C ends it")
    hide_store(os.environ)
    code = serve_node(options)
    if code != ExitCode.OK:
        raise Failure(None, ExitCode(code) if code in set(ExitCode) else ExitCode.FAILED)


def host_name(host: str) -> str:
    """Return the name of a node on the machine called `host`.

    >>> host_name("Sea.Example.org")
    'sea.example.org'
    """
    return re.sub(r"[^a-z0-9._-]+", "-", host.lower()).strip("._-")[:64] or "node"


def _local_endpoint(store: str | None, listen: str | None) -> str:
    if listen is not None:
        raise ConfigError(f"listen = {listen!r} needs --join too: only a head whose key is known is let in")
    try:
        return local_head(store).endpoint
    except HeadUnreachable as error:
        raise Failure(_HOW_TO_JOIN, ExitCode.UNAVAILABLE) from error
